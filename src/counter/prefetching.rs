//! Fetching counters into the processor's cache before they are worked on.
//!
//! The counters of a large table lie in memory that is a hundred nanoseconds away, and each lookup waits for several places
//! one after the other. Where many counters are known to come next, all of them are asked for first, so that the waits
//! overlap. This must never change anything, nor be needed for anything: a hint that is wrong costs a moment.

use super::shard::Shard;
use super::table::Table;
use crate::base::Location;
use std::sync::atomic::Ordering;

/// Tables with fewer counters than this lie in the cache anyway, and asking would only cost.
const SMALL: u64 = 8_192;

impl Table {
    /// Whether hints are worth their while.
    pub fn is_worth_prefetching(&self) -> bool {
        self.shared.counters.load(Ordering::Relaxed) > SMALL
    }

    /// The counter with this name is wanted in a moment.
    pub fn prefetch(&self, name: &[u8]) {
        let hash = self.shared.hash(name);
        let shard = self.lock(hash);
        // The first of the right tag, of which one in a hundred is another: to be sure, it would have to be looked at.
        if let Some(slot) = shard.index.find(hash, |_| true) {
            shard.counters.prefetch(*slot);
        }
    }

    /// The counter at this place is wanted in a moment.
    pub fn prefetch_at(&self, location: Location) {
        if let Some(shard) = self.lock_at(location) {
            shard.counters.prefetch(location.0 >> 8);
        }
    }

    /// The other replicas' shares of the counter at this place are wanted in a moment; the counter itself is here by now.
    pub fn prefetch_shares_at(&self, location: Location) {
        if let Some(shard) = self.lock_at(location) {
            shard.prefetch_shares(location.0 >> 8);
        }
    }
}

impl Shard {
    fn prefetch_shares(&self, slot: u32) {
        if let Some(counter) = self.counters.get(slot) {
            counter.state.prefetch_attached();
        }
    }
}
