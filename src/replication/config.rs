//! The `[replication]` section of the configuration.

use serde::{Deserialize, Serialize};

/// The most numbers of one replica that can be remembered: 1 GiB.
const MOST: usize = 1 << 26;

/// How a node keeps up with the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How many recent announcements of each replica are remembered (16 bytes each), 0 to 67108864.
    /// A peer that missed no more than these is brought up to date without a walk over the whole table.
    pub backlog_numbers: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { backlog_numbers: 1 << 17 }
    }
}

/// A setting outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("backlog_numbers = {0} is out of range, allowed is 0 to {MOST}")]
pub struct ConfigError(usize);

impl Config {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.backlog_numbers > MOST { Err(ConfigError(self.backlog_numbers)) } else { Ok(()) }
    }
}
