//! Damage at random places of every file. Whatever is damaged, what is read is what was written, or nothing is.

use crate::history::{Counters, NODE, apply, begin, commit, counter, read, write};
use crate::random::{Random, setting};
use discnt::base::Durability;
use discnt::counter::StoredCounter;
use discnt::storage::{Standing, StorageError, Store};
use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

const ROUNDS: u64 = 250;
const NAMES: usize = 3000;
/// Every so many stores that were damaged are repaired.
const REPAIRED: u64 = 4;

/// Of numbers that were damaged, every so many bits.
const REPAIRED_BITS: usize = 8;

/// What is in a store, and all that ever was.
struct Sample {
    counters: Counters,
    /// What is not in the log alone.
    in_engine: Counters,
    /// What was in tables when they were last written.
    settled: Counters,
    ever: Vec<(Vec<u8>, StoredCounter)>,
}

/// A store with several tables and a journal.
fn sample(directory: &Path) -> Sample {
    let (mut random, mut counters, mut ever) = (Random::new(1), Counters::new(), Vec::new());
    let mut settled = Counters::new();
    let mut store = begin(directory, Durability::Always);
    for number in 1..=90 {
        let commit = commit(&mut random, number, NAMES, 200);
        write(&mut store, &commit).expect("committed");
        apply(&mut counters, &commit);
        ever.extend(commit.iter().filter_map(|(name, number)| Some((name.clone().into_bytes(), counter((*number)?)))));
        if [20, 40, 60, 75].contains(&number) {
            store.settle().expect("tables are written");
            settled = counters.clone();
        }
    }
    drop(store);
    // Opening cuts the journal to what is in it, which makes it quick to copy.
    assert_eq!(read(directory).expect("undamaged").1, counters);
    let in_engine = counters.clone();
    let mut store = begin(directory, Durability::Always);
    for number in 91..=110 {
        let commit = commit(&mut random, number, NAMES, 60);
        write(&mut store, &commit).expect("committed");
        apply(&mut counters, &commit);
        ever.extend(commit.iter().filter_map(|(name, number)| Some((name.clone().into_bytes(), counter((*number)?)))));
    }
    drop(store);
    Sample { counters, in_engine, settled, ever }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            match fs::copy(entry.path(), target) {
                // The engine removes what it needs no more.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                copied => drop(copied.expect("copied")),
            }
        }
    }
}

pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

/// Damages a file, and says how.
fn damage(path: &Path, random: &mut Random) -> String {
    let mut bytes = fs::read(path).expect("read");
    let at = random.below(bytes.len());
    let length = (1 + random.below(600)).min(bytes.len() - at);
    let what = match random.below(12) {
        0 => {
            fs::remove_file(path).expect("removed");
            return "removed".to_owned();
        }
        1 => {
            bytes.truncate(at);
            format!("cut at byte {at} of it")
        }
        2 => {
            bytes[at..at + length].fill(0);
            format!("{length} zeros at byte {at}")
        }
        3 => {
            bytes[at..at + length].fill_with(|| random.byte());
            format!("{length} random bytes at byte {at}")
        }
        4 => {
            let other = random.below(bytes.len());
            let piece = bytes[other..(other + length).min(bytes.len())].to_vec();
            bytes.splice(at..at + length, piece);
            format!("{length} bytes of byte {other} at byte {at}")
        }
        _ if bytes.is_empty() => {
            bytes.push(1);
            "a byte in an empty file".to_owned()
        }
        _ => {
            let bit = random.below(8);
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at} flipped")
        }
    };
    fs::write(path, bytes).expect("written");
    what
}

#[test]
fn what_is_damaged_is_told_and_never_read() {
    let ground = tempfile::tempdir().expect("a directory");
    let original = ground.path().join("original");
    fs::create_dir(&original).expect("a directory");
    let sample = sample(&original);
    let files = files(&original);
    assert!(files.len() > 10, "{files:?}");
    let (mut told, mut saved, mut harmless) = (0_u64, Vec::new(), BTreeMap::<String, u64>::new());
    let first = setting("DISCNT_DAMAGE_FIRST", 0);
    for seed in first..first + setting("DISCNT_DAMAGE_ROUNDS", ROUNDS) {
        let mut random = Random::new(seed);
        let copied = ground.path().join("copy");
        copy(&original, &copied);
        // Every file in turn, and by size in every other round: most bytes are in few files.
        let file = if seed % 2 == 0 { &files[seed as usize / 2 % files.len()] } else { by_size(&files, &mut random) };
        let inner = file.strip_prefix(&original).expect("a file of it");
        let what = format!("seed {seed}: {}: {}", inner.display(), damage(&copied.join(inner), &mut random));
        match catch_unwind(AssertUnwindSafe(|| read(&copied))) {
            Err(_) => panic!("{what}: a panic"),
            Ok(Ok((_, read))) => {
                assert_eq!(read, sample.counters, "{what}: something else was read");
                *harmless.entry(inner.display().to_string()).or_default() += 1;
            }
            Ok(Err(error)) => {
                told += 1;
                check_message(&error, &what);
                if told % REPAIRED == 0 && matches!(error, StorageError::StoreDamaged { .. }) {
                    saved.push(check_repair(&copied, inner, &sample, &what));
                }
            }
        }
        fs::remove_dir_all(&copied).expect("removed");
    }
    saved.sort_unstable();
    println!("{told} were told; of {} counters repairs saved {saved:?}; harmless: {harmless:?}", sample.counters.len());
    assert!(told > 0 && saved.iter().any(|saved| *saved > 0));
}

/// Repairs a store: it can be used again, holds nothing that never was, and what was damaged is still there. Answers how
/// many counters it holds.
fn check_repair(directory: &Path, damaged: &Path, sample: &Sample, what: &str) -> usize {
    let before = fs::read(directory.join(damaged)).ok();
    let repaired = Store::repair(directory, NODE).unwrap_or_else(|error| panic!("{what}: not repaired: {error}"));
    let aside = repaired.set_aside.clone().unwrap_or_else(|| panic!("{what}: nothing was repaired"));
    assert_eq!(fs::read(aside.join(damaged)).ok(), before, "{what}: what was set aside was changed");
    let (opened, counters) = read(directory).unwrap_or_else(|error| panic!("{what}: after the repair: {error}"));
    assert_eq!((opened.clean, opened.standing), (false, Standing { whole: false, stale: true }), "{what}");
    assert_eq!(counters.len() as u64, repaired.saved, "{what}");
    for read in &counters {
        let was = sample.ever.iter().any(|(name, counter)| (name, counter) == read);
        assert!(was, "{what}: {read:?} never was");
    }
    if !counters.is_empty() {
        check_newest(&counters, damaged, sample, what);
    }
    assert!(!repaired.losses.is_empty(), "{what}: nothing is said to be lost");
    for loss in &repaired.losses {
        let places = loss.matches(&*directory.display().to_string()).count();
        assert!(places == 1 && !loss.contains("--repair"), "{what}: {loss}");
    }
    let again = Store::repair(directory, NODE).expect("nothing to repair");
    assert_eq!((again.set_aside, again.saved), (None, repaired.saved), "{what}");
    counters.len()
}

/// Only one file is damaged: of what the others hold, nothing older is saved in place of it.
fn check_newest(counters: &Counters, damaged: &Path, sample: &Sample, what: &str) {
    let number = |counter: &StoredCounter| counter.own.map_or(0, |own| own.revision);
    let is_journal = damaged.extension().is_some_and(|end| end == "jnl");
    let is_log = damaged.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"redo-"));
    let whole = if is_log { &sample.in_engine } else { &sample.settled };
    for (name, whole) in whole.iter().filter(|_| is_journal || is_log) {
        let newer = counters.get(name).is_none_or(|read| number(read) >= number(whole));
        assert!(newer, "{what}: {name:?} is older than where nothing is damaged");
    }
    let in_log = |name: &Vec<u8>| sample.in_engine.get(name) != sample.counters.get(name);
    let in_journal = |name: &Vec<u8>| sample.settled.get(name) != sample.counters.get(name);
    for (name, counter) in &sample.counters {
        if !is_log && (in_log(name) || !is_journal && in_journal(name)) {
            assert_eq!(counters.get(name), Some(counter), "{what}: {name:?} is not what the logs say");
        }
    }
}

fn by_size<'a>(files: &'a [PathBuf], random: &mut Random) -> &'a PathBuf {
    let size = |file: &PathBuf| fs::metadata(file).expect("its size").len() as usize;
    let mut at = random.below(files.iter().map(size).sum());
    for file in files {
        match at.checked_sub(size(file)) {
            Some(rest) => at = rest,
            None => return file,
        }
    }
    &files[0]
}

/// The message says where, and what to do.
fn check_message(error: &StorageError, what: &str) {
    let text = error.to_string();
    let is_clear = match error {
        StorageError::StoreDamaged { .. } => text.contains("--repair") && text.contains("is damaged"),
        StorageError::Newer { .. } => text.contains("a newer one has written it"),
        StorageError::OtherNode { .. } => text.contains("--data-dir"),
        _ => false,
    };
    assert!(is_clear, "{what}: {text}");
}

#[test]
fn a_batch_under_another_number_is_not_passed_over() {
    let ground = tempfile::tempdir().expect("a directory");
    let (original, copied) = (ground.path().join("original"), ground.path().join("copy"));
    fs::create_dir(&original).expect("a directory");
    let mut store = begin(&original, Durability::Memory);
    let mut counters = Counters::new();
    for number in 1..=8 {
        let commit = vec![(format!("counter:{number}"), Some(number)), ("all".to_owned(), Some(number))];
        write(&mut store, &commit).expect("committed");
        apply(&mut counters, &commit);
    }
    drop(store);
    assert_eq!(read(&original).expect("undamaged").1, counters);
    let journal = files(&original).into_iter().find(|path| path.extension().is_some_and(|end| end == "jnl"));
    let journal = journal.expect("a journal").strip_prefix(&original).expect("a file of it").to_owned();
    let bytes = fs::read(original.join(&journal)).expect("read");
    // A batch begins at the start and behind each trailer, with a tag and a count before its number.
    let ends = bytes.windows(4).enumerate().filter(|(_, four)| four == b"FJL\x03").map(|(at, _)| at + 4);
    let begins: Vec<_> = std::iter::once(0).chain(ends).filter(|at| at + 13 < bytes.len()).collect();
    assert!(begins.len() >= 10, "{}", begins.len());
    let (mut told, mut harmless) = (0, 0);
    for begin in begins {
        for bit in 0..64 {
            copy(&original, &copied);
            let mut flipped = bytes.clone();
            flipped[begin + 5 + bit / 8] ^= 1 << (bit % 8);
            fs::write(copied.join(&journal), flipped).expect("written");
            match read(&copied) {
                Ok((_, read)) => {
                    assert_eq!(read, counters, "bit {bit} of the number at byte {begin}");
                    harmless += 1;
                }
                Err(error) => {
                    check_message(&error, "a number");
                    told += 1;
                    if bit % REPAIRED_BITS == told % REPAIRED_BITS {
                        Store::repair(&copied, NODE).expect("repaired");
                        let (_, read) = read(&copied).expect("repaired");
                        assert_eq!(read, counters, "repaired: bit {bit} of the number at byte {begin}");
                    }
                }
            }
            fs::remove_dir_all(&copied).expect("removed");
        }
    }
    println!("{told} were told, {harmless} did no harm");
    assert!(told > 0);
}

#[test]
fn a_repair_says_that_a_journal_was_cut_and_how_much_is_missing() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = begin(directory.path(), Durability::Memory);
    for number in 1..=30 {
        write(&mut store, &vec![("counter".to_owned(), Some(number))]).expect("committed");
    }
    store.close_clean().expect("closed");
    let path = directory.path().join("store").join("0.jnl");
    let mut bytes = fs::read(&path).expect("read");
    bytes.truncate(3000);
    fs::write(&path, bytes).expect("written");
    let repaired = Store::repair(directory.path(), NODE).expect("repaired");
    let losses = repaired.losses.join("\n");
    assert!(losses.contains("commits are missing") && losses.contains("0.jnl: "), "{losses}");
    let (_, counters) = read(directory.path()).expect("repaired");
    assert_eq!(counters.len(), 1);
}
