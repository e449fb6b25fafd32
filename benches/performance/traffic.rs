//! The loads that several parts have in common.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::loader::write_request;
use crate::open_loop::{self, Load, Measured, Spacing};
use crate::random::Random;
use crate::support::{CLIENTS, Outcome, Server, run_benchmark};

/// A steady load: INCR of random names among the first `names`, at a fixed rate.
#[derive(Clone, Copy)]
pub(crate) struct Steady {
    pub(crate) names: u64,
    pub(crate) pipeline: u32,
    pub(crate) requests_per_second: f64,
    pub(crate) spacing: Spacing,
}

impl Steady {
    /// Evenly spaced.
    pub(crate) fn even(names: u64, pipeline: u32, requests_per_second: f64) -> Self {
        Self { names, pipeline, requests_per_second, spacing: Spacing::Even }
    }

    /// Sends it to these servers for so long, without the first fifth in the figures.
    pub(crate) fn run(&self, servers: &[&Server], seconds: f64) -> Outcome<Measured> {
        let duration = Duration::from_secs_f64(seconds);
        self.send(servers, duration, duration / 5, &AtomicBool::new(false))
    }

    /// Sends it for as long as something else takes.
    pub(crate) fn during<T>(&self, servers: &[&Server], work: impl FnOnce() -> Outcome<T>) -> Outcome<(T, Measured)> {
        let (stop, no_end) = (AtomicBool::new(false), Duration::from_secs(86_400));
        thread::scope(|scope| {
            let send = || self.send(servers, no_end, Duration::ZERO, &stop).map_err(|error| error.to_string());
            let sending = scope.spawn(send);
            let result = work();
            stop.store(true, Ordering::Relaxed);
            let sent = sending.join().map_err(|_| "the load panicked")??;
            Ok((result?, sent))
        })
    }

    fn send(&self, servers: &[&Server], duration: Duration, warm_up: Duration, stop: &AtomicBool) -> Outcome<Measured> {
        let names = self.names;
        let request = |random: &mut Random, bytes: &mut Vec<u8>| write_request("INCR", random.below(names), bytes);
        let ports: Vec<u16> = servers.iter().map(|server| server.port).collect();
        let load = Load {
            ports: &ports,
            connections: CLIENTS.next_multiple_of(servers.len() as u32),
            pipeline: self.pipeline,
            requests_per_second: self.requests_per_second,
            spacing: self.spacing,
            duration,
            warm_up,
            request: &request,
        };
        open_loop::run(&load, stop)
    }
}

/// Half of the INCRs a second that redis-benchmark gets out of this server.
pub(crate) fn half_load(server: &Server, pipeline: u32, is_short: bool) -> Outcome<f64> {
    let requests = if is_short { 2_000 } else { 100_000 } * pipeline;
    Ok(run_benchmark(server, "INCR", pipeline, requests)?.requests_per_second / 2.0)
}
