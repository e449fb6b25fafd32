//! `--latency` and its relatives: how long a PING takes, a hundred times a second.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use super::Measure;
use super::begin::connect;
use super::latency_window::Window;
use crate::cli::client::Client;
use crate::cli::display::Format;
use crate::cli::exit::Exit;
use crate::cli::output::{output_ended, say, warn};

/// The time between two.
const PAUSE: Duration = Duration::from_millis(10);
/// How often the line is drawn again.
const REDRAW: Duration = Duration::from_millis(100);
const LINES_A_HEADING: u64 = 20;

/// How long it goes on.
pub(super) struct Pace {
    /// The length of a window, where the user says.
    pub(super) interval: Option<Duration>,
    /// How many windows, where the user says.
    pub(super) rounds: Option<u64>,
    /// Whether a line is drawn again and again, until the user has seen enough.
    pub(super) is_redrawn: bool,
}

/// Measures, and prints what was measured.
pub(super) fn run(mut client: Client, format: Format, measure: Measure, pace: Pace) -> Exit {
    let default = if measure == Measure::History { Duration::from_secs(15) } else { Duration::from_secs(1) };
    let length = pace.interval.unwrap_or(default);
    // On a terminal the one window has no end. Into a pipe goes one line.
    let is_endless = measure == Measure::Once && pace.is_redrawn && pace.interval.is_none() && pace.rounds.is_none();
    let rounds = pace.rounds.or((measure == Measure::Once).then_some(1));
    if !connect(&mut client) {
        return Exit::Unusable;
    }
    let is_redrawn = pace.is_redrawn && measure != Measure::Distribution;
    for round in 0.. {
        if rounds.is_some_and(|rounds| round >= rounds) {
            break;
        }
        if measure == Measure::Distribution
            && format != Format::Json
            && round % LINES_A_HEADING == 0
            && let Err(error) = say(Window::heading())
        {
            return output_ended(&error);
        }
        let begin = Instant::now();
        let limit = (!is_endless).then_some(length);
        let window = match window(&mut client, limit, &mut |window| match is_redrawn {
            true => redraw(&window.line(format, measure, begin.elapsed())),
            false => Ok(()),
        }) {
            Ok(window) => window,
            Err(exit) => return exit,
        };
        let line = window.line(format, measure, begin.elapsed());
        let printed = match (is_redrawn, measure) {
            (true, Measure::History) => {
                redraw(&line).and_then(|()| say(format_args!(" in {:.2} s", begin.elapsed().as_secs_f64())))
            }
            (true, _) => redraw(&line).and_then(|()| say("")),
            (false, _) => say(line),
        };
        if let Err(error) = printed {
            return output_ended(&error);
        }
    }
    Exit::Answered
}

/// Measures for so long, or for ever.
fn window(
    client: &mut Client,
    limit: Option<Duration>,
    on_change: &mut dyn FnMut(&Window) -> io::Result<()>,
) -> Result<Window, Exit> {
    let (mut window, begin) = (Window::default(), Instant::now());
    let mut drawn = begin;
    loop {
        let sent = Instant::now();
        let reply = client.run(&["PING"], &mut |_| ()).map_err(|error| {
            warn(error);
            Exit::Unusable
        })?;
        window.add(sent.elapsed());
        if reply.is_error() {
            warn(super::refusal("PING", &reply));
            return Err(Exit::Failed);
        }
        if drawn.elapsed() >= REDRAW {
            drawn = Instant::now();
            on_change(&window).map_err(|error| output_ended(&error))?;
        }
        let left = limit.map_or(PAUSE, |limit| limit.saturating_sub(begin.elapsed()));
        if left.is_zero() {
            return Ok(window);
        }
        thread::sleep(left.min(PAUSE));
        if limit.is_some_and(|limit| begin.elapsed() >= limit) && !window.is_empty() {
            return Ok(window);
        }
    }
}

/// Takes the place of the last line that was drawn so.
fn redraw(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "\r{line}\x1b[K")?;
    out.flush()
}
