//! A deterministic simulation: clusters of the real pure floors on a virtual network that loses, doubles, delays and
//! reorders, with cuts and crashes, checked against two oracles of what a counter means.
//!
//! `DISCNT_SIMULATION_SEEDS=10000 cargo test --release --test simulation` runs more, and `DISCNT_SIMULATION_SECONDS=3600`
//! as many as there is time for; `DISCNT_SIMULATION_FIRST` says from which seed on. A failure prints its seed, and a seed
//! always does the same.

#![allow(clippy::print_stdout)] // The figures of a long run are what it is run for.

#[path = "simulation/banning.rs"]
mod banning;
#[path = "simulation/book.rs"]
mod book;
#[path = "simulation/bounds.rs"]
mod bounds;
#[path = "simulation/copies.rs"]
mod copies;
#[path = "simulation/disk.rs"]
mod disk;
#[path = "simulation/durable.rs"]
mod durable;
#[path = "simulation/exiles.rs"]
mod exiles;
#[path = "simulation/faults.rs"]
mod faults;
#[path = "simulation/giving_up.rs"]
mod giving_up;
#[path = "versions/grammar.rs"]
mod grammar;
#[path = "simulation/history.rs"]
mod history;
#[path = "simulation/judge.rs"]
mod judge;
#[path = "simulation/last_words.rs"]
mod last_words;
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
#[path = "simulation/outsiders.rs"]
mod outsiders;
#[path = "simulation/partings.rs"]
mod partings;
#[path = "simulation/random.rs"]
mod random;
#[path = "simulation/restarts.rs"]
mod restarts;
#[path = "simulation/scenarios.rs"]
mod scenarios;
#[path = "simulation/staged.rs"]
mod staged;
#[path = "simulation/waits.rs"]
mod waits;
#[path = "simulation/world.rs"]
mod world;

use std::fmt::Debug;
use std::panic::RefUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Failures that are enough to stop for, unless the environment says otherwise.
const MOST_FAILURES: u64 = 3;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// Which histories to live through: so many, or as many as there is time for.
struct Plan {
    first: u64,
    count: u64,
    ends: Option<Instant>,
    most_failures: u64,
}

impl Plan {
    /// This many, unless the environment says otherwise.
    fn of(count: u64) -> Self {
        let first = setting("DISCNT_SIMULATION_FIRST").unwrap_or(0);
        let seconds = setting("DISCNT_SIMULATION_SECONDS");
        let count = if seconds.is_some() { u64::MAX - first } else { count };
        let count = setting("DISCNT_SIMULATION_SEEDS").unwrap_or(count);
        let ends = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let most_failures = setting("DISCNT_SIMULATION_FAILURES").unwrap_or(MOST_FAILURES);
        Self { first, count, ends, most_failures }
    }

    /// One history that is lived through again need not have everything in it.
    fn is_short(&self) -> bool {
        self.count < 10
    }

    fn is_over(&self, seed: u64) -> bool {
        seed - self.first >= self.count || self.ends.is_some_and(|ends| Instant::now() >= ends)
    }
}

/// Figures of one history, or of many together.
trait Tally: Default + Debug + Send {
    fn add(&mut self, other: &Self);
}

/// What all the histories came to.
#[derive(Default)]
struct Outcome<T> {
    /// The figures of those that went well.
    all: T,
    lived: u64,
    /// What went wrong in the others.
    failures: Vec<String>,
}

fn live_all<T: Tally>(plan: &Plan, live: impl Fn(u64) -> Result<T, String> + RefUnwindSafe + Sync) -> T {
    let next = AtomicU64::new(plan.first);
    let outcome: Mutex<Outcome<T>> = Mutex::default();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let failures = || outcome.lock().expect("nobody panics with it").failures.len() as u64;
            let is_enough = || failures() >= plan.most_failures;
            if plan.is_over(seed) || is_enough() {
                return;
            }
            let result = std::panic::catch_unwind(|| live(seed));
            let result = result.unwrap_or_else(|_| Err("a panic, printed above".to_owned()));
            let mut outcome = outcome.lock().expect("nobody panics with it");
            outcome.lived += 1;
            match result {
                Ok(figures) => outcome.all.add(&figures),
                Err(text) => {
                    // A long run goes on for a while.
                    eprintln!("seed {seed}: {}", text.lines().next().unwrap_or_default());
                    outcome.failures.push(format!("seed {seed}: {text}"));
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let Outcome { all, lived, failures } = outcome.into_inner().expect("nobody panicked with it");
    println!("{lived} seeds from {} on: {all:?}, {} failed", plan.first, failures.len());
    assert!(failures.is_empty(), "{} of {lived} seeds failed\n{}", failures.len(), failures.join("\n"));
    assert!(plan.ends.is_some() || lived == plan.count);
    all
}

#[test]
fn all_nodes_agree_with_the_oracles_after_loss_cuts_and_crashes() {
    let plan = Plan::of(1000);
    let all = live_all(&plan, history::live);
    assert!(plan.is_short() || (all.increments > 0 && all.assignments > 0));
}

#[test]
fn every_bounded_reading_is_true() {
    let plan = Plan::of(40);
    let all = live_all(&plan, bounds::live);
    let is_telling = all.whole * 4 > all.readings && all.predicted > 0 && all.within_precision * 2 > all.whole;
    // A part of the histories sets the counter.
    let is_telling = is_telling && all.assigned * 10 > all.readings;
    assert!(plan.is_short() || is_telling, "{all:?}");
}

#[test]
fn what_is_on_disk_or_was_heard_survives_every_crash() {
    let plan = Plan::of(300);
    let all = live_all(&plan, durable::live);
    assert!(plan.is_short() || all.is_eventful(), "{all:?}");
}

#[test]
fn all_agree_whomever_a_parted_node_met_before_it_came_home() {
    let all = live_all(&Plan::of(60), outsiders::live);
    assert!(all.behind > 0, "{all:?}");
}

#[test]
fn a_ban_reaches_everybody_through_cuts_and_falls_and_nobody_barred_stays_linked() {
    let plan = Plan::of(150);
    let all = live_all(&plan, banning::live);
    assert!(plan.is_short() || all.is_eventful(), "{all:?}");
}

#[test]
fn one_seed_always_ends_the_same() {
    let once = format!("{:?}", history::live(42));
    assert_eq!(once, format!("{:?}", history::live(42)));
}
