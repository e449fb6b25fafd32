//! Joining: with a token alone, before the server was started or while it runs.

use crate::machines::{invite, join, join_before_start, machine};
use crate::server_support::{Ground, eventually, eventually_answers, eventually_linked};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

#[test]
fn a_new_machine_joins_with_two_commands_and_counts_with_the_others() {
    let ground = Ground::new();
    let first = machine(&ground, "first").run();
    first.ask("INCRBY a 5");
    let port = first.port().to_string();
    let made = ground.cli(&["-p", &port, "cluster", "invite"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let second = machine(&ground, "second").run();
    let joined = ground.cli(&["-p", &second.port().to_string(), "cluster", "join", made.out.trim()]);
    assert_eq!(joined.code, Some(0), "{joined:?}");
    assert!(joined.out.contains(&second.id()), "{joined:?}");
    eventually_linked(&[&first, &second]);
    second.ask("INCRBY a 2");
    for node in [&first, &second] {
        eventually_answers(node, "GET a STATE", "[7 CONSISTENT]");
    }
    first.eventually_logs(&["audit", "invitation_made", "user=\"default\"", "peer=\"127.0.0.1:"]);
    first.eventually_logs(&["audit", "node_joined", &second.id()]);
    second.eventually_logs(&["audit", "joined", "user=\"default\"", "peer=\"127.0.0.1:"]);
    // It is still one of them after a restart, and nobody has the other's keys.
    let id = second.id();
    let second = second.kill().run();
    assert_eq!(second.id(), id);
    eventually_linked(&[&first, &second]);
    let key = |name: &str| fs::read_to_string(ground.path(name)).expect("a key");
    assert_ne!(key("first/certs/ca.key"), key("second/certs/ca.key"), "that of its own from before");
    assert_ne!(key("first/data/node.key"), key("second/data/node.key"));
    assert!(first.log().lines().chain(second.log().lines()).all(|line| !line.contains(made.out.trim())));
}

#[test]
fn a_machine_that_was_never_started_is_prepared_and_meets_the_cluster_when_it_starts() {
    let ground = Ground::new();
    let first = machine(&ground, "first").run();
    first.ask("INCRBY a 5");
    let token = ground.path("token");
    fs::write(&token, format!("{}\n", invite(&first, ""))).expect("written");
    let prepared = join_before_start(&ground, "second", &["--token-file", token.to_str().expect("UTF-8")]);
    assert_eq!(prepared.code, Some(0), "{prepared:?}");
    assert!(!ground.path("second/certs").exists(), "it needs no authority of its own");
    let second = machine(&ground, "second").run();
    assert!(prepared.out.contains(&second.id()), "{prepared:?}");
    assert!(second.reported("certificates").contains("authorities.crt"), "{}", second.report());
    eventually_linked(&[&first, &second]);
    eventually_answers(&second, "GET a STATE", "[5 CONSISTENT]");
    eventually("it was met, and need not be again", || match ground.path("second/data/to_meet").exists() {
        false => Ok(()),
        true => Err("it is still to be met".to_owned()),
    });
}

/// All that is below a directory, with whose it is.
fn owners(directory: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let metadata = fs::symlink_metadata(&path).expect("it is there");
        found.push((path.clone(), metadata.uid()));
        if metadata.is_dir() {
            found.extend(owners(&path));
        }
    }
    found
}

#[test]
fn what_root_makes_by_joining_is_of_the_owner_of_the_data_directory() {
    const NOBODY: u32 = 65_534;
    if !rustix::process::geteuid().is_root() {
        // Only root can be told from somebody else here.
        return;
    }
    let ground = Ground::new();
    let first = machine(&ground, "first").run();
    fs::set_permissions(ground.path(""), Permissions::from_mode(0o755)).expect("ours");
    fs::create_dir(ground.path("second")).expect("a directory");
    chown(ground.path("second"), Some(NOBODY), Some(NOBODY)).expect("root may");
    let prepared = join_before_start(&ground, "second", &[&invite(&first, "")]);
    assert_eq!(prepared.code, Some(0), "{prepared:?}");
    assert!(prepared.errors.contains(&format!("is of the user with the number {NOBODY}")), "{prepared:?}");
    let made = owners(&ground.path("second"));
    for file in ["node.key", "node.crt", "authorities.crt", "to_meet"] {
        assert!(made.iter().any(|(path, _)| path.ends_with(file)), "{file}: {made:?}");
    }
    assert!(made.iter().all(|(_, owner)| *owner == NOBODY), "{made:?}");
}

#[test]
fn a_node_that_leaves_does_not_meet_the_cluster_that_it_was_prepared_for() {
    let ground = Ground::new();
    let first = machine(&ground, "first").run();
    let prepared = join_before_start(&ground, "second", &[&invite(&first, "")]);
    assert_eq!(prepared.code, Some(0), "{prepared:?}");
    // Nobody is there to be met yet.
    let first = first.kill();
    let second = machine(&ground, "second").run();
    assert!(ground.path("second/data/to_meet").exists());
    second.eventually_logs(&["WARN", "the cluster is still to be met"]);
    assert_eq!(second.ask("CLUSTER RESET"), "OK");
    assert!(!ground.path("second/data/to_meet").exists(), "nobody is to be met any more");
    let (first, second) = (first.run(), second.kill().run());
    second.eventually_logs(&["is ready"]);
    for node in [&first, &second] {
        assert!(node.ask("CLUSTER INFO").contains("cluster_known_nodes:1\r\n"));
    }
}

#[test]
fn a_node_that_counted_alone_keeps_its_id_and_its_counts() {
    let ground = Ground::new();
    let (first, second) = (machine(&ground, "first").run(), machine(&ground, "second").run());
    first.ask("INCRBY a 1");
    second.ask("INCRBY a 10");
    let (id, token) = (second.id(), invite(&first, ""));
    let refused = second.ask(&format!("CLUSTER MEET 127.0.0.1 {}", first.port()));
    assert!(refused.contains("another authority"), "{refused}");
    assert!(join(&second, &token).contains("this node is still"));
    eventually_linked(&[&first, &second]);
    assert_eq!(second.ask("CLUSTER MYID"), id);
    for node in [&first, &second] {
        eventually_answers(node, "GET a STATE", "[11 CONSISTENT]");
    }
    // Of a cluster with others in it a node is not taken away by a token.
    let third = machine(&ground, "third").run();
    let answer = join(&second, &invite(&third, ""));
    assert!(answer.starts_with("-ERR this node is in a cluster with 1 other members"), "{answer}");
    let second = second.stop(rustix::process::Signal::TERM);
    let prepared = join_before_start(&ground, "second", &[&invite(&third, "")]);
    assert_eq!(prepared.code, Some(1), "{prepared:?}");
    assert!(prepared.errors.contains("CLUSTER RESET"), "{prepared:?}");
    let second = second.run();
    eventually_linked(&[&first, &second]);
}

#[test]
fn a_token_for_several_is_good_for_so_many() {
    let ground = Ground::new();
    let first = machine(&ground, "first").run();
    let token = invite(&first, "USES 2");
    let listed = first.ask("CLUSTER INVITATIONS");
    assert!(listed.contains("uses=2"), "{listed}");
    let nodes = ["second", "third", "fourth"].map(|name| machine(&ground, name).run());
    assert!(join(&nodes[0], &token).starts_with("joined"));
    assert!(join(&nodes[1], &token).starts_with("joined"));
    let refused = join(&nodes[2], &token);
    assert!(refused.contains("the token has been used"), "{refused}");
    eventually_linked(&[&first, &nodes[0], &nodes[1]]);
    assert_eq!(first.ask("CLUSTER INVITATIONS"), "");
    // Only the first holds the authority's key, and the others find that out.
    let asked = nodes[0].ask("CLUSTER INVITE");
    assert!(asked.starts_with("-ERR this node does not hold the key"), "{asked}");
    let instead = format!("the member {} does: discnt-cli -h 127.0.0.1 -p {} cluster invite", first.id(), first.port());
    assert!(asked.contains(&instead), "{asked}");
    let (first_id, _first) = (first.id(), first.kill());
    eventually("nobody is left who does", || {
        let asked = nodes[0].ask("CLUSTER INVITE");
        let is_told = asked.contains("no member that is linked says that it does") && !asked.contains(&first_id);
        if is_told { Ok(()) } else { Err(asked) }
    });
}
