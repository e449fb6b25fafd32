//! The table of all counters: 256 shards, each under its own lock, safe for any number of threads.
//!
//! No operation looks at all counters but [`Table::scan`] and the repair's walk, and those go a few places at a
//! time. Nothing here blocks on anything but a shard's lock, held for the work on one counter (or one chunk).

use super::config::Config;
use super::entry::ReadAt;
use super::error::CounterError;
use super::label::Flag;
use super::progress::Progress;
use super::shard::Shard;
use super::shared::{OwnReplica, SHARDS, Shared, Wake};
use super::{Announcement, CounterState, Precision};
use crate::base::{Amount, Location, Moment, Monotonic, Name, ReplicaId, ReplicaIndex};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What a table is made with.
pub struct TableSettings {
    /// The `[counters]` section.
    pub config: Config,
    /// How long a silent node's shares are extrapolated.
    pub lease: Duration,
    /// The replica whose shares are this table's own.
    pub replica: ReplicaId,
    /// Its place in the registry.
    pub replica_index: ReplicaIndex,
    /// Secret seeds of the hash of names: names come from strangers.
    pub hash_seeds: [u64; 4],
    /// Called when there is something to announce, or to look at earlier than before.
    pub wake: Wake,
}

/// All counters of a node.
pub struct Table {
    shards: Box<[Mutex<Shard>]>,
    pub(super) shared: Shared,
}

impl Table {
    /// An empty table.
    pub fn new(settings: TableSettings) -> Self {
        let own = Arc::new(OwnReplica::new(settings.replica, settings.replica_index, 0, u64::MAX));
        let shared = Shared::new(settings);
        let band = shared.default_band();
        let shards = (0..=u8::MAX)
            .map(|number| Mutex::new(Shard::new(number, Arc::clone(&own), band, shared.collect_zero)))
            .collect();
        Self { shards, shared }
    }

    pub(super) fn lock(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // Bits that the index uses neither for its tags nor, in any table that fits memory, for its buckets.
        self.shards[(hash >> 49) as usize % SHARDS].lock()
    }

    pub(super) fn lock_at(&self, location: Location) -> Option<MutexGuard<'_, Shard>> {
        self.shards.get((location.0 & 0xff) as usize).map(Mutex::lock)
    }

    /// The shard with this number, which is below [`SHARDS`].
    pub(super) fn lock_number(&self, number: usize) -> MutexGuard<'_, Shard> {
        self.shards[number].lock()
    }

    pub(super) fn shards(&self) -> impl Iterator<Item = &Mutex<Shard>> {
        self.shards.iter()
    }

    pub(super) fn read_at(&self, now: Monotonic) -> ReadAt<'_> {
        ReadAt { now, lease: self.shared.lease, progress: &self.shared.progress }
    }

    /// Adds `by` to a counter, which is made if it does not exist. Answers its value after that.
    ///
    /// # Errors
    /// [`CounterError::Range`] when the value would leave the range, [`CounterError::Full`] when a new counter
    /// would be one too many. Nothing was changed.
    pub fn increment(&self, name: Name<'_>, by: Amount, now: Monotonic) -> Result<Amount, CounterError> {
        let hash = self.shared.hash(name.as_bytes());
        let mut shard = self.lock(hash);
        let slot = shard.find_or_make(&self.shared, hash, name.as_bytes())?;
        shard.increment(&self.shared, slot, by, self.read_at(now))
    }

    /// What an increment would answer, without doing it.
    ///
    /// # Errors
    /// As [`Self::increment`].
    pub fn check_increment(&self, name: Name<'_>, by: Amount, now: Monotonic) -> Result<Amount, CounterError> {
        let hash = self.shared.hash(name.as_bytes());
        let shard = self.lock(hash);
        let counter = shard.find(hash, name.as_bytes()).and_then(|slot| shard.counters.get(slot));
        match counter {
            Some(counter) => Ok(counter.plan_increment(shard.own.index, by, self.read_at(now))?.0),
            None => Ok(by),
        }
    }

    /// Whether all of these counters could be made that do not have a place yet. The names are different ones.
    ///
    /// # Errors
    /// [`CounterError::Full`] or [`CounterError::OutOfMemory`].
    pub fn check_room_for<'a>(&self, names: impl Iterator<Item = Name<'a>>) -> Result<(), CounterError> {
        let is_new = |name: &Name<'_>| {
            let hash = self.shared.hash(name.as_bytes());
            self.lock(hash).find(hash, name.as_bytes()).is_none()
        };
        let more = names.filter(is_new).count() as u64;
        self.shared.room.check(self.shared.counters.load(Ordering::Relaxed), more)
    }

    /// Sets a counter's value. Increments that this node has not seen yet will be added to it.
    ///
    /// # Errors
    /// [`CounterError::Busy`] or [`CounterError::Full`]. Nothing was changed.
    pub fn assign(&self, name: Name<'_>, value: Amount, now: Moment) -> Result<(), CounterError> {
        let hash = self.shared.hash(name.as_bytes());
        let mut shard = self.lock(hash);
        shard.check_room()?;
        let slot = shard.find_or_make(&self.shared, hash, name.as_bytes())?;
        shard.assign(&self.shared, slot, value, false, now);
        Ok(())
    }

    /// Deletes a counter; an increment that this node has not seen yet will bring it back with what was not seen.
    /// Answers whether it existed.
    ///
    /// # Errors
    /// [`CounterError::Busy`]. Nothing was changed.
    pub fn delete(&self, name: Name<'_>, now: Moment) -> Result<bool, CounterError> {
        let hash = self.shared.hash(name.as_bytes());
        let mut shard = self.lock(hash);
        let Some(slot) = shard.find(hash, name.as_bytes()) else { return Ok(false) };
        if !shard.counters.get(slot).is_some_and(|counter| counter.is(Flag::Exists)) {
            return Ok(false);
        }
        shard.check_room()?;
        shard.assign(&self.shared, slot, Amount::ZERO, true, now);
        Ok(true)
    }

    /// The value of a counter, or `None` if it does not exist.
    pub fn read(&self, name: Name<'_>, now: Monotonic) -> Option<Amount> {
        let hash = self.shared.hash(name.as_bytes());
        let shard = self.lock(hash);
        let counter = shard.counters.get(shard.find(hash, name.as_bytes())?)?;
        counter.is(Flag::Exists).then(|| counter.value(shard.own.index, self.read_at(now)).clamped())
    }

    /// A counter's precision: its own, or the default.
    pub fn precision(&self, name: Name<'_>) -> Precision {
        let hash = self.shared.hash(name.as_bytes());
        let shard = self.lock(hash);
        shard
            .find(hash, name.as_bytes())
            .and_then(|slot| shard.counters.get(slot)?.state.precision())
            .map_or_else(|| self.default_precision(), |register| register.precision)
    }

    /// Sets a counter's precision for the whole cluster. Does not make the counter exist.
    ///
    /// # Errors
    /// [`CounterError::Busy`] or [`CounterError::Full`]. Nothing was changed.
    pub fn set_precision(&self, name: Name<'_>, precision: Precision, now: Moment) -> Result<(), CounterError> {
        let hash = self.shared.hash(name.as_bytes());
        let mut shard = self.lock(hash);
        shard.check_room()?;
        let slot = shard.find_or_make(&self.shared, hash, name.as_bytes())?;
        shard.set_precision(&self.shared, slot, precision, now);
        Ok(())
    }

    /// How many counters exist. Takes every shard's lock for a moment.
    pub fn len(&self) -> u64 {
        self.shards.iter().map(|shard| shard.lock().existing).sum()
    }

    /// Whether no counter exists.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Visits the names of existing counters in at most `count` places (at least one) from `cursor` on.
    /// Answers where to go on; 0 is both the start and the end.
    ///
    /// A counter that exists from the first call to the last is visited exactly once: places never change.
    pub fn scan(&self, cursor: u64, count: usize, visit: &mut dyn FnMut(&[u8])) -> u64 {
        let mut left = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        let (mut number, mut first) = ((cursor >> 32) as usize, cursor as u32);
        while let Some(shard) = self.shards.get(number) {
            let shard = shard.lock();
            let last = shard.counters.end().min(first.saturating_add(left));
            for slot in first..last {
                if let Some(counter) = shard.counters.get(slot).filter(|counter| counter.is(Flag::Exists)) {
                    visit(counter.name());
                }
            }
            left -= last.saturating_sub(first).min(left);
            if last < shard.counters.end() {
                return (number as u64) << 32 | u64::from(last);
            }
            (number, first) = (number + 1, 0);
            if left == 0 && number < SHARDS {
                return (number as u64) << 32;
            }
        }
        0
    }

    /// What the node knows of the other replicas, for everyone to read.
    pub fn progress(&self) -> &Progress {
        &self.shared.progress
    }

    /// Splits precision over this many members from now on. While a node is the only one, increments are not news:
    /// they wait for a second member, or for a SET, DEL or PRECISION of the same shard.
    pub fn set_members(&self, members: u32) {
        if members.max(1) == self.shared.members() {
            return;
        }
        self.shared.set_members(members);
        for shard in &self.shards {
            let mut shard = shard.lock();
            // Reckoned under the lock, so that of two who change it the last has what both have said.
            let band = self.shared.default_band();
            shard.set_members(&self.shared, band, members <= 1);
        }
    }

    /// What is promised from now on of counters for which no PRECISION was set. Peers go by what they were told at the
    /// start, so own shares keep to that where it is narrower.
    pub fn set_default_precision(&self, precision: Precision) {
        if precision == self.default_precision() {
            return;
        }
        self.shared.default_precision.replace(precision);
        for shard in &self.shards {
            let mut shard = shard.lock();
            let (band, alone) = (self.shared.default_band(), shard.alone);
            shard.set_members(&self.shared, band, alone);
        }
    }

    /// Whether [`Self::drain`] would find anything.
    pub fn has_news(&self) -> bool {
        self.shared.has_news()
    }

    /// How many announcements wait for a [`Self::drain`], those that need a second member to hear them included.
    pub fn waiting(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().waiting()).sum()
    }

    /// When [`Self::run_timers`] must be called next. May be early after a timer was put off. Constant time.
    pub fn next_timer(&self) -> Monotonic {
        self.shared.earliest_due()
    }

    /// Looks at the predicted counters whose time has come; what has to be said of them becomes news.
    pub fn run_timers(&self, now: Monotonic) {
        for number in (0..SHARDS).filter(|shard| self.shared.due(*shard) <= now) {
            self.shards[number].lock().run_timers(&self.shared, now);
        }
        self.shared.find_earliest_due();
    }

    /// Numbers what became announceable, and appends it to `out` in the order of the numbers. Stops behind the shard
    /// that brings it to `limit` announcements or more; what is left is news still.
    /// Costs as much as there is news, not as there are counters.
    pub fn drain(&self, limit: usize, now: Monotonic, out: &mut Vec<Announcement>) {
        let first = out.len();
        let from = self.shared.drain_from();
        self.prefetch_news(from);
        for number in (from..SHARDS).chain(0..from) {
            self.prefetch_news(number + 1);
            if self.shared.take_news(number) {
                self.shards[number].lock().drain(&self.shared, now, out);
                if out.len() - first >= limit {
                    self.shared.set_drain_from(number + 1);
                    break;
                }
            }
        }
        out[first..].sort_unstable_by_key(|announcement| announcement.number);
    }

    /// Has `wake` called again at the next news or earlier timer. Whoever calls this looks for both afterwards.
    pub fn listen(&self) {
        self.shared.doze();
    }

    /// Makes news of every own share that has moved since it was last announced, to be told exactly.
    /// Costs as much as there are such shares.
    pub fn queue_all_moved(&self) {
        for shard in &self.shards {
            shard.lock().queue_all_moved(&self.shared);
        }
    }

    /// Has the next [`Self::drain`] number what waits while there is nobody to hear it, too.
    pub fn number_waiting(&self) {
        for shard in &self.shards {
            shard.lock().signal_waiting(&self.shared);
        }
    }

    /// Goes by the precisions of which everybody is known to have heard.
    pub fn settle_precisions(&self, now: Monotonic) {
        if self.shared.unsettled_precisions.load(Ordering::Relaxed) == 0 {
            return;
        }
        let standings = self.shared.progress.standings().clone();
        for shard in &self.shards {
            shard.lock().settle_precisions(&self.shared, &standings, now);
        }
    }

    /// Starts a new life: what this node counted so far becomes the share of the replica that ends, and what it
    /// counts from now on is `replica`'s, which may use numbers up to `number_limit`. The ended replica's last
    /// announcements are appended to `out`. Walks all counters, a shard at a time.
    pub fn begin_replica(
        &self,
        (replica, index): (ReplicaId, ReplicaIndex),
        number_limit: u64,
        now: Monotonic,
        out: &mut Vec<Announcement>,
    ) {
        let own = Arc::new(OwnReplica::new(replica, index, 0, number_limit));
        let first = out.len();
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.queue_all_moved(&self.shared);
            shard.drain(&self.shared, now, out);
            shard.end_own_replica(&self.shared, Arc::clone(&own));
        }
        out[first..].sort_unstable_by_key(|announcement| announcement.number);
    }

    /// A copy of all that is held of a counter, for tests and debugging.
    pub fn inspect(&self, name: Name<'_>) -> Option<CounterState> {
        self.inspect_with(name, CounterState::clone)
    }

    /// Has `look` look at all that is held of a counter, for tests and debugging. Holds its shard's lock meanwhile.
    pub fn inspect_with<R>(&self, name: Name<'_>, look: impl FnOnce(&CounterState) -> R) -> Option<R> {
        let hash = self.shared.hash(name.as_bytes());
        let shard = self.lock(hash);
        let counter = shard.counters.get(shard.find(hash, name.as_bytes())?)?;
        Some(look(&counter.state))
    }

    /// Makes no more than so many counters for clients from now on.
    pub fn set_max_counters(&self, counters: u64) {
        self.shared.room.set_max_counters(counters);
    }

    /// Makes no counter for clients while the process uses more than this limit; none lifts that.
    pub fn set_out_of_memory(&self, limit: Option<u64>) {
        self.shared.room.set_out_of_memory(limit);
    }

    /// How many counters the table holds, given-up ones included.
    pub fn held(&self) -> u64 {
        self.shared.counters.load(Ordering::Relaxed)
    }
}

/// Where a walk over all places goes on after it has looked at a shard's slots up to `last` of `end`: slot by slot within a
/// shard, shard after shard. None behind the last.
pub(super) fn next_place(shard: u32, last: u32, end: u32) -> Option<Location> {
    if last < end { Some(Location(last << 8 | shard)) } else { (shard < 0xff).then_some(Location(shard + 1)) }
}
