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
    CLIENTS, NAMES, Outcome, Run, Server, is_installed, least, median, most, run_benchmark, start_nodes, start_redis,
};

/// Pipelined rounds take this many times the requests, so that they last about as long as the others.
const PIPELINED_FACTOR: u32 = 5;

/// Command, pipeline depth, and the ratio that is aimed at.
const ROWS: [(&str, u32, f64); 6] =
    [("INCR", 1, 1.0), ("INCR", 16, 1.6), ("INCR", 64, 2.0), ("GET", 1, 1.0), ("GET", 16, 1.6), ("GET", 64, 2.0)];

struct Options {
    rounds: usize,
    requests: u32,
    cluster: bool,
}

fn main() -> Outcome<()> {
    let options = read_options()?;
    for tool in ["redis-server", "redis-benchmark"] {
        if !is_installed(tool) {
            println!("{tool} is not installed: nothing was measured.");
            return Ok(());
        }
    }
    let scratch = tempfile::tempdir()?;
    let redis = start_redis(scratch.path(), &["--appendonly", "no"])?;
    let nodes = start_nodes(scratch.path(), if options.cluster { 3 } else { 1 }, &["storage.durability=memory"])?;
    let ours = nodes.first().ok_or("no node was started")?;

    println!(
        "{CLIENTS} clients, {NAMES} names of 16 bytes, {} rounds; discnt {}",
        options.rounds,
        if options.cluster { "in a cluster of three nodes" } else { "alone" }
    );
    println!(
        "{:8} {:>8} {:>10} {:>10} {:>7} {:>13} {:>5} {:>14} {:>14}",
        "command", "pipeline", "redis/s", "discnt/s", "ratio", "spread", "aim", "redis us/req", "discnt us/req"
    );
    for (command, pipeline, aim) in ROWS {
        let row = measure(&options, command, pipeline, &redis, ours)?;
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
fn read_options() -> Outcome<Options> {
    let from_environment = |name: &str| std::env::var(format!("REDIS_RATIO_{name}")).ok();
    let mut options = Options {
        rounds: from_environment("ROUNDS").map_or(Ok(5), |text| text.parse())?,
        requests: from_environment("REQUESTS").map_or(Ok(200_000), |text| text.parse())?,
        cluster: from_environment("CLUSTER").is_some_and(|text| text == "1"),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || -> Outcome<u32> {
            let text = arguments.next().ok_or_else(|| format!("{argument} takes a number"))?;
            Ok(text.parse()?)
        };
        match argument.as_str() {
            "--rounds" => options.rounds = number()? as usize,
            "--requests" => options.requests = number()?,
            "--cluster" => options.cluster = true,
            // What cargo bench adds.
            "--bench" => {}
            other => {
                return Err(
                    format!("unknown option '{other}'; known are --rounds N, --requests N and --cluster").into()
                );
            }
        }
    }
    if options.rounds == 0 || !(100..=100_000_000).contains(&options.requests) {
        return Err("there must be at least one round, and 100 to 100000000 requests".into());
    }
    Ok(options)
}

/// The runs of all rounds, and their ratios.
#[derive(Default)]
struct Row {
    theirs: Vec<Run>,
    ours: Vec<Run>,
    ratios: Vec<f64>,
}

fn measure(options: &Options, command: &str, pipeline: u32, redis: &Server, discnt: &Server) -> Outcome<Row> {
    let requests = options.requests * if pipeline == 1 { 1 } else { PIPELINED_FACTOR };
    let run = |server| run_benchmark(server, command, pipeline, requests);
    // Neither server pays for its first requests in the figures.
    run_benchmark(redis, command, pipeline, requests / 10)?;
    run_benchmark(discnt, command, pipeline, requests / 10)?;
    let mut row = Row::default();
    for round in 0..options.rounds {
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
