//! Going back to an older program: refused by each kind of file that a newer one may have written, with what to do.

use crate::server_support::Ground;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// What the file of a later version is like.
type Change = fn(Vec<u8>) -> Vec<u8>;

/// The head of a file of lines says its version, and is read before the rest.
fn of_lines(bytes: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(bytes).expect("text");
    let newer = text.replacen("\"version\":1", "\"version\":9", 1);
    assert_ne!(text, newer);
    newer.into_bytes()
}

fn of_words(bytes: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(bytes).expect("text");
    let words = text.trim_end().trim_end_matches(|c: char| c.is_ascii_digit());
    format!("{words}9\n").into_bytes()
}

/// Two slots, each with a checksum behind its version.
fn of_slots(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut changed = 0;
    for at in [0, 4096] {
        if let Some(slot) = bytes.get_mut(at..at + 32)
            && slot[7] == 1
        {
            slot[7] = 9;
            let checksum = xxh3_64(&slot[..24]);
            slot[24..].copy_from_slice(&checksum.to_le_bytes());
            changed += 1;
        }
    }
    assert!(changed > 0, "{bytes:02x?}");
    bytes
}

fn of_the_engine(mut bytes: Vec<u8>) -> Vec<u8> {
    *bytes.last_mut().expect("a version") = 99;
    bytes
}

/// All files below a directory, but for the lock, with their bytes.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("LOCK") {
                let bytes = fs::read(&path).expect("a file");
                found.insert(path, bytes);
            }
        }
    }
    found
}

#[test]
fn a_data_directory_of_a_later_version_is_refused_by_the_file_that_says_so() {
    let ground = Ground::new();
    let other = ground.start();
    let first = ground.start();
    crate::server_support::link(&[&first, &other]);
    assert_eq!(first.ask("INCR kept"), "1");
    let directory = first.data_directory();
    let mut start = first.stop(Signal::TERM);
    for (file, change, version) in [
        ("FORMAT", of_words as Change, "version 9"),
        ("incarnation", of_lines, "version 9"),
        ("members", of_lines, "version 9"),
        ("commits", of_slots, "version 9"),
        ("store/version", of_the_engine, "version 99"),
    ] {
        let path = directory.join(file);
        let before = fs::read(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        fs::write(&path, change(before.clone())).expect("it is written");
        let untouched = files(&directory);
        let ran = start.clone().run_refused();
        assert_ne!(ran.code, Some(0), "{file}: {ran:?}");
        for words in [
            path.to_string_lossy().as_ref(),
            version,
            "reads up to version",
            "a newer one has written it",
            "nothing was changed",
        ] {
            assert!(ran.errors.contains(words), "{file}: {words}: {}", ran.errors);
        }
        assert_eq!(files(&directory), untouched, "{file}: nothing was changed");
        fs::write(&path, before).expect("it is written");
        // As it was, it is served again.
        let again = start.run();
        assert_eq!(again.ask("GET kept"), "1", "{file}");
        start = again.stop(Signal::TERM);
    }
}
