//! What is told of the commits: figures that INFO shows and that sessions ask before they write.

use crate::command::COMMIT_BOUNDS_MICROS;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Figures of the commits of this run.
#[derive(Debug, Default)]
pub struct CommitFigures {
    /// Cycles that are on disk.
    pub cycles: AtomicU64,
    /// Counters that were written.
    pub records: AtomicU64,
    /// Bytes of counters that were written.
    pub bytes: AtomicU64,
    /// When the last cycle was on disk, in seconds since 1970; 0 when none was.
    pub last_commit_unix: AtomicU64,
    /// How long the last cycle took, in microseconds.
    pub last_commit_micros: AtomicU64,
    /// How long the longest one took since somebody last took this, in microseconds.
    pub longest_commit_micros: AtomicU64,
    /// How long all cycles took together, in microseconds.
    pub commit_micros: AtomicU64,
    /// How many took at most each of [`COMMIT_BOUNDS_MICROS`], and more than the one before.
    pub commit_times: [AtomicU64; COMMIT_BOUNDS_MICROS.len()],
    /// The last cycle is on disk.
    pub last_commit_failed: AtomicBool,
    /// A cycle is being written.
    pub writing: AtomicBool,
    /// All that is in memory is being written into a new store, as damage was found on disk.
    pub renewing: AtomicBool,
    /// How often that was done.
    pub renewals: AtomicU64,
    damage: Mutex<String>,
    failure: Mutex<Option<Failure>>,
}

#[derive(Debug)]
struct Failure {
    since: Instant,
    error: String,
}

impl CommitFigures {
    /// For how long no commit has succeeded that was tried; `None` when the last one did.
    pub fn failing_for(&self) -> Option<Duration> {
        // Asked before every write command: without a lock where all is well.
        if !self.last_commit_failed.load(Ordering::Acquire) {
            return None;
        }
        self.failure.lock().as_ref().map(|failure| failure.since.elapsed())
    }

    /// Why the last commit failed.
    pub fn error(&self) -> Option<String> {
        self.failure.lock().as_ref().map(|failure| failure.error.clone())
    }

    /// What was found damaged on disk last; nothing when nothing was.
    pub fn damage(&self) -> String {
        self.damage.lock().clone()
    }

    /// Notes that something is damaged on disk.
    pub(super) fn note_damage(&self, damage: &str) {
        damage.clone_into(&mut self.damage.lock());
    }

    /// Notes a cycle that is on disk; answers whether the one before was not.
    pub(super) fn succeeded(&self, records: usize, bytes: usize, took: Duration) -> bool {
        self.cycles.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(records as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_commit_unix.store(now.as_secs(), Ordering::Relaxed);
        let micros = took.as_micros().try_into().unwrap_or(u64::MAX);
        self.last_commit_micros.store(micros, Ordering::Relaxed);
        self.longest_commit_micros.fetch_max(micros, Ordering::Relaxed);
        self.commit_micros.fetch_add(micros, Ordering::Relaxed);
        let bucket = COMMIT_BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        if let Some(count) = self.commit_times.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let had_failed = self.last_commit_failed.swap(false, Ordering::AcqRel);
        if had_failed {
            *self.failure.lock() = None;
        }
        had_failed
    }

    /// Notes a failure; answers whether it is the first in a row.
    pub(super) fn failed(&self, error: String) -> bool {
        let mut failure = self.failure.lock();
        let is_first = failure.is_none();
        let since = failure.as_ref().map_or_else(Instant::now, |failure| failure.since);
        *failure = Some(Failure { since, error });
        self.last_commit_failed.store(true, Ordering::Release);
        is_first
    }
}
