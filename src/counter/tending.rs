//! Giving up deleted counters, and the memory they took: a few counters at a time, so that a million of them hold up
//! nobody.

use super::assignment::Assignment;
use super::entry::Counter;
use super::index::Index;
use super::label::Flag;
use super::shard::Shard;
use super::share::Share;
use super::shared::Shared;
use super::table::Table;
use crate::base::{Location, ReplicaIndex};
use std::sync::Arc;

/// Counters looked at under one lock: less than a millisecond's work.
const LOOKS: usize = 2048;
/// The same for counters of which nothing can be given up yet: they are looked at again and again, and it must not show.
const LOOKS_IN_VAIN: usize = 512;
/// An index of more counters than this is not made smaller: moving them to another takes too long.
const MOST_MOVED: usize = 8192;
/// What is smaller than this is not worth making smaller.
const SMALL: usize = 64;

/// What it takes to decide whether something may be given up.
pub struct Stability<'a> {
    /// Every member has this assignment for good, and this node has all that they had when they said so.
    pub is_stable: &'a dyn Fn(&Assignment) -> bool,
    /// All members hold the same of this replica, and no more than up to this revision.
    pub is_settled: &'a dyn Fn(ReplicaIndex, u64) -> bool,
    /// The replica is an earlier life of this node.
    pub is_own_past: &'a dyn Fn(ReplicaIndex) -> bool,
    /// Every member has everything of the replica up to this number for good.
    pub everyone_has: &'a dyn Fn(ReplicaIndex, u64) -> bool,
}

/// What one look at the counters that may be given up did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tended {
    /// Shares of this node that were given up.
    pub shares_retired: u64,
    /// Tombstones that nobody needs any more.
    pub tombstones_dropped: u64,
    /// Counters that left the table altogether.
    pub counters_removed: u64,
    /// Counters that were looked at.
    pub looked_at: u64,
}

impl Tended {
    /// Takes another look into account.
    pub fn add(&mut self, other: Self) {
        self.shares_retired += other.shares_retired;
        self.tombstones_dropped += other.tombstones_dropped;
        self.counters_removed += other.counters_removed;
        self.looked_at += other.looked_at;
    }

    /// Whether anything was given up since `before`.
    pub fn is_more_than(self, before: Self) -> bool {
        Self { looked_at: before.looked_at, ..self } != before
    }
}

impl Table {
    /// Looks at some of the counters with tombstones or notes in one shard, those first that were not looked at for the
    /// longest time, and gives up what `stability` allows: at most `most_shares` of them, each of which is announced.
    pub fn tend(&self, shard: u8, most_shares: u64, stability: &Stability<'_>) -> Tended {
        let Some(mut shard) = self.lock_at(Location(u32::from(shard))) else { return Tended::default() };
        let mut done = Tended::default();
        // Whoever gives up a share says so under a number.
        let most_shares = if shard.own.has_numbers() { most_shares } else { 0 };
        let mut in_vain = 0;
        for _ in 0..shard.tended.len().min(LOOKS) {
            if in_vain >= LOOKS_IN_VAIN || done.shares_retired >= most_shares {
                break;
            }
            let Some(slot) = shard.tended.pop_front() else { break };
            let before = done;
            done.looked_at += 1;
            if shard.tend_one(&self.shared, slot, stability, &mut done) {
                // It is marked as tended all along, so nobody else has put it on the list.
                shard.tended.push_back(slot);
            }
            in_vain += usize::from(!done.is_more_than(before));
        }
        if done.counters_removed > 0 {
            shard.return_memory(&self.shared);
        }
        done
    }
}

impl Shard {
    /// Answers whether the counter is still to be tended.
    fn tend_one(&mut self, shared: &Shared, slot: u32, stability: &Stability<'_>, done: &mut Tended) -> bool {
        let Some(counter) = self.counters.get_mut(slot) else { return false };
        let notes = counter.state.retired().len();
        counter.state.forget_retired(|retired| (stability.everyone_has)(retired.by, retired.number));
        if counter.state.retired().len() < notes {
            self.saving.touch(shared, slot, counter);
        }
        let moving = counter.is(Flag::Queued) || counter.active().is_some();
        let is_spent =
            |assignment: &&Arc<Assignment>| assignment.deleted && !moving && (stability.is_stable)(assignment);
        if let Some(assignment) = counter.state.assignment().filter(is_spent).cloned() {
            self.retire_covered(shared, slot, &assignment, stability, done);
            let Some(counter) = self.counters.get_mut(slot) else { return false };
            if counter.state.own().is_none() && counter.state.has_no_others() {
                counter.state.drop_assignment();
                self.saving.touch(shared, slot, counter);
                done.tombstones_dropped += 1;
            }
            self.recount(slot);
        }
        let Some(counter) = self.counters.get_mut(slot) else { return false };
        if counter.state.is_empty() {
            self.remove(shared, slot);
            done.counters_removed += 1;
            return false;
        }
        let tended = !counter.state.retired().is_empty() || counter.state.assignment().is_some_and(|a| a.deleted);
        counter.set(Flag::Tended, tended);
        tended
    }

    /// Gives up this node's shares of a deleted counter: the present one, and those of its earlier lives.
    fn retire_covered(
        &mut self,
        shared: &Shared,
        slot: u32,
        assignment: &Assignment,
        stability: &Stability<'_>,
        done: &mut Tended,
    ) {
        let own = self.own.index;
        let Some(counter) = self.counters.get(slot) else { return };
        let mut spent: Vec<(ReplicaIndex, u64)> = counter
            .state
            .others()
            .filter(|held| (stability.is_own_past)(held.replica) && !counter.state.has_remainder(held.replica))
            .filter(|held| held.share.is_covered_by(assignment.cut_of(held.replica)))
            .filter(|held| (stability.is_settled)(held.replica, held.share.revision))
            .map(|held| (held.replica, held.share.born))
            .collect();
        // Totals may come back to what was cut. Who has seen them on the way must have seen them come back, too, or its
        // assignment would take away what the share added in between.
        let is_spent = |share: &Share| {
            share.is_covered_by(assignment.cut_of(own)) && (stability.everyone_has)(own, share.revision)
        };
        let own_share = counter.state.own().filter(is_spent);
        spent.extend(own_share.map(|share| (own, share.born)));
        for (replica, born) in spent {
            self.announce_retirement(shared, slot, replica, born);
            done.shares_retired += 1;
        }
    }

    /// Gives back what the index and the list of tended counters took for counters that are gone.
    fn return_memory(&mut self, shared: &Shared) {
        if self.tended.len() < self.tended.capacity() / 4 {
            self.tended.shrink_to(SMALL.max(self.tended.len() * 2));
        }
        let Self { index, counters, .. } = self;
        if is_far_too_large(index) {
            let hash_of = |slot| counters.get(slot).map_or(0, |counter: &Counter| shared.hash(counter.name()));
            index.shrink_to(SMALL.max(index.len() * 2), hash_of);
        }
    }
}

/// Whether a smaller index would do, and can be had at once. What is moved was paid for by far more removals.
fn is_far_too_large(index: &Index) -> bool {
    index.len() <= MOST_MOVED && index.capacity() > SMALL.max(index.len() * 2) * 4
}
