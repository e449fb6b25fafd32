//! A disk that is full: nothing is lost, nothing half written, and it goes on by itself when there is room again.
//!
//! Needs root, for a small file system of its own.

use crate::running::{Running, run, wait_until};
use discnt::base::Durability;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set to `required`, tests that cannot mount fail instead of doing nothing.
const VARIABLE: &str = "DISCNT_TEST_MOUNTS";
const SIZE: &str = "size=24m";

/// A file system in memory; unmounted in the end.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: &Path, name: &str) -> Option<Self> {
        std::fs::create_dir(path).expect("a directory");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "discnt-test"]).arg(path).output();
        let reason = match mounted {
            Ok(output) if output.status.success() => return Some(Self(path.to_owned())),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        let is_required = std::env::var(VARIABLE).is_ok_and(|value| value == "required");
        assert!(!is_required, "{name} needs a file system of its own: {reason}");
        // Past the test runner, which would hide it.
        let _ = writeln!(std::io::stderr(), "NOT RUN: {name} needs a file system of its own: {reason}");
        None
    }

    /// Takes all the room that is left, and leaves `room` bytes.
    fn fill(&self, room: usize) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = std::fs::File::create(&path).expect("a file");
        let block = vec![1; 64 << 10];
        let mut written = 0_usize;
        while let Ok(length) = file.write(&block) {
            written += length;
        }
        file.set_len(written.saturating_sub(room) as u64).expect("a shorter file");
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_loses_nothing_and_recovers_by_itself() {
    let ground = tempfile::tempdir().expect("a directory");
    let Some(disk) = Disk::mount(&ground.path().join("disk"), "a_full_disk_loses_nothing") else { return };
    for (durability, room) in [(Durability::Always, 0), (Durability::Always, 100 << 10), (Durability::EverySecond, 0)] {
        let directory = disk.0.join(format!("{durability}-{room}"));
        std::fs::create_dir(&directory).expect("a directory");
        let (running, _) = Running::start(&directory, durability);
        let count = |from: usize, to: usize| (from..to).for_each(|n| running.increment(&format!("counter:{n:06}")));
        count(0, 1000);
        run(running.commits.save()).expect("there is room");
        let filler = disk.fill(room);

        // More than the room that is left.
        count(500, 30_000);
        let error = run(running.commits.save()).expect_err("no room");
        assert!(error.to_string().contains("No space left"), "{error}");
        let figures = running.commits.figures();
        wait_until("it says so", || figures.failing_for().is_some_and(|time| time.as_millis() > 100));
        assert!(figures.error().is_some_and(|error| error.contains("No space left")), "{:?}", figures.error());
        let ticket = running.table.commits().ticket();
        assert!(!running.table.commits().is_durable(ticket));
        // While it tries again, it has taken them from the table for a moment.
        wait_until("what is not on disk is still noted", || running.table.has_unsaved());
        count(29_000, 31_000);
        let values = running.values();
        assert_eq!(values.len(), 31_000, "what is in memory can be read");

        std::fs::remove_file(filler).expect("removed");
        run(running.commits.committed(ticket));
        run(running.commits.save()).expect("there is room again");
        assert_eq!((figures.failing_for(), figures.error()), (None, None));
        assert_eq!(*running.failures.lock().expect("no panic"), [true, false], "told once each");
        running.committer.abandon();

        let (again, _) = Running::start(&directory, durability);
        assert_eq!(again.values(), values);
        again.committer.abandon();
        std::fs::remove_dir_all(directory).expect("removed");
    }
}

#[test]
fn a_disk_that_fills_up_in_the_middle_leaves_whole_commits_to_a_restart() {
    let ground = tempfile::tempdir().expect("a directory");
    let Some(disk) = Disk::mount(&ground.path().join("disk"), "a_disk_that_fills_up") else { return };
    for round in 0..12_usize {
        let directory = disk.0.join(round.to_string());
        std::fs::create_dir(&directory).expect("a directory");
        let (running, _) = Running::start(&directory, Durability::Always);
        (0..200).for_each(|n| running.increment(&format!("counter:{n:06}")));
        run(running.commits.save()).expect("there is room");
        let before = running.values();
        let filler = disk.fill(round * 4096);
        (0..2000).for_each(|n| running.increment(&format!("counter:{n:06}")));
        let saved = run(running.commits.save());
        let after = running.values();
        running.committer.abandon();
        // It restarts while the disk is full, or when it is not any more.
        if round % 2 == 0 {
            std::fs::remove_file(&filler).expect("removed");
            let (again, _) = Running::start(&directory, Durability::Always);
            let values = again.values();
            assert!(values == after || (saved.is_err() && values == before), "round {round}: something in between");
            again.committer.abandon();
        } else {
            let opened = discnt::storage::Store::open(&directory, crate::history::NODE);
            let values = opened.and_then(|(mut store, _)| crate::history::load(&mut store));
            if let Ok(values) = values {
                let whole = [before.len(), after.len()];
                assert!(whole.contains(&values.len()), "round {round}: {} counters", values.len());
            }
            std::fs::remove_file(&filler).expect("removed");
        }
        std::fs::remove_dir_all(directory).expect("removed");
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_told_with_what_to_do() {
    let ground = tempfile::tempdir().expect("a directory");
    let Some(disk) = Disk::mount(&ground.path().join("disk"), "a_directory_that_cannot_be_written") else { return };
    let directory = disk.0.join("data");
    drop(discnt::storage::DataDirectory::open(&directory).expect("made"));
    drop(crate::history::begin(&directory, Durability::Always));
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&disk.0).status().expect("mount runs");
    assert!(remounted.success());
    let opened = discnt::storage::DataDirectory::open(&directory).map(drop);
    let store = discnt::storage::Store::open(&directory, crate::history::NODE).map(drop);
    for error in [opened.expect_err("read-only"), store.expect_err("read-only")] {
        let text = error.to_string();
        assert!(text.contains("Read-only file system") && text.contains("mounted for writing"), "{text}");
        assert!(text.contains(&directory.display().to_string()), "{text}");
    }
}
