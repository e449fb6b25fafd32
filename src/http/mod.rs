//! Floor 7: HTTP, for people who look and the monitoring that they have: health, metrics, JSON and the status page.
//!
//! It only reads. All of it runs on one thread of its own, over figures that others keep up anyway: whoever counts is not
//! held up by whoever looks.

mod access;
mod answers;
mod api;
mod bind;
mod busiest;
mod config;
mod connections;
mod error;
mod guard;
mod health;
mod metrics;
mod opened;
mod page;
mod percent;
mod rates;
mod routes;
mod serve;
mod shown;
mod source;
#[cfg(test)]
mod testing;
mod tls;
mod watched;

pub use access::{Gate, PreparedAccess};
pub use bind::Bound;
pub use config::Config;
pub use error::HttpError;
pub use serve::Running;
pub use source::Source;
