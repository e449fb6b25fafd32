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
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tempfile::TempDir;

const COUNTERS: usize = 3000;

fn count(running: &Running, from: usize, to: usize) {
    (from..to).for_each(|number| running.increment(&format!("counter:{number:06}")));
}

/// A table with as many counters, all of them on disk, and the directory where they are.
fn saved(durability: Durability, counters: usize) -> (TempDir, Running) {
    let directory = tempfile::tempdir().expect("a directory");
    let (running, _) = Running::start(directory.path(), durability);
    count(&running, 0, counters);
    run(running.commits.save()).expect("saved");
    (directory, running)
}

fn log(directory: &Path) -> PathBuf {
    directory.join("store").join("redo-0")
}

/// Takes the end off what was written to a file.
fn cut(path: &Path) {
    let bytes = fs::read(path).expect("read");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("something was written");
    let file = fs::OpenOptions::new().write(true).open(path).expect("opened");
    file.set_len(end as u64 - 10).expect("cut");
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
            let (directory, running) = saved(durability, COUNTERS);
            let path = directory.path();
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
    let (directory, running) = saved(Durability::Always, 100);
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
        let (directory, running) = saved(durability, COUNTERS);
        let path = directory.path();
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
    let lost: [(&str, Damage); 4] = [
        ("the journal cut short", |store| cut(&store.join("0.jnl"))),
        ("the journal removed", |store| fs::remove_file(store.join("0.jnl")).expect("removed")),
        ("the journal flipped", |store| flip(&store.join("0.jnl"), 600)),
        ("a list of tables flipped", |store| flip(&store.join("keyspaces/1/v0"), 30)),
    ];
    for durability in [Durability::EverySecond, Durability::Memory] {
        for (what, damage) in lost {
            let (directory, running) = saved(durability, COUNTERS);
            let path = directory.path();
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
        let (directory, running) = saved(durability, COUNTERS);
        flip(&directory.path().join("store").join("0.jnl"), 600);
        run(running.commits.read_again()).expect_err("damaged");
        wait_until("it is written anew", || renewals(&running) == 1);
        check_on_disk(running, directory.path(), &durability.to_string());
    }
}

#[test]
fn counters_that_wait_for_numbers_do_not_keep_the_store_damaged() {
    const NUMBERS: u64 = 100;
    for durability in [Durability::Always, Durability::EverySecond] {
        let directory = tempfile::tempdir().expect("a directory");
        let (running, _) = Running::start_with(directory.path(), durability, NUMBERS);
        count(&running, 0, 10);
        run(running.commits.save()).expect("saved");
        fs::remove_file(log(directory.path())).expect("removed");
        // Of some, something was said before, and the total then is nowhere in memory; of most nothing was.
        count(&running, 0, 5 * NUMBERS as usize);
        let ticket = running.table.commits().ticket();
        run(running.commits.committed(ticket));
        assert_eq!(renewals(&running), 1, "{durability}");
        assert!(!running.failures.lock().expect("no panic").is_empty(), "there were enough numbers at once");
        assert!(running.table.last_number() > 2 * NUMBERS && !running.table.has_unsaved());
        let reserved = running.told.lock().expect("no panic").last().map_or(0, |(_, reserved)| *reserved);
        assert!(running.table.last_number() <= reserved, "{durability}");
        check_on_disk(running, directory.path(), &durability.to_string());
    }
}

#[test]
fn nothing_is_said_to_be_on_disk_while_another_directory_has_the_name() {
    let parent = tempfile::tempdir().expect("a directory");
    let (data, away) = (parent.path().join("data"), parent.path().join("away"));
    fs::create_dir(&data).expect("made");
    let (running, _) = Running::start(&data, Durability::Always);
    count(&running, 0, 100);
    run(running.commits.save()).expect("saved");
    fs::rename(&data, &away).expect("moved");
    // It looks as the right one does.
    copy(&away, &data);
    count(&running, 0, 200);
    let ticket = running.table.commits().ticket();
    let error = run(running.commits.save()).expect_err("it is another");
    assert!(error.to_string().contains("another directory"), "{error}");
    assert!(!running.table.commits().is_durable(ticket) && renewals(&running) == 0);
    assert!(!data.join("damaged-1").exists() && !data.join("store.new").exists());
    fs::remove_dir_all(&data).expect("removed");
    fs::rename(&away, &data).expect("moved back");
    run(running.commits.save()).expect("it is the right one again");
    check_on_disk(running, &data, "moved back");
}

#[test]
fn a_disk_that_damages_everything_is_not_filled_with_what_is_set_aside() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let (running, _) = Running::start(path, Durability::Always);
    let mut refused = None;
    for round in 0..12 {
        count(&running, 0, 10);
        if let Err(error) = run(running.commits.save()) {
            refused = Some((round, error.to_string()));
            break;
        }
        // What is new goes into the log again.
        count(&running, 0, 10);
        run(running.commits.save()).expect("nothing is damaged");
        fs::remove_file(log(path)).expect("removed");
    }
    let (round, error) = refused.expect("there is an end to it");
    assert_eq!((round, renewals(&running)), (9, 8), "{error}");
    assert!(error.contains("8 times"), "{error}");
    assert!(path.join("damaged-8").exists() && !path.join("damaged-9").exists() && !path.join("store.new").exists());
    run(running.commits.save()).expect_err("it stays so");
    running.committer.close_clean().expect("nothing else has what is in memory");
    assert!(path.join("damaged-9").exists());
}

#[test]
fn a_stop_writes_also_what_waits_for_numbers() {
    const NUMBERS: u64 = 6000;
    for (is_damaged, durability) in
        [(false, Durability::Always), (false, Durability::EverySecond), (true, Durability::Always)]
    {
        let what = format!("damaged: {is_damaged}, {durability}");
        let directory = tempfile::tempdir().expect("a directory");
        let (running, _) = Running::start_with(directory.path(), durability, NUMBERS);
        count(&running, 0, 10);
        run(running.commits.save()).expect("saved");
        running.is_gone.store(true, Ordering::SeqCst);
        if is_damaged {
            fs::remove_file(log(directory.path())).expect("removed");
        }
        count(&running, 0, 2 * NUMBERS as usize);
        let (values, table) = (running.values(), Arc::clone(&running.table));
        running.committer.close_clean().unwrap_or_else(|error| panic!("{what}: {error}"));
        let (again, opened) = Running::start(directory.path(), durability);
        assert_eq!(again.values(), values, "{what}");
        let reserved = opened.previous.map_or(0, |record| record.reserved);
        assert!(opened.clean && table.last_number() > NUMBERS, "{what}");
        assert!(table.last_number() <= reserved, "{what}: {} of {reserved}", table.last_number());
        again.committer.abandon();
    }
}
