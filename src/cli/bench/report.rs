//! What is said of a run.

use serde_json::json;

use super::arguments::Arguments;
use super::load::Tally;
use super::mix::Mix;
use crate::cli::output::{say, warn};
use crate::cli::settings::Settings;
use crate::cli::transfer::grouped;

/// The part of the requests that took no longer, in a hundred, and its name.
const PERCENTILES: [(f64, &str); 4] = [(50.0, "p50"), (90.0, "p90"), (99.0, "p99"), (99.9, "p99.9")];

/// What is said before the first row, and the row's heading.
pub(super) fn heading(settings: &Settings, arguments: &Arguments) -> String {
    let clients = count(u64::from(arguments.clients), "client");
    let pipeline = match arguments.pipeline {
        1 => String::new(),
        several => format!(", {several} requests at once"),
    };
    let rate = arguments.rate.map_or(String::new(), |rate| format!(", {rate} requests due a second"));
    let names = count(arguments.names, "name");
    let columns = PERCENTILES.iter().map(|(_, name)| format!("{name:>9}")).collect::<String>();
    format!(
        "{}: {clients}{pipeline}{rate}, {names}; latency in milliseconds\n\n{:<6}{:>12}{:>12}{:>9}{columns}{:>9}",
        settings.address(),
        "mix",
        "answered",
        "a second",
        "errors",
        "max"
    )
}

/// One mix as a row.
pub(super) fn row(mix: Mix, tally: &Tally) -> String {
    let millis = |nanos: u64| format!("{:>9.3}", nanos as f64 / 1e6);
    let percentiles = PERCENTILES.iter().map(|(percentile, _)| millis(tally.latencies.percentile_nanos(*percentile)));
    format!(
        "{:<6}{:>12}{:>12}{:>9}{}{}",
        mix.name(),
        grouped(tally.answered),
        grouped(tally.a_second().round() as u64),
        grouped(tally.errors()),
        percentiles.collect::<String>(),
        millis(tally.latencies.longest_nanos())
    )
}

/// One mix as a line of JSON.
pub(super) fn json(mix: Mix, tally: &Tally, arguments: &Arguments) -> String {
    let micros = |nanos: u64| nanos as f64 / 1000.0;
    let mut latency = serde_json::Map::new();
    latency.insert("mean".to_owned(), json!(micros(tally.latencies.mean_nanos())));
    for (percentile, name) in PERCENTILES {
        latency.insert(name.to_owned(), json!(micros(tally.latencies.percentile_nanos(percentile))));
    }
    latency.insert("max".to_owned(), json!(micros(tally.latencies.longest_nanos())));
    let errors: serde_json::Map<String, serde_json::Value> =
        tally.errors.iter().map(|(word, (count, _))| (word.clone(), json!(count))).collect();
    json!({
        "mix": mix.name(),
        "clients": arguments.clients,
        "pipeline": arguments.pipeline,
        "names": arguments.names,
        "rate": arguments.rate,
        "seconds": tally.elapsed.as_secs_f64(),
        "answered": tally.answered,
        "unsent": tally.unsent,
        "requests_per_second": tally.a_second(),
        "errors": errors,
        "lost_connections": tally.lost.len(),
        "latency_usec": latency,
    })
    .to_string()
}

/// What went wrong, for the error output.
pub(super) fn notes(tally: &Tally, arguments: &Arguments) -> Vec<String> {
    let mut notes: Vec<String> = tally
        .errors
        .iter()
        .map(|(word, (number, example))| format!("{} of {word}, as: {example}", count(*number, "error reply")))
        .collect();
    if let Some(reason) = tally.lost.first() {
        notes.push(format!("{} lost: {reason}", count(tally.lost.len() as u64, "connection")));
    }
    if let (1.., Some(rate)) = (tally.unsent, arguments.rate) {
        let unsent = count(tally.unsent, "request");
        notes
            .push(format!("{unsent} never sent in time: {rate} a second are more than is answered with these options"));
    }
    notes
}

/// Says something beside the rows, and not among lines of JSON.
///
/// # Errors
/// That of the output.
pub(super) fn tell(text: &str, arguments: &Arguments) -> std::io::Result<()> {
    if arguments.json {
        warn(text);
        return Ok(());
    }
    say(format_args!("\n{text}"))
}

/// How a mix goes, in one line.
pub(super) fn progress_line(mix: Mix, part: f64, answered: u64, rate: f64) -> String {
    format!("{}: {:.0}%, {} answered, {} a second", mix.name(), part * 100.0, grouped(answered), grouped(rate as u64))
}

fn count(number: u64, what: &str) -> String {
    match (number, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (number, Some(stem)) => format!("{} {stem}ies", grouped(number)),
        (number, None) => format!("{} {what}s", grouped(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn tally() -> Tally {
        let mut tally = Tally { answered: 1000, elapsed: Duration::from_millis(500), ..Tally::default() };
        (1..=1000).for_each(|micros| tally.latencies.add(micros * 1000));
        tally.errors.insert("OOM".into(), (2, "OOM no memory".into()));
        tally
    }

    fn arguments(line: &str) -> Arguments {
        super::super::arguments::parse(line.split(' ').map(std::ffi::OsString::from).collect()).expect("accepted")
    }

    #[test]
    fn a_row_stands_below_its_heading() {
        let row = row(Mix::Incr, &tally());
        assert!(row.starts_with("incr         1,000       2,000        2    0.5"), "{row}");
        assert!(row.ends_with("    1.000"), "{row}");
        let settings = crate::cli::options::parse(["discnt-cli".into()], Default::default());
        let Ok(crate::cli::options::Task::Talk(request)) = settings else { panic!("{settings:?}") };
        let heading = heading(&request.settings, &arguments("bench -P 4 --rate 10 -c 1"));
        assert!(
            heading.starts_with("127.0.0.1:5262: 1 client, 4 requests at once, 10 requests due a second, 10,000 names")
        );
        assert_eq!(heading.lines().last().map(str::len), Some(row.len()), "{heading}\n{row}");
    }

    #[test]
    fn json_has_the_same_figures() {
        let line = json(Mix::Get, &tally(), &arguments("bench -c 3"));
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((value["mix"].as_str(), value["answered"].as_u64()), (Some("get"), Some(1000)));
        assert_eq!(value["requests_per_second"].as_f64(), Some(2000.0));
        assert_eq!(value["errors"]["OOM"].as_u64(), Some(2));
        assert_eq!(value["latency_usec"]["max"].as_f64(), Some(1000.0));
        assert!(value["latency_usec"]["p99.9"].as_f64() >= Some(990.0));
    }

    #[test]
    fn what_went_wrong_is_told() {
        let mut tally = tally();
        tally.lost = vec!["it closed the connection".into(); 2];
        tally.unsent = 1500;
        let notes = notes(&tally, &arguments("bench --rate 5000"));
        assert_eq!(notes[0], "2 error replies of OOM, as: OOM no memory");
        assert_eq!(notes[1], "2 connections lost: it closed the connection");
        assert!(notes[2].starts_with("1,500 requests never sent in time: 5000 a second are more"), "{}", notes[2]);
    }
}
