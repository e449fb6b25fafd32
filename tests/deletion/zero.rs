//! `counters.collect_zero`: what stands at nothing goes by itself.

use rustix::process::Signal;

use crate::server_support::{Ground, Server, eventually_answers, link};

const QUICK: [&str; 3] = ["counters.collect_zero=true", "counters.settle_ms=100", "cluster.node_timeout_ms=2000"];

fn all_eventually(nodes: &[Server], request: &str, expected: &str) {
    for node in nodes {
        eventually_answers(node, request, expected);
    }
}

#[test]
fn a_counter_at_nothing_goes_everywhere_and_others_stay() {
    let ground = Ground::new();
    let nodes = ground.three_with(&QUICK);
    // Down to nothing, set to nothing, and both sides of nothing at once.
    nodes[0].ask("INCRBY down 5");
    nodes[1].ask("SET set 0");
    nodes[1].ask("INCRBY both 3");
    nodes[2].ask("INCRBY both -3");
    nodes[0].ask("INCRBY stays 1");
    nodes[2].ask("SET once 0");
    all_eventually(&nodes, "MGET down stays", "[5 1]");
    nodes[2].ask("DECRBY down 5");
    all_eventually(&nodes, "GET down", "0");
    // It is used before its time comes.
    assert_eq!(nodes[1].ask("INCRBY once 2"), "2");
    all_eventually(&nodes, "EXISTS down set both", "0");
    all_eventually(&nodes, "MGET stays once", "[1 2]");
    all_eventually(&nodes, "DBSIZE", "2");
    // And it is a counter like one that never was.
    assert_eq!(nodes[0].ask("INCR down"), "1");
    all_eventually(&nodes, "GET down", "1");
}

#[test]
fn without_the_setting_a_counter_at_nothing_stays() {
    let ground = Ground::new();
    let (plain, collects) =
        (ground.server().set("counters.settle_ms=100").run(), ground.server().set_all(&QUICK).run());
    assert_eq!((plain.ask("SET a 0"), collects.ask("SET a 0")), ("OK".to_owned(), "OK".to_owned()));
    eventually_answers(&collects, "EXISTS a", "0");
    assert_eq!(plain.ask("GET a"), "0");
}

#[test]
fn what_its_maker_cannot_collect_any_more_another_does() {
    let ground = Ground::new();
    let [first, second, third] = [(); 3].map(|()| ground.server().set_all(&QUICK).run());
    link(&[&first, &second, &third]);
    assert_eq!(third.ask("SET a 0"), "OK");
    for node in [&first, &second] {
        eventually_answers(node, "GET a", "0");
    }
    // Its maker dies before its time has come, and comes back without knowing that it made it.
    let third = third.kill().run();
    for node in [&first, &second, &third] {
        eventually_answers(node, "EXISTS a", "0");
    }
}

#[test]
fn what_stood_at_nothing_before_all_were_stopped_goes_after_that() {
    let ground = Ground::new();
    // One has collected nothing so far.
    let alone = ground.server().set("counters.settle_ms=100").run();
    let nodes = ground.three_with(&QUICK);
    assert_eq!((alone.ask("SET a 0"), alone.ask("INCR stays")), ("OK".to_owned(), "1".to_owned()));
    assert_eq!((nodes[0].ask("SET a 0"), nodes[1].ask("INCR stays")), ("OK".to_owned(), "1".to_owned()));
    all_eventually(&nodes, "EXISTS a stays", "2");
    let alone = alone.stop(Signal::TERM).set("counters.collect_zero=true").run();
    let nodes: Vec<Server> = nodes.map(|node| node.stop(Signal::TERM)).map(|stopped| stopped.run()).into();
    all_eventually(&nodes, "EXISTS a", "0");
    all_eventually(&nodes, "GET stays", "1");
    eventually_answers(&alone, "EXISTS a", "0");
    assert_eq!(alone.ask("GET stays"), "1");
}
