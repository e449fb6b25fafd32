//! One run of redis-benchmark against a server of either kind.

use std::process::Command;

use super::servers::Server;
use super::{Outcome, Processor};

/// Clients at once, redis-benchmark's own default.
pub(crate) const CLIENTS: u32 = 50;
/// Different counters.
pub(crate) const NAMES: u32 = 100_000;
/// redis-benchmark writes twelve digits for `__rand_int__`: names of 16 bytes.
const NAME: &str = "key:__rand_int__";

/// What one run of redis-benchmark showed.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) requests: u32,
    pub(crate) requests_per_second: f64,
    /// Of a hundred requests, so many took no longer.
    pub(crate) p50_millis: f64,
    pub(crate) p99_millis: f64,
    /// Processor time of the server while it ran.
    pub(crate) processor: Processor,
}

impl Run {
    /// Processor time of the server, user and kernel, in microseconds a request.
    pub(crate) fn cpu_micros(&self) -> f64 {
        self.processor.seconds() * 1e6 / f64::from(self.requests)
    }
}

pub(crate) fn run_benchmark(server: &Server, command: &str, pipeline: u32, requests: u32) -> Outcome<Run> {
    let before = server.processor();
    let run = run_against(server.port, command, pipeline, requests)?;
    Ok(Run { processor: server.processor() - before, ..run })
}

/// The same of whatever listens on the port; its processor time is not known.
pub(crate) fn run_against(port: u16, command: &str, pipeline: u32, requests: u32) -> Outcome<Run> {
    let output = Command::new("redis-benchmark")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "--csv"])
        .args(["-c", &CLIENTS.to_string(), "-P", &pipeline.to_string()])
        .args(["-r", &NAMES.to_string(), "-n", &requests.to_string()])
        .args([command, NAME])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    // A line of headings, then one of figures: the test, requests a second, and in milliseconds the average, the least, the
    // 50th, 95th and 99th percentile, and the most.
    let fields: Vec<f64> = text
        .lines()
        .rfind(|line| line.starts_with('"') && !line.starts_with("\"test\""))
        .map(|line| line.split("\",\"").skip(1).filter_map(|field| field.trim_matches('"').parse().ok()).collect())
        .unwrap_or_default();
    match fields[..] {
        [requests_per_second, _, _, p50_millis, _, p99_millis, _] => {
            Ok(Run { requests, requests_per_second, p50_millis, p99_millis, processor: Processor::default() })
        }
        _ => {
            let errors = String::from_utf8_lossy(&output.stderr);
            Err(format!("redis-benchmark {command} gave no figure: {text}{errors}").into())
        }
    }
}
