//! Floor 4: what every command means. A request's arguments in, a reply value out.
//!
//! One table, [`COMMANDS`], holds all there is to know of each command; dispatch, COMMAND DOCS, hints, help and
//! the reference in docs/ come from it. A handler checks all of its arguments before it changes anything.
//!
//! Never here: sockets, clocks, files, waiting. What cannot be answered at once leaves as [`Outcome::Wait`].

mod authentication;
mod backup;
mod call;
mod client;
mod client_filter;
mod client_line;
mod clients;
mod cluster;
mod config;
mod configuration;
mod configured;
mod connection;
mod counter_report;
mod counting;
mod debug;
mod dispatch;
mod documentation;
mod environment;
mod error;
mod help;
mod info;
mod interruption;
mod introspection;
mod keyspace;
mod live;
mod outcome;
mod parameters;
mod patience;
mod pause;
mod persistence;
mod persistence_report;
mod saving;
mod server;
mod session;
mod specification;
mod statistics;
mod table;
#[cfg(test)]
mod testing;
mod values;
mod waiting;

pub use clients::{Client, Clients, Held, Labels, Mark};
pub use config::Config;
pub use configured::{ChangeRefused, Configured, Fixed};
pub use dispatch::execute;
pub use documentation::reference;
pub use environment::{Environment, ProcessFigures, REDIS_VERSION, ReplyShape, Settings};
pub use interruption::Unblocked;
pub use live::{LiveNumber, RequiredPassword};
pub use outcome::{
    Acknowledged, AcknowledgementRequest, BACKGROUND_SAVE_STARTED, ClusterRequest, Outcome, Pending, Shutdown,
    StorageRequest, answer, unblocked,
};
pub use patience::{Dismissal, OutputLimit, Patience};
pub use pause::Pause;
pub use persistence::{PersistenceFigures, Stage};
pub use session::{ClientAddress, Session};
pub use specification::{Argument, ArgumentKind, CommandSpecification, Flag, Group, KeyPositions};
pub use statistics::{CommandCounts, Statistics};
pub use table::COMMANDS;
