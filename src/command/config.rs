//! The sections `[commands]` and `[debug]` of the configuration.

use serde::{Deserialize, Serialize};

/// Which commands are answered, and what is noted of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommandsConfig {
    /// Whether FLUSHALL and FLUSHDB delete all counters of the cluster.
    pub flush: bool,
    /// What one connection may queue between MULTI and EXEC, and about what EXEC may answer, in bytes.
    pub max_transaction_bytes: u64,
    /// Commands that took this many microseconds or longer are kept for SLOWLOG; -1 keeps none.
    pub slowlog_slower_than_micros: i64,
    /// How many of them are kept.
    pub slowlog_max_len: u64,
    /// What took this many milliseconds or longer is kept for LATENCY; 0 keeps nothing.
    pub latency_threshold_ms: u64,
}

impl Default for CommandsConfig {
    fn default() -> Self {
        Self {
            flush: true,
            max_transaction_bytes: 16 << 20,
            slowlog_slower_than_micros: 10_000,
            slowlog_max_len: 128,
            latency_threshold_ms: 0,
        }
    }
}

/// A setting outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {given} is out of range, allowed is {allowed}")]
pub struct CommandsConfigError {
    key: &'static str,
    given: i128,
    allowed: &'static str,
}

impl CommandsConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`CommandsConfigError`] names the first setting outside its range.
    pub fn check(&self) -> Result<(), CommandsConfigError> {
        let within = |key, given: i128, range: std::ops::RangeInclusive<i128>, allowed| {
            if range.contains(&given) { Ok(()) } else { Err(CommandsConfigError { key, given, allowed }) }
        };
        let transaction = self.max_transaction_bytes.into();
        within("max_transaction_bytes", transaction, 1024..=1 << 30, "1024 to 1073741824")?;
        let slower = self.slowlog_slower_than_micros.into();
        within("slowlog_slower_than_micros", slower, -1..=86_400_000_000, "-1 to 86400000000")?;
        within("slowlog_max_len", self.slowlog_max_len.into(), 0..=100_000, "0 to 100000")?;
        within("latency_threshold_ms", self.latency_threshold_ms.into(), 0..=86_400_000, "0 to 86400000")
    }
}

/// What is for those who look for a fault.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether DEBUG is allowed: it shows what is no business of clients, and takes time.
    pub enabled: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_out_of_bounds_is_refused_with_its_bounds() {
        assert_eq!(CommandsConfig::default().check(), Ok(()));
        for (text, message) in [
            (
                "slowlog_slower_than_micros = -2",
                "slowlog_slower_than_micros = -2 is out of range, allowed is -1 to 86400000000",
            ),
            ("max_transaction_bytes = 3", "max_transaction_bytes = 3 is out of range, allowed is 1024 to 1073741824"),
            ("slowlog_max_len = 100001", "slowlog_max_len = 100001 is out of range, allowed is 0 to 100000"),
        ] {
            let config: CommandsConfig = toml::from_str(text).expect("well-formed");
            assert_eq!(config.check().expect_err(text).to_string(), message);
        }
    }
}
