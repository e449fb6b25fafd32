//! LATENCY: what took long lately, and how long commands take.

use super::call::{Call, bulk};
use super::error::CommandError;
use super::help;
use super::latency_monitor::{LatencyEvent, Series};
use super::outcome::Outcome;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group};
use super::table::{self, Found};
use crate::resp::Reply;
use std::fmt::Write;

const SUBCOMMAND: CommandSpecification =
    CommandSpecification { flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale], ..BASE };

const EVENT: Argument = Argument::new("event", ArgumentKind::Text);

/// Columns of a graph, and rows above its axis.
const GRAPH_COLUMNS: usize = 80;
const GRAPH_ROWS: u64 = 4;

pub(super) const LATENCY: CommandSpecification = CommandSpecification {
    name: "latency",
    summary: "Shows what took commands.latency_threshold_ms or longer, and how long commands take",
    arity: -2,
    complexity: "Depends on the subcommand",
    subcommands: &[
        CommandSpecification {
            name: "doctor",
            summary: "Says in words what took long, and what to do about it",
            replies: "Lines of text.",
            handler: |call| Ok(Reply::Verbatim(doctor(call)).into()),
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "graph",
            summary: "Draws the events of one kind over time",
            arity: 3,
            arguments: &[EVENT],
            replies: "Lines of text: the highest and lowest, and a column for each of the last 80 seconds with such an event, labelled with how long ago it was.",
            handler: |call| {
                let (event, series) = series(call, 2)?;
                Ok(Reply::Verbatim(graph(event, &series, call.now.wall.0 / 1000)).into())
            },
            ..SUBCOMMAND
        },
        help::specification(Group::Server),
        CommandSpecification {
            name: "histogram",
            summary: "Shows how long commands took, since the start or the last CONFIG RESETSTAT",
            arity: -2,
            complexity: "O(N) for N commands",
            arguments: &[Argument::new("command", ArgumentKind::Text).multiple().optional()],
            replies: "A map of each command that was timed, of those that are named or of all: calls, how many were timed, and histogram_usec, a map of how many took no longer than 1, 2, 4 ... microseconds. Where a client sends many requests at once, of those that cost a constant time one in 32 is timed.",
            handler: histogram,
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "history",
            summary: "Lists the events of one kind",
            arity: 3,
            arguments: &[EVENT],
            replies: "A list of up to 160 pairs: the time in seconds since 1970, and the longest of that second in milliseconds. Events are command (what it costs depends on the request), fast-command and disk-commit.",
            handler: |call| {
                let samples = LatencyEvent::named(call.argument(2))
                    .and_then(|event| call.environment.observation.latency.series(event));
                let samples = samples.into_iter().flat_map(|series| series.samples);
                let pairs = samples.map(|sample| Reply::Array(vec![integer(sample.second), integer(sample.ms)]));
                Ok(Reply::Array(pairs.collect()).into())
            },
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "latest",
            summary: "Shows the last event of each kind",
            replies: "A list for each kind: its name, the time of the last event in seconds since 1970, that event in milliseconds, and the longest ever.",
            handler: latest,
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "reset",
            summary: "Forgets the events of some kinds, or of all",
            arity: -2,
            arguments: &[EVENT.multiple().optional()],
            replies: "How many kinds had any, as an integer.",
            handler: |call| {
                let latency = &call.environment.observation.latency;
                let forgotten = if call.arguments.len() == 2 {
                    latency.reset(None)
                } else {
                    let named = call.arguments_from(2).filter_map(LatencyEvent::named);
                    named.map(|event| latency.reset(Some(event))).sum()
                };
                Ok(integer(forgotten as u64).into())
            },
            ..SUBCOMMAND
        },
    ],
    ..SUBCOMMAND
};

fn latest(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let events = call.environment.observation.latency.all();
    let lines = events.into_iter().filter_map(|(event, series)| {
        let last = series.samples.back()?;
        let numbers = [last.second, last.ms, series.worst_ms];
        Some(Reply::Array(std::iter::once(Reply::Text(event.name())).chain(numbers.map(integer)).collect()))
    });
    Ok(Reply::Array(lines.collect()).into())
}

fn series(call: &Call<'_>, index: usize) -> Result<(LatencyEvent, Series), CommandError> {
    let name = call.argument(index);
    let found = LatencyEvent::named(name);
    let found = found.and_then(|event| Some((event, call.environment.observation.latency.series(event)?)));
    found.ok_or_else(|| CommandError::NoSamples(super::call::shown(name)))
}

fn histogram(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let named: Vec<Found> = match call.arguments.len() {
        2 => table::all().collect(),
        // Subcommands are timed by themselves: a command's name stands for all of them, as in Redis.
        _ => call.arguments_from(2).flat_map(with_subcommands).collect(),
    };
    let timed = named.into_iter().filter_map(|found| {
        let times = call.environment.statistics.times(found.ordinal.into());
        let counts = times.cumulative().into_iter().map(|(micros, count)| (integer(micros), integer(count)));
        let fields = vec![
            (Reply::Text("calls"), integer(times.count())),
            (Reply::Text("histogram_usec"), Reply::Map(counts.collect())),
        ];
        (times.count() > 0).then(|| (bulk(found.full_name()), Reply::Map(fields)))
    });
    Ok(Reply::Map(timed.collect()).into())
}

fn with_subcommands(name: &[u8]) -> Vec<Found> {
    let Some(found) = table::find_full(name) else { return Vec::new() };
    let below = |other: &Found| {
        let container = other.container.map(|container| container.name);
        other.ordinal == found.ordinal || (found.container.is_none() && container == Some(found.specification.name))
    };
    table::all().filter(below).collect()
}

/// Rows of dots and bars under each other, as `redis-cli` users know it.
fn graph(event: LatencyEvent, series: &Series, now: u64) -> String {
    let samples: Vec<_> = series.samples.iter().rev().take(GRAPH_COLUMNS).rev().collect();
    let worst = samples.iter().map(|sample| sample.ms).max().unwrap_or(0);
    let best = samples.iter().map(|sample| sample.ms).min().unwrap_or(0);
    let mut text = String::new();
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(text, "{} - high {worst} ms, low {best} ms (all time high {} ms)", event.name(), series.worst_ms);
    let _ = writeln!(text, "{}", "-".repeat(80));
    let height = |ms: u64| (ms - best) * GRAPH_ROWS / (worst - best).max(1);
    for row in (0..=GRAPH_ROWS).rev() {
        let mark = |ms: u64| match height(ms) {
            height if height == row => {
                if row == 0 {
                    '_'
                } else {
                    '#'
                }
            }
            height if height > row => '|',
            _ => ' ',
        };
        let line: String = samples.iter().map(|sample| mark(sample.ms)).collect();
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let ages: Vec<Vec<u8>> = samples.iter().map(|sample| age(now.saturating_sub(sample.second)).into_bytes()).collect();
    text.push('\n');
    for row in 0..ages.iter().map(Vec::len).max().unwrap_or(0) {
        let line: String = ages.iter().map(|age| age.get(row).map_or(' ', |byte| char::from(*byte))).collect();
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn doctor(call: &Call<'_>) -> String {
    let latency = &call.environment.observation.latency;
    let threshold = latency.threshold_ms();
    if threshold == 0 {
        return "Nothing is watched: commands.latency_threshold_ms is 0. Set it to the shortest pause, in milliseconds, that matters to your clients.\n".to_owned();
    }
    let mut text = String::new();
    for (event, series) in latency.all() {
        let count = series.samples.len();
        let sum: u64 = series.samples.iter().map(|sample| sample.ms).sum();
        let _ = writeln!(
            text,
            "* {}: {count} seconds with {threshold} ms or more; the longest of each was {} ms on average, the worst ever {} ms.",
            event.name(),
            sum.checked_div(count as u64).unwrap_or(0),
            series.worst_ms
        );
        text.push_str(match event {
            LatencyEvent::Command => "  Look at SLOWLOG GET for the requests. KEYS, DEBUG DIGEST and requests of many names keep one thread from its other clients: use SCAN, and fewer names a request.\n",
            LatencyEvent::FastCommand => "  These cost the same whatever is asked, so something kept the node from running: too few processor cores, a machine that swaps, or EXEC waiting for long commands on other threads.\n",
            LatencyEvent::DiskCommit => "  The disk is slow, or shared. With durability always clients wait for it; everysec does not let them wait.\n",
        });
    }
    if text.is_empty() {
        let _ =
            writeln!(text, "Nothing took {threshold} ms or longer since this node started, or since LATENCY RESET.");
    }
    text
}

fn integer(value: u64) -> Reply {
    Reply::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;
    use crate::base::WallMillis;

    const SECOND: u64 = 1_700_000_000;

    fn bench() -> Bench {
        let bench = Bench::new();
        bench.environment.observation.latency.set_threshold_ms(10);
        bench
    }

    #[test]
    fn what_took_long_is_listed_until_it_is_reset() {
        let mut bench = bench();
        bench.run_for("get a", 9_999);
        assert_eq!(bench.run("latency latest"), "*0");
        bench.run_for("get a", 10_000);
        bench.run_for("keys *", 70_000);
        bench.now.wall = WallMillis(bench.now.wall.0 + 5_000);
        bench.run_for("keys *", 20_000);
        for (line, reply) in [
            (
                "latency latest",
                format!("*2 *4 $7 command :{} :20 :70 *4 $12 fast-command :{SECOND} :10 :10", SECOND + 5),
            ),
            ("latency history command", format!("*2 *2 :{SECOND} :70 *2 :{} :20", SECOND + 5)),
            ("latency history disk-commit", "*0".to_owned()),
            ("latency history nothing", "*0".to_owned()),
            ("latency reset nothing command", ":1".to_owned()),
            ("latency history command", "*0".to_owned()),
            ("latency reset", ":1".to_owned()),
            ("latency latest", "*0".to_owned()),
        ] {
            assert_eq!(bench.run(line), reply, "{line}");
        }
    }

    #[test]
    fn events_are_drawn() {
        let mut bench = bench();
        for ms in [10, 50, 30] {
            bench.run_for("keys *", ms * 1000);
            bench.now.wall = WallMillis(bench.now.wall.0 + 61_000);
        }
        let graph = bench.text("latency graph command");
        let expected = "command - high 50 ms, low 10 ms (all time high 50 ms)\n";
        assert!(graph.starts_with(expected), "{graph}");
        let rows: Vec<&str> = graph.lines().skip(2).collect();
        assert_eq!(rows, [" #", " |", " |#", " ||", "_||", "", "321", "mmm"]);
        let error = "-ERR No samples available for event 'nothing' ('latency|graph' command)";
        assert_eq!(bench.run("latency graph nothing"), error);
    }

    #[test]
    fn the_doctor_says_what_it_found() {
        let mut bench = Bench::new();
        assert!(bench.text("latency doctor").starts_with("Nothing is watched: commands.latency_threshold_ms is 0"));
        let mut bench = self::bench();
        assert!(bench.text("latency doctor").starts_with("Nothing took 10 ms or longer"));
        bench.run_for("keys *", 30_000);
        bench.environment.observation.latency.note(LatencyEvent::DiskCommit, 90_000_000, bench.now.wall);
        let says = bench.text("latency doctor");
        assert!(
            says.contains("* command: 1 seconds with 10 ms or more") && says.contains("the worst ever 90 ms"),
            "{says}"
        );
    }

    #[test]
    fn commands_are_shown_with_how_long_they_took() {
        let mut bench = Bench::new();
        for micros in [1, 3, 3, 100] {
            bench.run_for("get a", micros);
        }
        bench.run_for("client id", 5);
        let get = "$3 get *4 $5 calls :4 $14 histogram_usec *6 :2 :1 :4 :3 :128 :4";
        let client = "$9 client|id *4 $5 calls :1 $14 histogram_usec *2 :8 :1";
        assert_eq!(bench.run("latency histogram get nosuch"), format!("*2 {get}"));
        assert_eq!(bench.run("latency histogram client"), format!("*2 {client}"));
        assert_eq!(bench.run("latency histogram"), format!("*4 {get} {client}"));
        assert_eq!(bench.run("latency histogram incr"), "*0");
    }
}
