//! WAIT and WAITAOF: what they answer is true after a kill.

use std::time::{Duration, Instant};

use crate::server_support::{Ground, eventually_answers, text_of};

#[test]
fn what_was_waited_for_is_there_when_its_writer_is_killed() {
    for mode in ["always", "everysec", "memory"] {
        let ground = Ground::new();
        let [first, second, third] = ground.three_with(&[&format!("storage.durability={mode}")]);
        let mut writer = first.client();
        for round in 1..=5 {
            // Well within the precision, so nobody would be told of it at once.
            writer.ask("PRECISION a 1000");
            for _ in 0..20 {
                writer.ask("INCR a");
            }
            assert_eq!(writer.ask("WAIT 2 20000"), "2", "round {round} with {mode}\n{}", first.log());
        }
        let start = first.kill();
        for node in [&second, &third] {
            assert_eq!(node.ask("GET a"), "100", "with {mode}");
        }
        let first = start.run();
        eventually_answers(&first, "GET a STATE", "[100 CONSISTENT]");
    }
}

#[test]
fn waiting_ends_when_its_time_is_over_with_as_many_as_there_are() {
    let ground = Ground::new();
    let [first, second, third] = ground.three_with(&["cluster.node_timeout_ms=2000", "mesh.idle_timeout_ms=2000"]);
    let mut client = first.client();
    client.ask("INCR a");
    assert_eq!(client.ask("WAIT 1 20000").parse::<u64>().map(|nodes| nodes >= 1), Ok(true));
    drop(third.kill());
    let begin = Instant::now();
    client.ask("INCR a");
    assert_eq!(client.ask("WAIT 2 1500"), "1");
    assert!(begin.elapsed() >= Duration::from_millis(1500), "{:?}", begin.elapsed());
    assert_eq!(client.ask("WAIT 0 0"), "0");
    assert_eq!(second.ask("GET a"), "2");
    assert_eq!(client.ask("WAITAOF 1 0 0"), "[1 0]");
    // On a connection of its own it holds up nobody, and nothing is left of it when its client has gone.
    let mut waiting = first.client();
    waiting.send("WAIT 9 0").expect("sent");
    assert_eq!(client.ask("INCR a"), "3");
    drop(waiting);
    assert_eq!(client.ask("WAIT 1 20000"), "1");
}

#[test]
fn what_is_on_disk_by_waitaof_is_there_when_all_are_killed() {
    let ground = Ground::new();
    let servers = ground.three();
    let mut client = servers[0].client();
    client.ask("PRECISION a 1000");
    for _ in 0..50 {
        client.ask("INCR a");
    }
    assert_eq!(client.ask("WAITAOF 1 2 20000"), "[1 2]");
    let starts = servers.map(|server| server.kill());
    // Each alone has it.
    for start in starts {
        let server = start.run();
        assert_eq!(server.ask("GET a"), "50", "{}", server.name());
        drop(server);
    }
}

#[test]
fn requests_behind_a_wait_are_answered_after_it() {
    let ground = Ground::new();
    let server = ground.start();
    let mut client = server.client();
    client.send_bytes(b"INCR a\r\nWAIT 1 300\r\nINCR a\r\n").expect("sent");
    let replies: Vec<String> = (0..3).map(|_| text_of(&client.reply().expect("a reply"))).collect();
    assert_eq!(replies, ["1", "0", "2"]);
}
