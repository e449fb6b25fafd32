//! One part of the table, under one lock: the index of names, the counters, and the queues of what is to be announced.

use super::Band;
use super::announcement::Announcement;
use super::collecting::{ZeroMaker, ZeroWatch};
use super::entry::{Counter, ReadAt, Spoken};
use super::error::CounterError;
use super::excess::Corrections;
use super::extrapolated::Extrapolated;
use super::index::Index;
use super::label::Flag;
use super::observing::Observed;
use super::outcomes::PredictionOutcomes;
use super::saving::Saving;
use super::shared::{OwnReplica, Shared};
use super::slab::Slab;
use crate::base::{Amount, Location, Monotonic};
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
    pub(super) index: Index,
    pub(super) counters: Slab<Counter>,
    /// How often what peers believe of own shares was right.
    pub(super) outcomes: PredictionOutcomes,
    /// Counters that move by themselves, as their shares of others are extrapolated.
    pub(super) extrapolated: Extrapolated,
    /// The few counters that somebody has opened.
    pub(super) observed: Observed,
    /// Own shares that moved out of their band, to be numbered at the next flush.
    pub(super) announceable: Vec<u32>,
    /// Numbered already, to leave at the next flush.
    pub(super) outbox: Vec<Announcement>,
    /// When to look at active shares that nobody increments.
    pub(super) timers: BinaryHeap<Reverse<(Monotonic, u32)>>,
    /// Counters with a tombstone or notes on given-up shares; those first that were not looked at for the longest time.
    pub(super) tended: VecDeque<u32>,
    /// Only where counters at nothing are to be deleted.
    pub(super) zeros: Option<Box<ZeroWatch>>,
    pub(super) existing: u64,
    pub(super) corrections: Corrections,
    /// Counters with a precision of which not everybody is known to have heard.
    pub(super) unsettled_precisions: Vec<u32>,
    pub(super) saving: Saving,
    /// Whether the table knows that there is news here.
    pub(super) signalled: bool,
    /// The band of counters without a precision of their own.
    pub(super) default_band: Band,
    /// There are no other members: own shares that move wait in the queue, unpredicted, until there are or until
    /// something else leaves this shard.
    pub(super) alone: bool,
}

impl Shard {
    pub(super) fn new(number: u8, own: Arc<OwnReplica>, default_band: Band, collect_zero: bool) -> Self {
        Self {
            number,
            own,
            index: Index::default(),
            counters: Slab::default(),
            announceable: Vec::new(),
            outbox: Vec::new(),
            timers: BinaryHeap::new(),
            tended: VecDeque::new(),
            zeros: collect_zero.then(Box::default),
            existing: 0,
            corrections: Corrections::default(),
            outcomes: PredictionOutcomes::default(),
            observed: Observed::default(),
            extrapolated: Extrapolated::default(),
            unsettled_precisions: Vec::new(),
            saving: Saving::new(number),
            signalled: false,
            default_band,
            alone: true,
        }
    }

    pub(super) fn location(&self, slot: u32) -> Location {
        Location(slot << 8 | u32::from(self.number))
    }

    pub(super) fn find(&self, hash: u64, name: &[u8]) -> Option<u32> {
        self.index.find(hash, |slot| self.counters.get(slot).is_some_and(|c| c.name() == name))
    }

    pub(super) fn find_or_create(&mut self, shared: &Shared, hash: u64, name: &[u8]) -> u32 {
        self.find(hash, name).unwrap_or_else(|| self.create(shared, hash, name))
    }

    /// Makes a counter, of which there must be none yet.
    fn create(&mut self, shared: &Shared, hash: u64, name: &[u8]) -> u32 {
        let mut counter = Counter::new(name);
        counter.set(Flag::Watched, self.saving.watching.has_patterns);
        let slot = self.counters.insert(counter);
        let Self { index, counters, .. } = self;
        index.insert(hash, slot, |other| counters.get(other).map_or(0, |c| shared.hash(c.name())));
        shared.counters.fetch_add(1, Ordering::Relaxed);
        slot
    }

    /// As [`Self::find_or_create`], for a client: refuses to make one counter too many.
    pub(super) fn find_or_make(&mut self, shared: &Shared, hash: u64, name: &[u8]) -> Result<u32, CounterError> {
        if let Some(slot) = self.find(hash, name) {
            return Ok(slot);
        }
        shared.room.check(shared.counters.load(Ordering::Relaxed), 1)?;
        Ok(self.create(shared, hash, name))
    }

    /// Whether one more assignment may wait for the next flush.
    pub(super) fn check_room(&self) -> Result<(), CounterError> {
        if self.outbox.len() >= MAX_WAITING || !self.own.has_numbers() { Err(CounterError::Busy) } else { Ok(()) }
    }

    /// Takes a counter that has nothing left to remember out of the table.
    pub(super) fn remove(&mut self, shared: &Shared, slot: u32) {
        let Some(counter) = self.counters.remove(slot) else { return };
        self.saving.note_removal(shared, slot, &counter);
        self.observed.end(slot);
        let hash = shared.hash(counter.name());
        if self.index.remove(hash, slot) {
            shared.counters.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(zeros) = &mut self.zeros {
            zeros.forget(slot);
        }
    }

    /// Brings the count of existing counters up to date after `slot` changed.
    pub(super) fn recount(&mut self, slot: u32) {
        let own = self.own.index;
        if let Some(counter) = self.counters.get_mut(slot) {
            let exists = counter.state.exists(own);
            self.existing = self.existing + u64::from(exists) - u64::from(counter.is(Flag::Exists));
            counter.set(Flag::Exists, exists);
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
        if !counter.is(Flag::Exists) || counter.state.assignment().is_some() {
            self.recount(slot);
        }
        match (spoken, band) {
            (Spoken::WithinBand, Some(band)) => {
                self.outcomes.hits += 1;
                self.ensure_timer(shared, slot, band, at.now);
            }
            (_, Some(_)) => {
                self.outcomes.beyond += 1;
                self.queue(shared, slot);
            }
            (_, None) => {
                self.outcomes.alone += 1;
                self.queue(shared, slot);
            }
        }
        if let Some(observation) = self.observed.get(slot) {
            observation.changes_made += u64::from(band.is_some());
        }
        if value == Amount::ZERO {
            self.watch_zero(shared, slot, ZeroMaker::ThisNode);
        }
        Ok(value)
    }

    pub(super) fn tend_later(&mut self, slot: u32) {
        if let Some(counter) = self.counters.get_mut(slot)
            && !counter.is(Flag::Tended)
        {
            counter.set(Flag::Tended, true);
            self.tended.push_back(slot);
        }
    }

    /// The present replica ends here; `own` is the next.
    pub(super) fn end_own_replica(&mut self, shared: &Shared, own: Arc<OwnReplica>) {
        let ended = std::mem::replace(&mut self.own, own);
        for slot in 0..self.counters.end() {
            if let Some(counter) = self.counters.get_mut(slot) {
                if counter.state.own().is_some() {
                    self.saving.touch(shared, slot, counter);
                }
                counter.state.end_own_replica(ended.index);
                counter.calm();
                // The next replica has nothing to say of it yet.
                counter.set(Flag::Queued, false);
            }
        }
    }
}
