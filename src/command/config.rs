//! The `[debug]` section of the configuration.

use serde::{Deserialize, Serialize};

/// What is for those who look for a fault.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether DEBUG is allowed: it shows what is no business of clients, and takes time.
    pub enabled: bool,
}
