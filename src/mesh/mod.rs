//! Stand-in.
mod config;
pub use config::{CertificateFiles, Config, ConfigError};
