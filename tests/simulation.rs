//! A deterministic simulation: clusters of the real pure floors on a virtual network that loses, doubles, delays and
//! reorders, with cuts and crashes, checked against an oracle of what a counter means.
//!
//! `DISCNT_SIMULATION_SEEDS=10000 cargo test --release --test simulation` runs more; `DISCNT_SIMULATION_FIRST` says from
//! which seed on. A failure prints its seed, and a seed always does the same.

#![allow(clippy::print_stdout)] // The figures of a long run are what it is run for.

#[path = "simulation/oracle.rs"]
mod oracle;
#[path = "simulation/random.rs"]
mod random;
#[path = "simulation/world.rs"]
mod world;

use oracle::Oracle;
use random::Random;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use world::World;

const KEYS: [&str; 3] = ["apples", "pears", "plums"];

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => default,
    }
}

#[derive(Default, Debug)]
struct Figures {
    increments: u64,
    assignments: u64,
    crashes: u64,
    cuts: u64,
    lost: u64,
}

/// One history: random clients, faults, then healing. Answers what disagreed.
fn run(seed: u64) -> Result<Figures, String> {
    let mut random = Random::new(seed);
    let nodes = random.between(3, 7) as usize;
    let mut world = World::new(seed, nodes, random.pick(&[0.0, 0.05, 0.3]));
    let mut oracle = Oracle::new(&KEYS);
    let mut figures = Figures::default();
    let crashy = random.pick(&[0.0, 0.0, 0.01]);
    let cutting = random.pick(&[0.0, 0.02]);
    let deleting = random.pick(&[0.02, 0.15]);
    world.meet_all();
    world.run_for(Duration::from_secs(2), &mut oracle);
    for _ in 0..300 {
        let at = random.below(nodes as u64) as usize;
        let key = KEYS[random.below(KEYS.len() as u64) as usize];
        let choice = random.unit();
        if choice < 0.6 {
            let amount = random.between(0, 14) as i64 - 5;
            oracle.increment(&mut world, at, key, amount);
            figures.increments += 1;
        } else if choice < 0.65 {
            oracle.assign(&mut world, at, key, random.between(0, 100) as i64 - 50);
            figures.assignments += 1;
        } else if choice < 0.65 + deleting {
            oracle.delete(&mut world, at, key);
            figures.assignments += 1;
        } else if choice < 0.82 {
            oracle.set_precision(&mut world, at, key, random.pick(&[0, 1, 5, 20]));
        }
        if random.unit() < crashy {
            figures.lost += oracle.crash(&mut world, at);
            figures.crashes += 1;
        }
        if random.unit() < cutting {
            let other = random.below(nodes as u64) as usize;
            if random.unit() < 0.6 {
                world.cut(at, other)
            } else {
                world.heal_all()
            }
            figures.cuts += 1;
        }
        let pause = random.pick(&[0, 1, 3, 20, 100, 700]);
        world.run_for(Duration::from_millis(pause), &mut oracle);
    }
    world.heal_all();
    world.set_loss(0.0);
    world.run_for(Duration::from_secs(9), &mut oracle);
    for key in KEYS {
        let values: Vec<_> = (0..nodes).map(|node| world.read(node, key)).collect();
        if values.iter().any(|value| *value != values[0]) {
            return Err(format!("{key}: nodes disagree, they read {values:?}\n{}", world.describe(key)));
        }
        if !oracle.allows(key, values[0]) {
            return Err(format!("{key}: all nodes read {:?}, the oracle does not\n{}", values[0], world.describe(key)));
        }
    }
    Ok(figures)
}

#[test]
fn all_nodes_agree_with_the_oracle_after_loss_cuts_and_crashes() {
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
                let result =
                    std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|_| Err("a panic, printed above".to_owned()));
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
            Ok(figures) => {
                all.increments += figures.increments;
                all.assignments += figures.assignments;
                all.crashes += figures.crashes;
                all.cuts += figures.cuts;
                all.lost += figures.lost;
            }
            Err(text) => failures.push(format!("seed {seed}: {text}")),
        }
    }
    failures.sort();
    println!("{} seeds from {first} on: {all:?}, {} failed", results.len(), failures.len());
    assert_eq!(results.len() as u64, count);
    assert!(all.increments > 0 && all.assignments > 0);
    assert!(
        failures.is_empty(),
        "{} of {count} seeds failed\n{}",
        failures.len(),
        failures[..failures.len().min(3)].join("\n")
    );
}

#[test]
fn one_seed_always_ends_the_same() {
    let once = format!("{:?}", run(42));
    assert_eq!(once, format!("{:?}", run(42)));
}
