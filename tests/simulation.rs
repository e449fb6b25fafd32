//! A deterministic simulation: clusters of the real pure floors on a virtual network that loses, doubles, delays and
//! reorders, with cuts and crashes, checked against two oracles of what a counter means.
//!
//! `DISCNT_SIMULATION_SEEDS=10000 cargo test --release --test simulation` runs more; `DISCNT_SIMULATION_FIRST` says from
//! which seed on. A failure prints its seed, and a seed always does the same.

#![allow(clippy::print_stdout)] // The figures of a long run are what it is run for.

#[path = "simulation/faults.rs"]
mod faults;
#[path = "simulation/history.rs"]
mod history;
#[path = "simulation/judge.rs"]
mod judge;
#[path = "simulation/ledger.rs"]
mod ledger;
#[path = "simulation/links.rs"]
mod links;
#[path = "simulation/network.rs"]
mod network;
#[path = "simulation/odds.rs"]
mod odds;
#[path = "simulation/oracle.rs"]
mod oracle;
#[path = "simulation/random.rs"]
mod random;
#[path = "simulation/scenarios.rs"]
mod scenarios;
#[path = "simulation/world.rs"]
mod world;

use history::{Figures, live};
use std::sync::atomic::{AtomicU64, Ordering};

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => default,
    }
}

#[test]
fn all_nodes_agree_with_the_oracles_after_loss_cuts_and_crashes() {
    let (first, count) = (setting("DISCNT_SIMULATION_FIRST", 0), setting("DISCNT_SIMULATION_SEEDS", 240));
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let results: Vec<(u64, Result<Figures, String>)> = std::thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + count {
                    return done;
                }
                let result = std::panic::catch_unwind(|| live(seed))
                    .unwrap_or_else(|_| Err("a panic, printed above".to_owned()));
                done.push((seed, result));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("the worker catches panics")).collect()
    });
    let mut all = Figures::default();
    let mut failures: Vec<String> = Vec::new();
    for (seed, result) in &results {
        match result {
            Ok(figures) => all.add(figures),
            Err(text) => failures.push(format!("seed {seed}: {text}")),
        }
    }
    failures.sort();
    println!("{} seeds from {first} on: {all:?}, {} failed", results.len(), failures.len());
    assert_eq!(results.len() as u64, count);
    assert!(
        failures.is_empty(),
        "{} of {count} seeds failed\n{}",
        failures.len(),
        failures[..failures.len().min(3)].join("\n")
    );
    assert!(all.increments > 0 && all.assignments > 0);
}

#[test]
fn one_seed_always_ends_the_same() {
    let once = format!("{:?}", live(42));
    assert_eq!(once, format!("{:?}", live(42)));
}
