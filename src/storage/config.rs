//! The section `[storage]` of the configuration.

use crate::base::Durability;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// The most that `max_unsynced_seconds` may be: a day.
const MAX_UNSYNCED_SECONDS: u32 = 86_400;

/// Where the node keeps what it must not forget, and when it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The data directory; `./discnt-data/PORT` when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// When what is counted is on disk.
    pub durability: Durability,
    /// With `everysec`, how long what is to be written may not be on disk before changes are refused; 0 never refuses.
    pub max_unsynced_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { data_dir: None, durability: Durability::default(), max_unsynced_seconds: 30 }
    }
}

/// A setting is out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("max_unsynced_seconds = {given}: allowed is 0 to {MAX_UNSYNCED_SECONDS}")]
pub struct ConfigError {
    /// What was given.
    pub given: u32,
}

impl Config {
    /// The directory for a server whose clients connect to `port`.
    pub fn directory(&self, port: u16) -> PathBuf {
        match &self.data_dir {
            Some(path) => path.clone(),
            None => PathBuf::from("./discnt-data").join(port.to_string()),
        }
    }

    /// For how long nothing may have been written before changes are refused; none never refuses.
    pub fn max_unsynced(&self) -> Option<Duration> {
        match (self.durability, self.max_unsynced_seconds) {
            (Durability::Always, _) => Some(Duration::ZERO),
            (Durability::Memory, _) | (Durability::EverySecond, 0) => None,
            (Durability::EverySecond, seconds) => Some(Duration::from_secs(seconds.into())),
        }
    }

    /// Refuses settings that are out of bounds.
    ///
    /// # Errors
    /// [`ConfigError`], which names the key, what was given and what is allowed.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.max_unsynced_seconds > MAX_UNSYNCED_SECONDS {
            return Err(ConfigError { given: self.max_unsynced_seconds });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_directory_is_named_after_the_port() {
        let config = Config::default();
        assert_eq!(config.directory(7711), PathBuf::from("./discnt-data/7711"));
        let given = Config { data_dir: Some("/var/lib/discnt".into()), ..Config::default() };
        assert_eq!(given.directory(7711), PathBuf::from("/var/lib/discnt"));
    }

    #[test]
    fn durability_is_one_of_three_words() {
        for (word, durability) in
            [("always", Durability::Always), ("everysec", Durability::EverySecond), ("memory", Durability::Memory)]
        {
            let config: Config = toml::from_str(&format!("durability = \"{word}\"")).expect("a mode");
            assert_eq!((config.durability, durability.name()), (durability, word));
        }
        let error = toml::from_str::<Config>("durability = \"no\"").expect_err("no such mode").to_string();
        assert!(error.contains("expected one of `always`, `everysec`, `memory`"), "{error}");
    }

    #[test]
    fn always_refuses_at_once_everysec_after_a_while_and_memory_never() {
        let with = |durability, max_unsynced_seconds| Config { durability, max_unsynced_seconds, ..Config::default() };
        assert_eq!(with(Durability::Always, 7).max_unsynced(), Some(Duration::ZERO));
        assert_eq!(with(Durability::EverySecond, 7).max_unsynced(), Some(Duration::from_secs(7)));
        assert_eq!(with(Durability::EverySecond, 0).max_unsynced(), None);
        assert_eq!(with(Durability::Memory, 7).max_unsynced(), None);
        let error = with(Durability::Always, 86_401).check().expect_err("more than a day").to_string();
        assert_eq!(error, "max_unsynced_seconds = 86401: allowed is 0 to 86400");
    }
}
