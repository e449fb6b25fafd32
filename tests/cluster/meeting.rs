//! CLUSTER MEET: what comes of it, and what is said when nothing does.

use crate::server_support::{Ground, eventually_answers, eventually_linked, link};

#[test]
fn nodes_of_two_authorities_refuse_each_other_and_say_so() {
    let (here, there) = (Ground::new(), Ground::new());
    let (first, stranger) = (here.start(), there.start());
    stranger.ask("INCRBY a 5");
    let reply = first.ask(&format!("CLUSTER MEET 127.0.0.1 {}", stranger.port()));
    let place = format!("127.0.0.1:{}", stranger.port());
    assert!(reply.starts_with("-ERR ") && reply.contains(&place), "{reply}");
    assert!(reply.contains("certificate is of another authority"), "{reply}");
    let dialler = format!("127.0.0.1:{}", first.port());
    stranger.eventually_logs(&["WARN", "refused", &dialler, "another authority"]);
    first.eventually_logs(&["WARN", &place, "another authority"]);
    for node in [&first, &stranger] {
        assert_eq!(node.client().try_hello().expect("a list").len(), 1);
    }
    assert_eq!(first.ask("GET a"), "0");
}

#[test]
fn meeting_nobody_is_answered_with_the_reason() {
    let ground = Ground::new();
    let node = ground.server().set("mesh.handshake_timeout_ms=300").run();
    // Bound, so that nobody else is there, and silent.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = silent.local_addr().expect("an address").port();
    for (request, expected) in [
        (format!("CLUSTER MEET 127.0.0.1 {port}"), format!("-ERR no answer from 127.0.0.1:{port}: ")),
        (format!("CLUSTER MEET host.invalid {port}"), "-ERR cannot resolve \"host.invalid\": ".to_owned()),
        (
            format!("CLUSTER MEET 127.0.0.1 {}", node.port()),
            format!("-ERR 127.0.0.1:{} is this node itself", node.port()),
        ),
        (format!("CLUSTER MEET ::1 {port}"), "-ERR ".to_owned()),
        (format!("CLUSTER MEET host/name {port}"), "-ERR ".to_owned()),
        ("CLUSTER MEET 127.0.0.1 0".to_owned(), "-ERR ".to_owned()),
        ("CLUSTER MEET 127.0.0.1 65536".to_owned(), "-ERR ".to_owned()),
    ] {
        let reply = node.ask(&request);
        assert!(reply.starts_with(&expected), "{request}: {reply}");
    }
    assert_eq!(node.client().try_hello().expect("a list").len(), 1);
}

#[test]
fn meeting_a_member_again_is_well() {
    let ground = Ground::new();
    let nodes = ground.three();
    let nodes = nodes.each_ref();
    for from in nodes {
        for to in nodes.iter().filter(|to| to.port() != from.port()) {
            assert_eq!(from.ask(&format!("CLUSTER MEET 127.0.0.1 {}", to.port())), "OK");
        }
    }
    eventually_linked(&nodes);
}

#[test]
fn a_host_name_is_resolved() {
    let ground = Ground::new();
    let (first, second) = (ground.start(), ground.start());
    assert_eq!(first.ask(&format!("CLUSTER MEET localhost {}", second.port())), "OK");
    eventually_linked(&[&first, &second]);
}

#[test]
fn two_clusters_become_one() {
    let ground = Ground::new();
    let nodes = [ground.start(), ground.start(), ground.start(), ground.start()];
    let [a, b, c, d] = nodes.each_ref();
    link(&[a, b]);
    link(&[c, d]);
    for (node, amount) in [(a, 1), (b, 10), (c, 100), (d, 1000)] {
        node.ask(&format!("INCRBY a {amount}"));
    }
    assert_eq!(b.ask(&format!("CLUSTER MEET 127.0.0.1 {}", c.port())), "OK");
    eventually_linked(&[a, b, c, d]);
    for node in [a, b, c, d] {
        eventually_answers(node, "GET a STATE", "[1111 CONSISTENT]");
    }
}

#[test]
fn nodes_that_meet_each_other_at_once_are_linked_once() {
    let ground = Ground::new();
    let (first, second) = (ground.start(), ground.start());
    std::thread::scope(|scope| {
        for (from, to) in [(&first, &second), (&second, &first)] {
            scope.spawn(|| assert_eq!(from.ask(&format!("CLUSTER MEET 127.0.0.1 {}", to.port())), "OK"));
        }
    });
    eventually_linked(&[&first, &second]);
    first.ask("INCR a");
    second.ask("INCR a");
    eventually_answers(&first, "GET a STATE", "[2 CONSISTENT]");
    eventually_answers(&second, "GET a STATE", "[2 CONSISTENT]");
}
