//! CLUSTER FORGET: keeping a node out, in the whole cluster, until somebody says CLUSTER MEET.

use crate::server_support::{Ground, Server, eventually, eventually_answers, eventually_linked};

#[track_caller]
fn eventually_knows(node: &Server, nodes: usize) {
    eventually(&format!("{} knows {nodes} nodes", node.name()), || {
        let listed = node.try_client()?.try_hello()?;
        if listed.len() == nodes { Ok(()) } else { Err(format!("{listed:?}")) }
    });
}

fn forget(node: &Server, id: &str) -> String {
    node.ask(&format!("CLUSTER FORGET {id}"))
}

fn meet(node: &Server, other: &Server) -> String {
    node.ask(&format!("CLUSTER MEET 127.0.0.1 {}", other.port()))
}

#[test]
fn a_node_that_is_forgotten_is_out_everywhere_and_its_counts_stay() {
    let ground = Ground::new();
    let [first, second, third] = ground.three();
    third.ask("INCRBY a 5");
    eventually_answers(&first, "GET a", "5");
    eventually_answers(&second, "GET a", "5");
    assert_eq!(forget(&first, &third.id()), "OK");
    for node in [&first, &second] {
        eventually_knows(node, 2);
        eventually_answers(node, "GET a STATE", "[5 CONSISTENT]");
        node.eventually_logs(&[&third.id(), "was forgotten"]);
    }
    eventually_knows(&third, 1);
    third.eventually_logs(&["WARN", &first.id(), "CLUSTER FORGET", "CLUSTER MEET"]);
    third.eventually_logs(&["WARN", &second.id(), "CLUSTER FORGET", "CLUSTER MEET"]);
    // They count apart.
    assert_eq!(third.ask("INCRBY a 100"), "105");
    assert_eq!(first.ask("INCRBY a 1"), "6");
    eventually_answers(&second, "GET a", "6");
    assert_eq!(third.ask("SAVE"), "OK");
    // No restart of anybody brings it back.
    let (first, third) = (first.kill().run(), third.kill().run());
    eventually_linked(&[&first, &second]);
    eventually_answers(&first, "GET a", "6");
    eventually_knows(&third, 1);
    third.ask("INCRBY a 1000");
    assert_eq!(meet(&second, &third), "OK");
    eventually_linked(&[&first, &second, &third]);
    // What it counted alone before it was killed was on its disk.
    for node in [&first, &second, &third] {
        eventually_answers(node, "GET a STATE", "[1106 CONSISTENT]");
    }
}

#[test]
fn who_was_away_when_a_node_was_forgotten_keeps_it_out_too() {
    let ground = Ground::new();
    let [first, second, third] = ground.three();
    third.ask("INCRBY a 5");
    eventually_answers(&second, "GET a", "5");
    eventually_answers(&first, "GET a", "5");
    let id = third.id();
    let (second, third) = (second.kill(), third.kill());
    // Whether it is there does not matter.
    assert_eq!(forget(&first, &id), "OK");
    eventually_knows(&first, 2);
    let third = third.run();
    // It dials those that it remembers, and is told.
    third.eventually_logs(&["WARN", &first.id(), "CLUSTER FORGET"]);
    first.eventually_logs(&["WARN", "kept", &id, "CLUSTER MEET"]);
    // The second still takes it for a member, until it hears of it.
    let second = second.run();
    eventually_linked(&[&first, &second]);
    eventually_knows(&third, 1);
    eventually_answers(&second, "GET a STATE", "[5 CONSISTENT]");
    let third = third.kill().run();
    eventually_knows(&third, 1);
    assert_eq!(meet(&third, &first), "OK");
    eventually_linked(&[&first, &second, &third]);
    eventually_answers(&third, "GET a STATE", "[5 CONSISTENT]");
}

#[test]
fn who_missed_that_a_node_was_let_in_again_takes_it_in_too() {
    let ground = Ground::new();
    let [first, second, third] = ground.three();
    assert_eq!(forget(&first, &third.id()), "OK");
    eventually_knows(&second, 2);
    eventually_knows(&third, 1);
    let second = second.kill();
    assert_eq!(meet(&third, &first), "OK");
    let second = second.run();
    eventually_linked(&[&first, &second, &third]);
    // And once more, the other way round.
    let third_id = third.id();
    let second = second.kill();
    assert_eq!(forget(&first, &third_id), "OK");
    eventually_knows(&third, 2);
    let second = second.run();
    eventually_linked(&[&first, &second]);
    eventually_knows(&third, 1);
}

#[test]
fn what_cannot_be_forgotten_is_said() {
    let ground = Ground::new();
    let (first, second) = (ground.start(), ground.start());
    let (own, other) = (first.id(), second.id());
    assert_eq!(forget(&first, &own), "-ERR I tried hard but I can't forget myself...");
    assert_eq!(forget(&first, &own.to_uppercase()), "-ERR I tried hard but I can't forget myself...");
    let unknown = forget(&first, &other);
    assert!(unknown.starts_with(&format!("-ERR Unknown node {other}: ")), "{unknown}");
    let malformed = forget(&first, "abc");
    assert!(malformed.starts_with("-ERR Unknown node abc: a node's id is 40 hex"), "{malformed}");
    assert_eq!(meet(&first, &second), "OK");
    eventually_linked(&[&first, &second]);
    assert_eq!(forget(&first, &other), "OK");
    let again = forget(&first, &other);
    assert!(again.starts_with(&format!("-ERR Unknown node {other}: it is forgotten already")), "{again}");
    assert_eq!(meet(&first, &second), "OK");
    eventually_linked(&[&first, &second]);
}

#[test]
fn a_counter_that_was_given_up_meanwhile_stays_deleted_and_what_was_counted_alone_counts() {
    let ground = Ground::new();
    let [first, second, third] = ground.three();
    for (node, amount) in [(&first, 1), (&second, 10)] {
        node.ask(&format!("INCRBY gone {amount}"));
        node.ask(&format!("INCRBY kept {amount}"));
    }
    third.ask("INCRBY kept 100");
    first.ask("SET set 7");
    for node in [&first, &second, &third] {
        eventually_answers(node, "MGET gone kept set", "[11 111 7]");
    }
    assert_eq!(forget(&first, &third.id()), "OK");
    eventually_knows(&third, 1);
    eventually_knows(&second, 2);
    assert_eq!(first.ask("DEL gone"), "1");
    eventually_answers(&second, "EXISTS gone", "0");
    second.ask("SET set 8");
    third.ask("INCRBY kept 1000");
    third.ask("INCRBY new 3");
    assert_eq!(third.ask("GET gone"), "11");
    // Time for the two to give up all that they held of it; nobody can see from here when they have.
    let begin = std::time::Instant::now();
    eventually("four seconds have passed", || match begin.elapsed().as_secs() {
        4.. => Ok(()),
        early => Err(format!("{early} s")),
    });
    assert_eq!(meet(&third, &second), "OK");
    eventually_linked(&[&first, &second, &third]);
    for node in [&first, &second, &third] {
        eventually_answers(node, "EXISTS gone", "0");
        eventually_answers(node, "MGET kept set new", "[1111 8 3]");
        eventually_answers(node, "GET kept STATE", "[1111 CONSISTENT]");
    }
}
