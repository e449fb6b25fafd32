//! Holding what was read back from disk against what is in memory, while clients go on counting.

use super::assignment::Assignment;
use super::label::Flag;
use super::share::Share;
use super::stored::StoredCounter;
use super::table::Table;
use crate::base::{Location, Name, ReplicaIndex};
use parking_lot::Mutex;
use std::fmt;

/// Places of a shard looked at under one lock.
const PLACES_A_STEP: u32 = 256;
/// Places that one word of what was seen stands for.
const WORD_PLACES: u32 = 64;

/// A comparison that goes on. From its beginning to its end nothing is handed over to be kept.
pub struct Comparison<'a> {
    table: &'a Table,
    /// The replica whose own shares were handed over.
    kept_by: ReplicaIndex,
    /// A list for each shard, with a bit for each place whose counter was found on disk.
    shards: Vec<Mutex<Found>>,
}

#[derive(Default)]
struct Found {
    places: Vec<u64>,
    agreement: Agreement,
    first: Option<Difference>,
}

/// How counters that were found not to differ were compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// The same, in all that is kept.
    pub same: u64,
    /// Changed since they were handed over: nothing on disk is newer than what is in memory.
    pub changed: u64,
}

/// A counter that is not on disk as it is in memory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Its name.
    pub name: Box<[u8]>,
    /// How it differs.
    pub how: Discord,
}

/// How what is on disk and what is in memory differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Discord {
    /// It is on disk alone.
    OnlyOnDisk,
    /// It was handed over, and is in memory alone.
    OnlyInMemory,
    /// It has not changed since it was handed over, and is another on disk.
    Another,
    /// It has changed since it was handed over, and on disk is what memory never had.
    Newer,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            Discord::OnlyOnDisk => "is on disk and not in memory",
            Discord::OnlyInMemory => "is in memory and not on disk",
            Discord::Another => "is another on disk than in memory",
            Discord::Newer => "has something on disk that memory never had",
        };
        write!(f, "the counter {:?} {how}", String::from_utf8_lossy(&self.name))
    }
}

impl Table {
    /// Begins to compare what was handed over by the replica `kept_by` and is kept now. All that was handed over is kept,
    /// and nothing is handed over until the comparison ends.
    pub fn compare(&self, kept_by: ReplicaIndex) -> Comparison<'_> {
        Comparison { table: self, kept_by, shards: self.shards().map(|_| Mutex::default()).collect() }
    }
}

impl Comparison<'_> {
    /// Takes a counter as it is kept. Any number of threads may.
    pub fn take(&self, name: Name<'_>, stored: &StoredCounter) {
        let hash = self.table.shared.hash(name.as_bytes());
        let shard = self.table.lock(hash);
        let Some(found) = self.shards.get(usize::from(shard.number)) else { return };
        let slot = shard.find(hash, name.as_bytes());
        let discord = match slot.and_then(|slot| shard.counters.get(slot)) {
            // Its record is to be removed.
            None if shard.saving.is_removed(name.as_bytes()) => None,
            None => Some(Discord::OnlyOnDisk),
            Some(counter) => {
                let present = counter.state.to_stored(shard.own.index, counter.told());
                let (kept, held) = (Kept { by: self.kept_by, stored }, Kept { by: shard.own.index, stored: &present });
                match counter.is(Flag::Unsaved) {
                    false => (!kept.is_same(&held)).then_some(Discord::Another),
                    true => (!kept.may_have_become(&held)).then_some(Discord::Newer),
                }
            }
        };
        let has_changed =
            slot.and_then(|slot| shard.counters.get(slot)).is_none_or(|counter| counter.is(Flag::Unsaved));
        let mut found = found.lock();
        match discord {
            Some(how) => found.note(name.as_bytes(), how),
            None if has_changed => found.agreement.changed += 1,
            None => found.agreement.same += 1,
        }
        if let Some(slot) = slot {
            found.see(slot);
        }
    }

    /// All that is kept was taken: looks for what is missing there.
    ///
    /// # Errors
    /// The first [`Difference`], by name.
    pub fn finish(self) -> Result<Agreement, Difference> {
        let (mut agreement, mut first) = (Agreement::default(), None);
        for (number, found) in (0..).zip(&self.shards) {
            let mut found = found.lock();
            self.look_for_missing(number, &mut found);
            agreement.same += found.agreement.same;
            agreement.changed += found.agreement.changed;
            first = first.into_iter().chain(found.first.take()).min();
        }
        first.map_or(Ok(agreement), Err)
    }

    fn look_for_missing(&self, number: u32, found: &mut Found) {
        for first in (0..).step_by(PLACES_A_STEP as usize) {
            let Some(shard) = self.table.lock_at(Location(number)) else { return };
            let last = shard.counters.end().min(first + PLACES_A_STEP);
            for slot in first..last {
                // One that came since is among those that changed.
                if let Some(counter) =
                    shard.counters.get(slot).filter(|counter| counter.is(Flag::Kept) && !counter.is(Flag::Unsaved))
                    && !found.has_seen(slot)
                {
                    found.note(counter.name(), Discord::OnlyInMemory);
                }
            }
            if last == shard.counters.end() {
                return;
            }
        }
    }
}

impl Found {
    fn see(&mut self, slot: u32) {
        let word = (slot / WORD_PLACES) as usize;
        if self.places.len() <= word {
            self.places.resize(word + 1, 0);
        }
        self.places[word] |= 1 << (slot % WORD_PLACES);
    }

    fn has_seen(&self, slot: u32) -> bool {
        self.places.get((slot / WORD_PLACES) as usize).is_some_and(|word| word >> (slot % WORD_PLACES) & 1 == 1)
    }

    fn note(&mut self, name: &[u8], how: Discord) {
        let difference = Difference { name: name.into(), how };
        self.first = self.first.take().into_iter().chain([difference]).min();
    }
}

/// A counter's state as it is kept, by whom.
struct Kept<'a> {
    by: ReplicaIndex,
    stored: &'a StoredCounter,
}

impl Kept<'_> {
    /// All shares, whoever's. In what order they are held means nothing.
    fn shares(&self) -> Vec<(ReplicaIndex, Share)> {
        let own = self.stored.own.map(|share| (self.by, share));
        let mut shares: Vec<_> = self.stored.shares.iter().copied().chain(own).collect();
        shares.sort_unstable_by_key(|(replica, _)| *replica);
        shares
    }

    fn is_same(&self, other: &Self) -> bool {
        let (one, another) = (self.stored, other.stored);
        let has_all = one.retired.iter().all(|retired| another.retired.contains(retired))
            && one.remainders.iter().all(|remainder| another.remainders.contains(remainder));
        has_all
            && (one.retired.len(), one.remainders.len()) == (another.retired.len(), another.remainders.len())
            && one.assignment.as_deref().map(meaning) == another.assignment.as_deref().map(meaning)
            && one.precision == another.precision
            && self.shares() == other.shares()
    }

    /// Whether `later` can have come of this. What is no more was given up.
    fn may_have_become(&self, later: &Self) -> bool {
        let held = later.shares();
        let may_be_held = |(replica, share): (ReplicaIndex, Share)| {
            let found = held.iter().find(|(of, _)| *of == replica).map(|(_, held)| *held);
            found.is_none_or(|held| {
                // The own share moves on under its number until it is told again.
                let moves_on = replica == later.by && held.born == share.born;
                held.revision > share.revision || (held.revision == share.revision && (moves_on || held == share))
            })
        };
        let assignments = self.stored.assignment.as_deref().zip(later.stored.assignment.as_deref());
        let precisions = self.stored.precision.zip(later.stored.precision);
        self.shares().into_iter().all(may_be_held)
            && assignments.is_none_or(|(kept, held)| kept.stamp < held.stamp || meaning(kept) == meaning(held))
            && precisions.is_none_or(|(kept, held)| kept.stamp < held.stamp || kept == held)
    }
}

/// What an assignment says: its parts in whatever order, and without the replicas that its writer had nothing of.
fn meaning(assignment: &Assignment) -> impl PartialEq + use<> {
    let Assignment { stamp, origin, base, cut, context, deleted } = assignment;
    let mut cut = cut.clone();
    cut.sort_unstable_by_key(|(replica, _)| *replica);
    (*stamp, *origin, *base, cut, context.iter().collect::<Vec<_>>(), *deleted)
}

#[cfg(test)]
mod tests {
    use super::super::saving_tests::{Bench, Disk, NAMES, Step};
    use super::*;
    use crate::base::Total;

    /// A bench with two counters on disk, and what is on disk.
    fn saved() -> Bench {
        let mut bench = Bench::new(2);
        for step in [Step::Increment(0, 5), Step::Hear(0, 3), Step::Assign(1, 7), Step::Precision(1, 2), Step::Save] {
            bench.take(&step);
        }
        bench
    }

    fn compare(bench: &Bench, disk: &Disk) -> Result<Agreement, Discord> {
        bench.compare_with(disk).map_err(|difference| difference.how)
    }

    /// What comes of it when the disk has this of the first counter.
    fn with(bench: &Bench, change: impl FnOnce(&mut StoredCounter)) -> Result<Agreement, Discord> {
        let mut disk = bench.disk.clone();
        change(disk.get_mut(NAMES[0].as_bytes()).expect("on disk"));
        compare(bench, &disk)
    }

    #[test]
    fn what_was_handed_over_is_the_same_and_what_changed_since_is_told_apart() {
        let mut bench = saved();
        assert_eq!(compare(&bench, &bench.disk), Ok(Agreement { same: 2, changed: 0 }));
        bench.take(&Step::Increment(0, 1));
        bench.take(&Step::Increment(2, 1));
        assert_eq!(compare(&bench, &bench.disk), Ok(Agreement { same: 1, changed: 1 }));
    }

    #[test]
    fn every_kind_of_difference_is_found_and_the_first_by_name_told() {
        let mut bench = saved();
        let mut disk = bench.disk.clone();
        disk.insert(b"c".to_vec(), StoredCounter::default());
        assert_eq!(compare(&bench, &disk), Err(Discord::OnlyOnDisk));
        disk.remove(NAMES[0].as_bytes());
        let first = bench.compare_with(&disk).expect_err("two differ");
        assert_eq!(first.to_string(), "the counter \"a\" is in memory and not on disk");
        let more = |share: &mut Share| share.total = Total::from_units(share.total.units() + 1);
        assert_eq!(with(&bench, |kept| kept.own.iter_mut().for_each(more)), Err(Discord::Another));
        assert_eq!(with(&bench, |kept| more(&mut kept.shares[0].1)), Err(Discord::Another));
        assert_eq!(with(&bench, |kept| kept.shares.clear()), Err(Discord::Another));
        bench.take(&Step::Increment(0, 1));
        assert_eq!(with(&bench, |kept| kept.own.iter_mut().for_each(more)), Ok(Agreement { same: 1, changed: 1 }));
        assert_eq!(with(&bench, |kept| more(&mut kept.shares[0].1)), Err(Discord::Newer));
        assert_eq!(with(&bench, |kept| kept.shares[0].1.revision += 1), Err(Discord::Newer));
        assert_eq!(with(&bench, |kept| kept.own.iter_mut().for_each(|own| own.revision += 1)), Err(Discord::Newer));
    }

    #[test]
    fn a_counter_that_is_gone_since_may_still_be_on_disk() {
        let mut bench = Bench::new(2);
        let before = [Step::Increment(0, 1), Step::Increment(1, 1), Step::Save];
        for step in before.iter().chain(&[Step::Delete(1), Step::Flush, Step::Tend]) {
            bench.take(step);
        }
        assert_eq!(bench.table.held(), 1);
        assert_eq!(compare(&bench, &bench.disk), Ok(Agreement { same: 1, changed: 1 }));
    }
}
