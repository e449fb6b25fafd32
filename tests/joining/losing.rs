//! Files of a member that are lost, damaged or another node's: it stays who it was, or says what is missing and does not start.

use crate::machines::{check_config, invite, join, join_before_start, machine};
use crate::server_support::{Ground, Server, eventually_linked};
use rustix::process::Signal;
use std::fs;

/// Two nodes, the second of which has joined and counted.
fn pair(ground: &Ground) -> (Server, Server) {
    let (first, second) = (machine(ground, "first").run(), machine(ground, "second").run());
    assert!(join(&second, &invite(&first, "")).starts_with("joined"));
    eventually_linked(&[&first, &second]);
    assert_eq!(second.ask("INCR a"), "1");
    assert_eq!(second.ask("SAVE"), "OK");
    (first, second)
}

fn rotate(ground: &Ground, node: &Server) -> String {
    let ran = ground.cli(&["-p", &node.port().to_string(), "certs", "rotate"]);
    format!("{}{}", ran.out, ran.errors)
}

#[test]
fn a_member_whose_authorities_are_gone_does_not_become_a_node_of_its_own_authority() {
    let ground = Ground::new();
    let (first, second) = pair(&ground);
    let (kept, aside) = (ground.path("second/data/authorities.crt"), ground.path("aside"));
    let certificate = || fs::read(ground.path("second/data/node.crt")).expect("a certificate");
    let before = certificate();
    fs::rename(&kept, &aside).expect("moved");
    second.signal(Signal::HUP);
    second.eventually_logs(&["reload_refused", "authorities.crt: the file is missing", "another member"]);
    assert!(rotate(&ground, &second).contains("authorities.crt: the file is missing"));
    let checked = check_config(&ground, "second");
    assert!(checked.code == Some(1) && checked.errors.contains("the file is missing"), "{checked:?}");
    let second = second.kill();
    let refused = second.clone().run_refused();
    assert!(refused.code != Some(0) && refused.errors.contains("the file is missing"), "{refused:?}");
    assert_eq!(certificate(), before);
    fs::rename(&aside, &kept).expect("moved back");
    let second = second.run();
    eventually_linked(&[&first, &second]);
}

#[test]
fn a_lost_key_is_not_made_anew_by_a_rotation_nor_by_a_token_whose_use_stays() {
    let ground = Ground::new();
    let (first, second) = pair(&ground);
    let (key, aside) = (ground.path("second/data/node.key"), ground.path("aside"));
    fs::rename(&key, &aside).expect("moved");
    let refused = rotate(&ground, &second);
    assert!(refused.contains("node.key: the key is missing"), "{refused}");
    let second = second.stop(Signal::TERM);
    let token = invite(&first, "");
    let refused = join_before_start(&ground, "second", &[&token]);
    assert!(refused.code == Some(1) && refused.errors.contains("and no key"), "{refused:?}");
    assert!(!key.exists() && first.ask("CLUSTER INVITATIONS").contains("uses=1"));
    fs::rename(&aside, &key).expect("moved back");
    let second = second.run();
    eventually_linked(&[&first, &second]);
}

#[test]
fn damage_in_an_authority_of_its_own_from_before_does_not_keep_a_member_from_anything() {
    let ground = Ground::new();
    let (first, second) = pair(&ground);
    fs::write(ground.path("second/certs/ca.key"), "junk").expect("written");
    assert!(rotate(&ground, &second).contains("is good for"));
    let second = second.kill().run();
    second.eventually_logs(&["WARN", "ca.key", "does not need it"]);
    let checked = check_config(&ground, "second");
    assert_eq!(checked.code, Some(0), "{checked:?}");
    eventually_linked(&[&first, &second]);
}

#[test]
fn a_check_finds_that_the_key_is_not_that_of_the_counters() {
    let ground = Ground::new();
    let (first, second) = pair(&ground);
    assert_eq!(check_config(&ground, "second").code, Some(0), "also beside a server that runs");
    drop(first);
    let _second = second.stop(Signal::TERM);
    for file in ["node.key", "node.crt", "authorities.crt"] {
        let _ = fs::remove_file(ground.path("second/data").join(file));
    }
    fs::copy(ground.path("first/data/node.key"), ground.path("second/data/node.key")).expect("copied");
    let checked = check_config(&ground, "second");
    assert!(checked.code == Some(1) && checked.errors.contains("holds the counters of node"), "{checked:?}");
}
