//! What changed since it was last handed over to be kept on disk; and the way of what was kept back into the table.
//!
//! Whoever changes a counter's state touches it here, in the same breath. Nobody ever searches for what changed.

use super::collecting::ZeroMaker;
use super::commits::CommitClock;
use super::entry::Counter;
use super::label::Flag;
use super::shard::Shard;
use super::share::Share;
use super::shared::{OwnReplica, Shared};
use super::slot_set::SlotSet;
use super::stored::StoredCounter;
use super::table::Table;
use super::watching::Watching;
use crate::base::{Location, Monotonic, Name, ReplicaId, ReplicaIndex, Total};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What one shard has to have kept.
#[derive(Debug, Default)]
pub(super) struct Saving {
    /// Which shard.
    number: u8,
    /// Counters that changed.
    touched: SlotSet,
    /// Those that are being handed over.
    leaving: SlotSet,
    /// Counters that are gone and of which there may be a record.
    removed: BTreeSet<Box<[u8]>>,
    /// Counters with something that was counted and never said.
    with_remainders: Vec<u32>,
    /// Whoever watches hears of changes at the same places.
    pub(super) watching: Watching,
}

impl Saving {
    pub(super) fn new(number: u8) -> Self {
        Self { number, ..Self::default() }
    }

    /// A counter changed, and perhaps its value.
    #[inline]
    pub(super) fn touch(&mut self, shared: &Shared, slot: u32, counter: &mut Counter) {
        self.touch_state(shared, slot, counter);
        self.watching.note(slot, counter);
    }

    /// A counter changed, but not its value.
    #[inline]
    pub(super) fn touch_state(&mut self, shared: &Shared, slot: u32, counter: &mut Counter) {
        if !counter.set(Flag::Unsaved, true) {
            shared.unsaved.fetch_add(1, Ordering::Relaxed);
            shared.unsaved_shards.mark(self.number);
            self.touched.insert(slot);
        }
    }

    /// A counter leaves the table.
    pub(super) fn note_removal(&mut self, shared: &Shared, slot: u32, counter: &Counter) {
        self.watching.note_removal(slot, counter);
        if counter.is(Flag::Unsaved) {
            shared.unsaved.fetch_sub(1, Ordering::Relaxed);
            let _ = self.touched.remove(slot) || self.leaving.remove(slot);
        }
        if counter.is(Flag::Kept) {
            self.remove_record(shared, counter.name());
        }
    }

    /// The counters that changed, and those that are being handed over.
    pub(super) fn changed(&self) -> (&SlotSet, &SlotSet) {
        (&self.touched, &self.leaving)
    }

    /// Whether the record of a counter that is gone is still to be removed.
    pub(super) fn is_removed(&self, name: &[u8]) -> bool {
        self.removed.contains(name)
    }

    #[cfg(test)]
    pub(super) fn length(&self) -> usize {
        self.touched.len() + self.leaving.len()
    }

    fn remove_record(&mut self, shared: &Shared, name: &[u8]) {
        if self.removed.insert(name.into()) {
            shared.unsaved.fetch_add(1, Ordering::Relaxed);
            shared.unsaved_shards.mark(self.number);
        }
    }

    /// Whether nothing is left to be handed over.
    fn is_empty(&self) -> bool {
        self.touched.is_empty() && self.leaving.is_empty() && self.removed.is_empty()
    }
}

impl Table {
    /// Commit cycles of what is kept of this table.
    pub fn commits(&self) -> &CommitClock {
        &self.shared.commits
    }

    /// Whether anything changed since it was last handed over. Constant time; may be late by what another thread is doing.
    pub fn has_unsaved(&self) -> bool {
        self.unsaved() > 0
    }

    /// How many counters changed, or are gone, since they were last handed over.
    pub fn unsaved(&self) -> u64 {
        self.shared.unsaved.load(Ordering::Relaxed)
    }

    /// Hands over counters of one shard that changed, at most `limit` at a time; none in place of one whose record is to
    /// be removed. Answers whether there are more of those that had changed at the first such call: whoever begins has
    /// to go on until there are not. Holds the shard's lock.
    ///
    /// An own share leaves as what was last said of it; one of which nobody remembers that gets a number first.
    pub fn take_unsaved(
        &self,
        shard: u8,
        limit: usize,
        now: Monotonic,
        visit: &mut dyn FnMut(&[u8], Option<&StoredCounter>),
    ) -> bool {
        // Most have none, and their locks are better left to others.
        if !self.shared.unsaved_shards.is_marked(shard) {
            return false;
        }
        let Some(mut shard) = self.lock_at(Location(u32::from(shard))) else { return false };
        shard.take_unsaved(&self.shared, limit, now, visit)
    }

    /// Whether a counter was passed over since this was last asked, as there was no number for it. It is still to be handed
    /// over, so whoever finishes a cycle must not finish that one.
    pub fn take_passed_over(&self) -> bool {
        self.shared.passed_over.swap(false, Ordering::AcqRel)
    }

    /// What was handed over could not be kept: it is to be handed over again. Of a counter that is gone, its record is to
    /// be removed.
    pub fn mark_unsaved(&self, name: &[u8]) {
        let hash = self.shared.hash(name);
        let mut shard = self.lock(hash);
        match shard.find(hash, name) {
            Some(slot) => shard.touch(&self.shared, slot),
            None => shard.saving.remove_record(&self.shared, name),
        }
    }

    /// Puts a counter into the table as it was kept by the replica `kept_by`. What that had counted and never said is
    /// counted again if it is the present replica, and waits for [`Self::count_remainders`] if not.
    pub fn restore(&self, name: Name<'_>, stored: StoredCounter, kept_by: ReplicaIndex) {
        let assigned = stored.assignment.as_ref().map(|assignment| assignment.stamp);
        for stamp in assigned.into_iter().chain(stored.precision.map(|register| register.stamp)) {
            self.observe(stamp.time);
        }
        let hash = self.shared.hash(name.as_bytes());
        let mut shard = self.lock(hash);
        let slot = shard.find_or_create(&self.shared, hash, name.as_bytes());
        shard.restore(&self.shared, slot, stored, kept_by);
    }

    /// Nobody can have heard more of `replica` than this node holds: what it had counted and never said is counted again,
    /// by the present replica. Answers how many counters that changed.
    pub fn count_remainders(&self, replica: ReplicaIndex) -> u64 {
        self.shards().map(|shard| shard.lock().count_remainders(&self.shared, replica)).sum()
    }

    /// Goes on as `replica`, whose shares are held as those of another so far: it is known to be whole. The next number is
    /// the one after `last`. There must be no own shares. Walks all counters, a shard at a time.
    pub fn adopt_replica(&self, (replica, index): (ReplicaId, ReplicaIndex), last: u64, number_limit: u64) {
        let own = Arc::new(OwnReplica::new(replica, index, last, number_limit));
        for shard in self.shards() {
            shard.lock().adopt_replica(&own);
        }
    }

    /// What was kept as shares of the present replica is to be handed over again, as those of `replica`: that has ended.
    /// Walks all counters, a shard at a time.
    pub fn touch_shares_of(&self, replica: ReplicaIndex) {
        for shard in self.shards() {
            shard.lock().touch_shares_of(&self.shared, replica);
        }
    }

    /// The present replica resumes: its next number is the one after `last`, and those up to `limit` may be used. A new
    /// table starts with 1 and has no limit.
    pub fn go_on_after(&self, last: u64, limit: u64) {
        if let Some(shard) = self.lock_at(Location(0)) {
            shard.own.go_on_after(last, limit);
        }
    }

    /// Numbers of the present replica up to `limit` may be used from now on.
    pub fn set_number_limit(&self, limit: u64) {
        for (number, shard) in (0..=u8::MAX).zip(self.shards()) {
            let shard = shard.lock();
            let had_numbers = shard.own.has_numbers();
            shard.own.raise_limit(limit);
            if !had_numbers || shard.waiting() > 0 {
                self.shared.mark_news(number);
            }
        }
    }

    /// Own shares are handed over with all that was counted, and announced so, from now on: for what is written only now and
    /// then, and read again in every process after a crash, what was counted and never said must not be told twice.
    pub fn save_exactly(&self) {
        self.shared.saves_exactly.store(true, Ordering::Relaxed);
    }

    /// Whether numbers may be drawn. While not, nothing can be said and nothing repaired.
    pub fn has_numbers(&self) -> bool {
        self.lock_at(Location(0)).is_some_and(|shard| shard.own.has_numbers())
    }
}

impl Shard {
    /// A counter changed.
    pub(super) fn touch(&mut self, shared: &Shared, slot: u32) {
        let Self { counters, saving, .. } = self;
        if let Some(counter) = counters.get_mut(slot) {
            saving.touch(shared, slot, counter);
        }
    }

    fn take_unsaved(
        &mut self,
        shared: &Shared,
        limit: usize,
        now: Monotonic,
        visit: &mut dyn FnMut(&[u8], Option<&StoredCounter>),
    ) -> bool {
        // Set again below if it is not all.
        shared.unsaved_shards.take(self.number);
        if self.saving.leaving.is_empty() {
            let Saving { touched, leaving, .. } = &mut self.saving;
            std::mem::swap(touched, leaving);
            self.take_removals(shared, visit);
        }
        for _ in 0..limit {
            let Some(slot) = self.saving.leaving.pop() else { break };
            self.save_one(shared, slot, now, visit);
        }
        if !self.saving.is_empty() {
            shared.unsaved_shards.mark(self.number);
        }
        !self.saving.leaving.is_empty()
    }

    fn take_removals(&mut self, shared: &Shared, visit: &mut dyn FnMut(&[u8], Option<&StoredCounter>)) {
        for name in std::mem::take(&mut self.saving.removed) {
            shared.unsaved.fetch_sub(1, Ordering::Relaxed);
            // One that is back is among those that changed, and its record takes the place of the old.
            if self.find(shared.hash(&name), &name).is_none() {
                visit(&name, None);
            }
        }
    }

    fn save_one(
        &mut self,
        shared: &Shared,
        slot: u32,
        now: Monotonic,
        visit: &mut dyn FnMut(&[u8], Option<&StoredCounter>),
    ) {
        // Gone, or gone and another in its place that has not changed.
        let Some(counter) = self.counters.get(slot).filter(|counter| counter.is(Flag::Unsaved)) else { return };
        let is_unborn = counter.state.own().is_some_and(|share| share.born == 0);
        // What is on disk for long, and perhaps never replaced, must say under its number all that there was.
        let is_to_be_exact = shared.saves_exactly.load(Ordering::Relaxed) && counter.told() != counter.state.own();
        if is_unborn || is_to_be_exact || (counter.is(Flag::Queued) && counter.active().is_none()) {
            if !self.own.has_numbers() {
                self.saving.touched.insert(slot);
                shared.passed_over.store(true, Ordering::Release);
                return;
            }
            self.announce_now(shared, slot, now);
        }
        let own = self.own.index;
        let Some(counter) = self.counters.get_mut(slot) else { return };
        counter.set(Flag::Unsaved, false);
        counter.set(Flag::Kept, true);
        shared.unsaved.fetch_sub(1, Ordering::Relaxed);
        let stored = counter.state.to_stored(own, counter.told());
        visit(counter.name(), Some(&stored));
    }

    fn restore(&mut self, shared: &Shared, slot: u32, stored: StoredCounter, kept_by: ReplicaIndex) {
        let own = self.own.index;
        let Some(counter) = self.counters.get_mut(slot) else { return };
        counter.state = super::CounterState::from_stored(stored, kept_by, own);
        counter.set(Flag::Kept, true);
        let has_remainders = !counter.state.remainders().is_empty();
        let is_tended = !counter.state.retired().is_empty() || counter.state.assignment().is_some_and(|a| a.deleted);
        self.recount(slot);
        // Whoever brought it to nothing may have been stopped before it was deleted.
        self.watch_zero(shared, slot, ZeroMaker::Another);
        if is_tended {
            self.tend_later(slot);
        }
        if has_remainders {
            self.saving.with_remainders.push(slot);
            if kept_by == own {
                self.count_remainder(shared, slot, own);
            }
        }
    }

    fn adopt_replica(&mut self, own: &Arc<OwnReplica>) {
        let index = own.index;
        self.own = Arc::clone(own);
        for slot in 0..self.counters.end() {
            let Some(counter) = self.counters.get_mut(slot) else { continue };
            counter.state.adopt(index);
        }
    }

    fn touch_shares_of(&mut self, shared: &Shared, replica: ReplicaIndex) {
        let Self { counters, saving, .. } = self;
        for slot in 0..counters.end() {
            let Some(counter) = counters.get_mut(slot) else { continue };
            if counter.state.other(replica).is_some() {
                saving.touch(shared, slot, counter);
            }
        }
    }

    fn count_remainders(&mut self, shared: &Shared, replica: ReplicaIndex) -> u64 {
        let slots = std::mem::take(&mut self.saving.with_remainders);
        let mut changed = 0;
        for slot in slots {
            changed += u64::from(self.count_remainder(shared, slot, replica));
            if self.counters.get(slot).is_some_and(|counter| !counter.state.remainders().is_empty()) {
                self.saving.with_remainders.push(slot);
            }
        }
        changed
    }

    /// Answers whether there was anything to count.
    fn count_remainder(&mut self, shared: &Shared, slot: u32, replica: ReplicaIndex) -> bool {
        let own = self.own.index;
        let Some(counter) = self.counters.get_mut(slot) else { return false };
        if !counter.state.has_remainder(replica) {
            return false;
        }
        self.saving.touch(shared, slot, counter);
        let Some(amount) = counter.state.take_remainder(replica, own) else { return false };
        let share = counter.state.own().unwrap_or_default();
        // Nobody comes near the end of the range in all the time there is.
        let units = share.total.units().saturating_add(amount.units());
        counter.state.set_own(Some(Share { total: Total::from_units(units), ..share }));
        if let Some(active) = counter.active_mut() {
            active.exact_wanted = true;
        }
        self.recount(slot);
        self.watch_zero(shared, slot, ZeroMaker::ThisNode);
        self.queue(shared, slot);
        true
    }
}

impl Counter {
    /// The own share as it last left under its revision; the caller has numbered one of which nothing remembers that.
    pub(super) fn told(&self) -> Option<Share> {
        let share = self.state.own().filter(|share| share.born != 0)?;
        let total = self.active().map_or(share.total, |active| active.predictor.believed().total);
        Some(Share { total, ..share })
    }
}
