//! Floor 4: what every command means. A request's arguments in, a reply value out.
//!
//! One table, [`COMMANDS`], holds all there is to know of each command; dispatch, COMMAND DOCS, hints, help and
//! the reference in docs/ come from it. A handler checks all of its arguments before it changes anything.
//!
//! Never here: sockets, clocks, files, waiting. What cannot be answered at once leaves as [`Outcome::Wait`].

mod access;
mod acl;
mod acl_describing;
mod authentication;
mod backup;
mod before_serving;
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
mod exclusion;
mod figures;
mod flushing;
mod help;
mod histogram;
mod info;
mod info_commands;
mod info_counters;
mod interruption;
mod introspection;
mod joining;
mod keyspace;
mod latency;
mod latency_monitor;
mod live;
mod memory;
mod monitor;
mod object;
mod observation;
mod outcome;
mod parameters;
mod patience;
mod pause;
mod persistence;
mod persistence_report;
mod prediction_report;
mod reach;
mod renewals;
mod saving;
mod server;
mod session;
mod shown_request;
mod slow_log;
mod slowlog;
mod specification;
mod statistics;
mod subscribing;
mod subscriptions;
mod table;
#[cfg(test)]
mod testing;
mod timing;
mod transactions;
mod values;
mod waiting;
mod watching;

pub use access::{
    Access, AccessRequest, Account, AuditEvent, AuditRecord, Auditor, DEFAULT_FREE_FAILURES, FileError, PasswordHash,
    TokenVerdict, User, UserConfig, UserConfigError, parse_users,
};
pub use acl::loaded;
pub use clients::{Client, Clients, Held, Labels, Mark, Queued};
pub use config::{CommandsConfig, Config};
pub use configured::{ChangeRefused, Configured, Fixed};
pub use dispatch::{execute, execute_timed};
pub use documentation::reference;
pub use environment::{Environment, ProcessFigures, REDIS_VERSION, ReplyShape, Settings};
pub use exclusion::{Entry, Exclusion};
pub use figures::CommandFigures;
pub use flushing::{Flush, FlushRequest, FlushStep};
pub use interruption::Unblocked;
pub use latency_monitor::{LatencyEvent, LatencyMonitor};
pub use live::LiveNumber;
pub use monitor::{MonitorTooSlow, Monitors};
pub use observation::Observation;
pub use outcome::{
    Acknowledged, AcknowledgementRequest, BACKGROUND_SAVE_STARTED, ClusterRequest, IdentityRequest, Outcome, Pending,
    Secret, Shutdown, StorageRequest, answer, answer_with_text, unblocked,
};
pub use patience::{Dismissal, OutputLimit, Patience};
pub use pause::Pause;
pub use persistence::{COMMIT_BOUNDS_MICROS, PersistenceFigures, Stage};
pub use renewals::StoreRenewals;
pub use session::{ClientAddress, Session, UnreadMessages};
pub use slow_log::{SlowLog, SlowSpan};
pub use specification::{
    Argument, ArgumentKind, ChannelUse, CommandSpecification, Flag, Group, KeyAccess, KeyPositions,
};
pub use statistics::{CommandCounts, Statistics};
pub use subscriptions::{Listening, Publisher, SubscriptionLimits, Subscriptions, TooMany, TooSlow};
pub use table::COMMANDS;
pub use timing::ReadClock;
