//! Deleting counters that have stood at exactly nothing, and were left alone, for a while: `collect_zero`.
//!
//! Whatever brings a counter to nothing notes it here, and it is looked at once after that: nobody searches for such
//! counters. The node whose own word brought it there goes first; the others are there should that one be gone.

use super::entry::Counter;
use super::label::Flag;
use super::shard::Shard;
use super::shared::Shared;
use super::table::Table;
use crate::base::{Amount, Moment, Monotonic, ReplicaIndex};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

/// How long a counter is left alone after it has settled.
const QUIET: Duration = Duration::from_secs(3);
/// How much longer those wait who only heard of it, at least and at most: each another time for each counter.
const HEARSAY_MILLISECONDS: Range<u64> = 2000..6000;
/// Counters of one shard that are deleted at once.
const DELETED_AT_ONCE: usize = 4;

/// The counters of one shard that came to nothing lately.
#[derive(Debug, Default)]
pub(super) struct ZeroWatch {
    by_due: BTreeSet<(Monotonic, u32)>,
    due: BTreeMap<u32, Monotonic>,
    /// The time, as of the last look.
    now: Monotonic,
}

/// Who brought a counter to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ZeroMaker {
    ThisNode,
    Another,
}

impl ZeroWatch {
    /// Looks at the counter then, and not earlier.
    fn watch(&mut self, slot: u32, due: Monotonic) {
        self.forget(slot);
        self.due.insert(slot, due);
        self.by_due.insert((due, slot));
    }

    pub(super) fn forget(&mut self, slot: u32) {
        if let Some(due) = self.due.remove(&slot) {
            self.by_due.remove(&(due, slot));
        }
    }

    fn next_due(&self) -> Option<u32> {
        self.by_due.first().filter(|(due, _)| *due <= self.now).map(|(_, slot)| *slot)
    }
}

impl Counter {
    /// Whether it exists, its value is nothing, and no part of that is extrapolated.
    fn is_exactly_nothing(&self, own: ReplicaIndex) -> bool {
        self.is(Flag::Exists)
            && !self.state.has_forecast()
            && self.state.value(own, |held| held.share.total).to_amount() == Some(Amount::ZERO)
    }
}

impl Shard {
    /// Something changed the counter: if it is nothing now, it will be looked at.
    pub(super) fn watch_zero(&mut self, shared: &Shared, slot: u32, maker: ZeroMaker) {
        let Some(watch) = &mut self.zeros else { return };
        let Some(counter) = self.counters.get(slot) else { return };
        if !counter.is_exactly_nothing(self.own.index) {
            return;
        }
        let mut pause = shared.settle + QUIET;
        if maker == ZeroMaker::Another {
            let Range { start, end } = HEARSAY_MILLISECONDS;
            let spread = shared.hasher.hash_one((self.own.id, counter.name())) % (end - start);
            pause += Duration::from_millis(start + spread);
        }
        watch.watch(slot, watch.now.after(pause));
    }

    fn collect_zeros(&mut self, shared: &Shared, may_delete: bool, now: Moment) {
        let Some(watch) = &mut self.zeros else { return };
        watch.now = now.monotonic;
        if !may_delete {
            return;
        }
        for _ in 0..DELETED_AT_ONCE {
            let Some(watch) = &mut self.zeros else { return };
            let Some(slot) = watch.next_due() else { return };
            if self.check_room().is_err() {
                return;
            }
            self.collect_zero(shared, slot, now);
        }
    }

    fn collect_zero(&mut self, shared: &Shared, slot: u32, now: Moment) {
        if let Some(watch) = &mut self.zeros {
            watch.forget(slot);
        }
        let Some(counter) = self.counters.get(slot) else { return };
        if !counter.is_exactly_nothing(self.own.index) {
            return;
        }
        if counter.active().is_some() {
            // Somebody counts on it, to and fro.
            self.watch_zero(shared, slot, ZeroMaker::ThisNode);
        } else {
            self.assign(shared, slot, Amount::ZERO, true, now);
        }
    }
}

impl Table {
    /// Deletes some of the counters that have stood at exactly nothing for long enough, if `may_delete`. To be called several
    /// times a second, also while it may not. Does nothing unless the configuration says so.
    ///
    /// A deletion wins over every assignment that was made before it, so the caller must have heard of those: all members
    /// have been heard lately, and all that they had is here.
    pub fn collect_zeros(&self, may_delete: bool, now: Moment) {
        if !self.shared.collect_zero {
            return;
        }
        for shard in self.shards() {
            shard.lock().collect_zeros(&self.shared, may_delete, now);
        }
    }
}
