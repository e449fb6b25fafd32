//! Inputs of every kind from strangers, by the thousand: valid requests among what is malformed, truncated, oversized, nested,
//! changed or random, in pieces of any size, on many connections at once, from clients that close by halves or just go.
//!
//! What each input is comes from its seed, and so does every reply that it has to be answered with. Besides, the server must
//! answer others all the time, hold nothing when all have gone, and not panic.
//!
//!     DISCNT_TORTURE_INPUTS=1000000 cargo test --release --test torture -- --nocapture
//!     DISCNT_TORTURE_FIRST=SEED DISCNT_TORTURE_INPUTS=1 cargo test --test torture

#![allow(clippy::print_stdout)] // The figures are what a long run is run for.

#[path = "../server_support/mod.rs"]
mod server_support;

#[path = "../simulation/random.rs"]
mod random;

mod frames;
mod health;
mod model;
mod plan;
mod poison;
mod requests;
mod talk;
mod worker;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use health::Health;
use server_support::{Ground, Server};
use worker::{Seeds, Tally};

/// Threads that torment the server, each with several connections at once.
const WORKERS: usize = 4;
/// So many inputs unless others are asked for.
const INPUTS: u64 = 20_000;

#[test]
fn every_input_is_answered_as_it_should_be_and_leaves_nothing_behind() {
    let first = number_from("DISCNT_TORTURE_FIRST").unwrap_or(1);
    let inputs = number_from("DISCNT_TORTURE_INPUTS").unwrap_or(INPUTS);
    let ground = Ground::new();
    let socket = ground.path("socket");
    let start = ground.server().set_all(&plan::LIMITS).set(format!("resp.unix_socket={}", socket.display()));
    // What the store keeps in memory of what was written lately is no growth either.
    let server = start.set("storage.durability=memory").run();
    let begin = Instant::now();
    let mut tally = Tally::default();
    // What the first of them make the server take is no growth.
    let warming = if inputs > 1 { inputs / 10 } else { 0 };
    torment(&server, &socket, first..first + warming, &mut tally);
    let before = Health::settled(&server, &tally);
    let patience = torment(&server, &socket, first + warming..first + inputs, &mut tally);
    let after = Health::settled(&server, &tally);
    after.assert_no_growth_since(&before);
    assert!(!server.log().contains("panicked"), "{}", server.log());
    println!("{inputs} inputs in {:.1} s, {tally}", begin.elapsed().as_secs_f64());
    println!("before {before}; after {after}; others waited for {patience:?} at most");
}

/// Carries out these inputs, while somebody else is served.
fn torment(server: &Server, socket: &Path, seeds: std::ops::Range<u64>, tally: &mut Tally) -> std::time::Duration {
    let seeds = Seeds::new(seeds);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| health::ask_until(server, &is_over));
        let run = |number| worker::run(server, socket, number, &seeds);
        let workers: Vec<_> = (0..WORKERS).map(|number| scope.spawn(move || run(number))).collect();
        let tallies: Vec<Result<Tally, String>> = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err("a worker panicked".to_owned())))
            .collect();
        is_over.store(true, Ordering::Relaxed);
        let patience = other.join().expect("others are served meanwhile");
        for result in tallies {
            tally.add(result.unwrap_or_else(|failure| panic!("{failure}")));
        }
        patience
    })
}

fn number_from(variable: &str) -> Option<u64> {
    let given = std::env::var(variable).ok()?;
    Some(given.parse().unwrap_or_else(|_| panic!("{variable}={given}: a whole number is expected")))
}
