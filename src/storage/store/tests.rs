use super::sealed::seal;
use super::*;
use crate::base::{Amount, HybridTime, Incarnation, Name, ReplicaId, ReplicaIndex, Stamp, Total};
use crate::counter::{Assignment, Context, Share, StoredCounter};
use crate::replication::NumberSet;
use crate::storage::DataDirectory;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use tempfile::TempDir;

pub(super) const NODE_ID: NodeId = NodeId::new([7; 20]);

pub(super) fn record(reserved: u64) -> NodeRecord {
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

pub(super) fn counter(revision: u64) -> StoredCounter {
    let share = |revision| Share { born: 1, revision, total: Total::from_units(i128::from(revision) * 1_000) };
    StoredCounter {
        own: Some(share(revision)),
        shares: vec![(ReplicaIndex(1), share(revision / 2))],
        ..StoredCounter::default()
    }
}

pub(super) fn changes(names: impl IntoIterator<Item = (String, u64)>) -> Changes {
    let mut changes = Changes::default();
    names.into_iter().for_each(|(name, revision)| changes.push(name.as_bytes(), Some(&counter(revision))));
    changes
}

fn open(directory: &TempDir) -> (Store, Opened) {
    Store::open(directory.path(), NODE_ID).expect("the store opens")
}

pub(super) fn loaded(store: &mut Store, threads: usize) -> BTreeMap<Vec<u8>, StoredCounter> {
    let (all, progress) = (Mutex::new(BTreeMap::new()), LoadProgress::default());
    let take = |name: Name<'_>, counter| {
        assert_eq!(all.lock().insert(name.as_bytes().to_vec(), counter), None, "{name:?} came twice");
    };
    let count = store.load(threads, &progress, take).expect("all of it is right");
    let all = all.into_inner();
    assert_eq!(count, all.len() as u64);
    assert_eq!(progress.loaded.into_inner(), count);
    all
}

pub(super) const WHOLE: Standing = Standing { whole: true, stale: false };

#[test]
fn what_was_committed_is_there_after_a_clean_stop_and_after_none() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut store, opened) = open(&directory);
    let fresh = Opened {
        previous: None,
        clean: true,
        mode_was: Durability::Always,
        standing: WHOLE,
        counters: opened.counters,
    };
    assert_eq!(opened, fresh);
    store.begin_run(&record(100), Durability::EverySecond, WHOLE).expect("begun");
    let names = |from: u64, to| (from..to).map(|n| (format!("counter:{n}"), n + 1));
    store.commit(&mut changes(names(0, 500)), Some(&record(101))).expect("committed");
    drop(store);

    let (mut store, opened) = open(&directory);
    assert_eq!(opened.previous, Some(record(101)));
    let unproven = Standing { whole: false, stale: false };
    assert_eq!((opened.clean, opened.mode_was, opened.standing), (false, Durability::EverySecond, unproven));
    assert_eq!(loaded(&mut store, 2).len(), 500);
    store.begin_run(&record(200), Durability::Always, WHOLE).expect("begun");
    let mut removal = changes([("counter:3".to_owned(), 70)]);
    removal.push(b"counter:4", None);
    store.commit(&mut removal, None).expect("committed");
    store.close_clean().expect("closed");

    let (mut store, opened) = open(&directory);
    assert_eq!((opened.clean, opened.standing), (true, WHOLE));
    let all = loaded(&mut store, 1);
    assert_eq!((all.len(), &all[&b"counter:3"[..]]), (499, &counter(70)));
}

#[test]
fn many_threads_load_each_counter_once_however_the_names_are_spread() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut store, _) = open(&directory);
    store.begin_run(&record(100), Durability::Always, WHOLE).expect("begun");
    let crowded = (0..30_000).map(|n| (format!("user:{n:09}:visits"), n + 1));
    let lonely = [("\0".to_owned(), 1), ("\u{10ffff}".repeat(100), 2), ("z".to_owned(), 3)];
    store.commit(&mut changes(crowded.chain(lonely)), None).expect("committed");
    for threads in [1, 2, 3, 8] {
        assert_eq!(loaded(&mut store, threads).len(), 30_003);
    }
}

#[test]
fn a_run_that_never_caught_up_is_not_taken_for_a_whole_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let behind = Standing { whole: false, stale: true };
    let (mut store, _) = open(&directory);
    store.begin_run(&record(100), Durability::Always, behind).expect("begun");
    drop(store);
    let (mut store, opened) = open(&directory);
    assert_eq!(opened.standing, behind, "always, but it had begun without all of it");
    store.begin_run(&record(100), Durability::EverySecond, behind).expect("begun");
    store.close_clean().expect("closed");
    let (mut store, opened) = open(&directory);
    assert_eq!((opened.clean, opened.standing), (true, behind));
    store.begin_run(&record(100), Durability::Always, behind).expect("begun");
    store.set_standing(WHOLE);
    store.commit(&mut Changes::default(), None).expect("committed");
    drop(store);
    assert_eq!(open(&directory).1.standing, WHOLE);
}

#[test]
fn an_unclean_stop_in_memory_mode_leaves_what_is_older_than_what_was_said() {
    // Nothing is written before it is said, so the record does not know either.
    for has_told in [true, false] {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut store, _) = open(&directory);
        let record = NodeRecord { has_told, ..record(100) };
        store.begin_run(&record, Durability::Memory, WHOLE).expect("begun");
        drop(store);
        assert_eq!(open(&directory).1.standing, Standing { whole: false, stale: true });
    }
}

#[test]
fn who_never_told_anybody_anything_is_whole_after_any_stop() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut store, _) = open(&directory);
    let record = NodeRecord { has_told: false, ..record(100) };
    store.begin_run(&record, Durability::EverySecond, WHOLE).expect("begun");
    drop(store);
    assert_eq!(open(&directory).1.standing, WHOLE);
}

#[test]
fn a_store_that_was_not_made_to_its_end_is_made_again() {
    let directory = tempfile::tempdir().expect("a directory");
    drop(open(&directory));
    let (store, unfinished) = (directory.path().join(STORE), directory.path().join(UNFINISHED));
    fs::rename(&store, &unfinished).expect("it has not its name yet");
    let (mut store, opened) = open(&directory);
    assert_eq!(opened.previous, None);
    assert!(!unfinished.exists());
    store.begin_run(&record(100), Durability::Always, WHOLE).expect("begun");
    drop(store);
    fs::rename(directory.path().join(STORE), &unfinished).expect("renamed");
    let error = Store::open(directory.path(), NODE_ID).map(drop).expect_err("a run had begun in it");
    assert!(error.to_string().contains("the whole directory is missing"), "{error}");
    let repaired = Store::repair(directory.path(), NODE_ID).expect("repaired");
    assert_eq!((repaired.saved, repaired.losses.len()), (0, 1));
    let (_, opened) = open(&directory);
    assert_eq!((opened.previous, opened.standing), (None, Standing { whole: false, stale: true }));
}

#[test]
fn assignments_of_one_knowledge_share_it_when_they_are_loaded() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut store, _) = open(&directory);
    store.begin_run(&record(100), Durability::Always, WHOLE).expect("begun");
    let assignment = |number: u64| Assignment {
        stamp: Stamp { time: HybridTime(number), replica: record(1).own, number },
        origin: ReplicaIndex(0),
        base: Amount::ONE,
        cut: Vec::new(),
        context: Context::new(vec![number / 50, 9]),
        deleted: false,
    };
    let mut changes = Changes::default();
    for number in 1..100 {
        let counter = StoredCounter { assignment: Some(Arc::new(assignment(number))), ..StoredCounter::default() };
        changes.push(format!("set:{number:03}").as_bytes(), Some(&counter));
    }
    store.commit(&mut changes, None).expect("committed");
    let all = loaded(&mut store, 1);
    let context = |number: u64| {
        let counter = &all[format!("set:{number:03}").as_bytes()];
        let found = counter.assignment.as_ref().expect("it was set");
        assert_eq!(**found, assignment(number));
        found.context.clone()
    };
    assert!(context(1).is_shared_with(&context(49)) && context(50).is_shared_with(&context(99)));
    assert!(!context(1).is_shared_with(&context(99)));
}

#[test]
fn the_store_of_another_node_is_refused_by_name() {
    let directory = tempfile::tempdir().expect("a directory");
    drop(open(&directory));
    let error = Store::open(directory.path(), NodeId::new([9; 20])).map(drop).expect_err("another's");
    assert!(matches!(error, StorageError::OtherNode { .. }), "{error}");
    assert!(error.to_string().contains(&NODE_ID.to_string()), "{error}");
}

/// Brings the counters into tables, and not what is said of the node.
fn settle_counters(store: &Store) {
    let engine = &store.open.as_ref().expect("open").engine;
    engine.counters.rotate_memtable().expect("rotated");
    while engine.counters.sealed_memtable_count() > 0 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

fn remove_journals(directory: &TempDir) {
    for entry in fs::read_dir(directory.path().join(STORE)).expect("a store") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "jnl") {
            fs::remove_file(path).expect("removed");
        }
    }
}

/// A record that goes on from [`record`] as the next replica of the node.
fn next_record() -> NodeRecord {
    let mut next = record(100);
    next.own.incarnation = Incarnation(4);
    next.replicas.push((next.own, NumberSet::default()));
    next
}

#[test]
fn a_repair_gives_no_replica_the_shares_of_another_that_the_node_was() {
    for loses_record in [true, false] {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut store, _) = open(&directory);
        store.begin_run(&record(100), Durability::Always, WHOLE).expect("begun");
        store.commit(&mut changes([("early".to_owned(), 10), ("late".to_owned(), 11)]), None).expect("committed");
        store.settle().expect("in tables");
        store.commit(&mut changes([("late".to_owned(), 12)]), Some(&next_record())).expect("committed");
        settle_counters(&store);
        if !loses_record {
            store.settle().expect("in tables");
        }
        drop(store);
        remove_journals(&directory);
        let repaired = Store::repair(directory.path(), NODE_ID).expect("repaired");
        let (mut store, opened) = open(&directory);
        let own = if loses_record { record(0).own } else { next_record().own };
        assert_eq!(opened.previous.expect("a record").own, own);
        let all = loaded(&mut store, 1);
        let unowned = |revision| StoredCounter { own: None, ..counter(revision) };
        let expected = if loses_record { [counter(10), unowned(12)] } else { [unowned(10), counter(12)] };
        assert_eq!([&all[&b"early"[..]], &all[&b"late"[..]]], [&expected[0], &expected[1]], "{loses_record}");
        let is_told = repaired.losses.iter().any(|loss| loss.contains("this node itself had counted of 1 counters"));
        assert!(is_told, "{:?}", repaired.losses);
    }
}

#[test]
fn a_store_of_a_newer_version_is_no_damage_however_long_its_journal_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut store, _) = open(&directory);
    store.begin_run(&record(100), Durability::Always, WHOLE).expect("begun");
    for _ in 0..3 {
        // What a later version may say of itself.
        let said = seal(MARK_KEY, |out| out.extend_from_slice(&[0x81, 3]));
        let engine = &store.open.as_ref().expect("open").engine;
        engine.write(|_| {}, [(MARK_KEY, said)].into_iter()).expect("written");
    }
    store.open = None;
    for found in [Store::open(directory.path(), NODE_ID).map(drop), Store::repair(directory.path(), NODE_ID).map(drop)]
    {
        assert!(matches!(found, Err(StorageError::Newer { found: 3, .. })), "{found:?}");
    }
}

#[test]
fn a_node_that_counted_and_has_no_store_is_damaged_and_repaired_to_one_that_knows_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = DataDirectory::open(directory.path()).expect("a data directory");
    let lose_store = || {
        fs::remove_dir_all(directory.path().join(STORE)).expect("removed");
        fs::remove_file(directory.path().join(COMMITS)).expect("removed");
    };
    drop(open(&directory));
    lose_store();
    // As a first start that was killed before the store was made.
    drop(open(&directory));
    let incarnation = place.next_incarnation().expect("one more");
    lose_store();
    let error = Store::open(directory.path(), NODE_ID).map(drop).expect_err("it had a store");
    assert!(error.to_string().contains("has counted") && error.to_string().contains("--repair"), "{error}");
    let repaired = Store::repair(directory.path(), NODE_ID).expect("repaired");
    assert_eq!((repaired.saved, repaired.losses.len()), (0, 1));
    let (_, opened) = open(&directory);
    assert_eq!(opened.standing, Standing { whole: false, stale: true });
    assert_eq!(opened.previous.expect("a record").own, ReplicaId { node: NODE_ID, incarnation });
    lose_store();
    // As a restoring that was killed before it had moved anything, into a directory without counters.
    let restoring = directory.path().join(placing::RESTORING);
    fs::create_dir(&restoring).expect("a directory");
    assert_eq!(open(&directory).1.previous, None);
    assert!(!restoring.exists());
}
