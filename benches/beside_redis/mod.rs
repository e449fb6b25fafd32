//! redis-server and discnt-server side by side on this machine, driven by redis-benchmark.
#![allow(dead_code, reason = "not every bench needs all of it")]

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// Clients at once, redis-benchmark's own default.
pub(crate) const CLIENTS: u32 = 50;
/// Different counters.
pub(crate) const NAMES: u32 = 100_000;
/// Longest wait for a server to answer, or for a cluster to be linked.
const PATIENCE: Duration = Duration::from_secs(30);
/// redis-benchmark writes twelve digits for `__rand_int__`: names of 16 bytes.
const NAME: &str = "key:__rand_int__";

/// What one run of redis-benchmark showed.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) requests_per_second: f64,
    /// Of a hundred requests, 99 took no longer.
    pub(crate) p99_millis: f64,
    /// Processor time of the server, user and kernel, in microseconds a request.
    pub(crate) cpu_micros: f64,
}

pub(crate) fn run_benchmark(server: &Server, command: &str, pipeline: u32, requests: u32) -> Outcome<Run> {
    let cpu_before = server.cpu_seconds();
    let output = Command::new("redis-benchmark")
        .args(["-h", "127.0.0.1", "-p", &server.port.to_string(), "--csv"])
        .args(["-c", &CLIENTS.to_string(), "-P", &pipeline.to_string()])
        .args(["-r", &NAMES.to_string(), "-n", &requests.to_string()])
        .args([command, NAME])
        .output()?;
    let cpu_seconds = server.cpu_seconds() - cpu_before;
    let text = String::from_utf8_lossy(&output.stdout);
    // A line of headings, then one of figures: "INCR key:__rand_int__","45454.55",... of which the last but one is the
    // 99th percentile.
    let fields: Vec<f64> = text
        .lines()
        .rfind(|line| line.starts_with('"') && !line.starts_with("\"test\""))
        .map(|line| line.split("\",\"").skip(1).filter_map(|field| field.trim_matches('"').parse().ok()).collect())
        .unwrap_or_default();
    match fields[..] {
        [requests_per_second, .., p99_millis, _] => {
            Ok(Run { requests_per_second, p99_millis, cpu_micros: cpu_seconds * 1e6 / f64::from(requests) })
        }
        _ => {
            let errors = String::from_utf8_lossy(&output.stderr);
            Err(format!("redis-benchmark {command} gave no figure: {text}{errors}").into())
        }
    }
}

pub(crate) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

pub(crate) fn least(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::INFINITY, f64::min)
}

pub(crate) fn most(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// A server that ends with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    /// Processor time so far, user and kernel; not a number where the system does not tell.
    pub(crate) fn cpu_seconds(&self) -> f64 {
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

/// Options of the command line: `--NAME` alone, or with a number behind it.
pub(crate) struct Options {
    numbers: Vec<(&'static str, u32)>,
    flags: Vec<&'static str>,
}

impl Options {
    /// Reads what follows the program's name. `numbers` are the known options with a number, each with what it is if it is
    /// not given; `flags` those without.
    pub(crate) fn read(numbers: &[(&'static str, u32)], flags: &[&'static str]) -> Outcome<Self> {
        let mut options = Self { numbers: numbers.to_vec(), flags: Vec::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            if let Some((_, number)) = options.numbers.iter_mut().find(|(name, _)| *name == argument) {
                let text = arguments.next().ok_or_else(|| format!("{argument} takes a number"))?;
                *number = text.parse().map_err(|error| format!("{argument} {text}: {error}"))?;
            } else if let Some(flag) = flags.iter().find(|name| **name == argument) {
                options.flags.push(flag);
            } else if argument != "--bench" {
                // That one cargo bench adds.
                let known: Vec<String> = numbers.iter().map(|(name, _)| format!("{name} N")).collect();
                let known = [known, flags.iter().map(ToString::to_string).collect()].concat().join(", ");
                return Err(format!("unknown option '{argument}'; known are {known}").into());
            }
        }
        Ok(options)
    }

    pub(crate) fn number(&self, name: &str) -> u32 {
        self.numbers.iter().find(|(known, _)| *known == name).map_or(0, |(_, number)| *number)
    }

    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }
}

/// Whether both programs of Redis are there; says so if not.
#[allow(clippy::print_stdout, reason = "the reader waits for figures, and is told why there are none")]
pub(crate) fn is_redis_installed() -> bool {
    let missing = ["redis-server", "redis-benchmark"].into_iter().find(|tool| !is_installed(tool));
    if let Some(tool) = missing {
        println!("{tool} is not installed: nothing was measured.");
    }
    missing.is_none()
}

fn is_installed(tool: &str) -> bool {
    Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Starts redis-server without snapshots, with these settings, in a directory of its own.
pub(crate) fn start_redis(scratch: &Path, settings: &[&str]) -> Outcome<Server> {
    let port = free_port()?;
    let directory = scratch.join(format!("redis-{port}"));
    std::fs::create_dir_all(&directory)?;
    let child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(settings)
        .arg("--dir")
        .arg(directory)
        .stdout(Stdio::null())
        .spawn()?;
    wait_until_it_answers(Server { child, port })
}

/// Starts nodes and, if there are several, waits until the first is linked with all others.
pub(crate) fn start_nodes(scratch: &Path, count: usize, settings: &[&str]) -> Outcome<Vec<Server>> {
    let mut nodes = Vec::new();
    for _ in 0..count {
        let port = free_port()?;
        let child = Command::new(env!("CARGO_BIN_EXE_discnt-server"))
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .arg("--data-dir")
            .arg(scratch.join(format!("data-{port}")))
            .arg("--certs-dir")
            .arg(scratch.join("certs"))
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
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
        // While it loads, it answers this with an error.
        if ask(server.port, "EXISTS any\r\n").is_ok_and(|reply| reply.starts_with(":0")) {
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
