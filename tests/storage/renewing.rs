//! Damage that is found while the store is in use: what is in memory is written anew, and what is damaged set aside.

use crate::damage::{copy, files};
use crate::history::{begin, commit, write};
use crate::random::Random;
use crate::running::{Running, run, wait_until};
use discnt::base::Durability;
use discnt::storage::StorageError;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

const COUNTERS: usize = 3000;

fn count(running: &Running, from: usize, to: usize) {
    (from..to).for_each(|number| running.increment(&format!("counter:{number:06}")));
}

fn log(directory: &Path) -> PathBuf {
    directory.join("store").join("redo-0")
}

/// Flips a bit of a file in place, as a disk may.
fn flip(path: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(path).expect("a file of the store");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("a byte");
    file.write_all_at(&[byte[0] ^ 4], at).expect("a byte");
}

fn renewals(running: &Running) -> u64 {
    running.commits.figures().renewals.load(Ordering::Relaxed)
}

/// What is on disk is what is in memory, all of it and nothing else, also for a start.
fn check_on_disk(running: Running, directory: &Path, what: &str) {
    count(&running, 0, 10);
    run(running.commits.save()).expect("it is written as before");
    let agreement = run(running.commits.read_again()).expect("what is on disk is what is in memory");
    assert_eq!(agreement.same, running.values().len() as u64, "{what}");
    let values = running.values();
    running.committer.abandon();
    let (again, opened) = Running::start(directory, Durability::Always);
    assert_eq!(again.values(), values, "{what}");
    assert!(opened.standing.whole || opened.mode_was == Durability::Memory, "{what}: it goes on as it was");
    again.committer.abandon();
}

/// A way to damage the files of a store in use, so that the next commit finds it.
type Damage = fn(&Path);

const FOUND_BY_A_COMMIT: [(&str, Damage); 5] = [
    ("the log removed", |store| fs::remove_file(store.join("redo-0")).expect("removed")),
    ("the log cut", |store| {
        let file = File::options().write(true).open(store.join("redo-0")).expect("the log");
        file.set_len(300).expect("cut");
    }),
    ("the log emptied", |store| fs::write(store.join("redo-0"), []).expect("emptied")),
    ("the log replaced by a copy", |store| {
        fs::copy(store.join("redo-0"), store.join("copy")).expect("copied");
        fs::rename(store.join("copy"), store.join("redo-0")).expect("renamed");
    }),
    ("the whole store removed", |store| fs::remove_dir_all(store).expect("removed")),
];

#[test]
fn a_log_that_is_gone_is_missed_at_once_and_nothing_is_said_to_be_on_disk_before_it_is() {
    for durability in [Durability::Always, Durability::EverySecond] {
        for (what, damage) in FOUND_BY_A_COMMIT {
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path();
            let (running, _) = Running::start(path, durability);
            count(&running, 0, COUNTERS);
            run(running.commits.save()).expect("saved");
            damage(&path.join("store"));
            count(&running, COUNTERS / 2, COUNTERS + 20);
            let ticket = running.table.commits().ticket();
            run(running.commits.committed(ticket));
            let values = running.values();
            // As a kill at this moment leaves it.
            let killed = tempfile::tempdir().expect("a directory");
            copy(path, killed.path());
            assert_eq!(renewals(&running), 1, "{what}, {durability}");
            assert!(running.failures.lock().expect("no panic").is_empty(), "{what}: a commit has failed");
            let figures = running.commits.figures();
            assert!(figures.damage().contains("redo-0"), "{what}: {}", figures.damage());
            check_on_disk(running, path, what);
            let (again, _) = Running::start(killed.path(), durability);
            assert_eq!(again.values(), values, "{what}, {durability}");
            again.committer.abandon();
            assert!(path.join("damaged-1").join("commits").exists(), "{what}");
            assert!(!path.join("store.new").exists() && !path.join("damaged-2").exists(), "{what}");
        }
    }
}

#[test]
fn a_thread_that_waits_leaves_writing_anew_to_the_committer() {
    let directory = tempfile::tempdir().expect("a directory");
    let (running, _) = Running::start(directory.path(), Durability::Always);
    count(&running, 0, 100);
    run(running.commits.save()).expect("saved");
    fs::remove_file(log(directory.path())).expect("removed");
    count(&running, 0, 1);
    let ticket = running.table.commits().ticket();
    assert!(!running.commits.commit_here(ticket), "nothing is said to be on disk");
    run(running.commits.committed(ticket));
    assert_eq!(renewals(&running), 1);
    check_on_disk(running, directory.path(), "removed");
}

#[test]
fn a_flipped_bit_that_is_found_at_the_stop_costs_nothing() {
    for durability in [Durability::Always, Durability::EverySecond] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        let (running, _) = Running::start(path, durability);
        count(&running, 0, COUNTERS);
        run(running.commits.save()).expect("saved");
        count(&running, 0, COUNTERS);
        run(running.commits.save()).expect("saved");
        flip(&log(path), 700);
        let damaged = fs::read(log(path)).expect("read");
        let values = running.values();
        running.committer.close_clean().expect("all of it is written");
        let aside = path.join("damaged-1").join("store").join("redo-0");
        assert_eq!(fs::read(aside).expect("it is set aside"), damaged);
        let (again, opened) = Running::start(path, durability);
        assert!(opened.clean && opened.standing.whole);
        assert_eq!(again.values(), values);
        again.committer.abandon();
    }
}

#[test]
fn what_a_start_would_not_find_is_missed_at_the_stop() {
    let lost: [(&str, Damage); 3] = [
        ("the journal removed", |store| fs::remove_file(store.join("0.jnl")).expect("removed")),
        ("the journal flipped", |store| flip(&store.join("0.jnl"), 600)),
        ("a list of tables flipped", |store| flip(&store.join("keyspaces/1/v0"), 30)),
    ];
    for durability in [Durability::EverySecond, Durability::Memory] {
        for (what, damage) in lost {
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path();
            let (running, _) = Running::start(path, durability);
            count(&running, 0, COUNTERS);
            run(running.commits.save()).expect("saved");
            damage(&path.join("store"));
            let values = running.values();
            running.committer.close_clean().unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(path.join("damaged-1").join("store").is_dir(), "{what}");
            let (again, opened) = Running::start(path, durability);
            assert!(opened.clean, "{what}");
            assert_eq!(again.values(), values, "{what}, {durability}");
            again.committer.abandon();
        }
    }
}

#[test]
fn a_table_that_the_engine_cannot_read_any_more_is_found_to_be_damaged() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = begin(directory.path(), Durability::Always);
    // No commit goes into the log.
    store.limit_redo(1);
    let mut random = Random::new(7);
    let mut put_together = |number: u64| {
        write(&mut store, &commit(&mut random, number, 2000, 1500))?;
        // The engine's thread may die of it, which the next commit hears of.
        let _ = store.settle();
        Ok::<_, StorageError>(())
    };
    put_together(1).expect("written");
    let tables = files(&directory.path().join("store").join("keyspaces").join("1").join("tables"));
    for table in &tables {
        flip(table, fs::metadata(table).expect("a table").len() / 3);
    }
    let failed = (2..60).find_map(|number| put_together(number).err()).expect("the engine puts tables together");
    assert!(!matches!(failed, StorageError::StoreDamaged { .. }), "the engine does not say what it is: {failed}");
    let found = write(&mut store, &vec![("a".to_owned(), Some(99))]).expect_err("its tables are looked at");
    assert!(matches!(found, StorageError::StoreDamaged { .. }), "{found}");
    assert!(store.damage().is_some_and(|damage| damage.contains("tables")), "{:?}", store.damage());
}

#[test]
fn what_is_found_in_reading_back_is_told_and_written_anew() {
    for durability in [Durability::Always, Durability::EverySecond, Durability::Memory] {
        let directory = tempfile::tempdir().expect("a directory");
        let (running, _) = Running::start(directory.path(), durability);
        count(&running, 0, COUNTERS);
        run(running.commits.save()).expect("saved");
        flip(&directory.path().join("store").join("0.jnl"), 600);
        run(running.commits.read_again()).expect_err("damaged");
        wait_until("it is written anew", || renewals(&running) == 1);
        check_on_disk(running, directory.path(), &durability.to_string());
    }
}
