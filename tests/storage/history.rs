//! What was committed to a store: the oracle of what may be read from it.

use crate::random::Random;
use discnt::base::{Durability, HybridTime, Incarnation, Name, NodeId, ReplicaId, ReplicaIndex, Total};
use discnt::counter::{Remainder, Share, StoredCounter};
use discnt::replication::{NodeRecord, NumberSet};
use discnt::storage::{Changes, LoadProgress, Opened, Standing, StorageError, Store};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

pub(crate) const NODE: NodeId = NodeId::new([7; 20]);
pub(crate) const WHOLE: Standing = Standing { whole: true, stale: false };

pub(crate) type Counters = BTreeMap<Vec<u8>, StoredCounter>;

pub(crate) fn record(reserved: u64) -> NodeRecord {
    let replica = |node| ReplicaId { node: NodeId::new([node; 20]), incarnation: Incarnation(3) };
    NodeRecord {
        own: replica(7),
        replicas: vec![(replica(7), NumberSet::new(9, [])), (replica(8), NumberSet::new(5, [(7, 8)]))],
        reserved,
        has_told: true,
        time: HybridTime(77),
        parted: Vec::new(),
    }
}

/// A counter of which every figure follows from one number.
pub(crate) fn counter(number: u64) -> StoredCounter {
    let share = |revision: u64| Share { born: 1, revision, total: Total::from_units(i128::from(revision) << 40) };
    let remainder = Remainder { replica: ReplicaIndex(0), revision: number, amount: Total::from_units(5) };
    StoredCounter {
        own: Some(share(number)),
        shares: if number.is_multiple_of(2) { vec![(ReplicaIndex(1), share(number + 7))] } else { Vec::new() },
        remainders: if number.is_multiple_of(5) { vec![remainder] } else { Vec::new() },
        ..StoredCounter::default()
    }
}

/// What one commit changes: numbers for names, or none for a counter that is gone.
pub(crate) type Commit = Vec<(String, Option<u64>)>;

/// Some changes under a new number.
pub(crate) fn commit(random: &mut Random, number: u64, names: usize, most: usize) -> Commit {
    let one = |random: &mut Random| {
        let name = format!("counter:{:05}", random.below(names));
        (name, (!random.one_in(8)).then_some(number))
    };
    (0..=random.below(most)).map(|_| one(random)).collect()
}

pub(crate) fn apply(counters: &mut Counters, commit: &Commit) {
    for (name, number) in commit {
        match number {
            Some(number) => drop(counters.insert(name.as_bytes().to_vec(), counter(*number))),
            None => drop(counters.remove(name.as_bytes())),
        }
    }
}

pub(crate) fn write(store: &mut Store, commit: &Commit) -> Result<(), StorageError> {
    let mut changes = Changes::default();
    for (name, number) in commit {
        changes.push(name.as_bytes(), number.map(counter).as_ref());
    }
    store.commit(&mut changes, None)
}

pub(crate) fn begin(directory: &Path, durability: Durability) -> Store {
    let (mut store, _) = Store::open(directory, NODE).expect("the store opens");
    store.begin_run(&record(1), durability, WHOLE).expect("a run begins");
    store
}

/// Opens a store and reads all that is in it.
pub(crate) fn read(directory: &Path) -> Result<(Opened, Counters), StorageError> {
    let (mut store, opened) = Store::open(directory, NODE)?;
    let counters = load(&mut store)?;
    Ok((opened, counters))
}

pub(crate) fn load(store: &mut Store) -> Result<Counters, StorageError> {
    let counters = Mutex::new(Counters::new());
    store.load(2, &LoadProgress::default(), |name: Name<'_>, counter| {
        let before = counters.lock().expect("no panic").insert(name.as_bytes().to_vec(), counter);
        assert_eq!(before, None, "{name:?} came twice");
    })?;
    Ok(counters.into_inner().expect("no panic"))
}
