//! The second simulation: the real mesh (QUIC, TLS, links), the real driver and the real node on every host of a
//! simulated network, in one process on virtual time.
//!
//! `DISCNT_TURMOIL_SEEDS=1000 cargo test --test turmoil` lives through more histories; `DISCNT_TURMOIL_FIRST` says from
//! which seed on. A failure prints its seed, and a seed always does the same: to the time and length of every datagram,
//! though not to their bytes, as TLS draws its keys from the system.

#![allow(clippy::print_stdout)] // The figures of a long run are what it is run for.

#[path = "turmoil/certificates.rs"]
mod certificates;
#[path = "turmoil/history.rs"]
mod history;
#[path = "turmoil/ledger.rs"]
mod ledger;
#[path = "simulation/random.rs"]
mod random;
#[path = "turmoil/scenarios.rs"]
mod scenarios;
#[path = "turmoil/socket.rs"]
mod socket;
#[path = "turmoil/versions.rs"]
mod versions;
#[path = "turmoil/world.rs"]
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
fn all_nodes_agree_and_every_increment_counts_once_after_loss_cuts_and_crashes() {
    let (first, count) = (setting("DISCNT_TURMOIL_FIRST", 0), setting("DISCNT_TURMOIL_SEEDS", 12));
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let mut results: Vec<(u64, Result<Figures, String>)> = std::thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + count {
                    return done;
                }
                let result = std::panic::catch_unwind(|| live(seed))
                    .unwrap_or_else(|_| Err("a panic, printed above".to_owned()));
                match &result {
                    Err(why) => println!("seed {seed}: {why}"),
                    Ok(_) if (seed - first) % 100 == 99 => println!("seed {seed} is done"),
                    Ok(_) => {}
                }
                done.push((seed, result));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("the worker catches panics")).collect()
    });
    results.sort_by_key(|(seed, _)| *seed);
    let mut all = Figures::default();
    results.iter().filter_map(|(_, result)| result.as_ref().ok()).for_each(|figures| all.add(figures));
    let failures: Vec<String> =
        results.iter().filter_map(|(seed, result)| Some(format!("seed {seed}: {}", result.as_ref().err()?))).collect();
    println!("{} seeds from {first} on: {all:?}, {} failed", results.len(), failures.len());
    assert_eq!(results.len() as u64, count);
    assert!(failures.is_empty(), "{} of {count} seeds failed\n{}", failures.len(), failures.join("\n"));
    assert!(all.increments > 0 && all.assignments > 0 && all.crashes > 0 && all.datagrams_lost > 0);
}

#[test]
fn one_seed_always_does_the_same_to_every_datagram() {
    let once = live(42).expect("a history that ends well");
    assert_eq!(once, live(42).expect("a history that ends well"));
    assert_ne!(once.trace, live(43).expect("a history that ends well").trace);
}
