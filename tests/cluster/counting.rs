//! What is counted on one node is exact on all.

use std::thread;

use crate::server_support::{Client, Ground, Server, eventually, eventually_answers, eventually_linked, link};

#[test]
fn concurrent_increments_on_all_nodes_add_up_exactly() {
    const THREADS: usize = 2;
    const ROUNDS: usize = 500;
    // Each round adds up to 0.7 on each of two counters.
    const AMOUNTS: [&str; 3] = ["0.1", "-2.4", "3"];
    let ground = Ground::new();
    let nodes = ground.three();
    thread::scope(|scope| {
        for node in nodes.iter().flat_map(|node| [node; THREADS]) {
            scope.spawn(|| {
                let mut client = node.client();
                for round in 0..ROUNDS {
                    for amount in AMOUNTS {
                        let reply = client.ask(&format!("INCRBYFLOAT counter:{} {amount}", round % 2));
                        assert!(reply.parse::<f64>().is_ok(), "{reply}");
                    }
                }
            });
        }
    });
    // 3 nodes, 2 threads, 250 rounds a counter, 0.7 a round.
    for node in &nodes {
        eventually_answers(node, "MGET counter:0 counter:1", "[1050 1050]");
        eventually_answers(node, "GET counter:0 STATE", "[1050 CONSISTENT]");
    }
}

#[test]
fn assignments_deletions_and_precisions_reach_all_nodes() {
    let ground = Ground::new();
    let nodes = ground.three();
    let [first, second, third] = &nodes;
    assert_eq!(first.ask("INCRBY a 5"), "5");
    eventually_answers(third, "GET a", "5");
    assert_eq!(third.ask("SET a 100.5"), "OK");
    for node in &nodes {
        eventually_answers(node, "GET a", "100.5");
    }
    assert_eq!(second.ask("DEL a"), "1");
    for node in &nodes {
        eventually_answers(node, "EXISTS a", "0");
        eventually_answers(node, "DBSIZE", "0");
    }
    assert_eq!(first.ask("INCR a"), "1");
    assert_eq!(second.ask("PRECISION a 12.5"), "12.5");
    for node in &nodes {
        eventually_answers(node, "GET a", "1");
        eventually_answers(node, "PRECISION a", "12.5");
    }
}

#[test]
fn concurrent_assignments_end_in_one_of_them_everywhere() {
    let ground = Ground::new();
    let nodes = ground.three();
    nodes[0].ask("INCRBY x 100");
    for node in &nodes {
        eventually_answers(node, "GET x", "100");
    }
    thread::scope(|scope| {
        for node in &nodes {
            scope.spawn(|| assert_eq!(node.ask("SET x 0"), "OK"));
        }
    });
    for node in &nodes {
        eventually_answers(node, "GET x STATE", "[0 CONSISTENT]");
    }
}

#[test]
fn a_node_that_joins_late_gets_fifty_thousand_counters() {
    const COUNTERS: usize = 50_000;
    let ground = Ground::new();
    let (first, second) = (ground.start(), ground.start());
    link(&[&first, &second]);
    fill(&mut first.client(), 0..COUNTERS / 2);
    fill(&mut second.client(), COUNTERS / 2..COUNTERS);
    let third = ground.start();
    assert_eq!(third.ask(&format!("CLUSTER MEET 127.0.0.1 {}", second.port())), "OK");
    let nodes = [&first, &second, &third];
    for node in nodes {
        eventually_answers(node, "DBSIZE", &COUNTERS.to_string());
    }
    check(&third, COUNTERS);
    eventually_linked(&nodes);
    // However quick it was, its log tells what came.
    eventually("the log says what was caught up with", || {
        let log = third.log();
        let lines = log.lines().filter(|line| line.contains("INFO") && line.contains("caught up with"));
        let items = lines.filter_map(|line| line.split(": ").last()?.split(' ').next()?.parse::<usize>().ok());
        if items.max().is_some_and(|items| items >= COUNTERS / 2) { Ok(()) } else { Err(log) }
    });
    // And it is a node like the others.
    assert_eq!(third.ask("INCR counter:7"), "8");
    eventually_answers(&first, "GET counter:7", "8");
}

/// Counter number n counts to n.
fn fill(client: &mut Client, numbers: std::ops::Range<usize>) {
    let numbers: Vec<usize> = numbers.collect();
    for chunk in numbers.chunks(1000) {
        let lines: Vec<String> = chunk.iter().map(|number| format!("INCRBY counter:{number} {number}\r\n")).collect();
        client.send_bytes(lines.concat().as_bytes()).expect("the server reads");
        for number in chunk {
            let reply = client.reply().expect("a reply");
            assert_eq!(crate::server_support::text_of(&reply), number.to_string());
        }
    }
}

fn check(node: &Server, counters: usize) {
    let mut client = node.client();
    let numbers: Vec<usize> = (0..counters).collect();
    for chunk in numbers.chunks(1000) {
        let names: Vec<String> = chunk.iter().map(|number| format!("counter:{number}")).collect();
        let values: Vec<String> = chunk.iter().map(usize::to_string).collect();
        assert_eq!(client.ask(&format!("MGET {}", names.join(" "))), format!("[{}]", values.join(" ")));
    }
}

#[test]
fn the_replies_of_the_c_program_are_a_setting() {
    let ground = Ground::new();
    let node = ground.server().set("resp.replies=discnt").run();
    let mut client = node.client();
    for (request, expected) in [
        ("INCR a", "$1\r\n1\r\n"),
        ("INCRBY a 0.5", "$3\r\n1.5\r\n"),
        ("DECR a", "$3\r\n0.5\r\n"),
        ("SET a 7", "$1\r\n7\r\n"),
    ] {
        client.send(request).expect("the server reads");
        let reply = client.reply().expect("a reply");
        let text = crate::server_support::text_of(&reply);
        let encoded = format!("${}\r\n{text}\r\n", text.len());
        assert!(matches!(reply, redis_protocol::resp2::types::OwnedFrame::BulkString(_)), "{request}: {reply:?}");
        assert_eq!(encoded, expected, "{request}");
    }
}
