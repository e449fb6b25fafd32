//! MEMORY: what counters take, and what the process takes for them.

use super::call::Call;
use super::environment::{ProcessFigures, figure};
use super::error::CommandError;
use super::help;
use super::outcome::Outcome;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group, KeyAccess, KeyPositions};
use crate::resp::Reply;
use std::fmt::Write;

const SUBCOMMAND: CommandSpecification = BASE;

/// Below this nothing is worth saying of memory.
const SMALL_BYTES: u64 = 64 << 20;

pub(super) const MEMORY: CommandSpecification = CommandSpecification {
    name: "memory",
    summary: "Tells what counters and the process take in memory",
    arity: -2,
    complexity: "Depends on the subcommand",
    subcommands: &[
        CommandSpecification {
            name: "doctor",
            summary: "Says in words whether there is anything to do about memory",
            replies: "Lines of text.",
            handler: |call| Ok(Reply::Verbatim(doctor(&Figures::of(call))).into()),
            ..SUBCOMMAND
        },
        help::specification(Group::Server),
        CommandSpecification {
            name: "stats",
            summary: "Shows the figures of memory",
            complexity: "O(1)",
            replies: "A map. Of Redis: peak.allocated and total.allocated, which here are what the process has of the machine's memory, startup.allocated, which it had before it held counters, dataset.bytes and dataset.percentage, which are all beyond that, keys.count, keys.bytes-per-key, and peak.percentage. Of our own: counters.held, which includes deleted counters that are not given up yet, clients.count, and machine.bytes.",
            handler: |call| Ok(stats(&Figures::of(call)).into()),
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "usage",
            summary: "Estimates what a counter takes in memory",
            arity: -3,
            flags: &[Flag::Readonly],
            keys: KeyPositions::new(2, 2, 1),
            access: KeyAccess::READ,
            arguments: &[
                Argument::new("name", ArgumentKind::Key),
                Argument::new("count", ArgumentKind::Integer).after("SAMPLES").optional(),
            ],
            replies: "Bytes as an integer: the name, all shares with their predictions, the last SET or DEL, and the place in the table. Nothing (null) if nothing is held of the counter. SAMPLES is understood and makes no difference.",
            handler: usage,
            ..SUBCOMMAND
        },
    ],
    ..SUBCOMMAND
};

fn usage(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    match (call.arguments.get(3), call.arguments.len()) {
        (None, _) => {}
        (Some(option), 5) if option.eq_ignore_ascii_case(b"SAMPLES") => {
            super::keyspace::parse_integer(call.argument(4)).ok_or(CommandError::NotInteger)?;
        }
        _ => return Err(CommandError::Syntax),
    }
    let bytes = call.environment.table.memory_of(call.name(2)?);
    Ok(bytes.map_or(Reply::Null, integer).into())
}

struct Figures {
    resident: u64,
    /// Of that, what the process had before it held counters.
    startup: u64,
    peak: u64,
    machine: u64,
    counters: u64,
    held: u64,
    clients: u64,
}

impl Figures {
    fn of(call: &Call<'_>) -> Self {
        let environment = call.environment;
        let process: &ProcessFigures = &environment.process;
        let resident = figure(&process.resident_bytes);
        Self {
            resident,
            startup: figure(&process.startup_resident_bytes).min(resident),
            peak: figure(&process.peak_resident_bytes).max(resident),
            machine: figure(&process.machine_bytes),
            counters: environment.table.len(),
            held: environment.table.held(),
            clients: environment.clients.len() as u64,
        }
    }
}

fn stats(figures: &Figures) -> Reply {
    let percentage = |part: u64, of: u64| if of > 0 { part as f64 * 100.0 / of as f64 } else { 0.0 };
    let dataset = figures.resident - figures.startup;
    let fields = [
        ("peak.allocated", integer(figures.peak)),
        ("total.allocated", integer(figures.resident)),
        ("startup.allocated", integer(figures.startup)),
        ("keys.count", integer(figures.counters)),
        ("keys.bytes-per-key", integer(dataset.checked_div(figures.held).unwrap_or(0))),
        ("dataset.bytes", integer(dataset)),
        ("dataset.percentage", Reply::Double(percentage(dataset, figures.resident))),
        ("peak.percentage", Reply::Double(percentage(figures.resident, figures.peak))),
        ("counters.held", integer(figures.held)),
        ("clients.count", integer(figures.clients)),
        ("machine.bytes", integer(figures.machine)),
    ];
    Reply::Map(fields.into_iter().map(|(name, value)| (Reply::Text(name), value)).collect())
}

/// What is worth an operator's attention, in words.
fn doctor(figures: &Figures) -> String {
    let mut advice = String::new();
    let megabytes = |bytes: u64| bytes >> 20;
    // Writing to a string cannot fail, here and below.
    if figures.resident < SMALL_BYTES {
        let _ = writeln!(advice, "This node uses {} MiB: too little to say anything of.", megabytes(figures.resident));
        return advice;
    }
    if figures.machine > 0 && figures.resident > figures.machine / 10 * 8 {
        let _ = writeln!(
            advice,
            "* The process has {} of the machine's {} MiB. Delete counters, or lower counters.max_counters, before the system ends the process.",
            megabytes(figures.resident),
            megabytes(figures.machine)
        );
    }
    if figures.peak > figures.resident / 2 * 3 {
        let _ = writeln!(
            advice,
            "* At its peak the process had {} MiB, now {}. What was given back to the system may be needed again.",
            megabytes(figures.peak),
            megabytes(figures.resident)
        );
    }
    if figures.held > figures.counters + figures.counters / 2 + 1000 {
        let _ = writeln!(
            advice,
            "* {} counters are held and {} of them exist: the others are deleted and wait for all nodes to know it. If that lasts, see CLUSTER NODES for a node that is away, and CLUSTER FORGET.",
            figures.held, figures.counters
        );
    }
    if advice.is_empty() {
        advice.push_str("Nothing about this node's memory needs attention.\n");
    }
    advice
}

fn integer(value: u64) -> Reply {
    Reply::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn what_a_counter_takes_is_estimated() {
        let mut bench = Bench::new();
        bench.run("incr a");
        let Reply::Integer(bytes) = bench.reply("memory usage a") else { panic!("a number of bytes") };
        assert!((64..1000).contains(&bytes), "{bytes}");
        assert_eq!(bench.reply("memory usage a samples 5"), Reply::Integer(bytes));
        for (line, reply) in [
            ("memory usage b", "$-1"),
            ("memory usage a samples", "-ERR syntax error ('memory|usage' command)"),
            ("memory usage a samples x", "-ERR value is not an integer or out of range ('memory|usage' command)"),
            ("memory usage", "-ERR wrong number of arguments for 'memory|usage' command"),
        ] {
            assert_eq!(bench.run(line), reply, "{line}");
        }
    }

    #[test]
    fn figures_are_those_of_the_process_and_the_table() {
        let mut bench = Bench::new();
        bench.environment.process.resident_bytes.store(1_000, Ordering::Relaxed);
        bench.environment.process.startup_resident_bytes.store(600, Ordering::Relaxed);
        bench.environment.process.peak_resident_bytes.store(2_000, Ordering::Relaxed);
        bench.run("mincrby 1 a b");
        bench.run("del b");
        let stats = bench.run("memory stats");
        for part in [
            "$14 peak.allocated :2000",
            "$15 total.allocated :1000",
            "$10 keys.count :1",
            "$17 startup.allocated :600",
            "$18 keys.bytes-per-key :200",
            "$13 dataset.bytes :400",
            "$18 dataset.percentage $2 40",
            "$15 peak.percentage $2 50",
            "$13 counters.held :2",
            "$13 clients.count :1",
        ] {
            assert!(stats.contains(part), "{part}: {stats}");
        }
    }

    #[test]
    fn the_doctor_finds_what_is_worth_attention() {
        let healthy = Figures {
            resident: 1 << 30,
            startup: 1 << 24,
            peak: 1 << 30,
            machine: 1 << 34,
            counters: 10,
            held: 10,
            clients: 1,
        };
        let says = |figures: Figures, words: &str| {
            let advice = doctor(&figures);
            assert!(advice.contains(words), "{advice}");
        };
        says(Figures { resident: 5 << 20, ..healthy }, "5 MiB: too little");
        says(Figures { machine: 1 << 30, ..healthy }, "before the system ends the process");
        says(Figures { peak: 1 << 31, ..healthy }, "At its peak the process had 2048 MiB, now 1024");
        says(Figures { held: 5000, ..healthy }, "5000 counters are held and 10 of them exist");
        says(healthy, "Nothing about this node's memory needs attention");
    }
}
