//! How far it has come, in one line that is drawn again and again, on a terminal only.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

const REDRAW: Duration = Duration::from_millis(100);
const BAR_WIDTH: usize = 24;

/// The line.
pub(super) struct Progress {
    /// What is counted, in the plural.
    what: &'static str,
    total: u64,
    begin: Instant,
    drawn: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    /// Nothing done yet of `total`, which may be a guess.
    pub(super) fn new(what: &'static str, total: u64) -> Self {
        Self { what, total, begin: Instant::now(), drawn: None, is_shown: io::stderr().is_terminal() }
    }

    /// The same, where the terminal is taken by what is written.
    pub(super) fn hidden(what: &'static str, total: u64) -> Self {
        Self { is_shown: false, ..Self::new(what, total) }
    }

    /// So much is done.
    pub(super) fn at(&mut self, done: u64) {
        let now = Instant::now();
        if self.is_shown && self.drawn.is_none_or(|drawn| now.duration_since(drawn) >= REDRAW) {
            self.drawn = Some(now);
            let line = line(self.what, done, self.total, now.duration_since(self.begin));
            // A terminal that takes nothing is no reason to stop.
            let _ = write!(io::stderr().lock(), "\r{line}\x1b[K");
        }
    }

    /// Wipes the line, so that something else can be said.
    pub(super) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }

    /// How long it took so far.
    pub(super) fn elapsed(&self) -> Duration {
        self.begin.elapsed()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn line(what: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    let speed = format!("{}/s", grouped(rate as u64));
    // More than was expected: how much there is left is not known.
    if total == 0 || done > total {
        return format!("{} {what}  {speed}", grouped(done));
    }
    let part = done as f64 / total as f64;
    let filled = (part * BAR_WIDTH as f64) as usize;
    let bar = format!("[{}{}]", "#".repeat(filled), "-".repeat(BAR_WIDTH - filled));
    let left = if rate > 0.0 { time_left((total - done) as f64 / rate) } else { String::new() };
    format!("{:3.0}% {bar} {} of {} {what}  {speed}{left}", part * 100.0, grouped(done), grouped(total))
}

fn time_left(seconds: f64) -> String {
    let seconds = seconds.ceil() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("  {seconds} s left"),
        (0, minutes, seconds) => format!("  {minutes} min {seconds} s left"),
        (hours, minutes, _) => format!("  {hours} h {minutes} min left"),
    }
}

/// So many counters, in words.
pub(super) fn counters(number: u64) -> String {
    format!("{} counter{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// The number with a comma between each three digits.
pub(in crate::cli) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_part_rate_and_time_left() {
        let at = |done, total, seconds| line("counters", done, total, Duration::from_secs(seconds));
        assert_eq!(
            at(250_000, 1_000_000, 2),
            " 25% [######------------------] 250,000 of 1,000,000 counters  125,000/s  6 s left"
        );
        assert!(at(10, 100_000, 1).ends_with("10/s  2 h 46 min left"));
        assert!(at(10, 1_000, 1).ends_with("10/s  1 min 39 s left"));
        assert_eq!(at(0, 10, 1), "  0% [------------------------] 0 of 10 counters  0/s");
        assert_eq!(at(10, 10, 1), "100% [########################] 10 of 10 counters  10/s  0 s left");
    }

    #[test]
    fn where_the_end_is_not_known_there_is_no_bar() {
        assert_eq!(line("keys", 1_500, 1_000, Duration::from_secs(1)), "1,500 keys  1,500/s");
        assert_eq!(line("keys", 5, 0, Duration::ZERO), "5 keys  5,000/s");
    }
}
