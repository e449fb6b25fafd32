//! Where clients connect: accepting, and one session a connection.
//!
//! A session reads once, runs every complete request that lies in its buffer straight through the [`Service`],
//! and writes all the replies at once. It must never block its thread (many sessions share it), never hold more than a bounded
//! part of what a client did not read, and never know what a command does.

mod accept;
mod auditing;
mod bind;
mod buffers;
mod coalescing;
mod commands;
mod config;
mod disk;
mod error;
mod flushing;
mod holds;
mod live;
mod publishing;
mod serve;
mod service;
mod session;
mod streams;
mod tls;
mod unix;
mod users;

pub use bind::{Inherited, Listener};
pub use commands::{Commands, Ways};
pub use config::{Config, Password};
pub use disk::{Disk, DiskFuture};
pub use error::ListenerError;
pub use live::Live;
pub use serve::{Running, Stopped};
pub use service::{Connection, Endpoint, Holding, Response, Service};
pub use tls::{CertificateUser, ClientCertificates, PreparedTls, Tls};
pub use unix::SocketMode;
pub use users::UserFile;
