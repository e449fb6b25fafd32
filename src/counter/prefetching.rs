//! Fetching counters into the processor's cache before they are worked on.
//!
//! The counters of a large table lie in memory that is a hundred nanoseconds away, and each lookup waits for several places
//! one after the other. Where many counters are known to come next, all of them are asked for first, so that the waits
//! overlap. This must never change anything, nor be needed for anything: a hint that is wrong costs a moment.

use super::shard::Shard;
use super::shared::SHARDS;
use super::table::Table;
use crate::base::Location;
use std::sync::atomic::Ordering;

/// Tables with fewer counters than this lie in the cache anyway, and asking would only cost.
const SMALL: u64 = 8_192;
/// As many places as can well be on their way from memory at once.
pub(super) const MOST_PREFETCHED: usize = 32;

impl Table {
    /// Whether hints are worth their while.
    pub fn is_worth_prefetching(&self) -> bool {
        self.shared.counters.load(Ordering::Relaxed) > SMALL
    }

    /// The counters with these names are wanted in a moment; of more than [`MOST_PREFETCHED`] the first.
    pub fn prefetch<'a>(&self, names: impl Iterator<Item = &'a [u8]>) {
        let mut hashes = [0; MOST_PREFETCHED];
        let mut known = 0;
        for (hash, name) in hashes.iter_mut().zip(names) {
            *hash = self.shared.hash(name);
            self.lock(*hash).index.prefetch(*hash);
            known += 1;
        }
        for hash in &hashes[..known] {
            let shard = self.lock(*hash);
            if let Some(slot) = shard.index.guess(*hash) {
                shard.counters.prefetch(slot);
            }
        }
    }

    /// The first counters that this shard has to announce are wanted in a moment.
    pub(super) fn prefetch_news(&self, shard: usize) {
        if self.shared.has_news_of(shard % SHARDS) {
            self.lock_number(shard % SHARDS).prefetch_announceable();
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
