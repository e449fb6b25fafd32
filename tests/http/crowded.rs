//! Who asks for much, says nothing or does not read keeps nobody else from being answered.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::client::{get, http_address, request, try_ask};
use crate::server_support::{Ground, PATIENCE, Server};

/// Far longer than an answer takes here, and far shorter than it took when it was kept up.
const SOON: Duration = Duration::from_secs(4);

/// Many long names, which take long to be matched.
fn server_with_long_names(ground: &Ground, names: usize) -> Server {
    let server = ground.start();
    let mut client = server.client();
    let all: Vec<String> = (0..names).map(|number| format!("{}{number:08}", "a".repeat(500))).collect();
    for some in all.chunks(500) {
        assert_ne!(client.ask(&format!("MINCRBY 1 {}", some.join(" "))), "");
    }
    server
}

/// Matches none of them, and takes all the steps there are to find out.
fn costly() -> String {
    format!("*[{}]", "b".repeat(1000))
}

fn search(pattern: &str, sort: &str, cursor: &str) -> String {
    let pattern = pattern.replace('[', "%5B").replace(']', "%5D");
    format!("/api/v1/counters?sort={sort}&limit=500&search={pattern}&cursor={cursor}")
}

fn json(server: &Server, path: &str) -> Value {
    let answer = get(server, path);
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).expect("JSON")
}

/// How long the slowest of some requests took.
fn slowest(address: SocketAddr, path: &str, times: usize) -> Duration {
    let one = |_| {
        let begin = Instant::now();
        assert_eq!(try_ask(address, "GET", path, &[]).map(|answer| answer.status), Ok(200), "{path}");
        begin.elapsed()
    };
    (0..times).map(one).max().unwrap_or_default()
}

#[test]
fn a_search_that_takes_long_is_answered_in_parts_and_holds_up_nobody() {
    let ground = Ground::new();
    let server = server_with_long_names(&ground, 20_000);
    let address = http_address(&server);
    let first = json(&server, &search(&costly(), "name", ""));
    assert!(first["cursor"].is_string(), "there is more than there was time for: {first}");
    let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let (health, count) = thread::scope(|scope| {
        for sort in ["name", "value", "rate", "name"] {
            let (stop, answered) = (&stop, &answered);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let _ = try_ask(address, "GET", &search(&costly(), sort, ""), &[]);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let begin = Instant::now();
        while answered.load(Ordering::Relaxed) == 0 && begin.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
        let health = slowest(address, "/livez", 30).max(slowest(address, "/readyz", 30));
        let begin = Instant::now();
        server.ask(&format!("INCR {}00000000", "a".repeat(500)));
        let count = begin.elapsed();
        stop.store(true, Ordering::Relaxed);
        (health, count)
    });
    assert!(health < SOON && count < SOON, "{health:?} {count:?}");
}

#[test]
fn a_search_finds_all_of_them_whatever_it_takes() {
    let ground = Ground::new();
    let server = server_with_long_names(&ground, 1_500);
    let (mut found, mut parts, mut cursor) = (0, 0, String::new());
    loop {
        let part = json(&server, &search(&format!("*[{}]", "b7".repeat(400)), "name", &cursor));
        found += part["counters"].as_array().map_or(0, Vec::len);
        parts += 1;
        match part["cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(found, 150, "in {parts} parts");
    let longest = "b".repeat(1024);
    assert_eq!(get(&server, &search(&longest, "name", "")).status, 200);
    let refused = get(&server, &search(&format!("{longest}b"), "name", ""));
    assert!(refused.status == 400 && refused.body.contains("1024"), "{}", refused.body);
}

#[test]
fn a_server_that_is_asked_for_much_stops_at_once() {
    let ground = Ground::new();
    let server = server_with_long_names(&ground, 20_000);
    let address = http_address(&server);
    let mut askers: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(address).expect("a connection");
            stream.write_all(&request("GET", &search(&costly(), "name", ""), &[])).expect("sent");
            stream
        })
        .collect();
    // The first is being answered, and all others wait.
    askers[0].set_read_timeout(Some(PATIENCE)).expect("a timeout");
    assert_ne!(askers[0].read(&mut [0; 1]).expect("an answer"), 0);
    let begin = Instant::now();
    server.stop(Signal::TERM);
    assert!(begin.elapsed() < SOON + Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[test]
fn connections_that_say_nothing_make_room_for_who_asks_for_health() {
    let ground = Ground::new();
    let server = ground.server().set("http.max_connections=16").run();
    let address = http_address(&server);
    let connect = |words: &[u8]| {
        let mut stream = TcpStream::connect(address).expect("a connection");
        // It may have had to make room before it has said anything.
        let _ = stream.write_all(words);
        stream
    };
    let _silent: Vec<TcpStream> = (0..20).map(|_| connect(b"")).collect();
    let _half: Vec<TcpStream> = (0..20).map(|_| connect(b"GET /livez HTTP/1.1\r\nHo")).collect();
    for path in ["/livez", "/readyz", "/metrics"] {
        assert!(slowest(address, path, 5) < SOON, "{path}");
    }
    // A whole head that never comes is not waited for long.
    let mut waits = connect(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n");
    waits.set_read_timeout(Some(Duration::from_secs(40))).expect("a timeout");
    let begin = Instant::now();
    let mut rest = Vec::new();
    let _ = waits.read_to_end(&mut rest);
    assert!(begin.elapsed() < Duration::from_secs(35), "it was ended");
}

#[test]
fn who_does_not_read_its_answers_is_not_waited_for() {
    let ground = Ground::new();
    let server = ground.server().set("http.max_streams=2").run();
    let address = http_address(&server);
    let ask = String::from_utf8(request("GET", "/metrics", &[])).expect("text").replace("Connection: close\r\n", "");
    let mut greedy = TcpStream::connect(address).expect("a connection");
    greedy.set_write_timeout(Some(Duration::from_secs(1))).expect("a timeout");
    // So many answers that they fit nowhere; none is read.
    let begin = Instant::now();
    let ended = loop {
        match greedy.write_all(ask.repeat(20).as_bytes()) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break true,
        }
        if begin.elapsed() > Duration::from_secs(60) {
            break false;
        }
    };
    assert!(ended, "its connection was ended");
    assert!(slowest(address, "/livez", 5) < SOON);
}
