use super::super::opening::Files;
use super::super::tests::{NODE_ID, WHOLE, changes, counter, loaded, record};
use super::super::{Changes, Opened, STORE, Store};
use super::*;
use crate::base::Durability;
use crate::counter::StoredCounter;
use std::collections::BTreeMap;
use std::fs;
use tempfile::TempDir;

type Counters = BTreeMap<Vec<u8>, StoredCounter>;

/// A store whose commits go into the log.
fn begin(directory: &TempDir) -> Store {
    let (mut store, _) = Store::open(directory.path(), NODE_ID).expect("the store opens");
    store.begin_run(&record(100), Durability::Always, WHOLE).expect("begun");
    store
}

fn reopen(directory: &TempDir) -> (Opened, Counters) {
    let (mut store, opened) = Store::open(directory.path(), NODE_ID).expect("the store opens");
    (opened, loaded(&mut store, 1))
}

fn commit(store: &mut Store, name: &str, revision: u64) {
    store.commit(&mut changes([(name.to_owned(), revision)]), None).expect("committed");
}

fn segment(directory: &TempDir, number: usize) -> PathBuf {
    path_of(&directory.path().join(STORE), number)
}

/// What ends in the log and nowhere else.
fn end_of_log(directory: &TempDir, number: usize) -> usize {
    let bytes = fs::read(segment(directory, number)).expect("read");
    bytes.iter().rposition(|byte| *byte != 0).expect("something") + 1
}

#[test]
fn a_record_has_the_pinned_bytes() {
    let mut changes = Changes::default();
    changes.push(b"a", None);
    let mut bytes = Vec::new();
    let place = Place { store: 9, previous: 3, commit: 5 };
    record::encode(&mut bytes, place, b"mark", Some(b"node"), &changes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let head = "6473637265646f01305e2d8c169e5f3a0900000000000000030000000000000005000000000000002500000000000000";
    let body = "040000006d61726b040000006e6f6465ffffffffd1c46e8a752477c7010000000000000061";
    assert_eq!(hex, [head, body].concat());
    let (read, end) = Record::at(&bytes, 0, 9).expect("a record");
    assert_eq!((read.previous, read.commit, end), (3, 5, bytes.len()));
    assert!(Record::at(&bytes, 0, 8).is_none(), "of another store");
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Record::at(&flipped, 0, 9).is_none(), "{bit}");
    }
    for short in 0..bytes.len() {
        assert!(Record::at(&bytes[..short], 0, 9).is_none(), "{short}");
    }
}

#[test]
fn what_was_committed_is_there_though_the_engine_never_heard_of_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = begin(&directory);
    for revision in 1..=50 {
        commit(&mut store, &format!("counter:{}", revision % 7), revision);
    }
    let mut last = Changes::default();
    last.push(b"counter:3", None);
    store.commit(&mut last, Some(&record(101))).expect("committed");
    let (engine, commits) = (store.open.as_ref().expect("open").in_engine.commit, store.commits());
    assert_eq!(commits - engine, 51, "all of it is in the log");
    drop(store);
    let (opened, all) = reopen(&directory);
    assert_eq!(opened.previous, Some(record(101)));
    assert_eq!((all.len(), &all[&b"counter:1"[..]]), (6, &counter(50)));
    // And now it is in the engine.
    for number in 0..SEGMENTS {
        let _ = fs::remove_file(segment(&directory, number));
    }
    assert_eq!(reopen(&directory).1, all);
}

#[test]
fn files_are_written_in_turn_and_what_is_left_of_an_earlier_turn_is_not_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = begin(&directory);
    store.limit_redo(2_000);
    let mut expected = Counters::new();
    for revision in 1..=400 {
        let name = format!("counter:{:03}", revision % 90);
        commit(&mut store, &name, revision);
        expected.insert(name.into_bytes(), counter(revision));
        if revision % 50 == 0 {
            let directory = copy(&directory);
            assert_eq!(reopen(&directory).1, expected, "after commit {revision}");
        }
    }
    let sizes: Vec<_> =
        paths(&directory.path().join(STORE)).filter_map(|path| Some(fs::metadata(path).ok()?.len())).collect();
    assert!(!sizes.is_empty() && sizes.into_iter().all(|size| size == GROWTH_BYTES), "each was written over");
    assert_eq!(loaded_after_close(store, &directory), expected);
    assert_eq!(
        paths(&directory.path().join(STORE)).filter(|path| path.exists()).count(),
        0,
        "a clean stop needs no log"
    );
}

fn loaded_after_close(mut store: Store, directory: &TempDir) -> Counters {
    store.close_clean().expect("closed");
    let (opened, all) = reopen(directory);
    assert!(opened.clean);
    all
}

/// The store as a kill would leave it, with all work in the background done.
fn copy(directory: &TempDir) -> TempDir {
    fn copy_into(from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("a directory");
        for entry in fs::read_dir(from).expect("a directory") {
            let (path, to) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).expect("an entry");
            if path.is_dir() {
                copy_into(&path, &to);
            } else {
                fs::copy(&path, &to).expect("copied");
            }
        }
    }
    let to = tempfile::tempdir().expect("a directory");
    copy_into(directory.path(), to.path());
    to
}

#[test]
fn a_last_record_that_is_cut_short_anywhere_takes_nothing_else_along() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = begin(&directory);
    commit(&mut store, "first", 1);
    // What the file beside the store says may be older.
    let lagging = fs::read(directory.path().join("commits")).expect("read");
    let begin = end_of_log(&directory, 0);
    commit(&mut store, "second", 2);
    let end = end_of_log(&directory, 0);
    drop(store);
    let bytes = fs::read(segment(&directory, 0)).expect("read");
    for cut in [begin + 1, begin + 20, begin + record::HEAD_BYTES, end - 2] {
        let directory = copy(&directory);
        fs::write(directory.path().join("commits"), &lagging).expect("written");
        let mut torn = bytes.clone();
        torn[cut..].fill(0);
        fs::write(segment(&directory, 0), torn).expect("written");
        let (_, all) = reopen(&directory);
        assert_eq!(all.into_keys().collect::<Vec<_>>(), [b"first"], "cut at {cut}");
    }
    // Were it known to have been durable, it would be missed.
    let mut torn = bytes;
    torn[end - 2] ^= 1;
    fs::write(segment(&directory, 0), torn).expect("written");
    let error = Store::open(directory.path(), NODE_ID).map(drop).expect_err("a commit is missing");
    assert!(error.to_string().contains("its last 1 of"), "{error}");
}

#[test]
fn damage_before_the_end_is_told_whatever_the_file_beside_the_store_says() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = begin(&directory);
    let lagging = fs::read(directory.path().join("commits")).expect("read");
    let begin = |directory: &TempDir| if segment(directory, 0).exists() { end_of_log(directory, 0) } else { 0 };
    let mut ends = vec![begin(&directory)];
    for revision in 1..=3 {
        commit(&mut store, "visits", revision);
        ends.push(end_of_log(&directory, 0));
    }
    drop(store);
    fs::write(directory.path().join("commits"), &lagging).expect("written");
    let bytes = fs::read(segment(&directory, 0)).expect("read");
    for at in [ends[0] + 3, ends[0] + 30, ends[1] + 60, ends[2] - 1] {
        let directory = copy(&directory);
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        fs::write(segment(&directory, 0), damaged).expect("written");
        let error = Store::open(directory.path(), NODE_ID).map(drop).expect_err("damaged");
        assert!(error.to_string().contains("redo-0") && error.to_string().contains("cannot be read"), "{error}");
        // The last word is behind the damage, and right.
        let repaired = Store::repair(directory.path(), NODE_ID).expect("repaired");
        assert!(repaired.set_aside.is_some() && repaired.saved == 1, "{repaired:?}");
        assert_eq!(reopen(&directory).1[&b"visits"[..]], counter(3));
    }
}

#[test]
fn damage_to_what_the_engine_has_already_does_no_harm_and_is_passed_over() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = begin(&directory);
    for revision in 1..=3 {
        commit(&mut store, "visits", revision);
    }
    drop(store);
    // A start brings all of it into the engine, and writes over it only with what comes later.
    let (_, all) = reopen(&directory);
    let end = end_of_log(&directory, 0);
    let bytes = fs::read(segment(&directory, 0)).expect("read");
    for at in [0, 10, 100, end / 2, end - 4] {
        let mut damaged = bytes.clone();
        damaged[at..at + 4].copy_from_slice(&[0xde, 0xad, 0xbe, 0xef]);
        fs::write(segment(&directory, 0), damaged).expect("written");
        assert_eq!(reopen(&directory).1, all, "at byte {at}");
    }
    // What is written over it is missed as ever.
    let mut store = begin(&directory);
    commit(&mut store, "visits", 4);
    drop(store);
    let mut damaged = fs::read(segment(&directory, 0)).expect("read");
    damaged[100] ^= 1;
    fs::write(segment(&directory, 0), damaged).expect("written");
    let error = Store::open(directory.path(), NODE_ID).map(drop).expect_err("damaged");
    assert!(matches!(error, StorageError::StoreDamaged { .. }), "{error}");
}

/// As if the first file were full, and still being brought into the engine.
fn leave_first_file_full(store: &mut Store) {
    let redo = &mut store.open.as_mut().expect("open").redo;
    let first = redo.active.take().expect("written");
    redo.full.push_back((first.number, first.last));
    redo.working = Some(std::thread::spawn(|| {
        loop {
            std::thread::park();
        }
    }));
}

#[test]
fn a_file_that_is_missing_between_two_others_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = begin(&directory);
    commit(&mut store, "one", 1);
    let lagging = fs::read(directory.path().join("commits")).expect("read");
    leave_first_file_full(&mut store);
    commit(&mut store, "two", 2);
    std::mem::forget(store);
    fs::write(directory.path().join("commits"), &lagging).expect("written");
    let copied = copy(&directory);
    assert_eq!(reopen(&copied).1.len(), 2);
    let copied = copy(&directory);
    fs::remove_file(segment(&copied, 0)).expect("removed");
    let error = Store::open(copied.path(), NODE_ID).map(drop).expect_err("it is missing");
    assert!(error.to_string().contains("was the last before it"), "{error}");
}

#[test]
fn a_repair_takes_nothing_of_an_earlier_turn_for_news() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = begin(&directory);
    commit(&mut store, "visits", 1);
    commit(&mut store, "visits", 2);
    store.settle().expect("in tables");
    commit(&mut store, "visits", 3);
    store.settle().expect("in tables");
    drop(store);
    let (mut commits, said) =
        super::super::commits_file::CommitsFile::open(directory.path()).expect("read").expect("there");
    let missing = super::super::commits_file::Said { commit: said.commit + 1, ..said };
    commits.write(missing).expect("written");
    let repaired = Store::repair(directory.path(), NODE_ID).expect("repaired");
    assert!(repaired.set_aside.is_some());
    assert_eq!(reopen(&directory).1[&b"visits"[..]], counter(3));
}

#[test]
fn a_weaker_promise_needs_no_log_and_a_stronger_one_has_it_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = begin(&directory);
    commit(&mut store, "visits", 1);
    assert!(segment(&directory, 0).exists());
    store.set_durability(Durability::Memory);
    commit(&mut store, "visits", 2);
    assert!(!segment(&directory, 0).exists());
    store.set_durability(Durability::Always);
    commit(&mut store, "visits", 3);
    assert!(segment(&directory, 0).exists());
    drop(store);
    let (opened, all) = reopen(&directory);
    assert_eq!((opened.mode_was, &all[&b"visits"[..]]), (Durability::Memory, &counter(3)));
}

#[test]
fn what_is_damaged_or_gone_while_the_node_runs_is_told_and_never_taken_for_written() {
    for how in ["flipped", "removed", "emptied"] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = begin(&directory);
        let mut ends = Vec::new();
        for revision in 1..=5 {
            commit(&mut store, "visits", revision);
            ends.push(end_of_log(&directory, 0));
        }
        let path = segment(&directory, 0);
        let mut bytes = fs::read(&path).expect("read");
        match how {
            "flipped" => {
                bytes[ends[2] + 60] ^= 1;
                fs::write(&path, bytes).expect("written");
            }
            "removed" => fs::remove_file(&path).expect("removed"),
            _ => fs::write(&path, []).expect("written"),
        }
        let error = store.close_clean().expect_err("it is not all there");
        assert!(matches!(error, StorageError::StoreDamaged { .. }) && error.to_string().contains("redo-0"), "{error}");
        let found = Store::open(directory.path(), NODE_ID).map(drop);
        assert!(matches!(found, Err(StorageError::StoreDamaged { .. })), "{how}: {found:?}");
    }
}

#[test]
fn a_repair_prefers_what_came_after_a_file_that_was_brought_into_the_engine_meanwhile() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = begin(&directory);
    commit(&mut store, "visits", 1);
    leave_first_file_full(&mut store);
    commit(&mut store, "visits", 2);
    commit(&mut store, "others", 3);
    let Files { redo, engine, .. } = store.open.as_ref().expect("open");
    let (number, last) = redo.full[0];
    let known = redo.consolidated;
    consolidation::consolidate(engine, path_of(&redo.directory, number), redo.store, (known, last)).expect("written");
    std::mem::forget(store);
    let path = segment(&directory, 1);
    let end = end_of_log(&directory, 1);
    let copied = copy(&directory);
    let mut bytes = fs::read(path).expect("read");
    bytes[end - 2] ^= 1;
    fs::write(segment(&copied, 1), bytes).expect("written");
    let repaired = Store::repair(copied.path(), NODE_ID).expect("repaired");
    assert!(repaired.set_aside.is_some());
    assert_eq!(reopen(&copied).1[&b"visits"[..]], counter(2));
}
