//! Stand-in.
mod config;
pub use config::Config;
