//! `replies = "discnt"`: what programs that were written for the C program Discnt rely on.

#[path = "server_support/mod.rs"]
mod server_support;

use std::time::{Duration, Instant};

use server_support::{Client, Ground, Server, eventually, text_of};

fn start(ground: &Ground, settings: &[&str]) -> Server {
    ground.server().set("resp.replies=discnt").set_all(settings).run()
}

/// The reply to bytes on a connection of their own.
fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut client = server.client();
    client.send_bytes(bytes).expect("connected");
    text_of(&client.reply().expect("a reply"))
}

/// The value of a field of INFO.
fn info(client: &mut Client, field: &str) -> String {
    let text = client.ask("INFO");
    let found = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("no {field} in {text}")).to_owned()
}

#[test]
fn counters_answer_bulk_strings_and_set_its_value() {
    let ground = Ground::new();
    let server = start(&ground, &[]);
    let mut client = server.client();
    for (request, reply) in [
        ("INCR test", "$1\r\n1\r\n"),
        ("INCRBY test 2", "$1\r\n3\r\n"),
        ("GET test", "$1\r\n3\r\n"),
        ("GET test state", "*2\r\n$1\r\n3\r\n$10\r\nCONSISTENT\r\n"),
        ("GET none", "$1\r\n0\r\n"),
        ("INCR test2", "$1\r\n1\r\n"),
        ("MGET test none test2", "*3\r\n$1\r\n3\r\n$1\r\n0\r\n$1\r\n1\r\n"),
        ("KEYS *", "*2\r\n$4\r\ntest\r\n$5\r\ntest2\r\n"),
        ("PRECISION none", "$1\r\n1\r\n"),
        ("PRECISION test 2.2", "$3\r\n2.2\r\n"),
        ("CONFIG SET default-precision 0.1", "+OK\r\n"),
        ("PRECISION test3", "$3\r\n0.1\r\n"),
        ("PRECISION test", "$3\r\n2.2\r\n"),
        ("CONFIG GET default-precision", "*2\r\n$17\r\ndefault-precision\r\n$3\r\n0.1\r\n"),
        ("SET test 1", "$1\r\n1\r\n"),
        ("INCRBYFLOAT test3 1.23", "$4\r\n1.23\r\n"),
        ("INCRBYFLOAT test3 0.77", "$1\r\n2\r\n"),
        ("INCRBYFLOAT test3 -0.1", "$3\r\n1.9\r\n"),
        ("DECRBY test3 0.9", "$1\r\n1\r\n"),
    ] {
        assert_eq!(client.ask_raw(request, reply.len()), reply, "{request}");
    }
}

#[test]
fn passwords_are_refused_in_its_words() {
    let ground = Ground::new();
    let server = start(&ground, &[]);
    let mut client = server.client();
    let refusal = client.ask("AUTH foo");
    assert!(refusal.starts_with("-ERR ") && refusal.contains("no password"), "{refusal}");
    assert_eq!(client.ask("CONFIG SET requirepass foobar"), "OK");
    let mut late = server.client();
    assert_eq!(late.ask("AUTH wrong!"), "-ERR invalid password");
    assert!(late.ask("INCR foo").starts_with("-NOAUTH "));
    assert_eq!(late.ask("AUTH foobar"), "OK");
    assert_eq!(late.ask("INCRBY foo 100"), "100");
    assert_eq!(late.ask("INCR foo"), "101");
}

#[test]
fn subscribers_are_told_what_changed_a_second_ago() {
    let ground = Ground::new();
    let server = start(&ground, &[]);
    let (mut client, mut subscriber) = (server.client(), server.client());
    let next = |subscriber: &mut Client| text_of(&subscriber.reply().expect("a message"));
    subscriber.send("SUBSCRIBE test1 test2").expect("connected");
    assert_eq!(next(&mut subscriber), "[subscribe test1 1]");
    assert_eq!(next(&mut subscriber), "[subscribe test2 2]");
    assert_eq!(subscriber.ask("PING"), "[pong ]");
    assert_eq!(subscriber.ask("PING foo"), "[pong foo]");
    let list = client.ask("CLIENT LIST");
    assert!(list.contains(" flags=N sub=2 qbuf=0 "), "{list}");
    assert_eq!(client.ask("SET test1 1"), "1");
    assert_eq!(client.ask("SET test2 2"), "2");
    let mut told = [next(&mut subscriber), next(&mut subscriber)];
    told.sort();
    assert_eq!(told, ["[message test1 1]", "[message test2 2]"]);
    assert_eq!(subscriber.ask("UNSUBSCRIBE test1"), "[unsubscribe test1 1]");
    assert_eq!(client.ask("SET test1 7"), "7");
    assert_eq!(client.ask("SET test2 3"), "3");
    assert_eq!(next(&mut subscriber), "[message test2 3]");
    assert_eq!(subscriber.ask("UNSUBSCRIBE test2"), "[unsubscribe test2 0]");
    assert_eq!(subscriber.ask("PING"), "PONG");
    assert_eq!(subscriber.ask("UNSUBSCRIBE"), "[unsubscribe (nil) 0]");
}

#[test]
fn broken_requests_are_refused_and_empty_ones_passed_over() {
    let ground = Ground::new();
    let server = start(&ground, &[]);
    for (bytes, words) in [
        (&b"\r\nPING\r\n"[..], "PONG"),
        (b"*-10\r\nPING\r\n", "PONG"),
        (b"*20000000\r\n", "invalid multibulk length"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "expected '$', got 'f'"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$-10\r\n", "invalid bulk length"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$2000000000\r\n", "invalid bulk length"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$blabla\r\n", "invalid bulk length"),
        (b"*1\r\nfoo\r\n", "expected '$', got 'f'"),
        (b"ping x y z\r\n", "wrong number of arguments for 'ping'"),
        (b"set \"\"\"test-key\"\"\" test-value\r\nping\r\n", "unbalanced"),
    ] {
        let reply = raw(&server, bytes);
        assert!(reply.contains(words), "{:?}: {reply}", String::from_utf8_lossy(bytes));
    }
    for begin in [&b"\0"[..], b"*\0", b"$\0"] {
        let mut client = server.client();
        client.send_bytes(begin).expect("connected");
        // Whoever goes on and on without an end of line is cut off.
        let deadline = Instant::now() + Duration::from_secs(30);
        while client.send_bytes(&[b'A'; 4096]).is_ok() {
            assert!(Instant::now() < deadline, "{begin:?} is taken for ever");
        }
    }
}

#[test]
fn connections_are_shown_with_its_fields() {
    let ground = Ground::new();
    let server = start(&ground, &["resp.max_clients=3"]);
    let mut client = server.client();
    let list = client.ask("CLIENT LIST");
    let fields: Vec<&str> = list.split_whitespace().filter_map(|pair| Some(pair.split_once('=')?.0)).collect();
    let expected = "id addr fd name age idle flags sub qbuf qbuf-free obl oll omem events cmd";
    assert_eq!(fields, expected.split(' ').collect::<Vec<_>>(), "{list}");
    assert!(list.trim_end().ends_with(" omem=0 events=r cmd=client"), "{list}");
    assert_eq!(client.ask("CLIENT GETNAME"), "(nil)");
    assert_eq!(client.ask("CLIENT SETNAME myname"), "OK");
    assert!(client.ask("CLIENT LIST").contains(" name=myname "));
    let mut monitor = server.client();
    assert_eq!(monitor.ask("MONITOR"), "OK");
    assert_eq!(client.ask("SET foo 1"), "1");
    let line = text_of(&monitor.reply().expect("a line"));
    assert!(line.ends_with("] \"SET\" \"foo\" \"1\""), "{line}");
    let _third = server.client().ask("PING");
    eventually("one more is too many", || {
        let mut held = Vec::new();
        for _ in 0..3 {
            let mut more = server.try_client()?;
            let reply = more.try_ask("PING");
            held.push(more);
            if reply.is_ok_and(|reply| reply == "-ERR max number of clients reached") {
                return Ok(());
            }
        }
        Err("all were let in".to_owned())
    });
}

#[test]
fn saves_reloads_and_latency_are_told_as_it_tells_them() {
    let ground = Ground::new();
    let server = start(&ground, &["commands.latency_threshold_ms=1"]);
    let mut client = server.client();
    assert_eq!(client.ask("DEBUG FLUSHALL"), "OK");
    assert_eq!(client.ask("SAVE"), "OK");
    assert_eq!(client.ask("INCRBY x 10"), "10");
    assert_eq!(client.ask("BGSAVE"), "Background saving started");
    eventually("it is written", || match info(&mut client, "ddb_bgsave_in_progress").as_str() {
        "0" => Ok(()),
        other => Err(other.to_owned()),
    });
    assert_eq!(info(&mut client, "ddb_last_bgsave_status"), "ok");
    assert_eq!(client.ask("DEBUG RELOAD"), "OK");
    assert_eq!(client.ask("GET x"), "10");
    assert_eq!(info(&mut client, "discnt_version"), env!("CARGO_PKG_VERSION"));
    assert!(!info(&mut client, "discnt_git_sha1").is_empty());
    assert_eq!(info(&mut client, "counters"), "1");

    assert_eq!(client.ask("CONFIG SET latency-monitor-threshold 200"), "OK");
    client.ask("LATENCY RESET");
    assert_eq!(client.ask("DEBUG SLEEP 0.3"), "OK");
    let latest = client.ask("LATENCY LATEST");
    assert!(latest.starts_with("[[command "), "{latest}");
    assert_eq!(client.ask("LATENCY HISTORY blabla"), "[]");
    assert_eq!(client.ask("LATENCY RESET blabla"), "0");
    assert_eq!(client.ask("LATENCY RESET"), "1");
    assert_eq!(client.ask("LATENCY LATEST"), "[]");
}
