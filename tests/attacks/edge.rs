//! Whoever can connect to the port for clients.

use crate::server_support::Ground;
use crate::victim::Victim;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

fn connect(victim: &Victim) -> TcpStream {
    let stream = TcpStream::connect(victim.server.address()).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

/// Sends all of it and answers what comes back until the server closes.
fn said_before_the_end(victim: &Victim, bytes: &[u8]) -> String {
    let mut stream = connect(victim);
    // The server may close before it has all.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("the server does not close: {error}, {:?}", String::from_utf8_lossy(&answer)),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn what_is_announced_takes_no_memory_and_nonsense_ends_the_connection() {
    let ground = Ground::new();
    let victim = Victim::start(&ground, &[]);
    let nested = b"*1\r\n".repeat(200_000);
    let endless = vec![b'a'; 8 << 20];
    let many = [&b"*2\r\n"[..], &b"$1\r\na\r\n".repeat(100_000)].concat();
    let attempts: [(&str, &[u8]); 9] = [
        ("a bulk of 4 GiB announced", b"*2\r\n$3\r\nGET\r\n$4294967296\r\n"),
        ("a bulk of 512 MiB announced", b"*2\r\n$3\r\nGET\r\n$536870912\r\n"),
        ("a bulk of -5 bytes", b"*2\r\n$3\r\nGET\r\n$-5\r\n"),
        ("a thousand million arguments announced", b"*1000000000\r\n"),
        ("arrays in arrays, 200,000 deep", &nested),
        ("a line of 8 MiB without an end", &endless),
        ("bulks where a request should begin", &many),
        ("a length of letters", b"*a\r\n"),
        ("a request of HTTP", b"POST / HTTP/1.1\r\nHost: somewhere\r\n\r\n"),
    ];
    for (what, bytes) in attempts {
        let said = match what {
            "a request of HTTP" | "bulks where a request should begin" => {
                // These are words, however meaningless: they are answered, one by one.
                let mut stream = connect(&victim);
                let _ = stream.write_all(bytes);
                let _ = stream.shutdown(Shutdown::Write);
                let mut answer = Vec::new();
                let _ = stream.read_to_end(&mut answer);
                String::from_utf8_lossy(&answer).into_owned()
            }
            _ => said_before_the_end(&victim, bytes),
        };
        let last = said.lines().last().unwrap_or("").to_owned();
        println!("attack: {what}: {last}");
        assert!(last.starts_with("-ERR ") || last.starts_with("-DENIED ") || said.is_empty(), "{what}: {last}");
    }
    victim.survives("requests that announce more than they send", 64 << 20, 60);
}

#[test]
fn clients_that_send_a_byte_now_and_then_hold_nobody_up() {
    let ground = Ground::new();
    let victim = Victim::start(&ground, &[]);
    let request = b"*3\r\n$3\r\nSET\r\n$1000000\r\nslow";
    let mut slow: Vec<TcpStream> = (0..400).map(|_| connect(&victim)).collect();
    for byte in request {
        for stream in &mut slow {
            stream.write_all(&[*byte]).expect("it is taken");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    victim.survives("400 clients that send a byte now and then", 64 << 20, 10);
}

#[test]
fn idle_connections_are_bounded_and_closed_and_then_there_is_room() {
    let ground = Ground::new();
    let victim = Victim::start(&ground, &["resp.max_clients=50", "resp.timeout_seconds=10"]);
    let idle: Vec<TcpStream> = (0..200).map(|_| connect(&victim)).collect();
    for mut stream in idle {
        let mut answer = Vec::new();
        // Refused at once, mostly with words, or closed when it had been silent for ten seconds.
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("-ERR max number of clients reached"), "{text}");
    }
    let stats = victim.server.ask("INFO stats");
    let refused = stats.lines().find_map(|line| line.strip_prefix("rejected_connections:")).expect("a figure");
    assert!((140..=160).contains(&refused.trim().parse::<u32>().expect("a number")), "{refused}");
    // One for each that was closed for its silence.
    victim.survives("200 idle connections where 50 are allowed", 32 << 20, 70);
}

#[test]
fn a_client_that_does_not_read_is_not_served_on_and_takes_no_memory() {
    let ground = Ground::new();
    let victim = Victim::start(&ground, &[]);
    let mut streams: Vec<TcpStream> = (0..4).map(|_| connect(&victim)).collect();
    let request = b"COMMAND DOCS\r\n".repeat(1000);
    for stream in &mut streams {
        stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a socket");
        let begin = Instant::now();
        // Until the server reads no more.
        while begin.elapsed() < Duration::from_secs(5) && stream.write_all(&request).is_ok() {}
    }
    victim.survives("4 clients that ask for gigabytes and read nothing", 96 << 20, 20);
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let ground = Ground::new();
    let victim = Victim::start(&ground, &[]);
    for round in 0..5000 {
        let mut stream = connect(&victim);
        if round % 3 == 0 {
            let _ = stream.write_all(b"*1\r\n$4\r\nPI");
        }
    }
    victim.survives("5,000 connections that come and go", 32 << 20, 10);
}

#[test]
fn guesses_at_the_password_are_refused_and_cost_nothing() {
    let ground = Ground::new();
    let server = ground.server().set("resp.password=the-right-one").run();
    let mut client = server.client();
    for guess in 0..500 {
        let answer = client.ask(&format!("AUTH guess-{guess}"));
        assert!(answer.starts_with("-WRONGPASS ") || answer.contains("too many"), "{answer}");
    }
    let answer = server.ask("INCR x");
    assert!(answer.starts_with("-NOAUTH"), "{answer}");
    assert!(!server.log().contains("the-right-one") && !server.log().contains("guess-"), "{}", server.log());
}
