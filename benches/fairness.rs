//! What one client with a pipeline without an end does to the others of its thread, with and without the bound on how many
//! requests are run for one client in a turn.
//!
//!     cargo bench --bench fairness [-- --rounds 5 --seconds 3 --requests 1000000]
//!
//! Two servers of one thread each, which differ in `requests_per_turn` alone. Four clients ask one question at a time and
//! measure how long each takes, first alone, then while a fifth sends INCRs as fast as they are taken and reads the replies. The
//! servers take turns, round by round, so that whatever else the machine does falls on both.
#![allow(clippy::print_stdout, reason = "the figures are what this is for")]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::{Options, Outcome, Server, median, start_nodes};

/// Clients that ask one question at a time.
const MODEST: usize = 4;
const REQUEST: &[u8] = b"*2\r\n$4\r\nINCR\r\n$7\r\ncounter\r\n";
/// The bound of the product, and as good as none.
const BOUNDS: [(&str, &str); 2] = [("256 a turn", "256"), ("no bound", "1073741824")];

/// What one round showed.
struct Round {
    /// Of the questions of all modest clients, in microseconds: half took no longer, 99 of 100 took no longer, the longest.
    latencies: [f64; 3],
    /// Requests a second of the pipeline.
    piped: f64,
}

fn main() -> Outcome<()> {
    let options = Options::read(&[("--rounds", 5), ("--seconds", 3), ("--requests", 1_000_000)], &[])?;
    let measured = Duration::from_secs(options.number("--seconds").into());
    let depth = options.number("--requests") as usize;
    let scratch = tempfile::tempdir()?;
    let mut servers = Vec::new();
    for (name, bound) in BOUNDS {
        let bound = format!("resp.requests_per_turn={bound}");
        let settings = ["storage.durability=memory", "resp.threads=1", &bound];
        servers.push((name, start_nodes(scratch.path(), 1, &settings)?.remove(0)));
    }
    println!("{MODEST} clients that ask one question at a time, beside a pipeline {depth} deep; one thread");
    println!(
        "{:<12} {:<10} {:>10} {:>10} {:>10} {:>14}",
        "server", "pipeline", "p50 us", "p99 us", "most us", "piped a second"
    );
    for depth in [0, depth] {
        let mut rounds: Vec<Vec<Round>> = servers.iter().map(|_| Vec::new()).collect();
        for _ in 0..options.number("--rounds") {
            for ((_, server), rounds) in servers.iter().zip(&mut rounds) {
                rounds.push(round(server, depth, measured)?);
            }
        }
        for ((name, _), rounds) in servers.iter().zip(&rounds) {
            let of = |at: usize| median(rounds.iter().map(|round| round.latencies[at]));
            let piped = median(rounds.iter().map(|round| round.piped));
            let pipeline = if depth == 0 { "none" } else { "endless" };
            println!("{name:<12} {pipeline:<10} {:>10.0} {:>10.0} {:>10.0} {piped:>14.0}", of(0), of(1), of(2));
        }
    }
    Ok(())
}

fn connect(server: &Server) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn round(server: &Server, depth: usize, measured: Duration) -> Outcome<Round> {
    let (stop, piped) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut modest = Vec::new();
    for _ in 0..MODEST {
        modest.push(connect(server)?);
    }
    let greedy = if depth > 0 { Some(connect(server)?) } else { None };
    let begin = Instant::now();
    let mut latencies: Vec<Duration> = thread::scope(|scope| {
        if let Some(stream) = &greedy {
            scope.spawn(|| send_pipeline(stream, depth, &stop));
            scope.spawn(|| read_replies(stream, &piped));
        }
        let asking: Vec<_> = modest.iter_mut().map(|stream| scope.spawn(|| ask_until(stream, measured))).collect();
        let latencies = asking.into_iter().flat_map(|asking| asking.join().unwrap_or_default()).collect();
        stop.store(true, Ordering::Relaxed);
        if let Some(stream) = &greedy {
            // Ends both of its threads; it may have been closed already.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        latencies
    });
    let seconds = begin.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |part: f64| latencies.get(((latencies.len().max(1) - 1) as f64 * part) as usize);
    let micros = |part| at(part).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6);
    Ok(Round { latencies: [micros(0.5), micros(0.99), micros(1.0)], piped: piped.into_inner() as f64 / seconds })
}

/// Sends pipelines of this depth, one behind the other, until it is told to stop or nobody takes them.
fn send_pipeline(mut stream: &TcpStream, depth: usize, stop: &AtomicBool) {
    let pipeline = REQUEST.repeat(depth);
    while !stop.load(Ordering::Relaxed) {
        if stream.write_all(&pipeline).is_err() {
            return;
        }
    }
}

fn read_replies(mut stream: &TcpStream, replies: &AtomicU64) {
    let mut bytes = vec![0; 256 << 10];
    while let Ok(length) = stream.read(&mut bytes) {
        if length == 0 {
            return;
        }
        let lines = bytes[..length].iter().filter(|byte| **byte == b'\n').count();
        replies.fetch_add(lines as u64, Ordering::Relaxed);
    }
}

/// Asks one question after the other; how long each took.
fn ask_until(stream: &mut TcpStream, measured: Duration) -> Vec<Duration> {
    let (begin, mut latencies, mut reply) = (Instant::now(), Vec::new(), [0; 64]);
    while begin.elapsed() < measured {
        let asked = Instant::now();
        if stream.write_all(b"*2\r\n$3\r\nGET\r\n$5\r\nother\r\n").is_err()
            || !matches!(stream.read(&mut reply), Ok(1..))
        {
            break;
        }
        latencies.push(asked.elapsed());
    }
    latencies
}
