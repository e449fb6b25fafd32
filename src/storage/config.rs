//! The section `[storage]` of the configuration.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where the node keeps what it must not forget.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The data directory; `./discnt-data/PORT` when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
}

impl Config {
    /// The directory for a server whose clients connect to `port`.
    pub fn directory(&self, port: u16) -> PathBuf {
        match &self.data_dir {
            Some(path) => path.clone(),
            None => PathBuf::from("./discnt-data").join(port.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_directory_is_named_after_the_port() {
        let config = Config::default();
        assert_eq!(config.directory(7711), PathBuf::from("./discnt-data/7711"));
        let given = Config { data_dir: Some("/var/lib/discnt".into()) };
        assert_eq!(given.directory(7711), PathBuf::from("/var/lib/discnt"));
    }
}
