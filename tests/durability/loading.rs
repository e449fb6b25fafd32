//! What clients are told while a node is not ready.

use crate::server_support::{Client, Ground, Server, eventually, eventually_answers, text_of};

const COUNTERS: usize = 150_000;

fn eventually_connected(server: &Server) -> Client {
    eventually("it can be connected to", || server.try_client())
}

#[track_caller]
fn shows(server: &mut Client, request: &str, words: &str) {
    let reply = server.ask(request);
    assert!(reply.contains(words), "{request} without {words}: {reply}");
}

/// A server that has so much to load that it takes a while.
fn loading(ground: &Ground) -> Server {
    let server = ground.start();
    let mut client = server.client();
    for chunk in 0..COUNTERS / 1000 {
        let names: Vec<String> = (0..1000).map(|number| format!("a-counter:{chunk}:{number}")).collect();
        client.send(&format!("MINCRBY 1 {}", names.join(" "))).expect("sent");
        client.reply().expect("a reply");
    }
    assert_eq!(client.ask("SAVE"), "OK");
    server.kill().run_unready()
}

#[test]
fn while_counters_are_loaded_requests_for_them_are_refused_and_others_answered() {
    let ground = Ground::new();
    let server = loading(&ground);
    let mut client = eventually_connected(&server);
    // All in one buffer, so that they meet one state.
    let requests = ["GET a-counter:0:0", "INCR a-counter:0:0", "PING", "INFO persistence", "CLUSTER INFO", "CLIENT ID"];
    client.send_bytes((requests.join("\r\n") + "\r\n").as_bytes()).expect("sent");
    let replies: Vec<String> = requests.iter().map(|_| text_of(&client.reply().expect("a reply"))).collect();
    for reply in &replies[..2] {
        assert!(reply.starts_with("-LOADING Discnt is loading its counters: "), "{reply}");
    }
    assert_eq!(replies[2], "PONG");
    assert!(replies[3].contains("loading:1\r\n") && replies[3].contains("loading_loaded_perc:"), "{}", replies[3]);
    assert!(replies[4].contains("cluster_known_nodes:1"), "{}", replies[4]);
    assert!(replies[5].parse::<u64>().is_ok(), "{}", replies[5]);
    eventually_answers(&server, "DBSIZE", &COUNTERS.to_string());
    shows(&mut server.client(), "INFO persistence", "loading:0\r\n");
    server.eventually_logs(&["counters: 150000 loaded from disk in"]);
}

#[test]
fn at_its_first_start_a_node_has_clients_wait_instead_of_refusing_them() {
    let ground = Ground::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let server = ground.server().port(free).run_unready();
    let mut client = eventually_connected(&server);
    assert_eq!(client.ask("INCR a"), "1");
}

#[test]
fn while_a_node_asks_its_members_requests_for_counters_are_refused() {
    let ground = Ground::new();
    let settings = ["cluster.rejoin_wait_ms=2500", "cluster.node_timeout_ms=2000", "mesh.idle_timeout_ms=2000"];
    let [first, second, third] = ground.three_with(&settings);
    third.ask("INCRBY a 5");
    eventually_answers(&first, "GET a", "5");
    eventually_answers(&second, "GET a", "5");
    let third = third.kill();
    // Nobody can tell what the second has heard.
    drop(second.kill());
    let third = third.run_unready();
    let mut client = eventually_connected(&third);
    let refused = eventually("it asks", || match client.try_ask("GET a")? {
        reply if reply.contains("it asks the other nodes") => Ok(reply),
        reply => Err(reply),
    });
    assert!(refused.starts_with("-LOADING "), "{refused}");
    assert_eq!(client.ask("PING"), "PONG");
    shows(&mut client, "INFO persistence", "loading:1\r\n");
    shows(&mut client, "SAVE", "-LOADING");
    eventually_answers(&third, "GET a", "5");
}

#[test]
fn a_stop_while_loading_leaves_the_disk_as_it_was() {
    let ground = Ground::new();
    let server = ground.start();
    for number in 0..50 {
        server.ask(&format!("INCR counter:{number}"));
    }
    let server = server.stop(rustix::process::Signal::TERM).run_unready();
    let mut client = eventually_connected(&server);
    // Whether it is still loading or not.
    client.send("SHUTDOWN").expect("sent");
    let mut server = server;
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    let server = server.kill().run();
    assert_eq!(server.ask("DBSIZE"), "50");
    assert!(server.ask("CLUSTER INFO").contains("cluster_known_replicas:1\r\n"));
}

#[test]
fn whoever_subscribes_while_counters_are_loaded_is_told_of_them_when_they_are() {
    let ground = Ground::new();
    let server = loading(&ground);
    let (mut by_name, mut by_pattern) = (eventually_connected(&server), eventually_connected(&server));
    by_name.send_bytes(b"SUBSCRIBE a-counter:149:999\r\nPING\r\n").expect("sent");
    by_pattern.send_bytes(b"PSUBSCRIBE a-counter:149:*\r\nPING\r\n").expect("sent");
    // Both have to be early enough to show anything.
    assert!(server.ask("GET a-counter:0:0").starts_with("-LOADING "));
    let told = |client: &mut Client| text_of(&client.reply().expect("a reply"));
    assert_eq!(told(&mut by_name), "[subscribe a-counter:149:999 1]");
    assert_eq!(told(&mut by_name), "[pong ]");
    assert_eq!(told(&mut by_pattern), "[psubscribe a-counter:149:* 1]");
    assert_eq!(told(&mut by_pattern), "[pong ]");
    assert_eq!(told(&mut by_name), "[message a-counter:149:999 1]");
    // The first thing that anybody counts is told to the pattern, and nothing of what was loaded.
    eventually_answers(&server, "INCR a-counter:149:7", "2");
    assert_eq!(told(&mut by_pattern), "[pmessage a-counter:149:* a-counter:149:7 2]");
}
