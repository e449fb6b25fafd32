//! How many requests a second this server answers, beside redis-server on the same machine in the same minutes.
//!
//!     cargo bench --bench redis_ratio
//!     cargo bench --bench redis_ratio -- --rounds 7 --requests 300000 --cluster
//!
//! redis-benchmark drives both servers with 50 clients, alternately, round by round, and the order changes from
//! round to round, so that whatever else the machine does falls on both. A row's ratio is the median of the rounds'
//! ratios; its spread is from the smallest to the largest. The last two columns are the servers' processor time for one
//! request, which a busy machine disturbs less; redis-benchmark itself is one thread and may be the slowest of the
//! three at deep pipelines. With `--cluster` this server is one of three linked
//! nodes, and the others take in all that it counts; else it is alone. It needs redis-server and redis-benchmark
//! (Debian: `apt-get install redis-server redis-tools`); without them it says so and measures nothing.
#![allow(clippy::print_stdout, reason = "the figures are what this is for")]

mod beside_redis;

use beside_redis::{
    CLIENTS, NAMES, Options, Outcome, Run, Server, is_redis_installed, least, median, most, run_benchmark, start_nodes,
    start_redis,
};

/// Pipelined rounds take this many times the requests, so that they last about as long as the others.
const PIPELINED_FACTOR: u32 = 5;

/// Command, pipeline depth, and the ratio that is aimed at.
const ROWS: [(&str, u32, f64); 6] =
    [("INCR", 1, 1.0), ("INCR", 16, 1.6), ("INCR", 64, 2.0), ("GET", 1, 1.0), ("GET", 16, 1.6), ("GET", 64, 2.0)];

struct Plan {
    rounds: u32,
    requests: u32,
    cluster: bool,
}

fn main() -> Outcome<()> {
    let plan = read_plan()?;
    if !is_redis_installed() {
        return Ok(());
    }
    let scratch = tempfile::tempdir()?;
    let redis = start_redis(scratch.path(), &["--appendonly", "no"])?;
    let nodes = start_nodes(scratch.path(), if plan.cluster { 3 } else { 1 }, &["storage.durability=memory"])?;
    let ours = nodes.first().ok_or("no node was started")?;

    println!(
        "{CLIENTS} clients, {NAMES} names of 16 bytes, {} rounds; discnt {}",
        plan.rounds,
        if plan.cluster { "in a cluster of three nodes" } else { "alone" }
    );
    println!(
        "{:8} {:>8} {:>10} {:>10} {:>7} {:>13} {:>5} {:>14} {:>14}",
        "command", "pipeline", "redis/s", "discnt/s", "ratio", "spread", "aim", "redis us/req", "discnt us/req"
    );
    for (command, pipeline, aim) in ROWS {
        let row = measure(&plan, command, pipeline, &redis, ours)?;
        let rate = |runs: &[Run]| median(runs.iter().map(|run| run.requests_per_second));
        let cpu = |runs: &[Run]| median(runs.iter().map(|run| run.cpu_micros));
        println!(
            "{command:8} {pipeline:>8} {:>10.0} {:>10.0} {:>7.2} {:>13} {aim:>5.1} {:>14.2} {:>14.2}",
            rate(&row.theirs),
            rate(&row.ours),
            median(row.ratios.iter().copied()),
            format!("{:.2} to {:.2}", least(&row.ratios), most(&row.ratios)),
            cpu(&row.theirs),
            cpu(&row.ours),
        );
    }
    Ok(())
}

/// Flags, or else the environment: `REDIS_RATIO_ROUNDS`, `REDIS_RATIO_REQUESTS`, `REDIS_RATIO_CLUSTER=1`.
fn read_plan() -> Outcome<Plan> {
    let from_environment = |name: &str| std::env::var(format!("REDIS_RATIO_{name}")).ok();
    let number = |name, otherwise| from_environment(name).map_or(Ok(otherwise), |text| text.parse());
    let numbers = [("--rounds", number("ROUNDS", 5)?), ("--requests", number("REQUESTS", 200_000)?)];
    let options = Options::read(&numbers, &["--cluster"])?;
    let plan = Plan {
        rounds: options.number("--rounds"),
        requests: options.number("--requests"),
        cluster: options.has("--cluster") || from_environment("CLUSTER").is_some_and(|text| text == "1"),
    };
    if plan.rounds == 0 || !(100..=100_000_000).contains(&plan.requests) {
        return Err("there must be at least one round, and 100 to 100000000 requests".into());
    }
    Ok(plan)
}

/// The runs of all rounds, and their ratios.
#[derive(Default)]
struct Row {
    theirs: Vec<Run>,
    ours: Vec<Run>,
    ratios: Vec<f64>,
}

fn measure(plan: &Plan, command: &str, pipeline: u32, redis: &Server, discnt: &Server) -> Outcome<Row> {
    let requests = plan.requests * if pipeline == 1 { 1 } else { PIPELINED_FACTOR };
    let run = |server| run_benchmark(server, command, pipeline, requests);
    // Neither server pays for its first requests in the figures.
    run_benchmark(redis, command, pipeline, requests / 10)?;
    run_benchmark(discnt, command, pipeline, requests / 10)?;
    let mut row = Row::default();
    for round in 0..plan.rounds {
        let (theirs, ours) = if round % 2 == 0 {
            let theirs = run(redis)?;
            (theirs, run(discnt)?)
        } else {
            let ours = run(discnt)?;
            (run(redis)?, ours)
        };
        row.theirs.push(theirs);
        row.ours.push(ours);
        row.ratios.push(ours.requests_per_second / theirs.requests_per_second);
    }
    Ok(row)
}
