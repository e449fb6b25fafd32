//! Nodes with certificates of a real authority, made by the command-line client.

use std::fs;

use crate::server_support::{Ground, Start, eventually_answers, link};

fn made(ground: &Ground, words: &[&str]) {
    let ran = ground.cli(words);
    assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
}

/// A server with the files of this name that the client issued, and no development authority.
fn deployed(ground: &Ground, name: &str) -> Start {
    let file = |suffix: &str| ground.path(name).join(format!("{name}.{suffix}")).display().to_string();
    let ca = ground.path("authority/ca.crt").display().to_string();
    let settings =
        [format!("mesh.ca_cert={ca}"), format!("mesh.cert={}", file("crt")), format!("mesh.key={}", file("key"))];
    ground.server().set_all(&settings.each_ref().map(String::as_str))
}

#[test]
fn nodes_with_issued_certificates_link_and_count() {
    let ground = Ground::new();
    made(&ground, &["certs", "init", "--dir", "authority", "--name", "Example counters"]);
    for name in ["berlin", "paris"] {
        made(&ground, &["certs", "issue", "--dir", "authority", "--out", name, "--name", name]);
    }
    let (first, second) = (deployed(&ground, "berlin").run(), deployed(&ground, "paris").run());
    let shown = ground.cli(&["certs", "show", "berlin/berlin.crt"]);
    assert!(shown.out.contains(&first.id()), "{}: {shown:?}", first.id());
    assert!(first.reported("certificates").ends_with("berlin.crt"), "{}", first.report());
    assert!(!ground.path("certs").exists(), "no development authority was made");
    link(&[&first, &second]);
    first.ask("INCR a");
    eventually_answers(&second, "GET a STATE", "[1 CONSISTENT]");
    // A node of the development authority is a stranger here.
    let stranger = ground.start();
    let reply = stranger.ask(&format!("CLUSTER MEET 127.0.0.1 {}", first.port()));
    assert!(reply.contains("another authority"), "{reply}");
}

#[test]
fn a_node_with_issued_certificates_cannot_change_its_identity_by_itself() {
    let ground = Ground::new();
    made(&ground, &["certs", "init", "--dir", "authority"]);
    made(&ground, &["certs", "issue", "--dir", "authority", "--out", "berlin", "--name", "berlin"]);
    let node = deployed(&ground, "berlin").run();
    node.ask("INCR a");
    let reply = node.ask("CLUSTER RESET HARD");
    assert!(reply.ends_with("this node has left nothing"), "{reply}");
    assert!(reply.starts_with("-ERR ") && reply.contains("the node's id comes from this configured key"), "{reply}");
    assert_eq!(node.ask("CLUSTER MYID"), node.id());
    assert_eq!(node.ask("INCR a"), "2");
}

#[test]
fn a_key_that_is_not_the_certificates_is_refused() {
    let ground = Ground::new();
    made(&ground, &["certs", "init", "--dir", "authority"]);
    for name in ["berlin", "paris"] {
        made(&ground, &["certs", "issue", "--dir", "authority", "--out", name, "--name", name]);
    }
    fs::copy(ground.path("paris/paris.key"), ground.path("berlin/berlin.key")).expect("copied");
    let refused = deployed(&ground, "berlin").run_refused();
    assert_eq!(refused.code, Some(1));
    assert!(refused.errors.contains("berlin.key"), "{}", refused.errors);
}
