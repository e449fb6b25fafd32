//! Two clusters at once: a machine is of one of them.

use crate::machines::{invite, join, machine};
use crate::server_support::{Ground, Server, eventually, eventually_answers, eventually_linked};
use rustix::process::Signal;
use std::net::UdpSocket;

#[test]
fn two_tokens_at_once_do_not_tie_two_clusters_together() {
    let ground = Ground::new();
    let clusters = ["one", "two"].map(|name| machine(&ground, name).run());
    clusters[0].ask("INCRBY a 1");
    clusters[1].ask("INCRBY a 10");
    let newcomer = machine(&ground, "new").run();
    let tokens = [0, 1].map(|number| invite(&clusters[number], ""));
    let answers = std::thread::scope(|scope| {
        let asked = tokens.each_ref().map(|token| scope.spawn(|| join(&newcomer, token)));
        asked.map(|asked| asked.join().expect("no panic"))
    });
    let (mine, other) = if answers[0].starts_with("joined") { (0, 1) } else { (1, 0) };
    assert!(answers[mine].starts_with("joined"), "{answers:?}");
    assert!(answers[other].starts_with("-ERR this node is in a cluster with 1 other members"), "{answers:?}");
    eventually_linked(&[&clusters[mine], &newcomer]);
    let sum = ["1", "10"][mine];
    eventually_answers(&newcomer, "GET a STATE", &format!("[{sum} CONSISTENT]"));
    let info = clusters[other].ask("CLUSTER INFO");
    assert!(info.contains("cluster_known_nodes:1"), "{info}");
}

/// While `node` joins with a token whose member never answers; answers what came of that.
fn joining_meanwhile(node: &Server, tokens_of: &Server, work: impl FnOnce()) -> String {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("it has one").port();
    let token = invite(tokens_of, &format!("ADDRESS 127.0.0.1 {port}"));
    std::thread::scope(|scope| {
        let joined = scope.spawn(|| join(node, &token));
        eventually("it is joining", || {
            let asked = node.ask("CLUSTER INVITE");
            if asked.contains("joining a cluster itself") { Ok(()) } else { Err(asked) }
        });
        work();
        joined.join().expect("no panic")
    })
}

#[test]
fn a_node_that_joins_takes_nobody_in_and_stays_what_it_is_until_then() {
    let ground = Ground::new();
    let [first, second, third] = ["first", "second", "third"].map(|name| machine(&ground, name).run());
    let (id, token) = (first.id(), invite(&first, ""));
    let joined = joining_meanwhile(&first, &second, || {
        let refused = join(&third, &token);
        assert!(
            refused.contains("it is joining a cluster") || refused.contains("joining a cluster itself"),
            "{refused}"
        );
        for request in ["CLUSTER RESET HARD", "CLUSTER RESET", &format!("CLUSTER MEET 127.0.0.1 {}", third.port())] {
            let refused = first.ask(request);
            assert!(refused.starts_with("-ERR this node is joining a cluster"), "{request}: {refused}");
        }
        first.signal(Signal::HUP);
        first.eventually_logs(&["INFO", "its files are read again when that is done"]);
    });
    first.eventually_logs(&["reloaded"]);
    assert!(joined.contains("no answer"), "{joined}");
    // Neither the token nor the node has suffered.
    let joined = join(&third, &token);
    assert!(joined.starts_with("joined"), "{joined}");
    eventually_linked(&[&first, &third]);
    let first = first.kill().run();
    assert_eq!(first.id(), id);
    eventually_linked(&[&first, &third]);
}

#[test]
fn two_nodes_that_join_each_other_do_not_both_lose_their_authority() {
    let ground = Ground::new();
    let nodes = ["one", "two"].map(|name| machine(&ground, name).run());
    let tokens = nodes.each_ref().map(|node| invite(node, ""));
    let answers = std::thread::scope(|scope| {
        let asked = [(0, 1), (1, 0)].map(|(from, to)| {
            scope.spawn({
                let (nodes, tokens) = (&nodes, &tokens);
                move || join(&nodes[from], &tokens[to])
            })
        });
        asked.map(|asked| asked.join().expect("no panic"))
    });
    let invited = nodes.each_ref().map(|node| node.ask("CLUSTER INVITE").starts_with("discnt1-"));
    match answers.each_ref().map(|answer| answer.starts_with("joined")) {
        [false, false] => assert_eq!(invited, [true, true], "{answers:?}"),
        joined => {
            assert_eq!(invited, joined.map(|joined| !joined), "{answers:?}");
            eventually_linked(&nodes.each_ref());
        }
    }
    // Nor does one that joins itself.
    let alone = machine(&ground, "alone").run();
    let refused = join(&alone, &invite(&alone, ""));
    assert!(refused.contains("joining a cluster itself"), "{refused}");
    assert!(alone.ask("CLUSTER INVITATIONS").contains("uses=1"));
    invite(&alone, "");
}

#[test]
fn a_member_that_nobody_here_can_give_another_id_does_not_leave_for_the_want_of_one() {
    let ground = Ground::new();
    let (first, second) = (machine(&ground, "first").run(), machine(&ground, "second").run());
    assert!(join(&second, &invite(&first, "")).starts_with("joined"));
    eventually_linked(&[&first, &second]);
    let refused = second.ask("CLUSTER RESET HARD");
    assert!(refused.starts_with("-ERR") && refused.contains("this node has left nothing"), "{refused}");
    for node in [&first, &second] {
        let info = node.ask("CLUSTER INFO");
        assert!(info.contains("cluster_known_nodes:2\r\n"), "{info}");
    }
}
