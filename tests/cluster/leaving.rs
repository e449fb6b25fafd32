//! CLUSTER RESET: leaving a cluster, with the counts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::server_support::{Ground, Server, eventually, eventually_answers, eventually_linked};

#[track_caller]
fn eventually_knows(node: &Server, nodes: usize) {
    eventually(&format!("{} knows {nodes} nodes", node.name()), || {
        let listed = node.try_client()?.try_hello()?;
        if listed.len() == nodes { Ok(()) } else { Err(format!("{listed:?}")) }
    });
}

#[test]
fn a_node_that_left_keeps_the_counts_and_is_not_dialled_back_in() {
    let ground = Ground::new();
    let [first, second, third] = ground.three();
    third.ask("INCRBY a 5");
    eventually_answers(&first, "GET a", "5");
    let id = third.id();
    assert_eq!(third.ask("CLUSTER RESET"), "OK");
    eventually_knows(&third, 1);
    for node in [&first, &second] {
        eventually_knows(node, 2);
        // Each hears it from itself, or before that from another that has.
        node.eventually_logs(&[&id, "its counts stay"]);
        eventually_answers(node, "GET a STATE", "[5 CONSISTENT]");
    }
    eventually_answers(&third, "GET a STATE", "[5 CONSISTENT]");
    assert_eq!(third.ask("CLUSTER MYID"), id);
    // They count apart now.
    assert_eq!(third.ask("INCRBY a 100"), "105");
    assert_eq!(first.ask("INCRBY a 1"), "6");
    eventually_answers(&second, "GET a", "6");
    // Nobody brings it back: not the gossip, nor a restart of either side.
    let third = third.kill().run();
    assert_eq!(third.reported("members"), "none yet; to join another node: CLUSTER MEET host port");
    let second = second.kill().run();
    eventually_linked(&[&first, &second]);
    eventually_answers(&second, "GET a", "6");
    eventually_knows(&third, 1);
    eventually_knows(&first, 2);
    // Until somebody says so. The restarted third had its last word, 100, only in memory.
    assert_eq!(first.ask(&format!("CLUSTER MEET 127.0.0.1 {}", third.port())), "OK");
    eventually_linked(&[&first, &second, &third]);
    eventually_answers(&third, "GET a STATE", "[6 CONSISTENT]");
}

#[test]
fn a_node_that_left_can_meet_again_and_brings_what_it_counted() {
    let ground = Ground::new();
    let [first, second, third] = ground.three();
    third.ask("INCRBY a 5");
    eventually_answers(&first, "GET a", "5");
    assert_eq!(third.ask("CLUSTER RESET SOFT"), "OK");
    eventually_knows(&first, 2);
    eventually_knows(&second, 2);
    third.ask("INCRBY a 100");
    first.ask("INCRBY a 1");
    assert_eq!(third.ask(&format!("CLUSTER MEET 127.0.0.1 {}", second.port())), "OK");
    eventually_linked(&[&first, &second, &third]);
    for node in [&first, &second, &third] {
        eventually_answers(node, "GET a STATE", "[106 CONSISTENT]");
    }
}

#[test]
fn a_hard_reset_takes_a_new_id_and_keeps_the_counts() {
    let ground = Ground::new();
    let [first, second, third] = ground.three();
    third.ask("INCRBY a 5");
    eventually_answers(&first, "GET a", "5");
    let before = third.id();
    assert_eq!(third.ask("CLUSTER RESET HARD"), "OK");
    let after = third.ask("CLUSTER MYID");
    assert_ne!(before, after);
    eventually_knows(&third, 1);
    eventually_knows(&first, 2);
    eventually_knows(&second, 2);
    assert_eq!(third.ask("INCRBY a 100"), "105");
    let port = third.port();
    assert_eq!(third.ask(&format!("CLUSTER MEET 127.0.0.1 {}", first.port())), "OK");
    for node in [&first, &second, &third] {
        eventually_answers(node, "GET a STATE", "[105 CONSISTENT]");
        eventually_knows(node, 3);
        let listed = node.client().try_hello().expect("a list");
        assert!(listed.iter().any(|other| other.id == after && other.port == port.to_string()), "{listed:?}");
        assert!(!listed.iter().any(|other| other.id == before), "{listed:?}");
    }
    // The new identity is kept.
    let third = third.kill().run();
    assert_eq!(third.id(), after);
    eventually_linked(&[&first, &second, &third]);
    eventually_answers(&third, "GET a", "105");
}

#[test]
fn a_node_with_a_new_id_is_not_taken_for_the_old_by_who_was_away() {
    let ground = Ground::new();
    let [first, second, third] = ground.three();
    second.ask("INCRBY a 5");
    eventually_answers(&third, "GET a", "5");
    let before = second.id();
    eventually("the second remembered by the third", || {
        let members = std::fs::read(third.data_directory().join("members")).map_err(|error| error.to_string())?;
        let members = String::from_utf8_lossy(&members).into_owned();
        if members.contains(&before) { Ok(()) } else { Err(members) }
    });
    let third = third.kill();
    assert_eq!(second.ask("CLUSTER RESET HARD"), "OK");
    let after = second.ask("CLUSTER MYID");
    let third = third.run();
    eventually_answers(&third, "GET a", "5");
    // It dials the old one, and finds the new one there, which is no member; and the first tells that the old one left.
    third.eventually_logs(&[&before, "was forgotten or has left"]);
    eventually_knows(&third, 2);
    eventually_knows(&second, 1);
    assert!(!third.ask("CLUSTER NODES").contains(&after));
    assert!(!first.ask("CLUSTER NODES").contains(&after));
    assert_eq!(third.ask(&format!("CLUSTER MEET 127.0.0.1 {}", second.port())), "OK");
    eventually(&format!("{} knows {after}", first.name()), || {
        let nodes = first.try_client()?.try_ask("CLUSTER NODES")?;
        let known = nodes.lines().any(|line| line.starts_with(&after) && line.contains(" connected"));
        if known { Ok(()) } else { Err(nodes) }
    });
}

#[test]
fn the_only_other_node_hears_of_a_hard_reset_however_much_there_is_to_say() {
    const PAIRS: usize = 6;
    for _ in 0..PAIRS {
        let ground = Ground::new();
        let (leaver, other) = (ground.start(), ground.start());
        assert_eq!(leaver.ask(&format!("CLUSTER MEET 127.0.0.1 {}", other.port())), "OK");
        eventually_linked(&[&leaver, &other]);
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut client = leaver.client();
                for batch in (0..40).cycle().take_while(|_| !is_over.load(Ordering::Relaxed)) {
                    let lines: String = (0..500).map(|number| format!("INCR a{}\r\n", batch * 500 + number)).collect();
                    client.send_bytes(lines.as_bytes()).expect("the server reads");
                    (0..500).for_each(|_| drop(client.reply().expect("a reply")));
                }
            });
            eventually_answers(&other, "EXISTS a19999", "1");
            assert_eq!(leaver.ask("CLUSTER RESET HARD"), "OK");
            is_over.store(true, Ordering::Relaxed);
        });
        eventually_knows(&other, 1);
        eventually_knows(&leaver, 1);
    }
}

#[test]
fn a_node_alone_can_be_reset() {
    let ground = Ground::new();
    let node = ground.start();
    node.ask("INCR a");
    assert_eq!(node.ask("CLUSTER RESET"), "OK");
    assert_eq!(node.ask("CLUSTER RESET HARD"), "OK");
    assert_eq!(node.ask("CLUSTER RESET HARD"), "OK");
    assert_ne!(node.ask("CLUSTER MYID"), node.id());
    assert_eq!(node.ask("INCR a"), "2");
}

#[test]
fn a_node_that_leaves_tells_the_others_its_last_words() {
    let ground = Ground::new();
    let [first, second, third] = ground.three();
    third.ask("PRECISION predicted 100000");
    for round in 1..=3 {
        for _ in 0..300 {
            third.ask("INCRBY exact 3");
            third.ask("INCRBY predicted 3");
        }
        assert_eq!(third.ask("CLUSTER RESET"), "OK");
        let sum = (round * 900).to_string();
        for node in [&first, &second] {
            eventually_answers(node, "MGET exact predicted", &format!("[{sum} {sum}]"));
        }
        assert_eq!(third.ask(&format!("CLUSTER MEET 127.0.0.1 {}", first.port())), "OK");
        eventually_linked(&[&first, &second, &third]);
        eventually_answers(&third, "GET exact STATE", &format!("[{sum} CONSISTENT]"));
    }
}
