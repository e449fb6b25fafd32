//! What is known of the node's counters on disk, and which requests pass meanwhile.
//!
//! Written by whoever loads and commits, read by every request: one relaxed load where all is well.

use super::before_serving::BeforeServing;
use super::environment::figure;
use super::error::CommandError;
use super::renewals::StoreRenewals;
use super::specification::{CommandSpecification, Flag};
use crate::base::{Durability, Monotonic, WallMillis};
use parking_lot::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// The counters are not all there yet.
const NOT_SERVING: u8 = 1;
/// The disk takes nothing, and the configuration says that changes are refused then.
const REFUSING: u8 = 2;
/// Replies to changes wait until these are on disk.
const HOLDING: u8 = 4;

/// Commits are told apart by whether they took at most so many microseconds.
pub const COMMIT_BOUNDS_MICROS: [u64; 8] = [100, 250, 1_000, 2_500, 10_000, 25_000, 100_000, 1_000_000];

/// How far a start has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// All requests are answered.
    #[default]
    Serving,
    /// The counters are being read from disk.
    Loading,
    /// The other nodes are asked what they have of this one's counts.
    Rejoining,
}

/// What is known of the node's counters on disk.
#[derive(Debug)]
pub struct PersistenceFigures {
    gate: AtomicU8,
    durability: Durability,
    max_unsynced: Option<Duration>,
    is_rejoining: AtomicBool,
    before_serving: BeforeServing,
    /// Counters read from disk at the start.
    pub counters_loaded: AtomicU64,
    /// Counters that there are to read, as far as is known beforehand.
    pub counters_to_load: AtomicU64,
    /// When loading began, in milliseconds since 1970.
    pub loading_since_millis: AtomicU64,
    /// What the data takes on disk, in bytes.
    pub store_bytes: AtomicU64,
    /// Commits that are on disk, since the start.
    pub commits: AtomicU64,
    /// Counters written with them.
    pub counters_written: AtomicU64,
    /// How long the last one took, in microseconds.
    pub last_commit_micros: AtomicU64,
    /// How long all of them took together, in microseconds.
    pub commit_micros: AtomicU64,
    /// How many took at most each of [`COMMIT_BOUNDS_MICROS`], and more than the one before.
    pub commit_times: [AtomicU64; COMMIT_BOUNDS_MICROS.len()],
    /// Damage that was found on disk since the start.
    pub renewals: StoreRenewals,
    last_commit_millis: AtomicU64,
    last_save_millis: AtomicU64,
    save_failed: AtomicBool,
    save_running: AtomicBool,
    is_failing: AtomicBool,
    /// When the oldest cycle was begun that is not on disk, in nanoseconds of the monotonic clock; 0 for none.
    pending_since_nanos: AtomicU64,
    failures: AtomicU64,
    failure: RwLock<Option<String>>,
}

impl Default for PersistenceFigures {
    fn default() -> Self {
        Self::new(Durability::default(), None)
    }
}

impl PersistenceFigures {
    /// Of a node that serves. Changes are refused once nothing could be written for `max_unsynced`; never if that is none.
    pub fn new(durability: Durability, max_unsynced: Option<Duration>) -> Self {
        let gate = if durability == Durability::Always { HOLDING } else { 0 };
        Self {
            gate: AtomicU8::new(gate),
            durability,
            max_unsynced,
            is_rejoining: AtomicBool::default(),
            before_serving: BeforeServing::default(),
            counters_loaded: AtomicU64::default(),
            counters_to_load: AtomicU64::default(),
            loading_since_millis: AtomicU64::default(),
            store_bytes: AtomicU64::default(),
            commits: AtomicU64::default(),
            counters_written: AtomicU64::default(),
            last_commit_micros: AtomicU64::default(),
            commit_micros: AtomicU64::default(),
            commit_times: Default::default(),
            renewals: StoreRenewals::default(),
            last_commit_millis: AtomicU64::default(),
            last_save_millis: AtomicU64::default(),
            save_failed: AtomicBool::default(),
            save_running: AtomicBool::default(),
            is_failing: AtomicBool::default(),
            pending_since_nanos: AtomicU64::default(),
            failures: AtomicU64::default(),
            failure: RwLock::default(),
        }
    }

    /// When what is counted is on disk.
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// How far the start has come.
    pub fn stage(&self) -> Stage {
        match (self.gate().has(NOT_SERVING), self.is_rejoining.load(Ordering::Relaxed)) {
            (false, _) => Stage::Serving,
            (true, false) => Stage::Loading,
            (true, true) => Stage::Rejoining,
        }
    }

    /// The start has come so far.
    pub fn set_stage(&self, stage: Stage) {
        if stage == Stage::Serving {
            self.before_serving.run();
        }
        self.is_rejoining.store(stage == Stage::Rejoining, Ordering::Relaxed);
        self.set(NOT_SERVING, stage != Stage::Serving);
    }

    /// Has this done once, when the start has come to its end and no request for a counter has passed yet.
    pub fn before_serving(&self, action: impl FnOnce() + Send + 'static) {
        self.before_serving.set(Box::new(action));
    }

    /// A commit is begun, of what has changed until now.
    pub fn commit_began(&self, now: Monotonic) {
        // What an earlier one was to write has waited longer.
        let now = now.as_nanos().max(1);
        let _ = self.pending_since_nanos.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// A commit is on disk, and all before it.
    pub fn commit_succeeded(&self, now: WallMillis) {
        self.last_commit_millis.store(now.0, Ordering::Relaxed);
        self.pending_since_nanos.store(0, Ordering::Relaxed);
        if self.is_failing.swap(false, Ordering::Relaxed) || self.refuses_changes() {
            self.set(REFUSING, false);
            *self.failure.write() = None;
        }
    }

    /// Commits fail from now on, until one succeeds. The reason goes into replies: one line, for an operator.
    pub fn commits_fail(&self, reason: &str, now: Monotonic) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        *self.failure.write() = Some(reason.to_owned());
        self.commit_began(now);
        self.is_failing.store(true, Ordering::Relaxed);
        self.refuse_if_due(now);
    }

    /// Refuses changes once a commit has failed, or has not come back, for too long. To be called now and then.
    pub fn refuse_if_due(&self, now: Monotonic) {
        let (Some(longest), Some(pending)) = (self.max_unsynced, self.pending_for(now)) else { return };
        // Where the first failure counts, a commit that takes its time is none: it holds the replies.
        let counts = self.is_failing() || !longest.is_zero();
        if counts && pending >= longest {
            self.set(REFUSING, true);
        }
    }

    /// A SAVE or BGSAVE has begun.
    pub fn save_began(&self) {
        self.save_running.store(true, Ordering::Relaxed);
    }

    /// A SAVE or BGSAVE has ended, well or not.
    pub fn save_ended(&self, is_written: bool, now: WallMillis) {
        self.save_running.store(false, Ordering::Relaxed);
        self.save_failed.store(!is_written, Ordering::Relaxed);
        if is_written {
            self.set_last_save(now);
        }
    }

    /// When everything was last on disk, as the store says at the start.
    pub fn set_last_save(&self, at: WallMillis) {
        self.last_save_millis.store(at.0, Ordering::Relaxed);
    }

    /// Whether a SAVE or BGSAVE is under way.
    pub fn is_saving(&self) -> bool {
        self.save_running.load(Ordering::Relaxed)
    }

    /// Whether the last SAVE or BGSAVE was written.
    pub fn last_save_is_ok(&self) -> bool {
        !self.save_failed.load(Ordering::Relaxed)
    }

    /// When everything counted before was last on disk; 0 if that is not known.
    pub fn last_save(&self) -> WallMillis {
        // In memory mode only a save writes all; otherwise every commit does.
        let commit = if self.durability == Durability::Memory { 0 } else { figure(&self.last_commit_millis) };
        WallMillis(figure(&self.last_save_millis).max(commit))
    }

    /// When anything was last written; 0 for never since the start.
    pub fn last_commit(&self) -> WallMillis {
        WallMillis(figure(&self.last_commit_millis))
    }

    /// Whether the last commit failed.
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// The age of the oldest commit that is under way or has failed; none where all that were begun are on disk.
    pub fn pending_for(&self, now: Monotonic) -> Option<Duration> {
        let since = figure(&self.pending_since_nanos);
        (since != 0).then(|| now.since(Monotonic::from_nanos(since)))
    }

    /// How often commits have begun to fail since the start.
    pub fn failures(&self) -> u64 {
        figure(&self.failures)
    }

    /// Why the last commit could not be written; none while commits succeed.
    pub fn failure(&self) -> Option<String> {
        self.failure.read().clone()
    }

    /// Whether changes are refused because nothing can be written.
    pub fn refuses_changes(&self) -> bool {
        self.gate().has(REFUSING)
    }

    #[inline]
    pub(super) fn gate(&self) -> Gate {
        Gate(self.gate.load(Ordering::Relaxed))
    }

    /// Whether a command may run now.
    pub(super) fn admit(&self, gate: Gate, command: &CommandSpecification) -> Result<(), CommandError> {
        if gate.has(NOT_SERVING) && !command.has(Flag::Loading) {
            return Err(CommandError::Loading { progress: self.progress() });
        }
        if gate.has(REFUSING) && command.has(Flag::Write) {
            let reason = self.failure().unwrap_or_else(|| "a write that was begun has not come back".to_owned());
            return Err(CommandError::NotOnDisk { durability: self.durability, reason });
        }
        Ok(())
    }

    /// How far the start has come, for a client.
    fn progress(&self) -> String {
        match self.stage() {
            Stage::Rejoining => "it asks the other nodes what they have heard of it".to_owned(),
            Stage::Loading | Stage::Serving => {
                let (loaded, total) = (figure(&self.counters_loaded), figure(&self.counters_to_load));
                if total == 0 {
                    "it has just begun".to_owned()
                } else {
                    format!("{loaded} of about {}", total.max(loaded))
                }
            }
        }
    }

    fn set(&self, bit: u8, is_set: bool) {
        if is_set {
            self.gate.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.gate.fetch_and(!bit, Ordering::Relaxed);
        }
    }
}

/// What stands between a request and the counters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate(u8);

impl Gate {
    /// Nothing.
    #[inline]
    pub(super) fn is_open(self) -> bool {
        self.0 == 0
    }

    /// Replies to changes wait until these are on disk.
    #[inline]
    pub(super) fn holds_replies(self) -> bool {
        self.has(HOLDING)
    }

    #[inline]
    fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(since_origin: u64) -> Monotonic {
        Monotonic::ZERO.after(Duration::from_millis(since_origin))
    }

    #[test]
    fn changes_are_refused_once_nothing_could_be_written_for_long_enough() {
        let figures = PersistenceFigures::new(Durability::EverySecond, Some(Duration::from_secs(30)));
        assert!(figures.gate().is_open());
        figures.commit_began(millis(1_000));
        figures.commits_fail("No space left on device", millis(1_010));
        // It is tried again and again.
        figures.commit_began(millis(1_500));
        figures.refuse_if_due(millis(30_999));
        assert!(!figures.refuses_changes() && figures.is_failing());
        assert_eq!(figures.pending_for(millis(3_000)), Some(Duration::from_secs(2)));
        figures.refuse_if_due(millis(31_000));
        assert!(figures.refuses_changes());
        assert_eq!(figures.failure().as_deref(), Some("No space left on device"));
        figures.commit_succeeded(WallMillis(32_000));
        assert!(figures.gate().is_open());
        assert_eq!((figures.pending_for(millis(32_000)), figures.failure(), figures.failures()), (None, None, 1));
        // The time that counts is that of the present failure.
        figures.commits_fail("No space left on device", millis(40_000));
        assert!(!figures.refuses_changes());
    }

    #[test]
    fn a_disk_that_neither_writes_nor_fails_is_one_that_takes_nothing() {
        let figures = PersistenceFigures::new(Durability::EverySecond, Some(Duration::from_secs(30)));
        figures.commit_began(millis(500));
        figures.commit_succeeded(WallMillis(7));
        figures.refuse_if_due(millis(90_000));
        assert!(!figures.refuses_changes(), "nothing is under way");
        figures.commit_began(millis(100_000));
        figures.refuse_if_due(millis(129_999));
        assert!(!figures.refuses_changes());
        figures.refuse_if_due(millis(130_000));
        assert!(figures.refuses_changes() && !figures.is_failing());
        let refusal = figures.admit(figures.gate(), &crate::command::counting::INCR).expect_err("refused");
        assert!(refusal.to_string().contains("a write that was begun has not come back"), "{refusal}");
        // Whatever the clock on the wall shows.
        figures.commit_succeeded(WallMillis(0));
        assert!(!figures.refuses_changes());
    }

    #[test]
    fn with_always_a_commit_that_takes_its_time_is_waited_for() {
        let figures = PersistenceFigures::new(Durability::Always, Some(Duration::ZERO));
        figures.commit_began(millis(1_000));
        figures.refuse_if_due(millis(1_000_000));
        assert!(!figures.refuses_changes());
    }

    #[test]
    fn always_refuses_changes_at_the_first_failure_and_others_never_without_a_limit() {
        let always = PersistenceFigures::new(Durability::Always, Some(Duration::ZERO));
        assert!(always.gate().holds_replies() && !always.refuses_changes());
        always.commits_fail("I/O error", millis(5));
        assert!(always.refuses_changes() && always.gate().holds_replies());
        always.commit_succeeded(WallMillis(6));
        assert!(!always.refuses_changes() && always.gate().holds_replies());
        let patient = PersistenceFigures::new(Durability::EverySecond, None);
        patient.commits_fail("I/O error", millis(5));
        patient.refuse_if_due(millis(50_000_000));
        assert!(!patient.refuses_changes());
    }

    #[test]
    fn the_last_save_is_what_holds_everything() {
        for (durability, after_commit) in
            [(Durability::Memory, 0), (Durability::EverySecond, 7_000), (Durability::Always, 7_000)]
        {
            let figures = PersistenceFigures::new(durability, None);
            assert_eq!(figures.last_save(), WallMillis(0));
            // In memory mode a reservation of numbers is a commit, too.
            figures.commit_succeeded(WallMillis(7_000));
            assert_eq!(figures.last_save(), WallMillis(after_commit), "{durability}");
            figures.save_began();
            assert!(figures.is_saving());
            figures.save_ended(false, WallMillis(8_000));
            assert!(!figures.last_save_is_ok() && !figures.is_saving());
            figures.save_ended(true, WallMillis(9_000));
            assert_eq!((figures.last_save(), figures.last_save_is_ok()), (WallMillis(9_000), true));
        }
    }
}
