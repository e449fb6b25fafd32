//! Floor 4: what every command means. A request's arguments in, a reply value out.
//!
//! One table, [`COMMANDS`], holds all there is to know of each command; dispatch, COMMAND DOCS, hints, help and
//! the reference in docs/ come from it. A handler checks all of its arguments before it changes anything.
//!
//! Never here: sockets, clocks, files, waiting. What cannot be answered at once leaves as [`Outcome::Wait`].

mod call;
mod clients;
mod cluster;
mod connection;
mod counting;
mod dispatch;
mod environment;
mod error;
mod outcome;
mod session;
mod specification;
mod statistics;
mod table;

pub use clients::{Client, Clients, Labels};
pub use dispatch::execute;
pub use environment::{Environment, ProcessFigures, REDIS_VERSION, ReplyShape, Settings};
pub use outcome::{ClusterRequest, Outcome, answer};
pub use session::{ClientAddress, Session};
pub use specification::{Argument, ArgumentKind, CommandSpecification, Flag, Group, KeyPositions};
pub use statistics::{CommandCounts, Statistics};
pub use table::COMMANDS;
