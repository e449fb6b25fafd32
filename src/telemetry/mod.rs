//! Floor 7: traces for OpenTelemetry, for those who collect them. Off unless a collector is set.
//!
//! It sends what is noted anyway, the requests of SLOWLOG and the repairs, on a thread of its own: nothing is measured for it,
//! and a collector that does not answer holds up nobody.

mod collector;
mod config;
mod export;
mod spans;

pub use config::{Config, TelemetryError};
pub use export::{Exporting, begin};
