//! The options that choose a live mode, and the words behind `watch`.

use std::ffi::OsString;
use std::time::Duration;

use clap::{ArgAction, Args, CommandFactory, Parser};

use super::{Measure, Mode};
use crate::cli::arguments::{seconds, times};

const HEADING: &str = "Live modes";

/// At most one mode, and what goes with it.
#[derive(Debug, Default, Args)]
pub(in crate::cli) struct ModeArguments {
    /// Send what comes from the input, RESP or lines, at full speed; print how many replies and errors came
    #[arg(long, group = "mode", help_heading = HEADING)]
    pipe: bool,

    /// With --pipe: how long the last replies may take, each; 0 for as long as it takes [default: 30]
    #[arg(long, value_name = "SECONDS", requires = "pipe", value_parser = seconds, help_heading = HEADING)]
    pipe_timeout: Option<Duration>,

    /// Print the names of all counters, one a line, found by SCAN
    #[arg(long, group = "mode", help_heading = HEADING)]
    scan: bool,

    /// Print a line a second: counters, clients, requests, memory, peers
    #[arg(long, group = "mode", help_heading = HEADING)]
    stat: bool,

    /// Measure how long a PING takes, again and again; into a pipe, one line after a second
    #[arg(long, group = "mode", help_heading = HEADING)]
    latency: bool,

    /// The same, with a new line every 15 seconds
    #[arg(long, group = "mode", help_heading = HEADING)]
    latency_history: bool,

    /// The same, as a line a second that says which part took how long
    #[arg(long, group = "mode", help_heading = HEADING)]
    latency_dist: bool,

    /// Show the counters that change most, live
    #[arg(long, group = "mode", help_heading = HEADING)]
    top: bool,

    /// With --scan and --top: only names that match, such as 'visits:*'
    #[arg(long, value_name = "GLOB", allow_hyphen_values = true, requires = "mode", help_heading = HEADING)]
    pattern: Option<OsString>,

    /// With --scan: how many places to look at with each SCAN; with --top: how many counters to print into a pipe
    #[arg(long, value_name = "N", requires = "mode", value_parser = clap::value_parser!(u32).range(1..), help_heading = HEADING)]
    count: Option<u32>,
}

impl ModeArguments {
    /// The mode that was chosen.
    pub(in crate::cli) fn mode(&self) -> Option<Mode> {
        let pattern = self.pattern.clone().map(OsString::into_encoded_bytes);
        let measure = [
            (self.latency, Measure::Once),
            (self.latency_history, Measure::History),
            (self.latency_dist, Measure::Distribution),
        ];
        Some(match self {
            Self { pipe: true, .. } => Mode::Pipe { patience: self.pipe_timeout.unwrap_or(Duration::from_secs(30)) },
            Self { scan: true, .. } => Mode::Names { pattern, count: self.count },
            Self { stat: true, .. } => Mode::Statistics,
            Self { top: true, .. } => Mode::Top { pattern, rows: self.count },
            _ => Mode::Latency(measure.iter().find(|(chosen, _)| *chosen)?.1),
        })
    }
}

const WATCH_HELP: &str = "\
On a terminal a table is drawn again and again: the value of each counter, how much it changes in a second, a plot of that, \
and the least and the largest value since the beginning. Ctrl-C or q leaves.

Into a pipe goes a line for each value that the server tells of: name, value and change in a second, separated by tabs; with \
--json, before 'watch', an object.

A counter that does not exist is shown as soon as it does. Values are those of SUBSCRIBE: at most one each interval, and \
only when it has changed.

Examples:
  discnt-cli watch visits sales
  discnt-cli -p 7711 watch -i 0.2 visits
  discnt-cli --json watch visits | jq .value";

/// The words behind `watch`.
#[derive(Debug, Parser)]
#[command(
    name = "discnt-cli watch",
    about = "Shows counters as they change",
    after_help = WATCH_HELP,
    disable_help_flag = true,
    override_usage = "discnt-cli [OPTIONS] watch [-i SECONDS] [-r N] NAME...",
    max_term_width = 110
)]
struct WatchArguments {
    /// How often a value is told of and the table drawn, in seconds from 0.1 [default: 1]
    #[arg(short = 'i', long = "interval", value_name = "SECONDS", value_parser = seconds)]
    interval: Option<Duration>,

    /// End after N pictures, or into a pipe after N lines; -1 is never
    #[arg(short = 'r', long = "repeat", value_name = "N", allow_negative_numbers = true, value_parser = times)]
    rounds: Option<u64>,

    /// Print this help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,

    /// The counters
    #[arg(value_name = "NAME", required = true)]
    names: Vec<OsString>,
}

/// The command, for manuals and completions.
pub(in crate::cli) fn watch_definition() -> clap::Command {
    WatchArguments::command().name("watch")
}

/// What was chosen with `watch`.
pub(in crate::cli) struct WatchChoice {
    /// The mode.
    pub(in crate::cli) mode: Mode,
    /// The interval, if there is one among the words.
    pub(in crate::cli) interval: Option<Duration>,
    /// After how many pictures or lines it ends, if that is among the words.
    pub(in crate::cli) rounds: Option<u64>,
}

/// What the words say, `watch` first.
///
/// # Errors
/// What is wrong in words for the user, or the help that was asked for.
pub(in crate::cli) fn read_watch(words: Vec<OsString>) -> Result<WatchChoice, clap::Error> {
    let arguments = WatchArguments::try_parse_from(words)?;
    let names = arguments.names.into_iter().map(OsString::into_encoded_bytes).collect();
    Ok(WatchChoice { mode: Mode::Watch { names }, interval: arguments.interval, rounds: arguments.rounds })
}
