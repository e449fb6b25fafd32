//! Backups of running nodes, and what nodes that are restored from them count.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rustix::process::Signal;

use super::server_support::{Ground, Server, Start, eventually_answers, link};
use super::{client, run, run_well};

fn back_up(ground: &Ground, server: &Server) -> PathBuf {
    let said = run_well(ground, server, &["backup", "backup"]);
    assert!(said.starts_with("backed up "), "{said}");
    ground.path("backup")
}

/// A new node with its own key.
fn restored(ground: &Ground, backup: &PathBuf) -> Start {
    ground.server().argument("--restore").argument(backup)
}

#[test]
fn a_restored_node_reads_what_was_backed_up_and_keeps_it() {
    let ground = Ground::new();
    let first = ground.start();
    for request in ["INCRBY a 1.5", "SET b -7", "INCR b", "PRECISION b 9", "INCR gone", "DEL gone", "SET zero 0"] {
        first.ask(request);
    }
    let many: Vec<_> =
        (0..5_000).map(|number| super::request(&[b"INCRBY", format!("name:{number}").as_bytes(), b"0.25"])).collect();
    super::ask_all(&mut first.client(), &many);
    let backup = back_up(&ground, &first);
    first.ask("INCRBY a 100");
    drop(first);

    let second = restored(&ground, &backup).run();
    let expect = |server: &Server, a: &str| {
        eventually_answers(server, "GET a", a);
        assert_eq!(server.ask("MGET b gone zero name:0 name:4999"), "[-6 0 0 0.25 0.25]");
        assert_eq!(server.ask("GET b ENTRY"), "[-6 9]");
        assert_eq!(server.ask("EXISTS a b gone zero"), "3");
        assert_eq!(server.ask("DBSIZE"), "5003");
    };
    expect(&second, "1.5");
    assert_eq!(second.ask("INCRBY a 2"), "3.5");
    let again = second.stop(Signal::TERM);
    let refused = again.clone().run_refused();
    assert!(refused.errors.contains("has counters"), "{}", refused.errors);
    drop(refused);
    // The same server without the flag.
    let data = ground.path("server-2").join("data");
    let third = ground.server().data_directory(data).run();
    expect(&third, "3.5");
}

#[test]
fn a_cluster_that_went_on_counts_nothing_twice_when_a_backup_comes_back() {
    let ground = Ground::new();
    let [first, second, third] = ground.three_with(&["debug.enabled=true"]);
    for server in [&first, &second, &third] {
        server.ask("INCRBY a 10");
        server.ask("INCRBY b 1");
    }
    // What a lost node had counted itself is never given up.
    second.ask("INCRBY gone 5");
    third.ask("INCRBY gone 10");
    eventually_answers(&first, "MGET a b gone", "[30 3 15]");
    let backup = back_up(&ground, &first);
    for server in [&first, &second, &third] {
        server.ask("INCRBY a 100");
    }
    for server in [&first, &second, &third] {
        eventually_answers(server, "MGET a b gone", "[330 3 15]");
    }
    second.ask("SET b 50");
    second.ask("DEL gone");
    for server in [&first, &second, &third] {
        eventually_answers(server, "MGET a b gone", "[330 50 0]");
    }
    let lost = first.id();
    drop(first);
    // Nobody waits for it any more, so what was deleted is given up, and nobody remembers that it was.
    eventually_answers(&second, &format!("CLUSTER FORGET {lost}"), "OK");
    for server in [&second, &third] {
        eventually_answers(server, "DEBUG COUNTER gone", "-ERR no such key ('debug|counter' command)");
    }

    let fourth = restored(&ground, &backup).run();
    link_restored(&fourth, &second);
    assert_eq!(fourth.ask("INCRBY a 1000"), "1330");
    for server in [&second, &third, &fourth] {
        eventually_answers(server, "MGET a b gone", "[1330 50 0]");
        eventually_answers(server, "EXISTS gone", "0");
    }
}

fn meet(server: &Server, other: &Server) {
    // Until it knows who it is, it meets nobody.
    eventually_answers(server, &format!("CLUSTER MEET 127.0.0.1 {}", other.port()), "OK");
}

/// Meets a member and waits until what that one has is taken over.
fn link_restored(restored: &Server, member: &Server) {
    meet(restored, member);
    eventually_answers(restored, "MGET a b gone", "[330 50 0]");
}

#[test]
fn what_the_members_had_not_heard_comes_back_with_the_backup() {
    let ground = Ground::new();
    let (first, second) = (ground.start(), ground.start());
    link(&[&first, &second]);
    second.ask("INCRBY a 1");
    eventually_answers(&first, "GET a", "1");
    let second = second.kill();
    // Nobody hears this but the backup.
    first.ask("INCRBY a 20");
    first.ask("INCRBY alone 3");
    let backup = back_up(&ground, &first);
    drop(first);
    let second = second.run();
    let third = restored(&ground, &backup).run();
    meet(&third, &second);
    for server in [&second, &third] {
        eventually_answers(server, "MGET a alone", "[21 3]");
    }
}

/// A backup is heard by others some day, as if the node had told them: also of one that never had a peer.
#[test]
fn a_node_that_was_alone_and_started_again_loses_nothing_to_its_backup() {
    for (mode, is_killed) in [("always", true), ("always", false), ("everysec", true), ("memory", false)] {
        let ground = Ground::new();
        let setting = format!("storage.durability={mode}");
        let first = ground.server().set(&setting).run();
        first.ask("INCRBY a 50");
        assert_eq!(first.ask("SAVE"), "OK");
        let backup = back_up(&ground, &first);
        let first = if is_killed { first.kill() } else { first.stop(Signal::TERM) }.run();
        assert_eq!(first.ask("INCRBY a 3"), "53", "{mode}");
        let second = restored(&ground, &backup).set(&setting).run();
        assert_eq!(second.ask("INCRBY a 7"), "57", "{mode}");
        meet(&first, &second);
        for server in [&first, &second] {
            eventually_answers(server, "GET a STATE", "[60 CONSISTENT]");
        }
    }
}

#[test]
fn the_node_itself_goes_on_with_its_backup() {
    let ground = Ground::new();
    let (first, second) = (ground.start(), ground.start());
    link(&[&first, &second]);
    first.ask("INCRBY a 7");
    let backup = back_up(&ground, &first);
    first.ask("INCRBY a 5");
    first.ask("SET b 2");
    eventually_answers(&second, "MGET a b", "[12 2]");
    let id = first.id();
    let data = first.data_directory();
    let again = first.kill();
    // Its key and its members are there still, its counters are not.
    fs::remove_dir_all(data.join("store")).expect("a store");
    fs::remove_file(data.join("commits")).expect("a file");
    let first = again.argument("--restore").argument(&backup).run();
    assert_eq!(first.id(), id);
    eventually_answers(&first, "MGET a b", "[12 2]");
    assert_eq!(first.ask("INCRBY a 100"), "112");
    for server in [&first, &second] {
        eventually_answers(server, "MGET a b", "[112 2]");
    }
}

#[test]
fn a_backup_of_a_node_that_counts_has_all_from_before_and_nothing_that_was_not_counted() {
    let ground = Ground::new();
    let first = ground.start();
    let [counted, stop] = [AtomicU64::new(0), AtomicU64::new(0)];
    let (least, most) = thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = first.client();
            while stop.load(Ordering::SeqCst) == 0 {
                client.ask("MINCRBY 1 a b c d e f g h");
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        while counted.load(Ordering::SeqCst) < 500 {
            thread::yield_now();
        }
        let least = counted.load(Ordering::SeqCst);
        back_up(&ground, &first);
        stop.store(1, Ordering::SeqCst);
        (least, counted.load(Ordering::SeqCst) + 1)
    });
    let second = restored(&ground, &ground.path("backup")).run();
    eventually_answers(&second, "EXISTS a b c d e f g h", "8");
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let value: u64 = second.ask(&format!("GET {name}")).parse().expect("a number");
        assert!((least..=most).contains(&value), "{name}: {least} {value} {most}");
    }
}

#[test]
fn a_damaged_backup_is_refused_and_nothing_is_restored() {
    let ground = Ground::new();
    let first = ground.start();
    first.ask("MINCRBY 1 a b");
    let backup = back_up(&ground, &first);
    let (code, _, errors) = run(&mut client(&ground, first.port(), &["backup", "backup"]));
    assert_eq!(code, 1);
    assert!(errors.contains("is not empty"), "{errors}");
    let file = backup.join("discnt.backup");
    let good = fs::read(&file).expect("a backup");
    let mut bad = good.clone();
    // In the content of the first frame.
    bad[40] ^= 1;
    for (bytes, word) in [(&bad[..], "is damaged"), (&good[..good.len() - 1], "cut short"), (b"x", "no backup")] {
        fs::write(&file, bytes).expect("a file");
        let start = restored(&ground, &backup);
        let refused = start.clone().run_refused();
        assert_eq!(refused.code, Some(1));
        assert!(refused.errors.contains(word) && refused.errors.contains("nothing was restored"), "{}", refused.errors);
    }
    let data = ground.path("server-2").join("data");
    let empty = ground.server().data_directory(data).run();
    eventually_answers(&empty, "DBSIZE", "0");
}
