//! Copies of all that is held of counters, a few places at a time, while they go on counting.

use super::error::CounterError;
use super::shard::Shard;
use super::shared::Shared;
use super::stored::StoredCounter;
use super::table::Table;
use crate::base::{Location, Monotonic};

impl Table {
    /// Hands over what is held of the counters, deleted ones included, in at most `count` places (at least one) from
    /// `cursor` on, until `visit` wants no more. Answers where to go on; 0 is both the start and the end. Holds one shard's
    /// lock.
    ///
    /// An own share that has moved since it was last said gets a number first: what leaves here under a revision is all
    /// that anybody ever has under it. What this node's earlier lives had counted and never said is left out, as it may
    /// still be counted again here.
    ///
    /// # Errors
    /// [`CounterError::Busy`] while no number can be drawn.
    pub fn copy(
        &self,
        cursor: u64,
        count: usize,
        now: Monotonic,
        visit: &mut dyn FnMut(&[u8], &StoredCounter) -> bool,
    ) -> Result<u64, CounterError> {
        let (number, first) = ((cursor >> 32) as u32, cursor as u32);
        let Some(mut shard) = u8::try_from(number).ok().and_then(|number| self.lock_at(Location(u32::from(number))))
        else {
            return Ok(0);
        };
        let end = shard.counters.end();
        let last = end.min(first.saturating_add(u32::try_from(count.max(1)).unwrap_or(u32::MAX)));
        for slot in first..last {
            let Some((name, stored)) = shard.copy_one(&self.shared, slot, now)? else { continue };
            if !visit(&name, &stored) && slot + 1 < end {
                return Ok(u64::from(number) << 32 | u64::from(slot + 1));
            }
        }
        if last < end {
            return Ok(u64::from(number) << 32 | u64::from(last));
        }
        // Behind the last shard it is 0 again.
        Ok(u64::from((number + 1) as u8) << 32)
    }
}

impl Shard {
    /// Nothing where there is no counter.
    #[allow(clippy::type_complexity, reason = "a name and what is held under it")]
    fn copy_one(
        &mut self,
        shared: &Shared,
        slot: u32,
        now: Monotonic,
    ) -> Result<Option<(Box<[u8]>, StoredCounter)>, CounterError> {
        let Some(counter) = self.counters.get(slot) else { return Ok(None) };
        if counter.state.own() != counter.told() {
            if !self.own.has_numbers() {
                return Err(CounterError::Busy);
            }
            self.announce_now(shared, slot, now);
        }
        let own = self.own.index;
        let Some(counter) = self.counters.get(slot) else { return Ok(None) };
        if counter.state.own() != counter.told() {
            return Err(CounterError::Busy);
        }
        let mut stored = counter.state.to_stored(own, counter.told());
        stored.remainders.clear();
        Ok(Some((counter.name().to_vec().into(), stored)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AnnouncementBody, Config, Precision, Remainder, Share, TableSettings};
    use super::*;
    use crate::base::{Amount, Incarnation, Moment, Name, NodeId, ReplicaId, ReplicaIndex, Total, WallMillis};
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    const COUNTERS: usize = 2_000;

    fn at(millis: u64) -> Moment {
        let monotonic = Monotonic::from_nanos((1000 + millis) * 1_000_000);
        Moment { monotonic, wall: WallMillis(1_700_000_000_000 + millis) }
    }

    /// A table whose counters have all moved since they were last told of.
    fn table() -> Table {
        let table = Table::new(TableSettings {
            config: Config {
                default_precision: Precision::new(Amount::from(1000)).expect("not negative"),
                ..Config::default()
            },
            lease: Duration::from_secs(3),
            replica: ReplicaId { node: NodeId::new([1; 20]), incarnation: Incarnation(1) },
            replica_index: ReplicaIndex(0),
            hash_seeds: [1, 2, 3, 4],
            wake: Box::new(|| {}),
        });
        table.set_members(2);
        for moment in [at(0), at(10)] {
            for number in 0..COUNTERS {
                let name = format!("name:{number}");
                let name = Name::new(name.as_bytes()).expect("a name");
                table.increment(name, Amount::from(2), moment.monotonic).expect("in range");
            }
            if moment == at(0) {
                table.drain(usize::MAX, moment.monotonic, &mut Vec::new());
            }
        }
        let deleted = Name::new(b"name:7").expect("a name");
        table.delete(deleted, at(11)).expect("not busy");
        table
    }

    fn copy_all(table: &Table, count: usize, chunk: usize) -> Result<Vec<(Vec<u8>, StoredCounter)>, CounterError> {
        let (mut copies, mut cursor) = (Vec::new(), 0);
        loop {
            let mut left = chunk;
            cursor = table.copy(cursor, count, at(20).monotonic, &mut |name, stored| {
                copies.push((name.to_vec(), stored.clone()));
                left -= 1;
                left > 0
            })?;
            if cursor == 0 {
                return Ok(copies);
            }
        }
    }

    #[test]
    fn every_counter_is_copied_once_however_small_the_steps() {
        for (count, chunk) in [(1, 1), (3, 2), (7, 1000), (100_000, 100_000)] {
            let copies = copy_all(&table(), count, chunk).expect("there are numbers");
            let names: BTreeSet<_> = copies.iter().map(|(name, _)| name.clone()).collect();
            assert_eq!((copies.len(), names.len()), (COUNTERS, COUNTERS), "{count} {chunk}");
        }
    }

    #[test]
    fn what_is_copied_under_a_revision_is_what_the_peers_are_told_under_it() {
        let table = table();
        let copies = copy_all(&table, 64, 64).expect("there are numbers");
        let mut out = Vec::new();
        table.drain(usize::MAX, at(30).monotonic, &mut out);
        let told: BTreeMap<u64, Share> = out
            .into_iter()
            .filter_map(|announcement| match announcement.body {
                AnnouncementBody::Share { born, total, .. } => {
                    Some((announcement.number, Share { born, revision: announcement.number, total }))
                }
                _ => None,
            })
            .collect();
        for (name, copy) in copies {
            let present = table.inspect(Name::new(&name).expect("a name")).expect("held").own();
            assert_eq!(copy.own, present);
            let share = copy.own.expect("a share");
            assert_eq!(share.total.units(), Amount::from(4).units());
            assert_eq!(told.get(&share.revision), Some(&share));
            assert!(copy.remainders.is_empty());
            assert_eq!(copy.assignment.is_some(), name == b"name:7");
        }
    }

    #[test]
    fn without_numbers_nothing_is_copied_that_was_not_told() {
        let table = table();
        let last = 10 * COUNTERS as u64;
        table.go_on_after(last, last);
        assert_eq!(copy_all(&table, 64, 64).err(), Some(CounterError::Busy));
        table.set_number_limit(2 * last);
        assert_eq!(copy_all(&table, 64, 64).map(|copies| copies.len()), Ok(COUNTERS));
    }

    #[test]
    fn what_an_earlier_life_had_told_nobody_is_left_out_as_long_as_it_does_not_count_here() {
        let ended = ReplicaIndex(1);
        let share = Share { born: 1, revision: 4, total: Total::from_units(Amount::from(5).units()) };
        let amount = Total::from_units(Amount::from(2).units());
        let remainder = Remainder { replica: ended, revision: share.revision, amount };
        let table = table();
        let name = Name::new(b"name:1").expect("a name");
        let kept = StoredCounter { own: Some(share), remainders: vec![remainder], ..StoredCounter::default() };
        table.restore(name, kept, ended);
        let copy = || {
            let copies = copy_all(&table, 64, 64).expect("there are numbers");
            let found = copies.into_iter().find(|(of, _)| of == b"name:1").expect("it is there").1;
            let shares = found.own.into_iter().chain(found.shares.iter().map(|(_, share)| *share));
            (shares.map(|share| share.total.units()).sum::<i128>(), found.remainders.len())
        };
        let reads = || table.read(name, at(20).monotonic).expect("it exists").units();
        assert_eq!((reads(), copy()), (share.total.units(), (share.total.units(), 0)));
        // Nobody has heard more of that life: it counts again, and is in the copy.
        assert_eq!(table.count_remainders(ended), 1);
        let all = share.total.units() + amount.units();
        assert_eq!((reads(), copy()), (all, (all, 0)));
    }
}
