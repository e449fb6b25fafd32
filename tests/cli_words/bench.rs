//! `discnt-cli bench` against a running server.

use serde_json::Value;

use crate::server_support::{Ground, Ran, Server};
use crate::terminal::Terminal;

fn bench(ground: &Ground, server: &Server, line: &str) -> Ran {
    let port = server.port().to_string();
    let mut words = vec!["-p", &port, "bench"];
    words.extend(line.split(' '));
    ground.cli(&words)
}

fn lines(ran: &Ran) -> Vec<Value> {
    ran.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn every_mix_is_answered_and_counted_once() {
    let ground = Ground::new();
    let server = ground.start();
    let ran = bench(&ground, &server, "incr get set mget mixed hot cold -n 2000 -c 4 -r 50 -P 3 --json");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines = lines(&ran);
    let mixes: Vec<&str> = lines.iter().filter_map(|line| line["mix"].as_str()).collect();
    assert_eq!(mixes, ["incr", "get", "set", "mget", "mixed", "hot", "cold"]);
    for line in &lines {
        assert_eq!(line["answered"].as_u64(), Some(2000), "{line}");
        assert_eq!(line["errors"].as_object().map(serde_json::Map::len), Some(0), "{line}");
        let latency = &line["latency_usec"];
        let figures = ["p50", "p90", "p99", "p99.9", "max"].map(|name| latency[name].as_f64().expect(name));
        assert!(figures[0] > 0.0 && figures.is_sorted(), "{line}");
    }
    assert_eq!(server.ask("DBSIZE"), "50");
    assert!(ran.errors.contains("left behind: up to 50 of the names bench:0 to bench:49"), "{ran:?}");
}

#[test]
fn what_was_counted_is_what_was_said() {
    let ground = Ground::new();
    let server = ground.start();
    let ran = bench(&ground, &server, "hot -n 5000 -c 7 -P 10 --prefix mine: --json");
    assert_eq!((ran.code, lines(&ran)[0]["answered"].as_u64()), (Some(0), Some(5000)), "{ran:?}");
    assert_eq!(server.ask("GET mine:0"), "5000");
    let cold = bench(&ground, &server, "cold -n 300 -c 3 -r 100 --prefix cold: --json");
    assert_eq!(cold.code, Some(0), "{cold:?}");
    for name in ["cold:0", "cold:42", "cold:99"] {
        assert_eq!(server.ask(&format!("GET {name}")), "3");
    }
}

#[test]
fn it_deletes_what_it_made_and_nothing_else() {
    let ground = Ground::new();
    let server = ground.start();
    server.ask("INCR bench:mine");
    server.ask("INCR other");
    let ran = bench(&ground, &server, "incr get -n 1000 -c 2 -r 600 --clean");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("deleted 600 of the names bench:0 to bench:599"), "{ran:?}");
    assert_eq!(server.ask("DBSIZE"), "2");
    server.ask("INCR bench:3");
    let only = bench(&ground, &server, "-n 0 -r 10 --clean");
    assert!(only.out.contains("deleted 1 of the names"), "{only:?}");
    assert_eq!(server.ask("DBSIZE"), "2");
}

#[test]
fn with_a_rate_requests_are_sent_at_that_rate() {
    let ground = Ground::new();
    let server = ground.start();
    let ran = bench(&ground, &server, "incr -d 1 --rate 500 -c 5 -r 10 --json");
    let line = &lines(&ran)[0];
    let (answered, unsent) = (line["answered"].as_u64().expect("a number"), line["unsent"].as_u64().expect("a number"));
    // On a busy machine some may be late; no more are ever sent.
    assert!((400..=500).contains(&(answered + unsent)), "{line}");
    assert!(line["seconds"].as_f64().is_some_and(|seconds| seconds >= 0.9), "{line}");
}

#[test]
fn a_stall_of_the_server_is_in_the_latency_of_all_that_were_due() {
    let ground = Ground::new();
    let server = ground.start();
    let port = server.port().to_string();
    let stall = std::thread::spawn({
        let mut client = server.client();
        move || {
            std::thread::sleep(std::time::Duration::from_millis(300));
            client.ask("CLIENT PAUSE 500 ALL")
        }
    });
    let ran = ground.cli(&["-p", &port, "bench", "incr", "-n", "1000", "--rate", "1000", "-c", "2", "--json"]);
    assert_eq!(stall.join().expect("no panic"), "OK");
    let line = &lines(&ran)[0];
    // Half of the requests were due in the half second in which nobody was answered, and so waited up to as long. Counted
    // from when they were sent, only those two were slow that waited for their answers.
    assert!(line["latency_usec"]["p90"].as_f64().is_some_and(|micros| micros > 300_000.0), "{line}");
}

#[test]
fn error_replies_are_counted_and_told() {
    let ground = Ground::new();
    let server = ground.server().set("counters.max_counters=10").run();
    let ran = bench(&ground, &server, "incr -n 500 -c 2 -r 1000 --json");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let line = &lines(&ran)[0];
    assert_eq!(line["answered"].as_u64(), Some(500));
    assert!(line["errors"]["OOM"].as_u64().is_some_and(|count| count > 400), "{line}");
    assert!(ran.errors.contains("of OOM, as: OOM "), "{ran:?}");
}

#[test]
fn without_a_server_there_is_nothing_to_measure() {
    let ground = Ground::new();
    let port = {
        let server = ground.start();
        server.port().to_string()
    };
    let ran = ground.cli(&["-p", &port, "bench"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert!(ran.errors.contains("could not connect"), "{ran:?}");
}

#[test]
fn a_person_sees_rows_and_how_it_goes() {
    let ground = Ground::new();
    let server = ground.start();
    let port = server.port().to_string();
    let words = ["-p", &port, "bench", "incr", "-d", "1", "-c", "2", "-r", "5"];
    let (code, screen) = Terminal::start(&ground, &[], &words).end();
    assert_eq!(code, Some(0));
    assert!(screen.contains("answered, ") && screen.contains("incr: "), "{screen}");
    assert!(screen.contains("mix       answered    a second   errors      p50"), "{screen}");
    // Behind what wipes the line on which it was shown how it goes.
    let rows = screen.lines().filter_map(|line| line.rsplit("\x1b[K").next()).filter(|line| line.starts_with("incr  "));
    assert_eq!(rows.count(), 1, "{screen}");
}

#[test]
fn what_is_answered_in_a_second_is_never_more_than_what_was_due_in_it() {
    let ground = Ground::new();
    let server = ground.start();
    let line = &lines(&bench(&ground, &server, "incr -d 1 --rate 3 -c 2 --json"))[0];
    assert!(line["requests_per_second"].as_f64().is_some_and(|rate| rate <= 3.0), "{line}");
    assert!(line["seconds"].as_f64().is_some_and(|seconds| seconds >= 1.0), "{line}");
}
