//! Going on under another replica.

use super::announcement::AnnouncementBody;
use super::label::Flag;
use super::shard::Shard;
use super::shared::{OwnReplica, Shared};
use super::table::Table;
use crate::base::{ReplicaId, ReplicaIndex, Total};
use std::sync::Arc;

impl Table {
    /// Counts as `replica` what was counted so far, too: of the replica that ends, somebody has heard what this process
    /// never said, and nobody has heard what it did count. Shares that an assignment has seen stay with the old one.
    /// Walks all counters, a shard at a time.
    pub fn begin_instead(&self, replica: ReplicaId, index: ReplicaIndex, number_limit: u64) {
        let own = Arc::new(OwnReplica::new(replica, index, 0, number_limit));
        for number in 0..=u8::MAX {
            if let Some(mut shard) = self.lock_at(crate::base::Location(u32::from(number))) {
                shard.begin_instead(&self.shared, Arc::clone(&own));
            }
        }
    }
}

impl Table {
    /// Counts as `replica` what was never said by the one that ends: another process has spoken in that one's name, so
    /// nothing more is to be said in it. If this one has said nothing (`is_untold`), what it holds of the ended replica is
    /// older than what others hold, and goes. Walks all counters, a shard at a time.
    pub fn begin_apart(&self, replica: ReplicaId, index: ReplicaIndex, number_limit: u64, is_untold: bool) {
        let own = Arc::new(OwnReplica::new(replica, index, 0, number_limit));
        for number in 0..=u8::MAX {
            if let Some(mut shard) = self.lock_at(crate::base::Location(u32::from(number))) {
                shard.begin_apart(&self.shared, Arc::clone(&own), is_untold);
            }
        }
    }
}

impl Shard {
    fn begin_apart(&mut self, shared: &Shared, own: Arc<OwnReplica>, is_untold: bool) {
        self.outbox.retain(|announcement| !matches!(announcement.body, AnnouncementBody::Share { .. }));
        let mut untold = Vec::new();
        for slot in 0..self.counters.end() {
            let Some(counter) = self.counters.get_mut(slot) else { continue };
            let (Some(share), told) = (counter.state.own(), counter.told()) else { continue };
            if is_untold {
                counter.state.set_own(None);
                counter.set(Flag::Queued, false);
                self.touch(shared, slot);
                self.recount(slot);
                continue;
            }
            let rest = share.total.units().saturating_sub(told.map_or(0, |told| told.total.units()));
            if rest != 0 {
                untold.push((slot, Total::from_units(rest)));
            }
            counter.state.set_own(told);
        }
        self.end_own_replica(shared, own);
        for (slot, total) in untold {
            self.begin_share(shared, slot, total);
        }
    }

    /// The first share of a new replica.
    fn begin_share(&mut self, shared: &Shared, slot: u32, total: Total) {
        let Some(counter) = self.counters.get_mut(slot) else { return };
        counter.state.set_own(Some(super::Share { total, ..super::Share::default() }));
        // Whether it waits for a flush was about its old name.
        counter.set(Flag::Queued, false);
        self.queue(shared, slot);
        self.touch(shared, slot);
    }

    fn begin_instead(&mut self, shared: &Shared, own: Arc<OwnReplica>) {
        self.outbox.retain(|announcement| !matches!(announcement.body, AnnouncementBody::Share { .. }));
        let before = self.own.index;
        let is_seen = |counter: &super::entry::Counter| {
            counter.state.assignment().is_some_and(|assignment| assignment.cut_of(before).is_some())
        };
        let mut kept = Vec::new();
        for slot in 0..self.counters.end() {
            let Some(counter) = self.counters.get_mut(slot).filter(|counter| !is_seen(counter)) else { continue };
            if let Some(share) = counter.state.own() {
                counter.state.set_own(None);
                kept.push((slot, share.total));
            }
        }
        self.end_own_replica(shared, own);
        for (slot, total) in kept {
            self.begin_share(shared, slot, total);
        }
    }
}
