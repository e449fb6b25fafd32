//! Requests a second, processor time a request, and latencies, beside redis-server.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::ceiling::Ceiling;
use crate::loader::write_request;
use crate::open_loop::{self, Load, Measured, Spacing};
use crate::plan::Plan;
use crate::random::Random;
use crate::report::{Section, Table, Target, figure};
use crate::support::{
    CLIENTS, NAMES, Outcome, Processor, Run, Server, is_redis_installed, least, median, most, run_against,
    run_benchmark, start_nodes, start_redis,
};

/// A command at a depth of pipeline, and which ratios to Redis are aimed at.
struct Row {
    command: &'static str,
    pipeline: u32,
    rate: f64,
    processor: Option<f64>,
}

const fn row(command: &'static str, pipeline: u32, rate: f64, processor: Option<f64>) -> Row {
    Row { command, pipeline, rate, processor }
}

const ROWS: [Row; 6] = [
    row("INCR", 1, 1.15, Some(0.80)),
    row("INCR", 16, 2.0, Some(0.50)),
    row("INCR", 64, 3.0, Some(0.35)),
    row("GET", 1, 1.0, None),
    row("GET", 16, 1.8, None),
    row("GET", 64, 2.5, None),
];
/// A first look at how fast the slower of the two is.
const FIRST_REQUESTS: u32 = 20_000;
/// The fixed rate at which latencies are compared is this part of what Redis manages.
const OPEN_LOOP_PART: f64 = 0.5;

/// What one server showed in one round.
struct Round {
    run: Run,
    /// Of the server, from rest to rest: what it has left to do when the last reply is out is its own.
    processor: Processor,
    /// The same of the other nodes.
    peers: f64,
    latencies: Measured,
}

/// Both servers' rounds of one row.
struct Rounds {
    theirs: Vec<Round>,
    ours: Vec<Round>,
    /// Requests a second of a server that does nothing, in the same rounds.
    ceilings: Vec<f64>,
}

impl Rounds {
    fn ratios(&self, of: impl Fn(&Round) -> f64) -> Vec<f64> {
        self.ours.iter().zip(&self.theirs).map(|(our, their)| of(our) / of(their)).collect()
    }
}

/// The servers, and how each is measured.
struct Ground<'a> {
    plan: &'a Plan,
    redis: Server,
    nodes: Vec<Server>,
    ceiling: Ceiling,
}

pub(crate) fn measure(plan: &Plan) -> Outcome<Section> {
    let mut section =
        Section::new("speed", "requests a second and processor time, beside redis-server", !plan.is_short);
    if !is_redis_installed() {
        return Err("redis-server and redis-benchmark are needed (Debian: redis-server, redis-tools)".into());
    }
    let scratch = tempfile::tempdir()?;
    let nodes = start_nodes(scratch.path(), plan.nodes(3), &["storage.durability=memory"])?;
    let redis = start_redis(scratch.path(), &["--appendonly", "no"])?;
    let ground = Ground { plan, redis, nodes, ceiling: Ceiling::start()? };
    section.paragraph(&format!(
        "{CLIENTS} clients, {NAMES} random names of 16 bytes, {} rounds of about {} s, both servers in turn, {}; neither \
         writes to the disk. A ratio is the median of the rounds' ratios of discnt-server to redis-server, with the smallest and \
         the largest. Processor time is the server's from rest to rest, in seconds a million requests. The servers share the \
         processors with what loads them and with the other nodes, whose processor time is beside it.",
        plan.rounds(5),
        plan.seconds(3.0),
        if ground.nodes.len() == 1 { "a node alone".to_owned() } else { format!("a node of {}", ground.nodes.len()) },
    ));
    let rows: Vec<(&Row, Rounds, f64)> = ROWS
        .iter()
        .map(|row| {
            let (rounds, rate) = ground.rounds(row)?;
            Ok((row, rounds, rate))
        })
        .collect::<Outcome<_>>()?;
    rates(&mut section, &rows);
    ceilings(&mut section, &rows);
    processor_time(&mut section, &rows);
    latencies(&mut section, &rows);
    Ok(section)
}

impl Ground<'_> {
    /// All rounds of a row, and the rate at which latencies were compared.
    fn rounds(&self, row: &Row) -> Outcome<(Rounds, f64)> {
        let seconds = self.plan.seconds(3.0);
        let first = FIRST_REQUESTS * row.pipeline.min(16) / if self.plan.is_short { 10 } else { 1 };
        let node = self.nodes.first().ok_or("no node was started")?;
        // The names are made here, too: GET is to find what it looks for.
        run_benchmark(node, "INCR", 16, first)?;
        run_benchmark(&self.redis, "INCR", 16, first)?;
        let ours = run_benchmark(node, row.command, row.pipeline, first)?.requests_per_second;
        let theirs = run_benchmark(&self.redis, row.command, row.pipeline, first)?.requests_per_second;
        let requests = (theirs.min(ours) * seconds) as u32;
        let rate = theirs * OPEN_LOOP_PART;
        let mut rounds = Rounds { theirs: Vec::new(), ours: Vec::new(), ceilings: Vec::new() };
        for round in 0..self.plan.rounds(5) {
            eprintln!("speed: {} at pipeline {}, round {}", row.command, row.pipeline, round + 1);
            for server in if round % 2 == 0 { [&self.redis, node] } else { [node, &self.redis] } {
                let rounds = if std::ptr::eq(server, node) { &mut rounds.ours } else { &mut rounds.theirs };
                rounds.push(self.round(row, server, requests, rate)?);
            }
            self.wait_until_quiet();
            let ceiling = run_against(self.ceiling.port, row.command, row.pipeline, requests)?;
            rounds.ceilings.push(ceiling.requests_per_second);
        }
        Ok((rounds, rate))
    }

    fn wait_until_quiet(&self) {
        self.nodes.iter().chain([&self.redis]).for_each(Server::wait_until_quiet);
    }

    fn peers(&self) -> f64 {
        self.nodes.iter().skip(1).map(|node| node.processor().seconds()).sum()
    }

    fn round(&self, row: &Row, server: &Server, requests: u32, rate: f64) -> Outcome<Round> {
        self.wait_until_quiet();
        let (processor, peers) = (server.processor(), self.peers());
        let run = run_benchmark(server, row.command, row.pipeline, requests)?;
        self.wait_until_quiet();
        let (processor, peers) = (server.processor() - processor, self.peers() - peers);
        let request = |random: &mut Random, bytes: &mut Vec<u8>| {
            write_request(row.command, random.below(u64::from(NAMES)), bytes);
        };
        let duration = Duration::from_secs_f64(self.plan.seconds(3.0));
        let load = Load {
            ports: &[server.port],
            connections: CLIENTS,
            pipeline: row.pipeline,
            requests_per_second: rate,
            spacing: Spacing::Even,
            duration,
            warm_up: duration / 5,
            request: &request,
        };
        let latencies = open_loop::run(&load, &AtomicBool::new(false))?;
        Ok(Round { run, processor, peers, latencies })
    }
}

fn of(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    median(rounds.iter().map(figure))
}

fn ratio(ratios: &[f64]) -> [String; 2] {
    [format!("{:.2}", median(ratios.iter().copied())), format!("{:.2} to {:.2}", least(ratios), most(ratios))]
}

fn rates(section: &mut Section, rows: &[(&Row, Rounds, f64)]) {
    let mut table = Table::new(&[
        "redis-benchmark",
        "pipeline",
        "Redis req/s",
        "Discnt req/s",
        "ratio",
        "spread",
        "Redis p50 ms",
        "Discnt p50 ms",
        "Redis p99 ms",
        "Discnt p99 ms",
    ]);
    for (row, rounds, _) in rows {
        let both = |of_run: fn(&Run) -> f64| {
            [of(&rounds.theirs, |round| of_run(&round.run)), of(&rounds.ours, |round| of_run(&round.run))].map(figure)
        };
        let ratios = rounds.ratios(|round| round.run.requests_per_second);
        let cells = [
            vec![row.command.to_owned(), row.pipeline.to_string()],
            both(|run| run.requests_per_second).to_vec(),
            ratio(&ratios).to_vec(),
            both(|run| run.p50_millis).to_vec(),
            both(|run| run.p99_millis).to_vec(),
        ];
        table.row(&cells.concat());
        let what = format!("{} requests a second, pipeline {}", row.command, row.pipeline);
        judge(section, what, median(ratios.iter().copied()), row.rate, true);
    }
    section.table(&table);
}

fn ceilings(section: &mut Section, rows: &[(&Row, Rounds, f64)]) {
    section.paragraph(
        "How far redis-benchmark can tell servers apart on this machine: the same runs against a server that answers what comes \
         without looking at it, on one thread, and replicates nothing. A ratio beyond this one cannot be shown with it here.",
    );
    let mut table =
        Table::new(&["a server that does nothing", "pipeline", "Redis req/s", "its req/s", "ratio", "spread"]);
    for (row, rounds, _) in rows {
        let theirs = rounds.theirs.iter().map(|round| round.run.requests_per_second);
        let ratios: Vec<f64> = rounds.ceilings.iter().zip(theirs.clone()).map(|(most, redis)| most / redis).collect();
        let cells = [
            vec![row.command.to_owned(), row.pipeline.to_string()],
            [median(theirs), median(rounds.ceilings.iter().copied())].map(figure).to_vec(),
            ratio(&ratios).to_vec(),
        ];
        table.row(&cells.concat());
    }
    section.table(&table);
}

fn processor_time(section: &mut Section, rows: &[(&Row, Rounds, f64)]) {
    let mut table = Table::new(&[
        "processor seconds a million",
        "pipeline",
        "Redis user",
        "Redis kernel",
        "Discnt user",
        "Discnt kernel",
        "ratio",
        "spread",
        "Discnt's peers",
    ]);
    for (row, rounds, _) in rows {
        let a_request = |round: &Round, seconds: f64| seconds * 1e6 / f64::from(round.run.requests);
        let user = |round: &Round| a_request(round, round.processor.user);
        let kernel = |round: &Round| a_request(round, round.processor.kernel);
        let ratios = rounds.ratios(|round| a_request(round, round.processor.seconds()));
        let cells = [
            vec![row.command.to_owned(), row.pipeline.to_string()],
            [of(&rounds.theirs, user), of(&rounds.theirs, kernel)].map(figure).to_vec(),
            [of(&rounds.ours, user), of(&rounds.ours, kernel)].map(figure).to_vec(),
            ratio(&ratios).to_vec(),
            vec![figure(of(&rounds.ours, |round| a_request(round, round.peers)))],
        ];
        table.row(&cells.concat());
        if let Some(aim) = row.processor {
            let what = format!("{} processor time a request, pipeline {}", row.command, row.pipeline);
            judge(section, what, median(ratios.iter().copied()), aim, false);
        }
    }
    section.table(&table);
}

fn latencies(section: &mut Section, rows: &[(&Row, Rounds, f64)]) {
    section.paragraph(
        "Latencies at the same fixed rate for both, half of what Redis managed at a first look, counted from when each request was \
         to be sent, in milliseconds. `late` is how late the generator itself sent, in the 99th of a hundred cases.",
    );
    let mut table = Table::new(&[
        "fixed schedule",
        "pipeline",
        "req/s",
        "Redis p50",
        "Redis p99",
        "Redis p99.9",
        "Discnt p50",
        "Discnt p99",
        "Discnt p99.9",
        "p99 ratio",
        "spread",
        "late",
    ]);
    for (row, rounds, rate) in rows {
        let at = |rounds: &[Round]| {
            [0.5, 0.99, 0.999].map(|part| figure(of(rounds, |round| round.latencies.millis(part)))).to_vec()
        };
        let late = |round: &Round| round.latencies.lateness.value_at_quantile(0.99) as f64 / 1e6;
        let cells = [
            vec![row.command.to_owned(), row.pipeline.to_string(), figure(*rate)],
            at(&rounds.theirs),
            at(&rounds.ours),
            ratio(&rounds.ratios(|round| round.latencies.millis(0.99))).to_vec(),
            vec![figure(of(&rounds.ours, late).max(of(&rounds.theirs, late)))],
        ];
        table.row(&cells.concat());
    }
    section.table(&table);
}

fn judge(section: &mut Section, what: String, ratio: f64, aim: f64, is_least: bool) {
    let sign = if is_least { ">=" } else { "<=" };
    section.target(Target {
        what,
        aim: format!("{sign} {aim:.2} times Redis"),
        measured: format!("{ratio:.2} times"),
        is_met: if is_least { ratio >= aim } else { ratio <= aim },
    });
}
