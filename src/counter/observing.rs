//! What is counted of the few counters that somebody has opened: the increments made here, the announcements that told them, and what
//! arrived of others against what had been extrapolated.
//!
//! It is counted where it happens, so a burst between two looks is not taken for one. While no counter of a shard is opened, that costs
//! the shard a look at one word.

use super::entry::ReadAt;
use super::remote::IncomingShare;
use super::shard::Shard;
use super::shared::Shared;
use super::table::Table;
use crate::base::{Monotonic, Name, ReplicaIndex, Total};
use std::collections::BTreeMap;

/// What was counted of one counter since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// Increments of this node's, while there was somebody to tell.
    pub changes_made: u64,
    /// Announcements of its share, each counted once, however many nodes hear it.
    pub records_sent: u64,
    /// What came of other replicas.
    pub arrivals: BTreeMap<ReplicaIndex, ObservedArrivals>,
}

/// What came of another replica's share since the counter was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObservedArrivals {
    /// Announcements of it that were news.
    pub records_received: u64,
    /// What the last of them said, less what readers got of that share at the moment when it was said.
    pub last_error: Option<Total>,
    /// The same of that one which was furthest off.
    pub largest_error: Option<Total>,
}

/// The opened counters of one shard.
#[derive(Debug, Default)]
pub(super) struct Observed(BTreeMap<u32, Observation>);

impl Observed {
    #[inline]
    pub(super) fn get(&mut self, slot: u32) -> Option<&mut Observation> {
        self.0.get_mut(&slot)
    }

    /// Answers whether it was not observed so far.
    fn begin(&mut self, slot: u32) -> bool {
        let is_new = !self.0.contains_key(&slot);
        if is_new {
            self.0.insert(slot, Observation::default());
        }
        is_new
    }

    /// Also where the counter leaves its place, which may be another one's soon.
    pub(super) fn end(&mut self, slot: u32) {
        self.0.remove(&slot);
    }
}

impl ObservedArrivals {
    fn take(&mut self, error: Option<Total>) {
        self.records_received += 1;
        self.last_error = error.or(self.last_error);
        let size = |error: Option<Total>| error.map(|error| error.units().unsigned_abs());
        if size(error) > size(self.largest_error) {
            self.largest_error = error;
        }
    }
}

impl Table {
    /// Counts from now on what happens to this counter, if it is there, until [`Self::stop_observing`] or until it is given up. Answers
    /// whether that begins now. Whoever calls this bounds how many counters are observed.
    pub fn begin_observing(&self, name: Name<'_>) -> bool {
        let hash = self.shared.hash(name.as_bytes());
        let mut shard = self.lock(hash);
        let slot = shard.find(hash, name.as_bytes());
        slot.is_some_and(|slot| shard.observed.begin(slot))
    }

    /// Nobody looks at this counter any more.
    pub fn stop_observing(&self, name: Name<'_>) {
        let hash = self.shared.hash(name.as_bytes());
        let mut shard = self.lock(hash);
        if let Some(slot) = shard.find(hash, name.as_bytes()) {
            shard.observed.end(slot);
        }
    }

    /// What was counted of this counter; none where it is not observed.
    pub fn observation(&self, name: Name<'_>) -> Option<Observation> {
        let hash = self.shared.hash(name.as_bytes());
        let mut shard = self.lock(hash);
        let slot = shard.find(hash, name.as_bytes())?;
        shard.observed.get(slot).cloned()
    }
}

impl Shard {
    /// Looks, before it is taken, how far a share that has arrived is from what was extrapolated of it. One that does not say its
    /// counter's name can only be news of a life that is held.
    pub(super) fn note_arrival(&mut self, shared: &Shared, slot: u32, incoming: &IncomingShare, is_named: bool) {
        let Some(observation) = self.observed.get(slot) else { return };
        let Some(counter) = self.counters.get(slot) else { return };
        let (replica, share) = (incoming.replica, incoming.share);
        let held = counter.state.other(replica);
        let is_old = held.is_some_and(|held| held.share.revision >= share.revision);
        let held = held.filter(|held| held.share.born == share.born);
        if is_old || share.revision <= shared.progress.received(replica) || (held.is_none() && !is_named) {
            return;
        }
        let said_at: Option<Monotonic> = incoming.forecast.map(|forecast| forecast.since).or(incoming.in_order_at);
        let error = held.zip(said_at).map(|(held, now)| {
            let at = ReadAt { now, lease: shared.lease, progress: &shared.progress };
            let read = if counter.state.is_frozen(&held) { held.share.total } else { at.total(&held) };
            Total::from_units(share.total.units().saturating_sub(read.units()))
        });
        observation.arrivals.entry(replica).or_default().take(error);
    }
}

#[cfg(test)]
mod tests {
    use super::super::behaviour_tests::{MILLISECOND, SECOND, at, drained, increment, name, table};
    use super::*;
    use crate::base::Amount;
    use crate::counter::{Forecast, Share};

    const PEER: ReplicaIndex = ReplicaIndex(1);

    fn total(value: i64) -> Total {
        Total::from_units(Amount::from(value).units())
    }

    #[test]
    fn changes_and_announcements_are_counted_of_what_is_opened_and_of_nothing_else() {
        let table = table();
        for counter in ["a", "b"] {
            increment(&table, counter, 1, SECOND);
        }
        drained(&table, SECOND);
        assert_eq!(table.observation(name("a")), None);
        assert!(
            table.begin_observing(name("a"))
                && !table.begin_observing(name("a"))
                && !table.begin_observing(name("nothing"))
        );
        let mut announced = 0;
        for burst in 1..=20 {
            let now = SECOND + burst * 10 * MILLISECOND;
            for _ in 0..7 {
                increment(&table, "a", 1, now);
            }
            announced += drained(&table, now).len() as u64;
        }
        increment(&table, "b", 50, 2 * SECOND);
        drained(&table, 2 * SECOND);
        let seen = table.observation(name("a")).expect("it is observed");
        assert_eq!((seen.changes_made, seen.records_sent), (140, announced));
        assert!(announced > 4, "{announced}");
        assert_eq!(table.observation(name("b")), None);
        table.stop_observing(name("a"));
        assert_eq!(table.observation(name("a")), None);
    }

    #[test]
    fn each_arrival_is_held_against_what_was_extrapolated_when_it_was_said() {
        let table = table();
        let second = |number: u64| at(number * SECOND).monotonic;
        let arrives = |revision, value, rate, said_at| {
            let forecast = Forecast { total: total(value), rate, whole: true, since: said_at };
            let share = Share { born: 1, revision, total: total(value) };
            let forecast = (rate != 0.0).then_some(forecast);
            IncomingShare { replica: PEER, share, forecast, in_order_at: Some(said_at) }
        };
        table.progress().set_heard_at(PEER, second(6));
        let location = table.take_share(name("a"), arrives(1, 100, 10.0, second(1)));
        table.begin_observing(name("a"));
        // Ten a second for two seconds were expected, and 23 came; and then as many as were expected, all before the next look.
        assert!(table.take_share_at(location, arrives(2, 123, 10.0, second(3))));
        assert!(table.take_share_at(location, arrives(3, 133, 10.0, second(4))));
        table.take_share(name("a"), arrives(4, 142, 0.0, second(5)));
        table.take_share(name("a"), arrives(4, 142, 0.0, second(6)));
        let seen = table.observation(name("a")).expect("it is observed").arrivals[&PEER];
        assert_eq!(seen.records_received, 3, "what is told twice is one");
        assert_eq!((seen.last_error, seen.largest_error), (Some(total(-1)), Some(total(3))));
    }
}
