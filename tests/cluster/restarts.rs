//! Nodes that crash, and come back.

use rustix::process::Signal;

use crate::server_support::{Ground, Server, eventually, eventually_answers, eventually_linked, link};

/// A killed node is noticed sooner than with the defaults.
const QUICK: [&str; 2] = ["cluster.node_timeout_ms=2000", "mesh.idle_timeout_ms=2000"];

/// Waits until a node gives another this priority.
#[track_caller]
fn eventually_gives(node: &Server, other: &str, priority: i64) {
    eventually(&format!("{} gives {other} priority {priority}", node.name()), || {
        let listed = node.try_client()?.try_hello()?;
        match listed.iter().find(|listed| listed.id == other) {
            Some(listed) if listed.priority == priority => Ok(()),
            _ => Err(format!("{listed:?}")),
        }
    });
}

#[test]
fn a_killed_node_gets_its_counts_back_and_counts_on() {
    let ground = Ground::new();
    let [first, second, third] = ground.three_with(&QUICK);
    for node in [&first, &second, &third] {
        node.ask("INCRBY total 1000");
    }
    assert_eq!(third.ask("INCRBY own 999"), "999");
    for node in [&first, &second] {
        eventually_answers(node, "MGET total own", "[3000 999]");
    }
    let id = third.id();
    let again = third.kill();
    eventually_answers(&first, "GET total STATE", "[3000 INCONSISTENT]");
    eventually_gives(&first, &id, 100);
    first.ask("INCR total");
    // Nobody says MEET.
    let third = again.run();
    assert_eq!(third.id(), id);
    assert_eq!(third.reported("members"), "2 others known, dialling");
    eventually_linked(&[&first, &second, &third]);
    eventually_answers(&third, "MGET total own", "[3001 999]");
    assert_eq!(third.ask("INCRBY own 1"), "1000");
    third.ask("INCRBY total 10");
    for node in [&first, &second, &third] {
        eventually_answers(node, "MGET total own", "[3011 1000]");
        eventually_answers(node, "GET total STATE", "[3011 CONSISTENT]");
        let info = node.ask("CLUSTER INFO");
        assert!(info.contains("cluster_known_replicas:3\r\n"), "the third went on as the replica it was: {info}");
    }
}

#[test]
fn a_node_goes_from_linked_over_suspected_to_failed_and_back() {
    let ground = Ground::new();
    // The link outlives the suspicion here, so that both can be seen.
    let [first, second, third] = ground.three_with(&["cluster.node_timeout_ms=4000", "mesh.idle_timeout_ms=600000"]);
    let id = third.id();
    eventually_gives(&first, &id, 1);
    eventually_answers(&first, "GET x STATE", "[0 CONSISTENT]");
    let again = third.kill();
    eventually_gives(&first, &id, 10);
    eventually_answers(&first, "GET x STATE", "[0 INCONSISTENT]");
    eventually_gives(&first, &id, 100);
    eventually_gives(&second, &id, 100);
    let nodes = first.ask("CLUSTER NODES");
    let line = nodes.lines().find(|line| line.starts_with(&id)).expect("a line for each node");
    assert!(line.contains(" fail "), "{line}");
    let info = first.ask("CLUSTER INFO");
    assert!(info.contains("cluster_state:fail\r\n") && info.contains("cluster_known_nodes:3\r\n"), "{info}");
    let third = again.run();
    for node in [&first, &second] {
        eventually_gives(node, &id, 1);
        eventually_answers(node, "GET x STATE", "[0 CONSISTENT]");
    }
    eventually_linked(&[&first, &second, &third]);
}

#[test]
fn a_lost_link_to_a_member_that_is_not_suspected_is_priority_five() {
    let ground = Ground::new();
    let (first, second) = (ground.server(), ground.server());
    // The link is given up long before the membership suspects anything.
    let settings = ["cluster.node_timeout_ms=600000", "mesh.idle_timeout_ms=500", "mesh.keepalive_interval_ms=100"];
    let (first, second) = (first.set_all(&settings).run(), second.set_all(&settings).run());
    link(&[&first, &second]);
    let id = second.id();
    second.signal(Signal::STOP);
    eventually_gives(&first, &id, 5);
    eventually_answers(&first, "GET x STATE", "[0 INCONSISTENT]");
    first.ask("INCR x");
    second.signal(Signal::CONT);
    eventually_gives(&first, &id, 1);
    eventually_answers(&second, "GET x STATE", "[1 CONSISTENT]");
}

#[test]
fn a_node_that_stood_still_is_given_up_and_comes_back_with_its_counts() {
    let ground = Ground::new();
    let [first, second, third] = ground.three_with(&QUICK);
    third.ask("INCRBY a 5");
    eventually_answers(&first, "GET a", "5");
    third.signal(Signal::STOP);
    eventually_gives(&first, &third.id(), 100);
    eventually_gives(&second, &third.id(), 100);
    first.ask("INCRBY a 100");
    third.signal(Signal::CONT);
    eventually_linked(&[&first, &second, &third]);
    third.ask("INCRBY a 1000");
    for node in [&first, &second, &third] {
        eventually_answers(node, "GET a STATE", "[1105 CONSISTENT]");
    }
}

#[test]
fn a_node_restarts_while_another_is_down() {
    let ground = Ground::new();
    let [first, second, third] = ground.three_with(&QUICK);
    first.ask("INCRBY a 1");
    second.ask("INCRBY a 10");
    third.ask("INCRBY a 100");
    eventually_answers(&first, "GET a", "111");
    let second_again = second.kill();
    let third_again = third.kill();
    let second = second_again.run();
    eventually_answers(&second, "GET a", "111");
    second.ask("INCRBY a 1000");
    eventually_answers(&first, "GET a", "1111");
    // Now the only node that was there all the time goes, too.
    let first_again = first.kill();
    let third = third_again.run();
    eventually_answers(&third, "GET a", "1111");
    third.ask("INCRBY a 10000");
    let first = first_again.run();
    eventually_linked(&[&first, &second, &third]);
    for node in [&first, &second, &third] {
        eventually_answers(node, "GET a STATE", "[11111 CONSISTENT]");
    }
}

#[test]
fn members_are_remembered_when_all_were_stopped() {
    let ground = Ground::new();
    let nodes = ground.three();
    let again = nodes.map(|node| node.stop(Signal::TERM));
    let nodes = again.map(|start| start.run());
    for node in &nodes {
        assert_eq!(node.reported("members"), "2 others known, dialling");
    }
    eventually_linked(&nodes.each_ref());
}

#[test]
fn a_node_that_comes_back_on_another_port_is_found() {
    let ground = Ground::new();
    let [first, second, third] = ground.three_with(&QUICK);
    let third = third.kill().port(0).run();
    eventually_linked(&[&first, &second, &third]);
    for node in [&first, &second] {
        eventually(&format!("{} knows the new port", node.name()), || {
            let listed = node.try_client()?.try_hello()?;
            let known = listed.iter().any(|other| other.id == third.id() && other.port == third.port().to_string());
            if known { Ok(()) } else { Err(format!("{listed:?}")) }
        });
    }
    third.ask("INCR a");
    eventually_answers(&first, "GET a", "1");
    // The others remember the new place: they find it when they come back.
    let first = first.kill().run();
    eventually_linked(&[&first, &second, &third]);
}
