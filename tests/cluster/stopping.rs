//! SIGTERM and SIGINT: what was asked is answered, peers and operators are told.

use rustix::process::Signal;

use crate::server_support::{Ground, eventually, eventually_answers, link, text_of};

#[test]
fn a_signal_ends_a_node_cleanly_and_its_peers_are_told() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let ground = Ground::new();
        let (first, mut second) = (ground.start(), ground.start());
        link(&[&first, &second]);
        assert_eq!(second.ask("INCR a"), "1");
        second.signal(signal);
        assert_eq!(second.wait().code(), Some(0));
        let log = second.log();
        for words in [
            format!("{name} received"),
            format!("of node {} are saved in {}", second.id(), second.data_directory().display()),
            format!("1 counters are saved in {}", second.data_directory().display()),
        ] {
            assert!(log.contains(&words), "{words}: {log}");
        }
        first.eventually_logs(&[&second.id(), "said goodbye"]);
        let log = first.log();
        assert!(!log.contains("does not answer") && !log.contains("lost the link"), "{log}");
        // What it counted a moment before is there.
        assert_eq!(first.ask("GET a STATE"), "[1 INCONSISTENT]");
        let listed = first.client().try_hello().expect("a list");
        assert_eq!(listed.len(), 2);
        assert_eq!(listed[1].priority, 100, "{listed:?}");
    }
}

#[test]
fn an_increment_right_before_the_end_reaches_the_peers() {
    let ground = Ground::new();
    let (first, mut second) = (ground.start(), ground.start());
    link(&[&first, &second]);
    let mut client = second.client();
    for number in 1..=50 {
        assert_eq!(client.ask(&format!("INCR a{number}")), "1");
    }
    second.signal(Signal::TERM);
    assert_eq!(second.wait().code(), Some(0));
    eventually("all are counted", || {
        let size = first.try_client()?.try_ask("DBSIZE")?;
        if size == "50" { Ok(()) } else { Err(size) }
    });
}

#[test]
fn requests_that_were_sent_are_answered_before_the_end() {
    const REQUESTS: usize = 20_000;
    let ground = Ground::new();
    let (peer, mut node) = (ground.start(), ground.start());
    link(&[&peer, &node]);
    let mut client = node.client();
    client.send_bytes("INCR a\r\n".repeat(REQUESTS).as_bytes()).expect("the server reads");
    // The first reply shows that it is at work.
    assert_eq!(text_of(&client.reply().expect("a reply")), "1");
    node.signal(Signal::TERM);
    let mut last = 1;
    while let Ok(reply) = client.reply() {
        last += 1;
        assert_eq!(text_of(&reply), last.to_string());
    }
    assert_eq!(node.wait().code(), Some(0));
    // Each increment that was run was answered, and told to the peer.
    eventually_answers(&peer, "GET a", &last.to_string());
    let log = node.log();
    assert!(!log.contains("did not read their last replies"), "{log}");
}

#[test]
fn a_node_that_is_not_to_save_says_what_that_means() {
    let ground = Ground::new();
    let mut node = ground.server().set("storage.durability=memory").run();
    node.ask("INCR a");
    let ended = node.client().try_ask("SHUTDOWN NOSAVE").expect_err("the connection is closed");
    assert!(ended.contains("closed the connection"), "{ended}");
    assert_eq!(node.wait().code(), Some(0));
    let log = node.log();
    for words in ["SHUTDOWN received", "WARN", "what changed in 1 counters was not saved", "no other node was linked"] {
        assert!(log.contains(words), "{words}: {log}");
    }
}

#[test]
fn a_peer_that_meets_nothing_does_not_delay_the_end() {
    let ground = Ground::new();
    let mut node = ground.start();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = silent.local_addr().expect("an address").port();
    let mut client = node.client();
    client.send(&format!("CLUSTER MEET 127.0.0.1 {port}")).expect("the server reads");
    // The dial is under way when the first packet is there.
    silent.set_read_timeout(Some(crate::server_support::PATIENCE)).expect("a timeout");
    silent.recv(&mut [0; 2048]).expect("a packet");
    let begin = std::time::Instant::now();
    node.signal(Signal::TERM);
    assert_eq!(node.wait().code(), Some(0));
    assert!(begin.elapsed() < std::time::Duration::from_secs(5), "it took {:?}", begin.elapsed());
    let reply = client.reply().map(|reply| text_of(&reply));
    assert!(reply.as_ref().is_ok_and(|text| text.starts_with("-ERR")), "{reply:?}");
}
