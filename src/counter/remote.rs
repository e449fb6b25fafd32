//! Taking what other replicas announced into the table.

use super::assignment::{Assignment, PrecisionRegister};
use super::collecting::ZeroMaker;
use super::label::Flag;
use super::shard::Shard;
use super::share::{Retired, Share};
use super::shared::Shared;
use super::table::{Table, next_place};
use super::{Forecast, NumberedItem};
use crate::base::{HybridTime, Location, Monotonic, Name, ReplicaId, ReplicaIndex, WallMillis};
use std::sync::Arc;

/// Another replica's share as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct IncomingShare {
    /// Whose it is.
    pub replica: ReplicaIndex,
    /// The copy.
    pub share: Share,
    /// How to extrapolate it; none for an exact share.
    pub forecast: Option<Forecast>,
    /// When it was said, if everything that its owner said before has come before it.
    pub in_order_at: Option<Monotonic>,
}

impl Table {
    /// Takes a copy of another replica's share for the counter called `name`. Answers where it lives.
    pub fn take_share(&self, name: Name<'_>, incoming: IncomingShare) -> Location {
        let hash = self.shared.hash(name.as_bytes());
        let mut shard = self.lock(hash);
        let slot = shard.find_or_create(&self.shared, hash, name.as_bytes());
        shard.note_arrival(&self.shared, slot, &incoming, true);
        shard.take_share(&self.shared, slot, incoming);
        shard.location(slot)
    }

    /// Takes a newer copy of a share that this node holds at `location`. Answers false, and takes nothing, when the
    /// share is not there: the place holds another counter by now, or another life of the share.
    pub fn take_share_at(&self, location: Location, incoming: IncomingShare) -> bool {
        let Some(mut shard) = self.lock_at(location) else { return false };
        let slot = location.0 >> 8;
        shard.note_correction(&self.shared, slot, &incoming);
        shard.note_arrival(&self.shared, slot, &incoming, false);
        let Some(counter) = shard.counters.get_mut(slot) else { return false };
        let is_news = incoming.share.revision > self.shared.progress.received(incoming.replica);
        if is_news && counter.state.renew_share(incoming.replica, incoming.share, incoming.forecast) {
            shard.touch(&self.shared, slot);
            shard.list_extrapolated(slot);
            // Nothing else of the counter depends on it.
            shard.watch_zero(&self.shared, slot, ZeroMaker::Another);
            return true;
        }
        let known = counter.state.other(incoming.replica).is_some_and(|held| held.share.born == incoming.share.born);
        if known {
            shard.take_share(&self.shared, slot, incoming);
        }
        known
    }

    /// Whether the counter at `location` has a share of this replica.
    pub fn has_share_at(&self, location: Location, replica: ReplicaIndex) -> bool {
        self.lock_at(location).is_some_and(|shard| {
            let counter = shard.counters.get(location.0 >> 8);
            counter.is_some_and(|counter| counter.state.other(replica).is_some())
        })
    }

    /// Takes somebody's SET or DEL, from its writer.
    pub fn take_assignment(&self, name: Name<'_>, assignment: Arc<Assignment>) -> Location {
        self.take_relayed_assignment(name, assignment, &|_| 0)
    }

    /// Takes somebody's SET or DEL from a peer that has everything of a replica up to `relayer_has`, and has sent the
    /// counter's shares already: one that is only in the cut has been given up since.
    pub fn take_relayed_assignment(
        &self,
        name: Name<'_>,
        assignment: Arc<Assignment>,
        relayer_has: &dyn Fn(ReplicaIndex) -> u64,
    ) -> Location {
        self.observe(assignment.stamp.time);
        let hash = self.shared.hash(name.as_bytes());
        let mut shard = self.lock(hash);
        let slot = shard.find_or_create(&self.shared, hash, name.as_bytes());
        let own = shard.own.index;
        let received = |replica| self.shared.progress.received(replica).max(relayer_has(replica));
        let won = shard
            .counters
            .get_mut(slot)
            .is_some_and(|counter| counter.state.take_assignment(assignment, own, received));
        if won {
            shard.after_assignment(&self.shared, slot);
        } else {
            shard.recount(slot);
        }
        shard.touch(&self.shared, slot);
        shard.watch_zero(&self.shared, slot, ZeroMaker::Another);
        shard.location(slot)
    }

    /// Takes somebody's PRECISION.
    pub fn take_precision(&self, name: Name<'_>, register: PrecisionRegister, now: Monotonic) -> Location {
        self.observe(register.stamp.time);
        let hash = self.shared.hash(name.as_bytes());
        let mut shard = self.lock(hash);
        let slot = shard.find_or_create(&self.shared, hash, name.as_bytes());
        let won = shard.counters.get_mut(slot).is_some_and(|c| c.state.take_precision(register));
        if won {
            shard.after_precision(&self.shared, slot, now);
        }
        shard.touch(&self.shared, slot);
        shard.location(slot)
    }

    /// Takes the word that a share was given up. The caller has received everything before that word.
    /// Answers where the counter lives.
    pub fn take_retirement(&self, name: Name<'_>, retired: Retired) -> Location {
        let hash = self.shared.hash(name.as_bytes());
        let mut shard = self.lock(hash);
        // Also of a name that nobody here has heard of: a peer may still have the share, and hear of its end only from here.
        let slot = shard.find_or_create(&self.shared, hash, name.as_bytes());
        if let Some(counter) = shard.counters.get_mut(slot) {
            counter.state.take_retirement(retired);
        }
        shard.recount(slot);
        shard.tend_later(slot);
        shard.touch(&self.shared, slot);
        shard.location(slot)
    }

    /// The last number that this node has drawn; what it numbers may still wait for the next flush.
    pub fn last_number(&self) -> u64 {
        self.lock_at(Location(0)).map_or(0, |shard| shard.own.last())
    }

    /// How many numbers are reserved and were not drawn.
    pub fn numbers_left(&self) -> u64 {
        self.lock_at(Location(0)).map_or(0, |shard| shard.own.left())
    }

    /// Whether it is as this replica that the node counts.
    pub fn counts_as(&self, replica: ReplicaId) -> bool {
        self.lock_at(Location(0)).is_some_and(|shard| shard.own.id == replica)
    }

    /// The latest time of any stamp that this node has made or heard of.
    pub fn latest_time(&self) -> HybridTime {
        self.shared.clock.latest()
    }

    /// A time later than that of any stamp that this node has made or heard of.
    pub fn tick(&self, wall: WallMillis) -> HybridTime {
        self.shared.clock.tick(wall)
    }

    /// Makes every later stamp of this node win over one made at `seen`.
    pub fn observe(&self, seen: HybridTime) {
        self.shared.clock.observe(seen);
    }

    /// Visits the counter at `location` and every item of it that has a number which `has` does not know: each as it left its
    /// owner under that number.
    pub fn visit_items_at(
        &self,
        location: Location,
        has: &dyn Fn(ReplicaIndex, u64) -> bool,
        now: Monotonic,
        visit: &mut dyn FnMut(&[u8], Location, NumberedItem<'_>),
    ) {
        if let Some(mut shard) = self.lock_at(location) {
            shard.visit_items(&self.shared, location.0 >> 8, has, now, visit);
        }
    }

    /// Visits the items of at most `limit` places from `cursor` on, as [`Self::visit_items_at`].
    /// Answers where to go on, or `None` at the end. Holds one shard's lock at a time.
    pub fn visit_items_from(
        &self,
        cursor: Location,
        limit: usize,
        has: &dyn Fn(ReplicaIndex, u64) -> bool,
        now: Monotonic,
        visit: &mut dyn FnMut(&[u8], Location, NumberedItem<'_>),
    ) -> Option<Location> {
        // Goes slot by slot within a shard, shard after shard.
        let (number, first) = (cursor.0 & 0xff, cursor.0 >> 8);
        let mut shard = self.lock_at(cursor)?;
        let end = shard.counters.end();
        let last = end.min(first.saturating_add(u32::try_from(limit).unwrap_or(u32::MAX)));
        for slot in first..last {
            shard.visit_items(&self.shared, slot, has, now, visit);
        }
        next_place(number, last, end)
    }
}

impl Shard {
    fn take_share(&mut self, shared: &Shared, slot: u32, incoming: IncomingShare) {
        if incoming.replica == self.own.index || incoming.share.revision <= shared.progress.received(incoming.replica) {
            return;
        }
        let Some(counter) = self.counters.get_mut(slot) else { return };
        if counter.state.take_share(incoming.replica, incoming.share, incoming.forecast) {
            self.saving.touch(shared, slot, counter);
        }
        let (exists, is_assigned) = (counter.is(Flag::Exists), counter.state.assignment().is_some());
        self.list_extrapolated(slot);
        if !exists || is_assigned {
            self.recount(slot);
        }
        self.watch_zero(shared, slot, ZeroMaker::Another);
    }

    fn visit_items(
        &mut self,
        shared: &Shared,
        slot: u32,
        has: &dyn Fn(ReplicaIndex, u64) -> bool,
        now: Monotonic,
        visit: &mut dyn FnMut(&[u8], Location, NumberedItem<'_>),
    ) {
        let location = self.location(slot);
        let own = self.own.index;
        let Some(counter) = self.counters.get(slot) else { return };
        let lacks_own = counter.state.own().is_some_and(|share| !has(own, share.revision));
        if lacks_own && counter.active().is_none() {
            // Nothing remembers what left under the last number, so it gets a new one. Active shares remember.
            self.announce_now(shared, slot, now);
        }
        let Some(counter) = self.counters.get(slot) else { return };
        if lacks_own && let Some(share) = counter.state.own() {
            let believed = counter.active().map(|active| *active.predictor.believed());
            let total = believed.map_or(share.total, |forecast| forecast.total);
            let forecast = believed.filter(|forecast| !forecast.is_exact());
            visit(counter.name(), location, NumberedItem::Own(Share { total, ..share }, forecast));
        }
        counter.state.items_beyond(has, |item| visit(counter.name(), location, item));
    }
}
