//! What a join costs the clients: one server holds a million counters, an empty one meets it, and meanwhile a client on each
//! sends GET and INCR one at a time and notes how long every reply takes.
//!
//!     cargo bench --bench join [-- COUNTERS]
//!
//! Before the join the same is measured with the servers at rest, and once more while threads of this program keep all
//! processors busy: on a machine with few processors a good part of what a join does to the latencies is only that.

#![allow(clippy::print_stdout, reason = "the figures are what this is for")]

#[path = "../../tests/server_support/mod.rs"]
mod server_support;

use redis_protocol::resp2::types::OwnedFrame;
use server_support::{Client, Ground, Server};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const COUNTERS: u64 = 1_000_000;
const PIPELINE: u64 = 1000;
/// How long each phase before the join is measured.
const UNDISTURBED: Duration = Duration::from_secs(10);
/// A join that takes longer has failed.
const LONGEST_JOIN: Duration = Duration::from_secs(300);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
const TARGET: Duration = Duration::from_millis(2);

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("nothing to test here; measure with: cargo bench --bench join");
        return;
    }
    let counters = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(COUNTERS).max(1);
    measure(counters);
}

fn measure(counters: u64) {
    let ground = Ground::new();
    let (full, empty) = (ground.start(), ground.start());
    fill(&mut full.client(), counters);
    println!("{counters} counters on one server; milliseconds");
    println!("{:<36} {:>9} {:>8} {:>8} {:>8} {:>8}", "", "requests", "p50", "p99", "p99.9", "max");
    let stop = AtomicBool::new(false);
    let rest = |_: &AtomicBool| std::thread::sleep(UNDISTURBED);
    let (_, at_rest) = probe(&[&full], &stop, rest);
    at_rest[0].print("at rest");
    let (_, busy) = probe(&[&full], &stop, keep_busy);
    busy[0].print("processors busy with something else");
    let (join, during) = probe(&[&full, &empty], &stop, |_| join(&full, &empty, counters));
    during[0].print("join: on the server that gives");
    during[1].print("join: on the server that joins");
    println!(
        "all {counters} counters after {:.2} s, caught up after {:.2} s: {:.0} counters a second",
        join.counted.as_secs_f64(),
        join.caught_up.as_secs_f64(),
        counters as f64 / join.caught_up.as_secs_f64()
    );
    let probes: u64 = during.iter().chain(&at_rest).chain(&busy).map(|figures| figures.increments).sum();
    verify(&full, &empty, counters, probes);
    for line in empty.log().lines().filter(|line| line.contains("catching up") || line.contains("caught up")) {
        println!("log of the server that joined: {line}");
    }
    let met = if during[0].p99 <= TARGET { "met" } else { "missed" };
    println!("target: p99 on the server that gives at most {} ms: {met}", TARGET.as_millis());
}

/// What the counter with this number is worth.
fn worth(counter: u64) -> u64 {
    counter % 7 + 1
}

fn name(counter: u64) -> String {
    format!("counter:{counter:08}")
}

/// Sends requests in pipelines and answers the sum of the replies.
fn pipelined(client: &mut Client, counters: u64, request: impl Fn(u64) -> String) -> u64 {
    let mut sum = 0;
    for first in (0..counters).step_by(PIPELINE as usize) {
        let numbers = first..counters.min(first + PIPELINE);
        let bytes: String = numbers.clone().map(&request).collect();
        client.send_bytes(bytes.as_bytes()).expect("a server that takes requests");
        for counter in numbers {
            sum += match client.reply().expect("a reply") {
                OwnedFrame::Integer(value) => value as u64,
                OwnedFrame::BulkString(text) => String::from_utf8_lossy(&text).parse::<u64>().expect("a whole value"),
                other => panic!("{}: {other:?}", name(counter)),
            };
        }
    }
    sum
}

fn fill(client: &mut Client, counters: u64) {
    pipelined(client, counters, |counter| format!("INCRBY {} {}\r\n", name(counter), worth(counter)));
}

/// Both servers must have all counters with the right values, those of the probes included.
fn verify(full: &Server, empty: &Server, counters: u64, probes: u64) {
    let expected: u64 = (0..counters).map(worth).sum();
    for server in [full, empty] {
        let sum = pipelined(&mut server.client(), counters, |counter| format!("GET {}\r\n", name(counter)));
        assert_eq!(sum, expected, "the sum of all counters on {}", server.name());
    }
    let probed = |server: &Server| {
        let of = |name: &str| server.ask(&format!("GET probe:{name}")).parse::<u64>().unwrap_or(0);
        Ok::<u64, String>(of(full.name()) + of(empty.name()))
    };
    for server in [full, empty] {
        server_support::eventually("the increments of the probes agree", || match probed(server)? {
            sum if sum == probes => Ok(()),
            sum => Err(format!("{sum} of {probes} on {}", server.name())),
        });
    }
    println!("both servers answer the sum {expected}, and {probes} for the increments made meanwhile");
}

struct Join {
    counted: Duration,
    caught_up: Duration,
}

fn join(full: &Server, empty: &Server, counters: u64) -> Join {
    let mut client = empty.client();
    let begin = Instant::now();
    assert_eq!(client.ask(&format!("CLUSTER MEET {} {}", full.host(), full.port())), "OK");
    let mut counted = None;
    loop {
        let held: u64 = client.ask("DBSIZE").parse().expect("a number");
        if held >= counters {
            counted.get_or_insert(begin.elapsed());
        }
        let info = client.ask("CLUSTER INFO");
        if let Some(counted) = counted
            && info.contains("cluster_catching_up:0")
        {
            return Join { counted, caught_up: begin.elapsed() };
        }
        assert!(begin.elapsed() < LONGEST_JOIN, "{held} counters after {LONGEST_JOIN:?}\n{info}");
        std::thread::sleep(LOOK_INTERVAL);
    }
}

fn keep_busy(stop: &AtomicBool) {
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while begin.elapsed() < UNDISTURBED && !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
    });
}

/// Has one client a server send one request after the other for as long as `during` takes.
fn probe<T>(servers: &[&Server], stop: &AtomicBool, during: impl FnOnce(&AtomicBool) -> T) -> (T, Vec<Figures>) {
    stop.store(false, Ordering::Relaxed);
    std::thread::scope(|scope| {
        let probes: Vec<_> = servers.iter().map(|server| scope.spawn(|| probe_one(server, stop))).collect();
        let result = during(stop);
        stop.store(true, Ordering::Relaxed);
        (result, probes.into_iter().map(|probe| probe.join().expect("a probe")).collect())
    })
}

fn probe_one(server: &Server, stop: &AtomicBool) -> Figures {
    let mut client = server.client();
    let increment = format!("INCR probe:{}", server.name());
    let (mut times, mut increments) = (Vec::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        for request in ["GET counter:00000000", &increment] {
            let begin = Instant::now();
            let reply = client.ask(request);
            times.push(begin.elapsed());
            assert!(!reply.starts_with('-'), "{request}: {reply}");
        }
        increments += 1;
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)];
    Figures { requests: times.len(), increments, p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1.0) }
}

struct Figures {
    requests: usize,
    increments: u64,
    p50: Duration,
    p99: Duration,
    p999: Duration,
    max: Duration,
}

impl Figures {
    fn print(&self, phase: &str) {
        let millis = |time: Duration| format!("{:.3}", time.as_secs_f64() * 1e3);
        let Self { requests, p50, p99, p999, max, .. } = self;
        let (p50, p99, p999, max) = (millis(*p50), millis(*p99), millis(*p999), millis(*max));
        println!("{phase:<36} {requests:>9} {p50:>8} {p99:>8} {p999:>8} {max:>8}");
    }
}
