//! What a node notes of the requests that it runs, for those who watch it.

use super::config::CommandsConfig;
use super::latency_monitor::LatencyMonitor;
use super::monitor::Monitors;
use super::slow_log::SlowLog;
use std::sync::Arc;

/// What is noted of requests. One for each node, shared by its threads.
#[derive(Debug)]
pub struct Observation {
    /// The requests that took longest lately.
    pub slow_log: SlowLog,
    /// What took long lately, by kind.
    pub latency: LatencyMonitor,
    /// Who wants to see all requests.
    pub monitors: Arc<Monitors>,
}

impl Observation {
    /// With the limits of the configuration.
    pub fn new(config: &CommandsConfig) -> Self {
        Self {
            slow_log: SlowLog::new(config.slowlog_slower_than_micros, config.slowlog_max_len),
            latency: LatencyMonitor::new(config.latency_threshold_ms),
            monitors: Arc::default(),
        }
    }
}

impl Default for Observation {
    fn default() -> Self {
        Self::new(&CommandsConfig::default())
    }
}
