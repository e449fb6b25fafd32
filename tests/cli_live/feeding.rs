//! `--pipe`: requests from the input at full speed.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::running::Running;
use crate::server_support::{Ground, Server, eventually};

fn request(words: &[&str]) -> Vec<u8> {
    let words: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{words}", words.matches('$').count()).into_bytes()
}

/// Feeds it all in and answers how it ended: status, output, error output.
#[track_caller]
fn feed(server: &Server, words: &[&str], input: &[u8]) -> (Option<i32>, Vec<String>, Vec<String>) {
    let mut client = Running::start(server.port(), &[&["--pipe"], words].concat());
    client.feed(input);
    client.close_input();
    client.end()
}

#[test]
fn resp_and_lines_are_sent_and_replies_counted() {
    let ground = Ground::new();
    let node = ground.start();
    let input =
        [&request(&["INCRBY", "a", "0.1"])[..], b"incr a\n\r\n", &request(&["MGET", "a", "b"]), b"get a"].concat();
    let (code, out, errors) = feed(&node, &[], &input);
    assert_eq!((code, out, errors), (Some(0), vec!["errors: 0, replies: 4".to_owned()], vec![]));
    assert_eq!(node.ask("GET a"), "1.1");
}

#[test]
fn errors_are_told_and_counted_and_exit_with_1() {
    let ground = Ground::new();
    let node = ground.start();
    for version in ["-2", "-3"] {
        let (code, out, errors) = feed(&node, &[version], b"set a 1\nnonsense\nincrby a x\nget a\n");
        assert_eq!((code, out), (Some(1), vec!["errors: 2, replies: 4".to_owned()]));
        assert!(errors[0].starts_with("reply 2: ERR unknown command"), "{errors:?}");
        assert!(errors[1].starts_with("reply 3: ERR"), "{errors:?}");
    }
    let many = "nonsense\n".repeat(150);
    let (code, out, errors) = feed(&node, &[], many.as_bytes());
    assert_eq!((code, out), (Some(1), vec!["errors: 150, replies: 150".to_owned()]));
    assert_eq!((errors.len(), errors[100].as_str()), (101, "discnt-cli: 50 more errors"));
}

#[test]
fn what_is_malformed_is_told_and_what_lies_before_it_is_carried_out() {
    let ground = Ground::new();
    let node = ground.start();
    for (index, (rest, word)) in [
        ("*1\r\n:4\r\n", "a length"),
        ("*2\r\n$3\r\nGET\r\n", "'incr a' where a length"),
        ("*1\r\n$4\r\nPINGS\r\n", "longer"),
    ]
    .into_iter()
    .enumerate()
    {
        let (code, out, errors) = feed(&node, &[], format!("incr a\r\n{rest}incr a\r\n").as_bytes());
        assert_eq!((code, out), (Some(1), vec!["errors: 0, replies: 1".to_owned()]), "{errors:?}");
        assert!(errors[0].contains("request 2, which begins at byte 8 of the input"), "{errors:?}");
        assert!(errors[0].contains(word), "{errors:?}");
        assert_eq!(node.ask("GET a"), (index + 1).to_string());
    }
    // Longer than what is held back until it is whole.
    let long = format!("incr a\r\n*2\r\n$3\r\nGET\r\n$1000000\r\n{}", "x".repeat(600_000));
    let (code, _, errors) = feed(&node, &[], long.as_bytes());
    assert_eq!(code, Some(1), "{errors:?}");
    assert!(errors.iter().any(|error| error.contains("ends in the middle")), "{errors:?}");
}

#[test]
fn a_million_bytes_of_requests_and_many_more_of_replies_pass_in_bounded_memory() {
    let ground = Ground::new();
    let node = ground.start();
    let name = "n".repeat(400);
    node.ask(&format!("SET {name} 1"));
    // What is answered is much longer than what is asked, so that the server has to wait for us.
    let keys = request(&["KEYS", "n*"]).repeat(10_000);
    let mut client = Running::start(node.port(), &["--pipe"]);
    let mut most = 0;
    for _ in 0..20 {
        client.feed(&keys);
        most = most.max(resident_bytes(client.id()));
    }
    client.close_input();
    let (code, out, errors) = client.end();
    assert_eq!((code, out, errors), (Some(0), vec!["errors: 0, replies: 200000".to_owned()], vec![]));
    assert!(most < 64 << 20, "{most} bytes");
}

#[test]
fn a_server_that_stops_reading_until_its_replies_are_read_stops_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    // Far more than the buffers of a connection hold, before anything is read.
    const REPLIES: usize = 2_000_000;
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client");
        stream.write_all(&b":12345\r\n".repeat(REPLIES)).expect("the client reads");
        echo_last(&stream);
    });
    let mut client = Running::start(port, &["--pipe"]);
    for _ in 0..20 {
        client.feed(&b"PING\r\n".repeat(REPLIES / 20));
    }
    client.close_input();
    let (code, out, errors) = client.end();
    assert_eq!((code, out, errors), (Some(0), vec![format!("errors: 0, replies: {REPLIES}")], vec![]));
    server.join().expect("it was asked all");
}

/// Reads requests until ECHO and answers that one.
fn echo_last(mut stream: &TcpStream) {
    use std::io::Read;
    let (mut tail, mut buffer) = (Vec::new(), [0; 1 << 16]);
    loop {
        let count = stream.read(&mut buffer).expect("requests");
        assert_ne!(count, 0, "there was no ECHO");
        tail.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&tail).into_owned();
        if let Some((_, echo)) = text.split_once("ECHO\r\n")
            && echo.matches("\r\n").count() == 2
        {
            stream.write_all(echo.as_bytes()).expect("the client reads");
            return;
        }
        let keep = tail.len().saturating_sub(200);
        tail.drain(..keep);
    }
}

#[test]
fn a_server_that_goes_or_keeps_silent_is_told() {
    let ground = Ground::new();
    let node = ground.start();
    let mut client = Running::start(node.port(), &["--pipe"]);
    client.feed(b"incr a\n");
    eventually("it is sent before the input ends", || {
        let value = node.ask("GET a");
        if value == "1" { Ok(()) } else { Err(value) }
    });
    drop(node);
    let (code, out, errors) = client.end();
    assert_eq!((code, out), (Some(2), vec!["errors: 0, replies: 1".to_owned()]));
    assert!(errors[0].contains("closed the connection; 1 requests were read, and 1 replies came"), "{errors:?}");

    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let begin = Instant::now();
    let mut client = Running::start(port, &["--pipe", "--pipe-timeout", "0.3"]);
    client.feed(b"incr a\n");
    client.close_input();
    let (code, _, errors) = client.end();
    assert_eq!(code, Some(2));
    assert!(errors[0].contains("no reply for 0.3 s"), "{errors:?}");
    assert!(begin.elapsed() >= Duration::from_millis(300));
}

/// The memory that a process has.
fn resident_bytes(id: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(0) << 10
}

#[test]
fn an_echo_that_is_refused_or_queued_ends_it_at_once_and_is_told() {
    let ground = Ground::new();
    let locked = ground.server().set("resp.password=secret").run();
    let (code, out, errors) = feed(&locked, &["--pipe-timeout", "0"], b"incr a\n");
    assert_eq!((code, out), (Some(1), vec!["errors: 1, replies: 1".to_owned()]));
    assert!(errors[0].starts_with("reply 1: NOAUTH"), "{errors:?}");
    assert!(errors[1].contains("refused the ECHO that is sent behind the last request: NOAUTH"), "{errors:?}");
    let (code, out, errors) = feed(&locked, &["--pipe-timeout", "0"], b"auth secret\nmulti\nincr a\n");
    assert_eq!((code, out), (Some(1), vec!["errors: 0, replies: 3".to_owned()]));
    assert!(errors[0].contains("a MULTI is left open"), "{errors:?}");
}
