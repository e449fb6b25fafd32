//! What all sessions of a node share.

use super::access::Access;
use super::clients::Clients;
use super::config::{CommandsConfig, Config};
use super::configured::{Configured, Fixed};
use super::exclusion::Exclusion;
use super::live::LiveNumber;
use super::observation::Observation;
use super::persistence::PersistenceFigures;
use super::statistics::Statistics;
use super::subscriptions::Subscriptions;
use crate::counter::Table;
use crate::node::ClusterState;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The version of Redis whose behaviour clients may expect; some switch features on and off by it.
pub const REDIS_VERSION: &str = "7.2.0";

/// Which replies the counting commands give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplyShape {
    /// As Redis does: integers where the value is whole and fits 64 bits, SET answers OK.
    #[default]
    Redis,
    /// As the C program Discnt does: bulk strings throughout, SET answers the new value.
    Discnt,
}

/// All that commands work on. One for each node, shared by its threads.
#[derive(Clone)]
pub struct Environment {
    /// The counters.
    pub table: Arc<Table>,
    /// Who is there.
    pub cluster: Arc<ClusterState>,
    /// Who is connected.
    pub clients: Arc<Clients>,
    /// Who is to be told of which counters.
    pub subscriptions: Arc<Subscriptions>,
    /// How often what was done.
    pub statistics: Arc<Statistics>,
    /// What the configuration says.
    pub settings: Settings,
    /// What the process uses.
    pub process: Arc<ProcessFigures>,
    /// What is on disk, and which requests pass meanwhile.
    pub persistence: Arc<PersistenceFigures>,
    /// What is noted of requests.
    pub observation: Arc<Observation>,
    /// Which threads run commands now.
    pub exclusion: Arc<Exclusion>,
}

/// What commands need to know of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The shape of replies.
    pub shape: ReplyShape,
    /// Who may do what.
    pub access: Arc<Access>,
    /// The configuration in effect, for CONFIG. Secrets are never shown from it.
    pub config: Arc<dyn Configured>,
    /// This program's version.
    pub version: String,
    /// How many clients may be connected at once.
    pub max_clients: LiveNumber,
    /// The `[debug]` section.
    pub debug: Config,
    /// The `[commands]` section.
    pub commands: CommandsConfig,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            shape: ReplyShape::Redis,
            access: Arc::default(),
            config: Arc::new(Fixed::default()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            max_clients: LiveNumber::new(10_000),
            debug: Config::default(),
            commands: CommandsConfig::default(),
        }
    }
}

/// What the process uses, written by the driver now and then and only read here. 0 where it is not known.
#[derive(Debug, Default)]
pub struct ProcessFigures {
    /// The process' number.
    pub process_id: AtomicU64,
    /// The port for clients.
    pub tcp_port: AtomicU64,
    /// The port for nodes.
    pub mesh_port: AtomicU64,
    /// When the process started, in nanoseconds on the monotonic clock.
    pub started_nanos: AtomicU64,
    /// The same in milliseconds since 1970, as the machine's clock showed it then: it stays what it is when that is set.
    pub started_at_ms: AtomicU64,
    /// Resident memory in bytes.
    pub resident_bytes: AtomicU64,
    /// What was resident when the process had begun and held no counters yet, in bytes.
    pub startup_resident_bytes: AtomicU64,
    /// The most resident memory there ever was, in bytes.
    pub peak_resident_bytes: AtomicU64,
    /// The machine's memory in bytes.
    pub machine_bytes: AtomicU64,
    /// Processor time in user mode, in microseconds.
    pub cpu_user_micros: AtomicU64,
    /// Processor time in the kernel, in microseconds.
    pub cpu_system_micros: AtomicU64,
    /// Commands in the last second or so.
    pub operations_per_second: AtomicU64,
    /// Bytes from clients in the last second or so.
    pub input_bytes_per_second: AtomicU64,
    /// Bytes to clients in the last second or so.
    pub output_bytes_per_second: AtomicU64,
    /// Threads that serve clients.
    pub session_threads: AtomicU64,
}

/// Reads a figure; they are independent of each other, so no order is needed.
pub(super) fn figure(value: &AtomicU64) -> u64 {
    value.load(Ordering::Relaxed)
}
