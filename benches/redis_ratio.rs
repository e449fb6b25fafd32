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

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Clients at once, redis-benchmark's own default.
const CLIENTS: u32 = 50;
/// Different counters.
const NAMES: u32 = 100_000;
/// Longest wait for a server to answer, or for a cluster to be linked.
const PATIENCE: Duration = Duration::from_secs(30);
/// redis-benchmark writes twelve digits for `__rand_int__`: names of 16 bytes.
const NAME: &str = "key:__rand_int__";
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
    let redis = start_redis(scratch.path())?;
    let nodes = start_nodes(scratch.path(), if options.cluster { 3 } else { 1 })?;
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

/// What one run of redis-benchmark showed.
#[derive(Clone, Copy)]
struct Run {
    requests_per_second: f64,
    /// Processor time of the server, user and kernel, in microseconds a request.
    cpu_micros: f64,
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

fn run_benchmark(server: &Server, command: &str, pipeline: u32, requests: u32) -> Outcome<Run> {
    let cpu_before = server.cpu_seconds();
    let output = Command::new("redis-benchmark")
        .args(["-h", "127.0.0.1", "-p", &server.port.to_string(), "--csv"])
        .args(["-c", &CLIENTS.to_string(), "-P", &pipeline.to_string()])
        .args(["-r", &NAMES.to_string(), "-n", &requests.to_string()])
        .args([command, NAME])
        .output()?;
    let cpu_seconds = server.cpu_seconds() - cpu_before;
    let text = String::from_utf8_lossy(&output.stdout);
    // A line of headings, then one of figures: "INCR key:__rand_int__","45454.55",...
    let figure = text
        .lines()
        .rfind(|line| line.starts_with('"') && !line.starts_with("\"test\""))
        .and_then(|line| line.split("\",\"").nth(1))
        .and_then(|figure| figure.parse().ok());
    match figure {
        Some(requests_per_second) => {
            Ok(Run { requests_per_second, cpu_micros: cpu_seconds * 1e6 / f64::from(requests) })
        }
        None => {
            let errors = String::from_utf8_lossy(&output.stderr);
            Err(format!("redis-benchmark {command} gave no figure: {text}{errors}").into())
        }
    }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

fn least(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::INFINITY, f64::min)
}

fn most(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// A server that ends with this value.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Processor time so far, user and kernel; not a number where the system does not tell.
    fn cpu_seconds(&self) -> f64 {
        // The 14th and 15th field of the line, counted in ticks of 10 ms on all of Linux; the second is a name in parentheses.
        let ticks = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok().and_then(|line| {
            let mut fields = line.rsplit(')').next()?.split_whitespace().skip(11);
            let user: f64 = fields.next()?.parse().ok()?;
            let kernel: f64 = fields.next()?.parse().ok()?;
            Some(user + kernel)
        });
        ticks.map_or(f64::NAN, |ticks| ticks / 100.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_installed(tool: &str) -> bool {
    Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn start_redis(scratch: &Path) -> Outcome<Server> {
    let port = free_port()?;
    let child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no"])
        .arg("--dir")
        .arg(scratch)
        .stdout(Stdio::null())
        .spawn()?;
    wait_until_it_answers(Server { child, port })
}

/// Starts nodes and, if there are several, waits until the first is linked with all others.
fn start_nodes(scratch: &Path, count: usize) -> Outcome<Vec<Server>> {
    let mut nodes = Vec::new();
    for _ in 0..count {
        let port = free_port()?;
        let child = Command::new(env!("CARGO_BIN_EXE_discnt-server"))
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .arg("--data-dir")
            .arg(scratch.join(format!("data-{port}")))
            .arg("--certs-dir")
            .arg(scratch.join("certs"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        nodes.push(wait_until_it_answers(Server { child, port })?);
    }
    if let [first, others @ ..] = nodes.as_slice()
        && !others.is_empty()
    {
        for other in others {
            let reply = ask(first.port, &format!("CLUSTER MEET 127.0.0.1 {}\r\n", other.port))?;
            if !reply.starts_with("+OK") {
                return Err(format!("CLUSTER MEET was answered: {reply}").into());
            }
        }
        wait_until_linked(first.port, count)?;
    }
    Ok(nodes)
}

/// HELLO lists every node with its priority, which is 1 for the node itself and for those that it has a link with.
fn wait_until_linked(port: u16, nodes: usize) -> Outcome<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = ask(port, "HELLO\r\n")?;
        let lines: Vec<&str> = reply.lines().collect();
        // Each node is a list of four values, of which the priority is the last.
        let linked =
            lines.split(|line| *line == "*4").skip(1).filter(|node| matches!(node.last(), Some(&":1" | &"1"))).count();
        if linked == nodes {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("the node on port {port} is not linked with all others: {reply}").into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn wait_until_it_answers(mut server: Server) -> Outcome<Server> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if ask(server.port, "PING\r\n").is_ok_and(|reply| reply.starts_with("+PONG")) {
            return Ok(server);
        }
        if let Some(status) = server.child.try_wait()? {
            return Err(format!("the server on port {} ended: {status}", server.port).into());
        }
        if Instant::now() > deadline {
            return Err(format!("the server on port {} does not answer", server.port).into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends one inline request on a connection of its own, which the server closes behind its reply.
fn ask(port: u16, request: &str) -> Outcome<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    Ok(reply)
}

/// A port that was free for TCP and UDP a moment ago.
fn free_port() -> Outcome<u16> {
    for _ in 0..100 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err("found no port that is free for TCP and UDP".into())
}
