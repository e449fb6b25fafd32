//! One part of the table, under one lock: the index of names, the counters, and the queues of what is to be announced.
//!
//! Numbers are drawn under the shard's lock and in the same breath as the state they number, so whoever has looked
//! at every shard after reading a number has everything up to it.

use super::announcement::{Announcement, AnnouncementBody};
use super::assignment::{Assignment, PrecisionRegister};
use super::collecting::{ZeroMaker, ZeroWatch};
use super::entry::{Counter, ReadAt, Spoken};
use super::error::CounterError;
use super::excess::Corrections;
use super::saving::Saving;
use super::share::{Retired, Share};
use super::shared::{OwnReplica, Shared};
use super::slab::Slab;
use super::standing::Standings;
use super::{Band, Forecast, Look, Precision};
use crate::base::{Amount, Location, Moment, Monotonic, ReplicaIndex, Stamp};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The most assignments of one shard that may wait for the next flush.
const MAX_WAITING: usize = 16_384;

pub(super) struct Shard {
    /// Which part of the table this is.
    pub(super) number: u8,
    /// The present replica, the writer of all own shares here.
    pub(super) own: Arc<OwnReplica>,
    pub(super) index: HashTable<u32>,
    pub(super) counters: Slab<Counter>,
    /// Own shares that moved out of their band, to be numbered at the next flush.
    announceable: Vec<u32>,
    /// Numbered already, to leave at the next flush.
    pub(super) outbox: Vec<Announcement>,
    /// When to look at active shares that nobody increments.
    timers: BinaryHeap<Reverse<(Monotonic, u32)>>,
    /// Counters with a tombstone or notes on given-up shares; those first that were not looked at for the longest time.
    pub(super) tended: VecDeque<u32>,
    /// Only where counters at nothing are to be deleted.
    pub(super) zeros: Option<Box<ZeroWatch>>,
    pub(super) existing: u64,
    pub(super) corrections: Corrections,
    /// Counters with a precision of which not everybody is known to have heard.
    unsettled_precisions: Vec<u32>,
    pub(super) saving: Saving,
    /// Whether the table knows that there is news here.
    signalled: bool,
    /// The band of counters without a precision of their own.
    pub(super) default_band: Band,
    /// There are no other members: own shares that move wait in the queue, unpredicted, until there are or until
    /// something else leaves this shard.
    alone: bool,
}

impl Shard {
    pub(super) fn new(number: u8, own: Arc<OwnReplica>, default_band: Band, collect_zero: bool) -> Self {
        Self {
            number,
            own,
            index: HashTable::new(),
            counters: Slab::default(),
            announceable: Vec::new(),
            outbox: Vec::new(),
            timers: BinaryHeap::new(),
            tended: VecDeque::new(),
            zeros: collect_zero.then(Box::default),
            existing: 0,
            corrections: Corrections::default(),
            unsettled_precisions: Vec::new(),
            saving: Saving::default(),
            signalled: false,
            default_band,
            alone: true,
        }
    }

    pub(super) fn location(&self, slot: u32) -> Location {
        Location(slot << 8 | u32::from(self.number))
    }

    pub(super) fn find(&self, hash: u64, name: &[u8]) -> Option<u32> {
        let same = |slot: &u32| self.counters.get(*slot).is_some_and(|c| *c.name == *name);
        self.index.find(hash, same).copied()
    }

    pub(super) fn find_or_create(&mut self, shared: &Shared, hash: u64, name: &[u8]) -> u32 {
        let Self { index, counters, .. } = self;
        let same = |slot: &u32| counters.get(*slot).is_some_and(|c| *c.name == *name);
        let rehash = |slot: &u32| counters.get(*slot).map_or(0, |c| shared.hash(&c.name));
        match index.entry(hash, same, rehash) {
            Entry::Occupied(occupied) => *occupied.get(),
            Entry::Vacant(vacant) => {
                let slot = counters.insert(Counter::new(name));
                vacant.insert(slot);
                shared.counters.fetch_add(1, Ordering::Relaxed);
                slot
            }
        }
    }

    /// As [`Self::find_or_create`], for a client: refuses to make one counter too many.
    pub(super) fn find_or_make(&mut self, shared: &Shared, hash: u64, name: &[u8]) -> Result<u32, CounterError> {
        if let Some(slot) = self.find(hash, name) {
            return Ok(slot);
        }
        if shared.counters.load(Ordering::Relaxed) >= shared.max_counters {
            return Err(CounterError::Full(shared.max_counters));
        }
        Ok(self.find_or_create(shared, hash, name))
    }

    /// Whether one more assignment may wait for the next flush.
    pub(super) fn check_room(&self) -> Result<(), CounterError> {
        if self.outbox.len() >= MAX_WAITING || !self.own.has_numbers() { Err(CounterError::Busy) } else { Ok(()) }
    }

    /// Takes a counter that has nothing left to remember out of the table.
    pub(super) fn remove(&mut self, shared: &Shared, slot: u32) {
        let Some(counter) = self.counters.remove(slot) else { return };
        self.saving.note_removal(shared, &counter);
        let hash = shared.hash(&counter.name);
        if let Ok(entry) = self.index.find_entry(hash, |candidate| *candidate == slot) {
            entry.remove();
            shared.counters.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(zeros) = &mut self.zeros {
            zeros.forget(slot);
        }
        self.forget_stale();
    }

    /// Brings the count of existing counters up to date after `slot` changed.
    pub(super) fn recount(&mut self, slot: u32) {
        let own = self.own.index;
        if let Some(counter) = self.counters.get_mut(slot) {
            let exists = counter.state.exists(own);
            self.existing = self.existing + u64::from(exists) - u64::from(counter.exists);
            counter.exists = exists;
        }
    }

    pub(super) fn increment(
        &mut self,
        shared: &Shared,
        slot: u32,
        by: Amount,
        at: ReadAt<'_>,
    ) -> Result<Amount, CounterError> {
        let own = self.own.index;
        let default_band = self.default_band;
        let Some(counter) = self.counters.get_mut(slot) else { return Ok(by) };
        // A new counter holds nothing, and every amount added to nothing is in the range: no half-made counter is left behind.
        let (value, total) = counter.plan_increment(own, by, at)?;
        let band = (!self.alone).then(|| shared.band_of(default_band, &counter.state));
        let spoken = counter.commit_increment(by, total, band, at.now);
        self.saving.touch(shared, slot, counter);
        if !counter.exists || counter.state.assignment().is_some() {
            self.recount(slot);
        }
        match (spoken, band) {
            (Spoken::WithinBand, Some(band)) => self.ensure_timer(shared, slot, band, at.now),
            _ => self.queue(shared, slot),
        }
        if value == Amount::ZERO {
            self.watch_zero(shared, slot, ZeroMaker::ThisNode);
        }
        Ok(value)
    }

    pub(super) fn queue(&mut self, shared: &Shared, slot: u32) {
        if let Some(counter) = self.counters.get_mut(slot)
            && !counter.queued
        {
            counter.queued = true;
            self.announceable.push(slot);
            if !self.alone {
                self.signal(shared);
            }
        }
    }

    /// The members are others: the default band changes, and what waited for somebody to hear it is news.
    pub(super) fn set_members(&mut self, shared: &Shared, default_band: Band, alone: bool) {
        self.default_band = default_band;
        self.alone = alone;
        self.hurry_timers(shared);
        if !alone && !self.announceable.is_empty() {
            self.signal(shared);
        }
    }

    /// Puts a numbered announcement among those that leave at the next flush.
    fn post(&mut self, shared: &Shared, announcement: Announcement) {
        self.outbox.push(announcement);
        self.signal(shared);
    }

    /// Tells the table once that there is something to drain.
    fn signal(&mut self, shared: &Shared) {
        if !std::mem::replace(&mut self.signalled, true) {
            shared.mark_news(self.number);
        }
    }

    fn arm(&mut self, shared: &Shared, due: Monotonic, slot: u32) {
        self.timers.push(Reverse((due, slot)));
        if self.next_timer() == due {
            shared.set_due(self.number, due);
        }
    }

    /// Arms the counter's timer, unless an earlier one is armed.
    fn ensure_timer(&mut self, shared: &Shared, slot: u32, band: Band, now: Monotonic) {
        let Some(counter) = self.counters.get_mut(slot) else { return };
        let total = counter.own_total();
        let Some(active) = &mut counter.active else { return };
        if active.timer != Monotonic::NEVER && active.timer <= now.after(shared.settle) {
            // It looks early enough to find out by itself; increments must not pay for the heap.
            return;
        }
        let due = active.predictor.next_look(total, band, shared.settle, now);
        active.timer = due;
        self.arm(shared, due, slot);
    }

    /// When the next timer is due.
    fn next_timer(&self) -> Monotonic {
        self.timers.peek().map_or(Monotonic::NEVER, |Reverse((due, _))| *due)
    }

    /// The counters whose own share may be moving, each once: every such has a timer, or waits for a flush.
    pub(super) fn moving(&self) -> Vec<u32> {
        let armed = self.timers.iter().map(|Reverse((_, slot))| *slot);
        let mut moving: Vec<u32> = armed.chain(self.announceable.iter().copied()).collect();
        moving.sort_unstable();
        moving.dedup();
        moving
    }

    /// Makes every timer due: the bands are others now.
    fn hurry_timers(&mut self, shared: &Shared) {
        for Reverse((due, slot)) in std::mem::take(&mut self.timers).into_vec() {
            let active = self.counters.get_mut(slot).and_then(|counter| counter.active.as_mut());
            if let Some(active) = active.filter(|active| active.timer == due) {
                active.timer = Monotonic::ZERO;
                self.timers.push(Reverse((Monotonic::ZERO, slot)));
            }
        }
        shared.set_due(self.number, self.next_timer());
    }

    /// Looks at the active shares whose time has come: settles the quiet ones, queues those that left their band.
    pub(super) fn run_timers(&mut self, shared: &Shared, now: Monotonic) {
        while let Some(Reverse((due, slot))) = self.timers.peek().copied() {
            if due > now {
                break;
            }
            self.timers.pop();
            let Some(counter) = self.counters.get_mut(slot) else { continue };
            let total = counter.own_total();
            let band = shared.band_of(self.default_band, &counter.state);
            let Some(active) = &mut counter.active else { continue };
            if active.timer != due {
                continue;
            }
            active.timer = Monotonic::NEVER;
            if self.alone {
                // Whoever comes will be told the exact total.
                counter.active = None;
                self.queue(shared, slot);
                continue;
            }
            match active.predictor.look(total, band, shared.settle, now) {
                Look::Later(again) => {
                    // Strictly later, or this loop would never end.
                    let again = again.max(Monotonic::from_nanos(now.as_nanos().saturating_add(1)));
                    active.timer = again;
                    self.timers.push(Reverse((again, slot)));
                }
                Look::Announce => self.queue(shared, slot),
                Look::Settle => {
                    active.exact_wanted = true;
                    self.queue(shared, slot);
                }
                Look::Idle if counter.queued => {}
                Look::Idle => counter.active = None,
            }
        }
        if self.timers.len() < self.timers.capacity() / 4 {
            // Keep the allocation, but not one made by a rare burst.
            self.timers.shrink_to(1024.max(self.timers.len() * 2));
        }
        shared.set_due(self.number, self.next_timer());
    }

    pub(super) fn waiting(&self) -> usize {
        self.announceable.len() + self.outbox.len()
    }

    /// Numbers what became announceable and hands over all that waits to leave.
    pub(super) fn drain(&mut self, shared: &Shared, now: Monotonic, out: &mut Vec<Announcement>) {
        self.signalled = false;
        let mut announceable = std::mem::take(&mut self.announceable);
        let mut slots = announceable.drain(..);
        while self.own.has_numbers()
            && let Some(slot) = slots.next()
        {
            self.announce_own(shared, slot, now);
        }
        // What found no number waits until there are more.
        let starved: Vec<u32> = slots.collect();
        // Keep the allocation, but not one made by a rare burst.
        announceable.shrink_to(1024);
        self.announceable = announceable;
        self.announceable.extend(starved);
        out.append(&mut self.outbox);
        self.outbox.shrink_to(64);
    }

    /// Numbers a queued own share and puts it into the outbox.
    pub(super) fn announce_own(&mut self, shared: &Shared, slot: u32, now: Monotonic) {
        let location = self.location(slot);
        let default_band = self.default_band;
        let Some(counter) = self.counters.get_mut(slot) else { return };
        if !std::mem::take(&mut counter.queued) {
            return;
        }
        let band = shared.band_of(default_band, &counter.state);
        if counter.is_back_within(band, shared, now) {
            self.rearm(shared, slot, band, now);
            return;
        }
        let forecast = counter.forecast_to_tell(band, shared, now);
        let named = counter.state.own.is_some_and(|share| share.born == 0);
        let number = self.own.draw();
        let Some(share) = counter.number_own(number) else { return };
        self.saving.touch(shared, slot, counter);
        debug_assert_eq!(share.total, forecast.total, "what is told is the total at its number");
        let body = AnnouncementBody::Share {
            name: named.then(|| Box::from(&*counter.name)),
            born: share.born,
            total: share.total,
            rate: forecast.rate,
            whole: forecast.whole,
        };
        let active = counter.active.is_some();
        self.post(shared, Announcement { number, location, body });
        if active {
            self.rearm(shared, slot, band, now);
        }
    }

    /// After an announcement the expectation is another: its timer may be due earlier than the armed one.
    fn rearm(&mut self, shared: &Shared, slot: u32, band: Band, now: Monotonic) {
        let Some(counter) = self.counters.get_mut(slot) else { return };
        let total = counter.own_total();
        let Some(active) = &mut counter.active else { return };
        let due = active.predictor.next_look(total, band, shared.settle, now);
        if due < active.timer {
            active.timer = due;
            self.arm(shared, due, slot);
        }
    }

    /// SET or DEL. The caller has checked that there is room.
    pub(super) fn assign(&mut self, shared: &Shared, slot: u32, base: Amount, deleted: bool, now: Moment) {
        self.announce_now(shared, slot, now.monotonic);
        let location = self.location(slot);
        let own = Arc::clone(&self.own);
        let Some(counter) = self.counters.get_mut(slot) else { return };
        let number = own.draw();
        let stamp = Stamp { time: shared.clock.tick(now.wall), replica: own.id, number };
        let mut cut: Vec<(ReplicaIndex, Share)> =
            counter.state.own.map(|share| (own.index, share)).into_iter().collect();
        cut.extend(counter.state.others().iter().map(|held| (held.replica, held.share)));
        let context = shared.progress.context(own.index, number);
        let assignment = Arc::new(Assignment { stamp, origin: own.index, base, cut, context, deleted });
        counter.state.take_assignment(Arc::clone(&assignment), own.index, |replica| shared.progress.received(replica));
        let name = Box::from(&*counter.name);
        self.saving.touch(shared, slot, counter);
        let body = AnnouncementBody::Assignment { name, assignment };
        self.post(shared, Announcement { number, location, body });
        self.after_assignment(shared, slot);
        self.watch_zero(shared, slot, ZeroMaker::ThisNode);
    }

    /// Numbers the own share now, exactly, if it has moved since its last number or peers extrapolate it.
    ///
    /// Before a cut or a repair can speak of a share, what it says must be what left under its revision.
    pub(super) fn announce_now(&mut self, shared: &Shared, slot: u32, now: Monotonic) {
        let Some(counter) = self.counters.get_mut(slot) else { return };
        if counter.state.own.is_none() || (counter.active.is_none() && !counter.queued) {
            return;
        }
        if let Some(active) = &mut counter.active {
            active.exact_wanted = true;
        }
        // The queue may still hold the slot; one that is not marked is passed over there.
        counter.queued = true;
        self.announce_own(shared, slot, now);
    }

    /// Gives up a share of this node under a number of its own.
    pub(super) fn announce_retirement(&mut self, shared: &Shared, slot: u32, replica: ReplicaIndex, born: u64) {
        let location = self.location(slot);
        let own = Arc::clone(&self.own);
        let Some(counter) = self.counters.get_mut(slot) else { return };
        let number = own.draw();
        counter.state.retire(own.index, Retired { replica, born, by: own.index, number });
        let name = Box::from(&*counter.name);
        self.saving.touch(shared, slot, counter);
        let body = AnnouncementBody::Retirement { name, replica, born };
        self.post(shared, Announcement { number, location, body });
    }

    /// What follows when a counter's assignment is another.
    pub(super) fn after_assignment(&mut self, shared: &Shared, slot: u32) {
        self.recount(slot);
        let Some(counter) = self.counters.get_mut(slot) else { return };
        let deleted = counter.state.assignment().is_some_and(|a| a.deleted);
        let moving = match &mut counter.active {
            Some(active) => {
                // Peers froze what they extrapolated; they want the exact total, and soon.
                active.exact_wanted = true;
                true
            }
            None => false,
        };
        if moving {
            self.queue(shared, slot);
        }
        if deleted {
            self.tend_later(slot);
        }
    }

    pub(super) fn tend_later(&mut self, slot: u32) {
        if let Some(counter) = self.counters.get_mut(slot)
            && !counter.tended
        {
            counter.tended = true;
            self.tended.push_back(slot);
        }
    }

    /// PRECISION. The caller has checked that there is room.
    pub(super) fn set_precision(&mut self, shared: &Shared, slot: u32, precision: Precision, now: Moment) {
        let location = self.location(slot);
        let own = Arc::clone(&self.own);
        let Some(counter) = self.counters.get_mut(slot) else { return };
        let number = own.draw();
        let stamp = Stamp { time: shared.clock.tick(now.wall), replica: own.id, number };
        let register = PrecisionRegister { stamp, origin: own.index, precision };
        counter.state.take_precision(register);
        let name = Box::from(&*counter.name);
        self.saving.touch(shared, slot, counter);
        let body = AnnouncementBody::Precision { name, register };
        self.post(shared, Announcement { number, location, body });
        self.after_precision(shared, slot, now.monotonic);
    }

    /// Goes by the precisions of which everybody is known to have heard.
    pub(super) fn settle_precisions(&mut self, shared: &Shared, standings: &Standings, now: Monotonic) {
        let unsettled = std::mem::take(&mut self.unsettled_precisions);
        let before = unsettled.len();
        for slot in unsettled {
            let Some(counter) = self.counters.get_mut(slot) else { continue };
            let Some(register) = counter.state.precision() else { continue };
            if standings.is_confirmed(register.origin, register.stamp.number) {
                counter.state.confirm_precision();
                self.look_again(shared, slot, now);
            } else {
                self.unsettled_precisions.push(slot);
            }
        }
        let settled = before - self.unsettled_precisions.len();
        shared.unsettled_precisions.fetch_sub(settled as u64, Ordering::Relaxed);
    }

    /// A narrower band may have been left already; a wider one waits until everybody has heard of it.
    pub(super) fn after_precision(&mut self, shared: &Shared, slot: u32, now: Monotonic) {
        if self.unsettled_precisions.last() != Some(&slot) {
            self.unsettled_precisions.push(slot);
            shared.unsettled_precisions.fetch_add(1, Ordering::Relaxed);
        }
        self.look_again(shared, slot, now);
    }

    /// The band is another.
    fn look_again(&mut self, shared: &Shared, slot: u32, now: Monotonic) {
        let default_band = self.default_band;
        let Some(counter) = self.counters.get_mut(slot) else { return };
        let total = counter.own_total();
        let band = shared.band_of(default_band, &counter.state);
        let Some(active) = &mut counter.active else { return };
        match active.predictor.look(total, band, shared.settle, now) {
            Look::Announce => self.queue(shared, slot),
            _ => self.rearm(shared, slot, band, now),
        }
    }

    /// Queues every own share that has moved since its last number, and wants it exact.
    pub(super) fn queue_all_moved(&mut self, shared: &Shared) {
        for slot in 0..self.counters.end() {
            let Some(counter) = self.counters.get_mut(slot) else { continue };
            if let Some(active) = &mut counter.active {
                active.exact_wanted = true;
                self.queue(shared, slot);
            }
        }
    }

    /// The present replica ends here; `own` is the next.
    pub(super) fn end_own_replica(&mut self, shared: &Shared, own: Arc<OwnReplica>) {
        let ended = std::mem::replace(&mut self.own, own);
        for slot in 0..self.counters.end() {
            if let Some(counter) = self.counters.get_mut(slot) {
                if counter.state.own.is_some() {
                    self.saving.touch(shared, slot, counter);
                }
                counter.state.end_own_replica(ended.index);
                counter.active = None;
            }
        }
    }
}

impl Counter {
    /// Whether what made the share announceable has passed: it came back into its band before the flush.
    fn is_back_within(&mut self, band: Band, shared: &Shared, now: Monotonic) -> bool {
        let total = self.own_total();
        let is_born = self.state.own.is_some_and(|share| share.born != 0);
        let Some(active) = self.active.as_mut().filter(|active| is_born && !active.exact_wanted) else { return false };
        match active.predictor.look(total, band, shared.settle, now) {
            Look::Later(_) => true,
            Look::Idle => {
                self.active = None;
                true
            }
            Look::Settle => {
                active.exact_wanted = true;
                false
            }
            Look::Announce => false,
        }
    }

    /// What to tell peers of the own share now, and whether the owner's side is still needed after that.
    fn forecast_to_tell(&mut self, band: Band, shared: &Shared, now: Monotonic) -> Forecast {
        let total = self.own_total();
        let Some(active) = &mut self.active else {
            return Forecast::exact(total, now);
        };
        if std::mem::take(&mut active.exact_wanted) {
            // What follows starts from rest: the settled and the reassigned counter alike.
            let forecast = active.predictor.announce_exact(total, now);
            self.active = None;
            return forecast;
        }
        active.predictor.announce(total, band, shared.settle, now)
    }
}
