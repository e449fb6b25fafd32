//! `discnt-cli bench`: how fast a server answers, and how long single answers take.
//!
//! Each client is a thread with a connection of its own. Without a rate, a client sends when it has its answer; with one,
//! requests are due at fixed times, and their latency counts from then, however late they could be sent.

mod arguments;
mod clean;
mod histogram;
mod load;
mod mix;
mod names;
mod report;
mod tickets;

use std::ffi::OsString;
use std::time::Duration;

use super::connection::{ConnectError, Connection};
use super::exit::Exit;
use super::output::{output_ended, say, warn};
use super::protocol::ReplyError;
use super::reason::describe;
use super::settings::Settings;
use super::transfer::Interrupt;
use arguments::Arguments;
pub(super) use arguments::definition;
use load::Load;
use names::Names;
use tickets::End;

/// Why there is nothing to report.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    #[error("{0}")]
    Connect(#[from] ConnectError),
    #[error("the connection to {address} was lost: {reason}")]
    Lost { address: String, reason: String },
    #[error("no client could be started: {0}")]
    Thread(std::io::Error),
    #[error("the server refused what the test begins with: {0}")]
    Refused(String),
    #[error("could not write: {0}")]
    Output(#[from] std::io::Error),
}

/// Does what the words say, `bench` first, with the server of `settings`.
pub(super) fn run(settings: &Settings, words: Vec<OsString>) -> Exit {
    let arguments = match arguments::parse(words) {
        Ok(arguments) => arguments,
        Err(error) => return Exit::of_usage(error),
    };
    let interrupt = Interrupt::listen();
    interrupt.set_last_words("nothing more was measured, and nothing was deleted".to_owned());
    match measure_all(settings, &arguments, &interrupt) {
        Ok(exit) => exit,
        Err(BenchError::Output(error)) => output_ended(&error),
        Err(error) => {
            warn(error);
            Exit::Unusable
        }
    }
}

fn measure_all(settings: &Settings, arguments: &Arguments, interrupt: &Interrupt) -> Result<Exit, BenchError> {
    let names = Names::new(&arguments.prefix, arguments.names);
    let mut exit = Exit::Answered;
    let (mut control, notices) = Connection::open(settings)?;
    notices.iter().for_each(warn);
    if !arguments.json && arguments.requests != Some(0) {
        say(report::heading(settings, arguments))?;
    }
    let mut left = 0;
    for (at, mix) in arguments.mixes().iter().enumerate() {
        if arguments.requests == Some(0) || interrupt.is_asked() {
            break;
        }
        if mix.reads() {
            clean::fill(&mut control, &names, interrupt).map_err(|error| error.of(settings))?;
            left = left.max(names.count());
        }
        left = left.max(if mix.is_one_name() { 1 } else { names.count() });
        let load = Load {
            settings,
            mix: *mix,
            names: &names,
            clients: arguments.clients,
            pipeline: arguments.pipeline,
            rate: arguments.rate,
            end: end(arguments),
            // Mixes of one run do not go through the same names in the same order.
            seed: arguments.seed.wrapping_add(at as u64),
        };
        let tally = load.run(interrupt)?;
        let line = if arguments.json { report::json(*mix, &tally, arguments) } else { report::row(*mix, &tally) };
        say(line)?;
        for note in report::notes(&tally, arguments) {
            warn(note);
        }
        exit = exit.worse(tally.exit());
    }
    if arguments.clean {
        let deleted = clean::delete(&mut control, &names).map_err(|error| error.of(settings))?;
        report::tell(&format!("deleted {deleted} of the names {names}"), arguments)?;
    } else if left > 0 {
        let again = format!("`discnt-cli ... bench -n 0 -r {} --prefix '{}' --clean`", names.count(), names.prefix());
        report::tell(&format!("left behind: up to {left} of the names {names}; {again} deletes them"), arguments)?;
    }
    Ok(if interrupt.is_asked() { Exit::Interrupted } else { exit })
}

fn end(arguments: &Arguments) -> End {
    match arguments.duration {
        Some(duration) => End::After(duration),
        None => End::Requests(arguments.requests.unwrap_or(arguments::DEFAULT_REQUESTS)),
    }
}

/// A failure on the connection that prepares and cleans up.
enum ControlError {
    Reply(ReplyError),
    Refused(String),
}

impl ControlError {
    fn of(self, settings: &Settings) -> BenchError {
        match self {
            Self::Reply(error) => BenchError::Lost { address: settings.address(), reason: describe(&error) },
            Self::Refused(text) => BenchError::Refused(text),
        }
    }
}

impl From<ReplyError> for ControlError {
    fn from(error: ReplyError) -> Self {
        Self::Reply(error)
    }
}

/// How often something that may end early is looked after.
const TICK: Duration = Duration::from_millis(100);
