//! How often what was done.
//!
//! Each thread counts in a lane of its own, so that threads do not take cache lines from each other; readers add
//! the lanes up.

use super::histogram::{Histogram, Times};
use super::session::Session;
use super::table::COMMAND_COUNT;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Lanes beyond the threads of any machine only cost memory; threads beyond the lanes share them.
const MAX_LANES: usize = 64;

/// The counts of one node since its start.
pub struct Statistics {
    lanes: Box<[Lane]>,
    rejected_connections: AtomicU64,
    /// Error replies by their first word. Locked by nobody who does not answer an error.
    errors: Mutex<BTreeMap<&'static str, u64>>,
}

/// Two cache lines' alignment, as processors fetch lines in pairs.
#[repr(align(128))]
struct Lane {
    succeeded: [AtomicU64; COMMAND_COUNT],
    failed: [AtomicU64; COMMAND_COUNT],
    rejected: [AtomicU64; COMMAND_COUNT],
    /// Made for a command when it is first timed: most are never used.
    times: [OnceLock<Box<Histogram>>; COMMAND_COUNT],
    unknown: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    input_bytes: AtomicU64,
    output_bytes: AtomicU64,
}

/// How often one command was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandCounts {
    /// Run, and not answered with an error. Counted by itself, so that none of these figures ever goes down.
    pub succeeded: u64,
    /// Run, and answered with an error.
    pub failed: u64,
    /// Not run: the wrong number of arguments, or no password yet.
    pub rejected: u64,
}

impl CommandCounts {
    /// How often it was run, with or without success.
    pub fn calls(&self) -> u64 {
        self.succeeded + self.failed
    }
}

impl Statistics {
    /// Counts for this many threads.
    pub fn new(threads: usize) -> Self {
        let lanes = (0..threads.clamp(1, MAX_LANES)).map(|_| Lane::new());
        Self { lanes: lanes.collect(), rejected_connections: AtomicU64::new(0), errors: Mutex::default() }
    }

    /// Counts what a session received from its client and sent to it.
    pub fn count_transferred(&self, session: &Session, read: usize, written: usize) {
        let lane = session.lane();
        self.add(lane, read as u64, |lane| &lane.input_bytes);
        self.add(lane, written as u64, |lane| &lane.output_bytes);
    }

    /// Counts a client that was turned away because there are too many.
    pub fn count_rejected_connection(&self) {
        self.rejected_connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes received from clients.
    pub fn input_bytes(&self) -> u64 {
        self.sum(|lane| &lane.input_bytes)
    }

    /// Bytes sent to clients.
    pub fn output_bytes(&self) -> u64 {
        self.sum(|lane| &lane.output_bytes)
    }

    /// Clients turned away because there were too many.
    pub fn rejected_connections(&self) -> u64 {
        self.rejected_connections.load(Ordering::Relaxed)
    }

    /// Reads of counters that exist.
    pub fn hits(&self) -> u64 {
        self.sum(|lane| &lane.hits)
    }

    /// Reads of counters that do not exist.
    pub fn misses(&self) -> u64 {
        self.sum(|lane| &lane.misses)
    }

    /// Commands that were run.
    pub fn commands_run(&self) -> u64 {
        (0..COMMAND_COUNT).map(|at| self.command(at).calls()).sum()
    }

    /// Requests that were answered with an error, unknown commands included.
    pub fn errors(&self) -> u64 {
        let of_commands = (0..COMMAND_COUNT).map(|at| {
            let counts = self.command(at);
            counts.failed + counts.rejected
        });
        of_commands.sum::<u64>() + self.sum(|lane| &lane.unknown)
    }

    /// Requests for commands that there are not.
    pub fn unknown(&self) -> u64 {
        self.sum(|lane| &lane.unknown)
    }

    /// Requests that were answered with an error, by the first word of that.
    pub fn errors_by_code(&self) -> BTreeMap<&'static str, u64> {
        self.errors.lock().clone()
    }

    pub(super) fn count_error(&self, code: &'static str) {
        *self.errors.lock().entry(code).or_default() += 1;
    }

    /// Sets all counts back to 0.
    pub fn reset(&self) {
        self.errors.lock().clear();
        self.rejected_connections.store(0, Ordering::Relaxed);
        for lane in &self.lanes {
            lane.reset();
        }
    }

    /// The counts of the command with this ordinal; all zero beyond the last.
    pub(super) fn command(&self, ordinal: usize) -> CommandCounts {
        if ordinal >= COMMAND_COUNT {
            return CommandCounts::default();
        }
        CommandCounts {
            succeeded: self.sum(|lane| &lane.succeeded[ordinal]),
            failed: self.sum(|lane| &lane.failed[ordinal]),
            rejected: self.sum(|lane| &lane.rejected[ordinal]),
        }
    }

    /// How long the command with this ordinal took, as far as it was timed.
    pub(super) fn times(&self, ordinal: usize) -> Times {
        let mut times = Times::default();
        let histograms = self.lanes.iter().filter_map(|lane| lane.times.get(ordinal)?.get());
        histograms.for_each(|histogram| times.take_in(histogram));
        times
    }

    pub(super) fn count_time(&self, lane: usize, ordinal: u16, nanos: u64) {
        let times = self.lanes.get(lane).and_then(|lane| lane.times.get(usize::from(ordinal)));
        if let Some(times) = times {
            times.get_or_init(|| Box::new(Histogram::new())).add(nanos);
        }
    }

    pub(super) fn lane_of(&self, thread: usize) -> usize {
        thread % self.lanes.len()
    }

    pub(super) fn count_success(&self, lane: usize, ordinal: u16) {
        self.add(lane, 1, |lane| &lane.succeeded[usize::from(ordinal)]);
    }

    pub(super) fn count_failed(&self, lane: usize, ordinal: u16) {
        self.add(lane, 1, |lane| &lane.failed[usize::from(ordinal)]);
    }

    pub(super) fn count_rejected(&self, lane: usize, ordinal: u16) {
        self.add(lane, 1, |lane| &lane.rejected[usize::from(ordinal)]);
    }

    pub(super) fn count_unknown(&self, lane: usize) {
        self.add(lane, 1, |lane| &lane.unknown);
    }

    pub(super) fn count_read(&self, lane: usize, exists: bool) {
        self.add(lane, 1, |lane| if exists { &lane.hits } else { &lane.misses });
    }

    fn add(&self, lane: usize, by: u64, which: impl FnOnce(&Lane) -> &AtomicU64) {
        if let Some(lane) = self.lanes.get(lane) {
            which(lane).fetch_add(by, Ordering::Relaxed);
        }
    }

    fn sum(&self, which: impl Fn(&Lane) -> &AtomicU64) -> u64 {
        let values = self.lanes.iter().map(which);
        values.map(|value| value.load(Ordering::Relaxed)).sum()
    }
}

impl Lane {
    fn reset(&self) {
        let of_commands = self.succeeded.iter().chain(&self.failed).chain(&self.rejected);
        let others = [&self.unknown, &self.hits, &self.misses, &self.input_bytes, &self.output_bytes];
        of_commands.chain(others).for_each(|count| count.store(0, Ordering::Relaxed));
        self.times.iter().filter_map(OnceLock::get).for_each(|times| times.clear());
    }

    fn new() -> Self {
        let zeros = || std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            succeeded: zeros(),
            failed: zeros(),
            rejected: zeros(),
            times: std::array::from_fn(|_| OnceLock::new()),
            unknown: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            input_bytes: AtomicU64::new(0),
            output_bytes: AtomicU64::new(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    #[test]
    fn what_was_counted_is_gone_after_a_reset() {
        let mut bench = Bench::new();
        for line in ["get a", "nosuch", "get"] {
            bench.run_for(line, 5);
        }
        let statistics = &bench.environment.statistics;
        assert_eq!((statistics.commands_run(), statistics.errors(), statistics.misses()), (1, 2, 1));
        statistics.reset();
        assert_eq!((statistics.commands_run(), statistics.errors(), statistics.misses()), (0, 0, 0));
        assert!(statistics.errors_by_code().is_empty());
        assert_eq!(bench.run("latency histogram"), "*0");
    }
}
