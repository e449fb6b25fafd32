//! Damage on disk: the server says so and starts not, a repair sets it aside, and the members bring back what they have.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::server_support::{Ground, Ran, eventually, eventually_answers, eventually_linked, link};

/// The largest file below a directory.
fn largest(directory: &Path) -> PathBuf {
    let mut files = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the store") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.into_iter().max_by_key(|path| fs::metadata(path).map_or(0, |file| file.len())).expect("a file")
}

/// Flips one bit in the middle of what is written in a file.
pub(crate) fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).expect("a file of the store");
    let written = bytes.iter().rposition(|byte| *byte != 0).expect("something is written");
    bytes[written / 2] ^= 4;
    fs::write(path, bytes).expect("written");
}

pub(crate) fn repair(directory: &Path, ground: &Ground) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_discnt-server"));
    command.arg("--repair").arg("--data-dir").arg(directory).arg("--certs-dir").arg(ground.path("certs"));
    crate::server_support::run(&mut command)
}

#[test]
fn a_damaged_store_is_refused_set_aside_and_made_good_by_the_members() {
    let ground = Ground::new();
    let [first, second, third] = ground.three();
    for (node, amount) in [(&first, 1), (&second, 10), (&third, 100)] {
        for number in 0..50 {
            node.ask(&format!("INCRBY counter:{number} {amount}"));
        }
    }
    for node in [&first, &second, &third] {
        for number in 0..50 {
            eventually_answers(node, &format!("GET counter:{number}"), "111");
        }
    }
    let directory = third.data_directory();
    let start = third.stop(Signal::TERM);
    assert!(repair(&directory, &ground).out.starts_with("nothing is damaged in "));
    let damaged = largest(&directory.join("store"));
    flip_a_bit(&damaged);
    let refused = start.clone().run_refused();
    assert_eq!(refused.code, Some(1));
    for words in [&directory.join("store").display().to_string(), "is damaged", "--repair"] {
        assert!(refused.errors.contains(words), "{words}: {}", refused.errors);
    }
    let repaired = repair(&directory, &ground);
    assert_eq!(repaired.code, Some(0), "{repaired:?}");
    let aside = directory.join("damaged-1");
    for words in [&format!("set aside in {}", aside.display()), "nothing of it was deleted", "Next: start"] {
        assert!(repaired.out.contains(words), "{words}: {repaired:?}");
    }
    assert!(aside.is_dir());
    let third = start.run();
    eventually_linked(&[&first, &second, &third]);
    for number in 0..50 {
        eventually_answers(&third, &format!("GET counter:{number} STATE"), "[111 CONSISTENT]");
    }
    third.ask("INCRBY counter:0 1000");
    for node in [&first, &second, &third] {
        eventually_answers(node, "GET counter:0", "1111");
    }
}

#[test]
fn a_node_that_lost_all_and_knows_members_says_nothing_before_it_has_what_they_have() {
    let ground = Ground::new();
    let (first, second) = (ground.start(), ground.start());
    link(&[&first, &second]);
    for number in 0..2000 {
        first.ask(&format!("INCRBY counter:{number} 7"));
    }
    eventually_answers(&second, "GET counter:1999", "7");
    let directory = second.data_directory();
    let start = second.kill();
    fs::remove_dir_all(directory.join("store")).expect("removed");
    let repaired = repair(&directory, &ground);
    assert_eq!(repaired.code, Some(0), "{repaired:?}");
    let second = start.run_unready();
    eventually("it has what the other has", || {
        let mut client = second.try_client()?;
        let ask = |n| client.ask(&format!("GET counter:{n}"));
        let answers: Vec<String> = (0..2000).step_by(97).map(ask).collect();
        let is_known = |answer: &String| answer == "7" || answer.starts_with("-LOADING");
        assert!(answers.iter().all(is_known), "{answers:?}");
        if answers.iter().all(|answer| answer == "7") { Ok(()) } else { Err("it is loading".to_owned()) }
    });
}

#[test]
fn a_repair_without_a_data_directory_makes_none() {
    let ground = Ground::new();
    let path = ground.path("nowhere");
    let ran = repair(&path, &ground);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(ran.errors.contains("cannot repair") && ran.errors.contains("--data-dir"), "{}", ran.errors);
    assert!(!path.exists());
}

#[test]
fn the_counters_of_another_node_are_refused() {
    let ground = Ground::new();
    let (first, second) = (ground.start(), ground.start());
    first.ask("INCR a");
    let (one, other) = (first.data_directory(), second.data_directory());
    let start = second.stop(Signal::TERM);
    drop(first.stop(Signal::TERM));
    for name in ["store", "commits"] {
        let (from, to) = (one.join(name), other.join(name));
        let _ = fs::remove_dir_all(&to).or_else(|_| fs::remove_file(&to));
        fs::rename(from, to).expect("moved");
    }
    let refused = start.run_refused();
    assert_eq!(refused.code, Some(1));
    assert!(refused.errors.contains("holds the counters of node"), "{}", refused.errors);
}
