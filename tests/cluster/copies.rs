//! A data directory that was copied, as with a cloned machine: two servers with one key.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::server_support::{Ground, eventually, eventually_answers, eventually_linked};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("the directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

#[test]
fn the_copy_of_a_node_that_runs_is_refused_until_that_one_has_stopped() {
    let ground = Ground::new();
    let [first, second, third] = ground.three();
    assert_eq!(third.ask("INCRBY a 5"), "5");
    eventually_answers(&first, "GET a", "5");
    eventually("it has written down both of the others", || {
        let members = fs::read_to_string(third.data_directory().join("members")).map_err(|error| error.to_string())?;
        if [&first, &second].iter().all(|node| members.contains(&node.id())) { Ok(()) } else { Err(members) }
    });
    let directory = ground.path("copy");
    copy(&third.data_directory(), &directory);
    let clone = ground.server().data_directory(directory).run();
    assert_eq!(clone.id(), third.id());
    let id = third.id();
    for node in [&first, &second] {
        node.eventually_logs(&["ERROR", "two servers run as node", &id, &format!("port {}", third.port())]);
    }
    let there = format!("127.0.0.1 port {}", third.port());
    clone.eventually_logs(&["ERROR", "another server runs as node", &id, &there, "--data-dir"]);
    // Whoever asks there for a meeting is told, too.
    eventually("MEET is answered with the reason", || {
        let reply = clone.ask(&format!("CLUSTER MEET 127.0.0.1 {}", first.port()));
        let says = reply.starts_with("-ERR another server runs as node") && reply.contains(&there);
        if says { Ok(()) } else { Err(reply) }
    });
    // The one that was there first counts on, and nothing of it is lost; the other counts by itself.
    clone.ask("INCRBY alone 7");
    for turn in 1..=20 {
        assert_eq!(third.ask("INCRBY a 100"), (5 + 100 * turn).to_string());
    }
    for node in [&first, &second] {
        eventually_answers(node, "GET a", "2005");
        assert_eq!(node.ask("EXISTS alone"), "0");
    }
    eventually_linked(&[&first, &second, &third]);
    // Once it has stopped, the other is the node.
    let again = third.stop(Signal::TERM);
    eventually_linked(&[&first, &second, &clone]);
    eventually_answers(&clone, "GET a", "2005");
    assert_eq!(clone.ask("INCRBY a 1"), "2006");
    for node in [&first, &second, &clone] {
        eventually_answers(node, "MGET a alone", "[2006 7]");
    }
    // And now the first is the later of the two.
    let third = again.run();
    third.eventually_logs(&["ERROR", "another server runs as node", &format!("port {}", clone.port())]);
    eventually_linked(&[&first, &second, &clone]);
    eventually_answers(&first, "MGET a alone", "[2006 7]");
}

#[test]
fn who_dials_its_own_copy_is_told_that_it_may_be_one() {
    let ground = Ground::new();
    let node = ground.start();
    let directory = ground.path("copy");
    copy(&node.data_directory(), &directory);
    let clone = ground.server().data_directory(directory).run();
    let reply = clone.ask(&format!("CLUSTER MEET 127.0.0.1 {}", node.port()));
    assert!(reply.starts_with("-ERR ") && reply.contains("copy of its key"), "{reply}");
}

/// The directory is put back to what it was: what was counted meanwhile is not in it, and numbers were used that it does not
/// know of.
#[test]
fn a_restored_directory_overwrites_nothing() {
    let ground = Ground::new();
    let [first, second, third] = ground.three();
    let backup = ground.path("backup");
    copy(&third.data_directory(), &backup);
    let again = third.kill();
    let third = again.run();
    assert_eq!(third.ask("INCRBY a 5"), "5");
    eventually_answers(&first, "GET a", "5");
    eventually_answers(&second, "GET a", "5");
    let port = third.port();
    drop(third.kill());
    let third = ground.server().data_directory(backup).port(port).run();
    third.eventually_logs(&["WARN", "counting as a new replica"]);
    eventually_answers(&third, "INCRBY b 1", "1");
    eventually_linked(&[&first, &second, &third]);
    third.ask("INCRBY a 10");
    for node in [&first, &second, &third] {
        eventually_answers(node, "MGET a b", "[15 1]");
    }
}

/// What is copied is whole as far as it can know: all that the node had said was on disk.
#[test]
fn the_copy_of_a_directory_that_runs_in_the_place_of_its_node_overwrites_nothing() {
    for setting in ["storage.durability=always", "storage.durability=everysec"] {
        let ground = Ground::new();
        let [first, second, third] = ground.three_with(&[setting]);
        assert_eq!(third.ask("INCRBY a 5"), "5");
        eventually_answers(&first, "GET a", "5");
        let backup = ground.path("backup");
        copy(&third.data_directory(), &backup);
        for turn in 1..=20 {
            assert_eq!(third.ask("INCRBY a 100"), (5 + 100 * turn).to_string());
        }
        for node in [&first, &second] {
            eventually_answers(node, "GET a", "2005");
        }
        let port = third.port();
        drop(third.kill());
        let third = ground.server().set(setting).data_directory(backup).port(port).run();
        eventually_answers(&third, "INCRBY a 1", "2006");
        eventually_linked(&[&first, &second, &third]);
        for node in [&first, &second, &third] {
            eventually_answers(node, "GET a", "2006");
        }
    }
}

#[test]
fn a_directory_copied_after_an_orderly_stop_and_used_later_overwrites_nothing() {
    let ground = Ground::new();
    let [first, second, third] = ground.three();
    assert_eq!(third.ask("INCRBY a 5"), "5");
    let again = third.stop(Signal::TERM);
    let third = again.run();
    let stopped = ground.path("stopped");
    let port = third.port();
    let directory = third.data_directory();
    let again = third.stop(Signal::TERM);
    copy(&directory, &stopped);
    let third = again.run();
    eventually_linked(&[&first, &second, &third]);
    assert_eq!(third.ask("INCRBY a 1000"), "1005");
    for node in [&first, &second] {
        eventually_answers(node, "GET a", "1005");
    }
    drop(third.stop(Signal::TERM));
    let third = ground.server().data_directory(stopped).port(port).run();
    third.eventually_logs(&["WARN", "counting as a new replica"]);
    eventually("those that were linked are told what the link is made anew for", || {
        let logs = [first.log(), second.log()];
        let told = |line: &str| {
            line.contains("INFO") && line.contains("has the link made anew: it counts as a new replica from now on")
        };
        logs.iter().any(|log| log.lines().any(told)).then_some(()).ok_or_else(|| logs.concat())
    });
    eventually_linked(&[&first, &second, &third]);
    for node in [&first, &second] {
        assert!(!node.log().contains("the rules of the mesh were broken"), "{}", node.log());
    }
    assert_eq!(third.ask("INCRBY a 1"), "1006");
    for node in [&first, &second, &third] {
        eventually_answers(node, "GET a", "1006");
    }
}
