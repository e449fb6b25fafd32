//! A new identity, and a process that ends while it takes it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::random::Random;
use crate::server_support::{Ground, Server, eventually, run};

const KEY: &str = "node.key";
const NEXT_KEY: &str = "node.key.next";
const ROUNDS: u64 = 15;

/// A server that has counted, what its data directory was before CLUSTER RESET HARD, and the id that it got by that.
fn renewed(ground: &Ground) -> (Server, PathBuf, String) {
    let server = ground.start();
    server.ask("INCRBY a 5");
    let directory = server.data_directory();
    let server = server.stop(rustix::process::Signal::TERM);
    let before = ground.path("before");
    let copied = run(Command::new("cp").arg("-a").args([&directory, &before]));
    assert_eq!(copied.code, Some(0), "{copied:?}");
    let server = server.run();
    assert_eq!(server.ask("CLUSTER RESET HARD"), "OK");
    let id = server.ask("CLUSTER MYID");
    (server, before, id)
}

#[test]
fn a_new_identity_that_was_answered_for_is_kept_by_a_crash() {
    for mode in ["memory", "everysec", "always"] {
        let ground = Ground::new();
        let server = ground.server().set(format!("storage.durability={mode}")).run();
        server.ask("INCRBY a 5");
        assert_eq!(server.ask("CLUSTER RESET HARD"), "OK");
        let id = server.ask("CLUSTER MYID");
        let server = server.kill().run();
        assert_eq!((server.id(), server.ask("GET a")), (id, "5".to_owned()), "{mode}");
    }
}

#[test]
fn a_crash_between_the_commit_under_a_new_id_and_its_key_leaves_the_new_node() {
    let ground = Ground::new();
    let (server, before, id) = renewed(&ground);
    let directory = server.data_directory();
    let server = server.kill();
    fs::rename(directory.join(KEY), directory.join(NEXT_KEY)).expect("renamed");
    fs::copy(before.join(KEY), directory.join(KEY)).expect("the old key");
    let server = server.run();
    assert_eq!((server.id(), server.ask("GET a")), (id.clone(), "5".to_owned()));
    server.eventually_logs(&["WARN", "just after it had become node", &id]);
    assert!(!directory.join(NEXT_KEY).exists());
    assert_eq!(server.kill().run().id(), id);
}

#[test]
fn a_crash_between_a_new_key_and_the_commit_under_its_id_leaves_the_old_node() {
    let ground = Ground::new();
    let (server, before, id) = renewed(&ground);
    fs::copy(server.data_directory().join(KEY), before.join(NEXT_KEY)).expect("the new key");
    drop(server);
    let old = ground.server().data_directory(before.clone()).run();
    assert_ne!(old.id(), id);
    assert_eq!(old.ask("GET a"), "5");
    old.eventually_logs(&["WARN", "before it had become node", &id]);
    assert!(!before.join(NEXT_KEY).exists());
}

#[test]
fn a_node_killed_at_any_moment_of_a_reset_starts_and_has_its_counts() {
    let mut random = Random::new(4);
    let ground = Ground::new();
    let mut server = ground.server().set("storage.durability=always").run();
    for round in 1..=ROUNDS {
        assert_eq!(server.ask("INCR a"), round.to_string());
        let old = server.id();
        let mut client = server.client();
        client.send("CLUSTER RESET HARD").expect("sent");
        let directory = server.data_directory();
        let waits = random.below(4);
        eventually("it has come so far", || {
            let has_come = match waits {
                0 => true,
                1 => directory.join(NEXT_KEY).exists() || server.ask("CLUSTER MYID") != old,
                2 => server.ask("CLUSTER MYID") != old,
                _ => client.reply().is_ok(),
            };
            if has_come { Ok(()) } else { Err("not yet".to_owned()) }
        });
        server = server.kill().run();
        assert!(waits < 3 || server.id() != old, "{round}");
        assert!(!server.data_directory().join(NEXT_KEY).exists());
        assert_eq!(server.ask("GET a"), round.to_string());
    }
}
