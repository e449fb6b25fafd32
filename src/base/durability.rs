//! How much may be lost when a node's process or machine dies.

use serde::{Deserialize, Serialize};

/// When what is counted is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Durability {
    /// Before it is answered, and before any other node hears of it: nothing acknowledged is lost.
    #[serde(rename = "always")]
    Always,
    /// Within a second: at most the last second is lost.
    #[default]
    #[serde(rename = "everysec")]
    EverySecond,
    /// When somebody asks for it, and at a clean stop.
    #[serde(rename = "memory")]
    Memory,
}

impl Durability {
    /// As the configuration has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::EverySecond => "everysec",
            Self::Memory => "memory",
        }
    }
}

impl std::fmt::Display for Durability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
