//! What goes on until the user has seen enough: counters as they move, measurements, and what is fed in at full speed.

mod arguments;
mod begin;
mod busiest;
mod duplex;
mod events;
mod latency;
mod latency_window;
mod names;
mod pipe;
mod plot;
mod rate;
mod replies;
mod requests;
mod screen;
mod statistics;
mod survey;
mod table;
mod top;
mod track;
mod watch;

use std::io;
use std::time::Duration;

pub(super) use arguments::{ModeArguments, read_watch, watch_definition};

use super::client::Client;
use super::display::Format;
use super::exit::Exit;
use super::options::Request;
use super::output::Output;
use super::quote::printable;
use super::value::Value;
use crate::base::Amount;
use watch::Pace;

/// What to show or to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Send the input.
    Pipe {
        /// How long the last replies may take, each.
        patience: Duration,
    },
    /// List names.
    Names {
        /// Which.
        pattern: Option<Vec<u8>>,
        /// How much of the table is looked at for each request.
        count: Option<u32>,
    },
    /// A line of figures of the node, again and again.
    Statistics,
    /// How long PING takes.
    Latency(Measure),
    /// The counters that change most.
    Top {
        /// Among these.
        pattern: Option<Vec<u8>>,
        /// How many, where there is no terminal that would say.
        rows: Option<u32>,
    },
    /// Some counters.
    Watch {
        /// Which.
        names: Vec<Vec<u8>>,
    },
}

/// What of the latency is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// One line, drawn again and again.
    Once,
    /// A line for each window of time.
    History,
    /// How many took how long.
    Distribution,
}

/// Runs a mode. `on_terminal` says whether somebody looks at the output.
pub(super) fn run(mode: Mode, request: Request, on_terminal: bool) -> Exit {
    let format = request.format.unwrap_or(if on_terminal { Format::Typed } else { Format::Raw });
    let output = Output::new(format);
    let interval = Some(request.interval).filter(|interval| !interval.is_zero());
    let (settings, rounds) = (request.settings, request.repeat);
    match mode {
        Mode::Pipe { patience } => pipe::run(&settings, &io::stdin(), patience),
        Mode::Names { pattern, count } => {
            names::run(Client::new(settings), output, names::Wanted { pattern, count, pause: interval })
        }
        Mode::Statistics => statistics::run(Client::new(settings), format, interval, rounds),
        Mode::Latency(measure) => {
            // Each line stands where the last one did, where somebody looks at it and no program reads it.
            let is_redrawn = on_terminal && format == Format::Typed;
            latency::run(Client::new(settings), format, measure, latency::Pace { interval, rounds, is_redrawn })
        }
        Mode::Top { pattern, rows } => {
            top::run(&settings, format, pattern, rows, &Pace { interval, rounds, on_terminal })
        }
        Mode::Watch { names } => watch::run(&settings, format, names, &Pace { interval, rounds, on_terminal }),
    }
}

/// Whether the server has just been started and answers later what it was asked.
fn is_loading(reply: &Value) -> bool {
    matches!(reply, Value::Error(text) if text.starts_with(b"LOADING"))
}

/// What to say of an answer of another kind than was expected, mostly an error.
fn refusal(command: &str, reply: &Value) -> String {
    match reply {
        Value::Error(text) => format!("the server refused {command}: {}", printable(text)),
        _ => format!("the server answered {command} with something unexpected"),
    }
}

/// A counter as an object.
fn json_of(name: &[u8], value: Option<Amount>, rate: f64) -> Value {
    let text = |text: &str| Value::Bulk(text.into());
    Value::Map(vec![
        (text("name"), Value::Bulk(name.to_vec())),
        (text("value"), value.map_or(Value::Null, |value| text(&value.to_string()))),
        (text("change_per_second"), Value::Double(thousandths(rate).to_string())),
    ])
}

/// A figure for programs: more digits would only be noise.
fn thousandths(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}
