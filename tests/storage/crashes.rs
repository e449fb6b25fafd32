//! Power cuts and kills. What was acknowledged is there; what was not is there as a whole or not at all.

use crate::damage::{copy, files};
use crate::history::{Commit, Counters, apply, begin, commit, read, write};
use crate::random::{Random, setting};
use discnt::base::Durability;
use discnt::storage::StorageError;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const CUTS: u64 = 300;
const KILLS: u64 = 6;
const NAMES: usize = 400;
/// What a disk writes as a whole.
const SECTOR_BYTES: usize = 512;
/// A child process that is to be killed finds here where to write, and its seed.
const CHILD: &str = "DISCNT_STORAGE_CHILD";
const SEED: &str = "DISCNT_STORAGE_CHILD_SEED";

/// The same commits from the same seed.
fn commits(seed: u64) -> impl Iterator<Item = Commit> {
    let mut random = Random::new(seed);
    (1..).map(move |number| {
        let most = if random.one_in(10) { 300 } else { 6 };
        commit(&mut random, number, NAMES, most)
    })
}

/// Copies a store in use. The engine's thread may be at work on tables: then once more.
fn copy_quietly(from: &Path, to: &Path) {
    loop {
        let tables = tables(from);
        copy(from, to);
        if self::tables(from) == tables && self::tables(to) == tables {
            return;
        }
        fs::remove_dir_all(to).expect("removed");
    }
}

/// Whether what a power cut leaves of a file depends on when it was made durable by the commit itself.
fn is_log(path: &Path) -> bool {
    let is_redo = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"redo-"));
    is_redo || path.extension().is_some_and(|end| end == "jnl")
}

/// All files but the logs and what is beside the store: the engine makes each of these durable itself.
fn tables(store: &Path) -> Vec<(PathBuf, u64)> {
    let listed = files(&store.join("store")).into_iter().filter(|path| !is_log(path));
    let name = |path: &PathBuf| path.strip_prefix(store).expect("a file of it").to_owned();
    listed.map(|path| (name(&path), fs::metadata(&path).map_or(0, |file| file.len()))).collect()
}

/// How many batches there are in a journal.
fn batches(journal: &Path) -> usize {
    let bytes = fs::read(journal).unwrap_or_default();
    bytes.windows(4).filter(|four| four == b"FJL\x03").count()
}

/// Leaves out sectors of what `after` has and `before` has not, as a power cut may that comes before they are durable.
/// Answers whether anything was left out.
fn cut_power(before: &Path, after: &Path, random: &mut Random) -> bool {
    let mut lost = false;
    let news = |path: &PathBuf| {
        let inner = path.strip_prefix(after).expect("a file of it");
        fs::read(before.join(inner)).unwrap_or_default() != fs::read(path).expect("read")
    };
    let mut written: Vec<_> = files(after).into_iter().filter(|path| is_log(path) && news(path)).collect();
    // What the engine was given beside a commit into the redo log, or before one that it got itself, is not of the commit.
    if written.iter().any(|path| path.extension().is_none()) {
        written.retain(|path| path.extension().is_none());
    } else if written
        .iter()
        .any(|path| batches(path) > batches(&before.join(path.strip_prefix(after).expect("of it"))) + 1)
    {
        return false;
    }
    for path in written {
        let inner = path.strip_prefix(after).expect("a file of it");
        let old = fs::read(before.join(inner)).unwrap_or_default();
        let mut new = fs::read(&path).expect("read");
        if old == new {
            continue;
        }
        let first = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
        let differs = |at: &usize| new[*at] != old.get(*at).copied().unwrap_or(0);
        let last = (0..new.len()).rev().find(differs).map_or(0, |last| last + 1);
        let keep_up_to = match random.below(3) {
            // In order, up to anywhere.
            0 => first + random.below(last - first + 1),
            _ => last,
        };
        let mut begin = first;
        while begin < last {
            let end = ((begin / SECTOR_BYTES + 1) * SECTOR_BYTES).min(last);
            let from = keep_up_to.clamp(begin, end);
            // In any order, a sector as a whole.
            let from = if keep_up_to == last && random.one_in(3) { begin } else { from };
            let mut before = vec![0; end - from];
            let old = old.get(from..end.min(old.len())).unwrap_or_default();
            before[..old.len()].copy_from_slice(old);
            lost |= new[from..end] != before;
            new[from..end].copy_from_slice(&before);
            begin = end;
        }
        // The size may be on disk before the bytes, or not.
        if random.one_in(2) && old.len() < new.len() {
            new.truncate(keep_up_to.max(old.len()));
        }
        fs::write(&path, new).expect("written");
    }
    lost
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged_and_leaves_nothing_half() {
    let ground = tempfile::tempdir().expect("a directory");
    let (live, before, after) = (ground.path().join("live"), ground.path().join("before"), ground.path().join("after"));
    fs::create_dir(&live).expect("a directory");
    // What opening did to the journal makes it quick to copy.
    drop(begin(&live, Durability::Always));
    let (mut store, mut counters) = (begin(&live, Durability::Always), Counters::new());
    let first = setting("DISCNT_CRASHES_FIRST", 0);
    let (mut all, mut torn, mut lagging) = (0, 0, Vec::new());
    for (seed, commit) in (first..first + setting("DISCNT_CRASHES_ROUNDS", CUTS)).zip(commits(1)) {
        let mut random = Random::new(seed);
        if random.one_in(40) {
            store.settle().expect("tables are written");
        }
        // The files of the log are written over again and again, or the engine gets it all at once.
        if random.one_in(20) {
            store.limit_redo([1, 3_000, 30_000, 1 << 20][random.below(4)]);
        }
        copy_quietly(&live, &before);
        // The file of the commits' number is written after the commit and not made durable: it is older, maybe by far.
        if lagging.is_empty() || random.one_in(2) {
            lagging = fs::read(live.join("commits")).expect("read");
        }
        write(&mut store, &commit).expect("committed");
        copy_quietly(&live, &after);
        for copied in [&before, &after] {
            fs::write(copied.join("commits"), &lagging).expect("written");
        }
        // If tables were written meanwhile, the journals may be others.
        let lost = tables(&before) == tables(&after) && cut_power(&before, &after, &mut random);
        let (_, read) = read(&after).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let acknowledged = counters.clone();
        apply(&mut counters, &commit);
        assert!(read == acknowledged || read == counters, "seed {seed}: neither before nor after the commit");
        assert!(lost || read == counters, "seed {seed}: all of it was written");
        *(if lost { &mut torn } else { &mut all }) += 1;
        for copied in [&before, &after] {
            fs::remove_dir_all(copied).expect("removed");
        }
    }
    println!("{torn} commits torn, {all} written as a whole");
    assert!(torn > 0);
}

#[test]
fn a_process_that_is_killed_loses_nothing_that_it_acknowledged() {
    let ground = tempfile::tempdir().expect("a directory");
    let mut random = Random::new(7);
    for round in 0..setting("DISCNT_CRASHES_KILLS", KILLS) {
        let directory = ground.path().join(round.to_string());
        fs::create_dir(&directory).expect("a directory");
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "crashes::child_that_commits_until_it_is_killed", "--nocapture"])
            .env(CHILD, &directory)
            .env(SEED, round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let mut acknowledged = 0_usize;
        let kill_after = 1 + random.below(400);
        for line in BufReader::new(child.stdout.take().expect("its output")).lines() {
            let line = line.expect("a line");
            if let Some(number) = line.strip_prefix("committed ") {
                acknowledged = number.parse().expect("a number");
            }
            if acknowledged == kill_after {
                std::thread::sleep(Duration::from_micros(random.below(3000) as u64));
                child.kill().expect("killed");
            }
        }
        child.wait().expect("it ends");
        assert!(acknowledged >= kill_after, "round {round}: the child ended by itself");
        let (_, read) = read(&directory).unwrap_or_else(|error| panic!("round {round}: {error}"));
        let (mut counters, mut commits) = (Counters::new(), commits(round));
        commits.by_ref().take(acknowledged).for_each(|commit| apply(&mut counters, &commit));
        // One more may have been written and not acknowledged.
        let is_one = read == counters || {
            apply(&mut counters, &commits.next().expect("endless"));
            read == counters
        };
        assert!(is_one, "round {round}: after {acknowledged} commits");
    }
}

#[test]
fn child_that_commits_until_it_is_killed() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let mut store = begin(Path::new(&directory), Durability::Always);
    store.limit_redo(20_000);
    let mut output = std::io::stdout();
    for (number, commit) in (1..).zip(commits(setting(SEED, 0))) {
        write(&mut store, &commit).expect("committed");
        writeln!(output, "committed {number}").and_then(|()| output.flush()).expect("the parent listens");
    }
}

#[test]
fn a_journal_that_is_cut_after_a_clean_stop_is_noticed() {
    let ground = tempfile::tempdir().expect("a directory");
    let mut store = begin(ground.path(), Durability::Memory);
    for commit in commits(3).take(20) {
        write(&mut store, &commit).expect("committed");
    }
    store.close_clean().expect("closed");
    let journal = files(ground.path()).into_iter().find(|path| path.extension().is_some_and(|e| e == "jnl"));
    let journal = journal.expect("a journal");
    let bytes = fs::read(&journal).expect("read");
    let trailers: Vec<_> =
        bytes.windows(4).enumerate().filter(|(_, four)| four == b"FJL\x03").map(|(at, _)| at).collect();
    // Exactly behind the last but one batch: to the engine, that is a journal like any other.
    let cut = trailers[trailers.len() - 2] + 4;
    for bytes in [bytes[..cut].to_vec(), bytes[..cut + 9].to_vec(), Vec::new()] {
        fs::write(&journal, &bytes).expect("cut");
        let error = read(ground.path()).expect_err("commits are missing");
        assert!(matches!(error, StorageError::StoreDamaged { .. }), "{error}");
        assert_eq!(fs::read(&journal).expect("read").len(), bytes.len(), "what is damaged is left as it is");
    }
}
