//! What a client may hold and how long it may be silent; and how many counters there may be.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::server_support::{Ground, PATIENCE, Server, eventually, text_of};
use crate::{eventually_closed, leave_unread};

#[test]
fn a_silent_client_is_closed_and_one_that_says_little_is_not() {
    let ground = Ground::new();
    let server = ground.server().set("resp.timeout_seconds=2").run();
    let (mut silent, mut waiting, mut slow) = (server.client(), server.client(), server.client());
    waiting.send("WAIT 1 0").expect("connected");
    slow.send_bytes(b"*2\r\n$4\r\nECHO\r\n$1000\r\n").expect("connected");
    let begin = Instant::now();
    assert_eq!(silent.ask("PING"), "PONG");
    // A long request that comes byte by byte.
    let mut sent = 0;
    eventually("the silent one is closed", || {
        slow.send_bytes(b"x")?;
        sent += 1;
        std::thread::sleep(Duration::from_millis(50));
        match server.log().contains("a client is cut off: it was silent for") {
            true => Ok(()),
            false => Err("not yet".to_owned()),
        }
    });
    assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
    eventually_closed(&mut silent);
    slow.send_bytes(&b"x".repeat(1000 - sent)).expect("connected");
    slow.send_bytes(b"\r\n").expect("connected");
    assert_eq!(text_of(&slow.reply().expect("a reply")).len(), 1000);
    let list = server.ask("CLIENT LIST");
    assert!(list.contains(" flags=b ") && list.contains("cmd=wait "), "{list}");
}

#[test]
fn a_client_that_leaves_too_much_unread_for_long_is_cut_off() {
    let ground = Ground::new();
    let soft = ["resp.normal_output_soft_bytes=10000", "resp.normal_output_soft_seconds=1"];
    let server = ground.server().set_all(&soft).run();
    assert_eq!(server.ask("SET big 12345678901234567890"), "OK");
    let _deaf = leave_unread(&server);
    server.eventually_logs(&["a client is cut off: it left", "too many for"]);
    eventually("it is gone", || match server.ask("CLIENT LIST") {
        list if list.lines().count() == 1 => Ok(()),
        list => Err(list),
    });
}

#[test]
fn a_client_whose_replies_pass_the_hard_limit_is_cut_off() {
    let ground = Ground::new();
    let settings = ["resp.normal_output_hard_bytes=100000", "resp.output_buffer_bytes=100000"];
    let server = ground.server().set_all(&settings).run();
    let mut client = server.client();
    client.ask("SET big 12345678901234567890");
    let keys = |count: usize| format!("MGET{}", " big".repeat(count));
    assert!(client.ask(&keys(1000)).len() > 20_000);
    client.send(&keys(10_000)).expect("connected");
    eventually_closed(&mut client);
    server.eventually_logs(&["a client is cut off: its replies are more than it may have waiting"]);
}

#[test]
fn a_request_longer_than_allowed_is_refused_before_it_is_all_here() {
    let ground = Ground::new();
    let server = ground.server().set_all(&["resp.max_request_bytes=5000", "resp.max_bulk_bytes=2000"]).run();
    let mut client = server.client();
    client.send_bytes(b"*1000\r\n$4\r\nMGET\r\n").expect("connected");
    let argument = format!("$2000\r\n{}\r\n", "x".repeat(2000));
    for _ in 0..3 {
        // It may be refused and closed meanwhile.
        let _ = client.send_bytes(argument.as_bytes());
    }
    let refusal = text_of(&client.reply().expect("a reply"));
    assert!(refusal.starts_with("-ERR Protocol error: "), "{refusal}");
    eventually_closed(&mut client);
}

#[test]
fn one_client_too_many_is_told_so_until_there_is_room() {
    let ground = Ground::new();
    let server = ground.server().set("resp.max_clients=2").run();
    let (mut first, second) = (server.client(), server.client());
    first.ask("PING");
    let refused = |server: &Server| {
        let mut said = String::new();
        let mut stream = TcpStream::connect(server.address()).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.read_to_string(&mut said).expect("text");
        said
    };
    assert_eq!(refused(&server), "-ERR max number of clients reached\r\n");
    assert_eq!(first.ask("CONFIG SET maxclients 3"), "OK");
    let third = server.try_client().and_then(|mut client| client.try_ask("PING"));
    assert_eq!(third.as_deref(), Ok("PONG"));
    assert!(first.ask("INFO clients").contains("maxclients:3\r\n"));
    assert!(first.ask("INFO stats").contains("rejected_connections:1\r\n"));
    drop(second);
}

#[test]
fn a_table_that_is_full_counts_on_what_it_has() {
    let ground = Ground::new();
    let server = ground.server().set("counters.max_counters=2").run();
    let mut client = server.client();
    assert_eq!(client.ask("MINCRBY 1 a b"), "[1 1]");
    for request in ["INCR c", "SET c 1", "MINCRBY 1 a c"] {
        let refusal = client.ask(request);
        assert!(
            refusal.starts_with("-OOM command not allowed when there are more than 'max_counters' = 2"),
            "{refusal}"
        );
    }
    assert_eq!(client.ask("INCR a"), "2", "what was refused has changed nothing");
    assert_eq!(client.ask("CONFIG SET counters.max_counters 3"), "OK");
    assert_eq!(client.ask("INCR c"), "1");
}

#[test]
fn new_counters_are_refused_while_memory_is_short() {
    let ground = Ground::new();
    let server = ground.start();
    let mut client = server.client();
    assert_eq!(client.ask("INCR old"), "1");
    let memory = client.ask("INFO memory");
    let used = memory.lines().find_map(|line| line.strip_prefix("used_memory:")?.parse::<u64>().ok());
    let most = used.expect("the memory used") + (16 << 20);
    assert_eq!(client.ask(&format!("CONFIG SET maxmemory {most}")), "OK");
    let (mut number, mut refusal) = (0, String::new());
    let begin = Instant::now();
    while refusal.is_empty() {
        assert!(begin.elapsed() < PATIENCE * 4, "{number} counters were made");
        let names: Vec<String> = (number..number + 2000).map(|n| format!("{n:0>400}")).collect();
        number += 2000;
        let reply = client.ask(&format!("MINCRBY 1 {}", names.join(" ")));
        if reply.starts_with('-') {
            refusal = reply;
        }
    }
    assert!(
        refusal.starts_with(&format!("-OOM command not allowed when used memory > 'maxmemory' = {most} bytes: ")),
        "{refusal}"
    );
    assert_eq!(client.ask("INCR old"), "2");
    assert_eq!(client.ask("CONFIG SET maxmemory 0"), "OK");
    eventually("new ones are made again", || match client.try_ask("INCR new")?.as_str() {
        "1" => Ok(()),
        other => Err(other.to_owned()),
    });
}
