//! What all shards of a table have in common.

use super::default_precision::DefaultPrecision;
use super::marks::Marks;
use super::progress::Progress;
use super::room::Room;
use super::state::CounterState;
use super::{Band, CommitClock};
use crate::base::{HybridClock, Monotonic, ReplicaId, ReplicaIndex};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Shards in a table.
pub(super) const SHARDS: usize = 256;

/// The present replica of this node and its one sequence.
#[derive(Debug)]
pub(super) struct OwnReplica {
    pub(super) id: ReplicaId,
    pub(super) index: ReplicaIndex,
    last: AtomicU64,
    /// Numbers up to this one are reserved.
    limit: AtomicU64,
}

/// Threads that have seen room may draw so many numbers before any of them looks again.
const DRAWN_UNSEEN: u64 = 4096;

impl OwnReplica {
    pub(super) fn new(id: ReplicaId, index: ReplicaIndex, last: u64, limit: u64) -> Self {
        Self { id, index, last: AtomicU64::new(last), limit: AtomicU64::new(limit) }
    }

    /// Whether a number may be drawn: after a crash, all that were used must be among those that were reserved.
    pub(super) fn has_numbers(&self) -> bool {
        self.last().saturating_add(DRAWN_UNSEEN) <= self.limit.load(Ordering::Acquire)
    }

    /// So many numbers are reserved and were not drawn.
    pub(super) fn left(&self) -> u64 {
        self.limit.load(Ordering::Acquire).saturating_sub(self.last())
    }

    /// The next number is the one after `last`; those up to `limit` are reserved.
    pub(super) fn go_on_after(&self, last: u64, limit: u64) {
        self.last.fetch_max(last, Ordering::AcqRel);
        self.limit.store(limit, Ordering::Release);
    }

    pub(super) fn raise_limit(&self, limit: u64) {
        self.limit.fetch_max(limit, Ordering::AcqRel);
    }

    /// The last number drawn.
    pub(super) fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// The next number of the sequence. Drawn only under the lock of the shard whose state it numbers.
    pub(super) fn draw(&self) -> u64 {
        self.last.fetch_add(1, Ordering::AcqRel) + 1
    }
}

/// Called when the first news after a drain appears; must be quick and must not call back.
pub type Wake = Box<dyn Fn() + Send + Sync>;

pub(super) struct Shared {
    pub(super) hasher: ahash::RandomState,
    pub(super) clock: HybridClock,
    pub(super) progress: Progress,
    pub(super) default_precision: DefaultPrecision,
    pub(super) settle: Duration,
    pub(super) lease: Duration,
    pub(super) room: Room,
    pub(super) collect_zero: bool,
    pub(super) counters: AtomicU64,
    /// Precisions of which not everybody is known to have heard.
    pub(super) unsettled_precisions: AtomicU64,
    /// Counters that changed since they were last handed over to be kept, and records of counters that are gone.
    pub(super) unsaved: AtomicU64,
    /// Shards with such counters.
    pub(super) unsaved_shards: Marks,
    pub(super) passed_over: AtomicBool,
    pub(super) commits: CommitClock,
    /// Nothing of an own share is kept apart as counted and never said.
    pub(super) saves_exactly: AtomicBool,
    members: AtomicU32,
    /// Shards with news.
    news: Marks,
    drain_from: AtomicUsize,
    /// When each shard's next timer is due.
    due: Box<[AtomicU64]>,
    /// No timer is due before this.
    earliest_due: AtomicU64,
    awake: AtomicBool,
    wake: Wake,
}

impl Shared {
    pub(super) fn new(settings: super::table::TableSettings) -> Self {
        let [a, b, c, d] = settings.hash_seeds;
        Self {
            hasher: ahash::RandomState::with_seeds(a, b, c, d),
            clock: HybridClock::default(),
            progress: Progress::default(),
            default_precision: DefaultPrecision::new(settings.config.default_precision),
            settle: settings.config.settle(),
            lease: settings.lease,
            room: Room::new(settings.config.max_counters),
            collect_zero: settings.config.collect_zero,
            counters: AtomicU64::new(0),
            unsettled_precisions: AtomicU64::new(0),
            unsaved: AtomicU64::new(0),
            unsaved_shards: Marks::default(),
            passed_over: AtomicBool::new(false),
            commits: CommitClock::default(),
            saves_exactly: AtomicBool::new(false),
            members: AtomicU32::new(1),
            news: Marks::default(),
            drain_from: AtomicUsize::new(0),
            due: (0..SHARDS).map(|_| AtomicU64::new(u64::MAX)).collect(),
            earliest_due: AtomicU64::new(u64::MAX),
            awake: AtomicBool::new(false),
            wake: settings.wake,
        }
    }

    pub(super) fn hash(&self, name: &[u8]) -> u64 {
        self.hasher.hash_one(name)
    }

    /// The members of the cluster, this node included: at least 1.
    pub(super) fn members(&self) -> u32 {
        self.members.load(Ordering::Relaxed)
    }

    pub(super) fn set_members(&self, members: u32) {
        self.members.store(members.max(1), Ordering::Relaxed);
    }

    pub(super) fn default_band(&self) -> Band {
        Band::share_of(self.default_precision.kept().amount(), self.members())
    }

    pub(super) fn band_of(&self, default: Band, state: &CounterState) -> Band {
        match state.precision() {
            None => default,
            Some(_) => {
                let precision = state.precision_to_keep(|| self.default_precision.kept());
                Band::share_of(precision.amount(), self.members())
            }
        }
    }

    pub(super) fn mark_news(&self, shard: u8) {
        self.news.mark(shard);
        self.rouse();
    }

    /// Takes the mark of a shard. Answers whether it had news.
    pub(super) fn take_news(&self, shard: usize) -> bool {
        u8::try_from(shard).is_ok_and(|shard| self.news.take(shard))
    }

    /// Whether a shard has news.
    pub(super) fn has_news_of(&self, shard: usize) -> bool {
        u8::try_from(shard).is_ok_and(|shard| self.news.is_marked(shard))
    }

    /// The shard to drain first.
    pub(super) fn drain_from(&self) -> usize {
        self.drain_from.load(Ordering::Relaxed) % SHARDS
    }

    /// Goes on there next time, so that busy shards do not keep others from being drained.
    pub(super) fn set_drain_from(&self, shard: usize) {
        self.drain_from.store(shard, Ordering::Relaxed);
    }

    pub(super) fn set_due(&self, shard: u8, due: Monotonic) {
        let before = self.due[usize::from(shard)].swap(due.as_nanos(), Ordering::AcqRel);
        if due.as_nanos() < before {
            self.earliest_due.fetch_min(due.as_nanos(), Ordering::AcqRel);
            self.rouse();
        }
    }

    /// A time before which no shard's timer is due: the earliest one, or that of a timer that is gone.
    pub(super) fn earliest_due(&self) -> Monotonic {
        Monotonic::from_nanos(self.earliest_due.load(Ordering::Acquire))
    }

    /// Forgets timers that are gone. Costs a look at every shard.
    pub(super) fn find_earliest_due(&self) {
        // What is armed meanwhile is either seen below or lowers the figure after this.
        self.earliest_due.swap(u64::MAX, Ordering::AcqRel);
        let earliest = self.due.iter().map(|due| due.load(Ordering::Acquire)).min().unwrap_or(u64::MAX);
        self.earliest_due.fetch_min(earliest, Ordering::AcqRel);
    }

    pub(super) fn due(&self, shard: usize) -> Monotonic {
        Monotonic::from_nanos(self.due[shard].load(Ordering::Acquire))
    }

    pub(super) fn doze(&self) {
        self.awake.store(false, Ordering::Release);
    }

    pub(super) fn has_news(&self) -> bool {
        self.news.any()
    }

    fn rouse(&self) {
        if !self.awake.swap(true, Ordering::AcqRel) {
            (self.wake)();
        }
    }
}
