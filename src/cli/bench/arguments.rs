//! The words behind `bench`, and what its `--help` says.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::time::Duration;

use clap::{CommandFactory, Parser};

use super::mix::Mix;
use crate::cli::arguments::seconds;

/// How many requests of each mix are sent where nothing is said.
pub(super) const DEFAULT_REQUESTS: u64 = 100_000;

/// How many requests a second can be asked for. With fewer the second one would never be due.
const RATES: RangeInclusive<f64> = 1e-6..=1e8;

const HELP: &str = "\
What stands before 'bench' says which server: `discnt-cli -p 7711 bench`. Redis can be measured as well. The names begin \
with the prefix, so nothing else is touched; what the run leaves behind is said at its end, and --clean deletes it.

Without --rate each client sends when it has its answer: a server that stalls is asked less, and the stall is in the \
latency of a few requests only. With --rate requests are due at fixed times, whether or not earlier ones were answered, and \
latency counts from the time at which a request was due. What was never sent counts as having waited to the end of the run.

Examples:
  discnt-cli bench
  discnt-cli -p 7711 bench incr -c 8 -P 32 -n 1000000
  discnt-cli bench mixed -d 30 --rate 5000 --clean
  discnt-cli bench hot cold -d 10 --json
  discnt-cli -p 6379 bench incr get

Exit status:
  0    every request that was sent was answered without an error; those that
       were due and never sent are told, and no failure
  1    some were answered with an error
  2    no connection, a connection was lost, or wrong usage
  130  interrupted";

/// What to measure.
#[derive(Debug, Parser)]
#[command(
    name = "bench",
    bin_name = "discnt-cli bench",
    about = "Measure how fast the server answers, with a table of latencies",
    after_help = HELP,
    override_usage = "discnt-cli [SERVER OPTIONS] bench [OPTIONS] [MIX]...",
    max_term_width = 110
)]
pub(super) struct Arguments {
    /// What to send, one after the other [default: incr get set mget mixed]
    #[arg(value_name = "MIX", value_enum)]
    mixes: Vec<Mix>,

    /// Clients, each with a connection of its own
    #[arg(short = 'c', long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) clients: u32,

    /// Requests of each mix, of all clients together [default: 100000]
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "duration")]
    pub(super) requests: Option<u64>,

    /// How long to send each mix, in seconds, instead of a number of requests
    #[arg(short = 'd', long, value_name = "SECONDS", value_parser = some_seconds)]
    pub(super) duration: Option<Duration>,

    /// Requests that a client sends at once before it reads their answers
    #[arg(short = 'P', long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) pipeline: u32,

    /// How many names there are
    #[arg(short = 'r', long = "names", value_name = "N", default_value = "10000", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(super) names: u64,

    /// Requests a second, of all clients together: each is due at its time
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(super) rate: Option<f64>,

    /// What the names begin with
    #[arg(long, value_name = "TEXT", default_value = "bench:")]
    pub(super) prefix: String,

    /// Which of all possible orders the names come in
    #[arg(long, value_name = "N", default_value = "1")]
    pub(super) seed: u64,

    /// Delete the names at the end; with -n 0 only that
    #[arg(long)]
    pub(super) clean: bool,

    /// One line of JSON for each mix, times in microseconds
    #[arg(long)]
    pub(super) json: bool,
}

impl Arguments {
    /// What to send, one after the other.
    pub(super) fn mixes(&self) -> &[Mix] {
        if self.mixes.is_empty() { &[Mix::Incr, Mix::Get, Mix::Set, Mix::Mget, Mix::Mixed] } else { &self.mixes }
    }
}

/// Reads the words, `bench` first.
pub(super) fn parse(words: Vec<OsString>) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(words)
}

/// The command, for manuals and completions.
pub(in crate::cli) fn definition() -> clap::Command {
    Arguments::command()
}

fn some_seconds(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        Duration::ZERO => Err("more than 0 seconds are expected".to_owned()),
        duration => Ok(duration),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| RATES.contains(rate));
    let (least, most) = (RATES.start(), RATES.end());
    rate.ok_or_else(|| format!("a number of requests a second is expected, from {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, clap::Error> {
        parse(line.split(' ').map(OsString::from).collect())
    }

    #[test]
    fn mixes_and_options_are_read_and_nonsense_is_refused() {
        Arguments::command().debug_assert();
        let arguments = parsed("bench hot cold -c 2 -d 0.5 -P 16 -r 7 --rate 1e3 --clean").expect("accepted");
        assert_eq!(arguments.mixes(), [Mix::Hot, Mix::Cold]);
        assert_eq!((arguments.clients, arguments.pipeline, arguments.names), (2, 16, 7));
        assert_eq!((arguments.duration, arguments.rate), (Some(Duration::from_millis(500)), Some(1000.0)));
        assert_eq!(parsed("bench").expect("accepted").mixes().len(), 5);
        for (line, word) in [
            ("bench nothing", "incr"),
            ("bench -c 0", "0"),
            ("bench -n 1 -d 1", "cannot be used with"),
            ("bench -d 0", "more than 0"),
            ("bench --rate x", "a second"),
            ("bench --rate 0", "a second"),
            ("bench --rate 1e-300", "from 0.000001 to 100000000"),
            ("bench --rate NaN", "a second"),
            ("bench -d 1e19", "up to 1000000000"),
            ("bench -P 1001", "1001"),
        ] {
            let error = parsed(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(word), "{line}: {error}");
        }
    }
}
