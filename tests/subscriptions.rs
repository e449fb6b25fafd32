//! Being told of counters over sockets, by servers as processes.

mod server_support;

use redis_protocol::resp2::types::OwnedFrame;
use server_support::{Client, Ground, Server, eventually, eventually_answers, link, text_of};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// The next reply or message, as text.
#[track_caller]
fn next(client: &mut Client) -> String {
    client.reply().map_or_else(|error| panic!("{error}"), |frame| text_of(&frame))
}

/// What was sent so far: PING is answered behind it.
#[track_caller]
fn messages_until_pong(client: &mut Client) -> Vec<String> {
    client.send("PING").expect("connected");
    let mut messages = Vec::new();
    loop {
        match next(client).as_str() {
            "[pong ]" => return messages,
            message => messages.push(message.to_owned()),
        }
    }
}

#[track_caller]
fn assert_silent(client: &mut Client) {
    assert_eq!(messages_until_pong(client), [""; 0]);
}

#[test]
fn what_another_node_counts_is_told_and_ends_at_the_exact_value() {
    let ground = Ground::new();
    let (first, second) = (ground.start(), ground.start());
    link(&[&first, &second]);
    let mut listener = first.client();
    assert_eq!(listener.ask("SUBSCRIBE a b"), "[subscribe a 1]");
    assert_eq!(next(&mut listener), "[subscribe b 2]");
    assert_eq!(second.ask("INCRBY a 5"), "5");
    assert_eq!(next(&mut listener), "[message a 5]");
    // For some seconds, quickly: it is predicted, and told of all the same, once a second at most.
    let (mut counter, begun) = (second.client(), Instant::now());
    let mut expected = 5;
    let mut heard: Vec<(Instant, i64)> = Vec::new();
    std::thread::scope(|scope| {
        let counting = scope.spawn(move || {
            let mut counted = 0;
            while begun.elapsed() < 4 * SECOND {
                counter.ask("INCR a");
                counted += 1;
            }
            counted
        });
        while begun.elapsed() < 4 * SECOND {
            let message = next(&mut listener);
            let value = message.strip_prefix("[message a ").and_then(|rest| rest.strip_suffix(']'));
            heard.push((Instant::now(), value.expect("a message of a").parse().expect("a whole number")));
        }
        expected += counting.join().expect("it counts");
    });
    assert!(heard.len() >= 2, "{heard:?}");
    assert!(heard.len() <= 6, "once a second at most: {heard:?}");
    assert!(heard.windows(2).all(|pair| pair[0].1 != pair[1].1), "unchanged is silent: {heard:?}");
    // What was expected may have been more than what came.
    let mut last = format!("[message a {}]", heard.last().map_or(0, |(_, value)| *value));
    eventually("the listener has heard the exact value, and then nothing more", || {
        std::thread::sleep(SECOND + SECOND / 5);
        let news = messages_until_pong(&mut listener);
        match news.last() {
            Some(latest) => last = latest.clone(),
            None if last == format!("[message a {expected}]") => return Ok(()),
            None => {}
        }
        Err(format!("{last}, where {expected} were counted"))
    });
    eventually_answers(&first, "GET a", &expected.to_string());
}

#[test]
fn a_second_lies_between_two_messages_of_a_counter_and_less_if_that_was_asked_for() {
    let ground = Ground::new();
    let node = ground.start();
    let (mut counter, mut slow, mut quick) = (node.client(), node.client(), node.client());
    assert_eq!(counter.ask("INCR a"), "1");
    let begun = Instant::now();
    assert_eq!(slow.ask("SUBSCRIBE a"), "[subscribe a 1]");
    assert_eq!(quick.ask("ISUBSCRIBE 0.2 a"), "[subscribe a 1]");
    assert_eq!(next(&mut slow), "[message a 1]", "what it stands at comes at once");
    assert_eq!(next(&mut quick), "[message a 1]");
    while begun.elapsed() < SECOND * 31 / 10 {
        counter.ask("INCR a");
    }
    let last = format!("[message a {}]", counter.ask("GET a"));
    let messages = |client: &mut Client| {
        let count = 1 + std::iter::from_fn(|| Some(next(client))).take_while(|message| *message != last).count();
        (count, begun.elapsed().as_secs_f64())
    };
    let ((slow_messages, slow_seconds), (quick_messages, quick_seconds)) = (messages(&mut slow), messages(&mut quick));
    assert!(slow_messages >= 2 && slow_messages as f64 <= slow_seconds, "{slow_messages} in {slow_seconds} s");
    assert!(
        quick_messages >= 5 && quick_messages as f64 <= quick_seconds / 0.2,
        "{quick_messages} in {quick_seconds} s"
    );
    let last = counter.ask("GET a");
    // Set to what it is, and up and down again: unchanged is silent.
    counter.ask(&format!("SET a {last}"));
    counter.ask("INCR a");
    counter.ask("DECR a");
    std::thread::sleep(SECOND + SECOND / 5);
    for client in [&mut slow, &mut quick] {
        // It may have been looked at between the two, and then again behind them.
        let news = messages_until_pong(client);
        assert!(news.is_empty() || news.len() == 2, "{news:?}");
    }
}

#[test]
fn patterns_are_told_of_what_is_there_what_is_made_and_what_is_deleted_on_any_node() {
    let ground = Ground::new();
    let (first, second) = (ground.start(), ground.start());
    link(&[&first, &second]);
    first.ask("INCR user:1");
    first.ask("INCR other");
    let mut listener = first.client();
    assert_eq!(listener.ask("PSUBSCRIBE user:* [nN]ew"), "[psubscribe user:* 1]");
    assert_eq!(next(&mut listener), "[psubscribe [nN]ew 2]");
    std::thread::sleep(SECOND + SECOND / 5);
    assert_silent(&mut listener);
    eventually_answers(&second, "GET user:1", "1");
    for (request, message) in [
        ("INCR user:1", "[pmessage user:* user:1 2]"),
        ("SET user:2 0.5", "[pmessage user:* user:2 0.5]"),
        ("INCR new", "[pmessage [nN]ew new 1]"),
        ("DEL user:2", "[pmessage user:* user:2 0]"),
        ("INCR user:2", "[pmessage user:* user:2 1]"),
    ] {
        second.ask("INCR other");
        second.ask(request);
        assert_eq!(next(&mut listener), message, "{request}");
    }
    assert_eq!(listener.ask("PUNSUBSCRIBE"), "[punsubscribe [nN]ew 1]");
    assert_eq!(next(&mut listener), "[punsubscribe user:* 0]");
    assert_eq!(listener.ask("PING"), "PONG");
}

#[test]
fn under_resp3_all_commands_go_on_and_messages_are_pushes() {
    let ground = Ground::new();
    let node = ground.start();
    let mut stream = TcpStream::connect(("127.0.0.1", node.port())).expect("a connection");
    stream.set_read_timeout(Some(server_support::PATIENCE)).expect("a timeout");
    stream.write_all(b"HELLO 3\r\nECHO end\r\n").expect("connected");
    let mut hello = Vec::new();
    while !hello.ends_with(b"$3\r\nend\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        hello.push(byte[0]);
    }
    let mut expect = |request: &str, expected: &str| {
        stream.write_all(request.as_bytes()).expect("connected");
        let mut got = vec![0; expected.len()];
        stream.read_exact(&mut got).expect("an answer");
        assert_eq!(String::from_utf8_lossy(&got), expected, "{request}");
    };
    expect("SUBSCRIBE a\r\n", ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    expect("INCRBYFLOAT a 1.5\r\n", "$3\r\n1.5\r\n");
    expect("", ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$3\r\n1.5\r\n");
    expect("PSUBSCRIBE *\r\nGET a\r\n", ">3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:2\r\n$3\r\n1.5\r\n");
    expect("UNSUBSCRIBE a\r\nINCR b\r\n", ">3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n:1\r\n");
    expect("", ">4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\nb\r\n$1\r\n1\r\n");
    expect("RESET\r\nINCR a\r\n", "+RESET\r\n$3\r\n2.5\r\n");
    assert_eq!(field(&node, "stats", "pubsub_patterns"), "0");
}

#[test]
fn subscriptions_are_confirmed_and_told_of_where_no_replies_are_wanted() {
    let ground = Ground::new();
    let server = ground.start();
    let mut listener = server.client();
    listener.send("CLIENT REPLY OFF").expect("connected");
    listener.send("PING").expect("connected");
    assert_eq!(listener.ask("SUBSCRIBE a b"), "[subscribe a 1]");
    assert_eq!(next(&mut listener), "[subscribe b 2]");
    server.ask("INCR a");
    assert_eq!(next(&mut listener), "[message a 1]");
    assert_eq!(listener.ask("UNSUBSCRIBE a"), "[unsubscribe a 1]");
    assert_eq!(listener.ask("RESET"), "RESET", "which has replies wanted again");
    listener.send("CLIENT REPLY SKIP").expect("connected");
    assert_eq!(listener.ask("PSUBSCRIBE b*"), "[psubscribe b* 1]");
    assert_eq!(listener.ask("PING"), "[pong ]");
}

fn field(node: &Server, section: &str, name: &str) -> String {
    let info = node.ask(&format!("INFO {section}"));
    let value = info.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    value.unwrap_or_else(|| panic!("{name} in {info}")).trim().to_owned()
}

#[test]
fn nothing_is_left_of_a_client_that_resets_or_leaves() {
    let ground = Ground::new();
    let node = ground.start();
    let (mut resets, mut leaves) = (node.client(), node.client());
    for client in [&mut resets, &mut leaves] {
        assert_eq!(client.ask("SUBSCRIBE a"), "[subscribe a 1]");
        assert_eq!(client.ask("PSUBSCRIBE *"), "[psubscribe * 2]");
    }
    assert!(resets.ask("GET a").starts_with("-ERR Can't execute 'get'"));
    assert_eq!(node.ask("PUBSUB NUMSUB a"), "[a 2]");
    assert_eq!(field(&node, "clients", "pubsub_clients"), "2");
    assert_eq!(resets.ask("RESET"), "RESET");
    assert_eq!(resets.ask("INCR a"), "1");
    drop(leaves);
    eventually("the server forgets who left", || {
        let left = (node.ask("PUBSUB NUMSUB a"), node.ask("PUBSUB NUMPAT"), field(&node, "clients", "pubsub_clients"));
        if left == ("[a 0]".to_owned(), "0".to_owned(), "0".to_owned()) { Ok(()) } else { Err(format!("{left:?}")) }
    });
    std::thread::sleep(SECOND + SECOND / 5);
    assert_eq!(resets.ask("GET a"), "1", "and sends it nothing");
}

#[test]
fn a_client_that_does_not_read_is_sent_the_latest_values() {
    let ground = Ground::new();
    let node = ground.start();
    let mut sleeper = node.client();
    let names: Vec<String> = (0..500).map(|number| format!("n{number}")).collect();
    assert_eq!(sleeper.ask(&format!("ISUBSCRIBE 0.1 {}", names.join(" "))), "[subscribe n0 1]");
    let mut counter = node.client();
    for _ in 0..20 {
        assert!(counter.ask(&format!("MINCRBY 1 {}", names.join(" "))).starts_with('['));
        std::thread::sleep(SECOND / 10);
    }
    let mut last = BTreeMap::new();
    while last.values().filter(|value| *value == "20").count() < names.len() {
        match sleeper.reply().expect("connected") {
            OwnedFrame::Array(parts) if text_of(&parts[0]) == "message" => {
                last.insert(text_of(&parts[1]), text_of(&parts[2]));
            }
            confirmation => assert!(text_of(&confirmation).starts_with("[subscribe")),
        }
    }
}
