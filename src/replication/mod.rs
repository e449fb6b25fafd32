//! Floor 1: who numbered what, and what of it has been received. Sequences, digests, the backlog, the registry.
//!
//! Pure bookkeeping of numbers: it does not know what a number stands for, and never sees a counter.

mod backlog;
mod config;
mod digest;
mod numbers;
mod record;
mod registry;

pub use backlog::Backlog;
pub use config::{Config, ConfigError};
pub use digest::{Digest, DigestEntry, Voice};
pub use numbers::NumberSet;
pub use record::NodeRecord;
pub use registry::{Registry, RegistryFull};
