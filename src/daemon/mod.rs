//! Floor 8: the server as a process: its flags, its configuration, its log and what it says when it starts.
//!
//! This is where the other floors are put together. No rule about counters, links or members belongs here.

mod adjusting;
mod arguments;
mod audit;
mod beginning;
mod checking;
mod config;
mod door;
mod doors;
mod early;
mod ending;
mod http;
mod inherited;
mod joining;
mod launch;
mod logging;
mod manager;
mod mesh_certificates;
mod node_thread;
mod owner;
mod reloading;
mod renewing;
mod repairing;
mod report;
mod secrets;
mod serve;
mod status;
mod storing;

pub use arguments::{Action, Arguments};
pub use config::{Configuration, ConfigurationError, LoadedConfiguration, Origin, Problem};
pub use joining::{JoinRefused, TokenSource, join};
pub use launch::{Launch, prepare};
pub use logging::{Config as LogConfig, Format, LoggingError, start as start_logging};
pub use repairing::{RepairReport, repair};
pub use report::{Authority, CountersLoaded, StartReport};
pub use serve::{ServeError, serve};
