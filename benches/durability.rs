//! INCR in each durability mode, beside redis-server with the same promise, on the same machine in the same minutes.
//!
//!     cargo bench --bench durability
//!     cargo bench --bench durability -- --rounds 5 --seconds 3
//!
//! redis-benchmark drives both servers with 50 clients, alternately, and the order changes from round to round. Redis runs
//! with `appendonly no` beside `memory`, `everysec` beside `everysec`, and `always` beside `always`. A ratio is the median of
//! the rounds' ratios; its spread is from the smallest to the largest. It needs redis-server and redis-benchmark; without
//! them it says so and measures nothing.
#![allow(clippy::print_stdout, reason = "the figures are what this is for")]

mod support;

use support::{
    CLIENTS, NAMES, Options, Outcome, Run, Server, is_redis_installed, least, median, most, run_benchmark, start_nodes,
    start_redis,
};

/// Our mode, and what Redis is told.
const MODES: [(&str, &[&str]); 3] = [
    ("memory", &["--appendonly", "no"]),
    ("everysec", &["--appendonly", "yes", "--appendfsync", "everysec"]),
    ("always", &["--appendonly", "yes", "--appendfsync", "always"]),
];
const PIPELINES: [u32; 2] = [1, 16];
/// The ratio that is aimed at.
const AIM: f64 = 1.0;
/// A first look at how fast the slower of the two is.
const FIRST_REQUESTS: u32 = 5_000;

fn main() -> Outcome<()> {
    let (rounds, seconds) = read_options()?;
    if !is_redis_installed() {
        return Ok(());
    }
    println!("INCR: {CLIENTS} clients, {NAMES} names of 16 bytes, {rounds} rounds of about {seconds} s; a node alone");
    println!(
        "{:9} {:>8} {:>9} {:>9} {:>6} {:>13} {:>10} {:>10} {:>9} {:>9}",
        "mode",
        "pipeline",
        "redis/s",
        "discnt/s",
        "ratio",
        "spread",
        "redis p99",
        "discnt p99",
        "redis us",
        "discnt us"
    );
    let mut is_met = true;
    for (mode, redis_settings) in MODES {
        let scratch = tempfile::tempdir()?;
        let redis = start_redis(scratch.path(), redis_settings)?;
        let nodes = start_nodes(scratch.path(), 1, &[&format!("storage.durability={mode}")])?;
        let discnt = nodes.first().ok_or("no node was started")?;
        for pipeline in PIPELINES {
            is_met &= measure(mode, pipeline, (rounds, seconds), &redis, discnt)? >= AIM;
        }
    }
    println!("aim: at least Redis' throughput in each mode: {}", if is_met { "met" } else { "not met" });
    Ok(())
}

/// Prints a row, and answers its ratio.
fn measure(mode: &str, pipeline: u32, (rounds, seconds): (u32, u32), redis: &Server, discnt: &Server) -> Outcome<f64> {
    let first = [redis, discnt].map(|server| run_benchmark(server, "INCR", pipeline, FIRST_REQUESTS * pipeline));
    let [one, other] = first;
    let slower = one?.requests_per_second.min(other?.requests_per_second);
    let requests = (slower * f64::from(seconds)) as u32;
    let (mut theirs, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let run = |server| run_benchmark(server, "INCR", pipeline, requests);
        let (their, our) = if round.is_multiple_of(2) {
            let their = run(redis)?;
            (their, run(discnt)?)
        } else {
            let our = run(discnt)?;
            (run(redis)?, our)
        };
        ratios.push(our.requests_per_second / their.requests_per_second);
        theirs.push(their);
        ours.push(our);
    }
    let of = |runs: &[Run], figure: fn(&Run) -> f64| median(runs.iter().map(figure));
    let ratio = median(ratios.iter().copied());
    println!(
        "{mode:9} {pipeline:>8} {:>9.0} {:>9.0} {ratio:>6.2} {:>13} {:>7.2} ms {:>7.2} ms {:>9.2} {:>9.2}",
        of(&theirs, |run| run.requests_per_second),
        of(&ours, |run| run.requests_per_second),
        format!("{:.2} to {:.2}", least(&ratios), most(&ratios)),
        of(&theirs, |run| run.p99_millis),
        of(&ours, |run| run.p99_millis),
        of(&theirs, Run::cpu_micros),
        of(&ours, Run::cpu_micros),
    );
    Ok(ratio)
}

/// Rounds, and seconds a round.
fn read_options() -> Outcome<(u32, u32)> {
    let options = Options::read(&[("--rounds", 5), ("--seconds", 3)], &[])?;
    let (rounds, seconds) = (options.number("--rounds"), options.number("--seconds"));
    if rounds == 0 || !(1..=3600).contains(&seconds) {
        return Err("there must be at least one round, of 1 to 3600 seconds".into());
    }
    Ok((rounds, seconds))
}
