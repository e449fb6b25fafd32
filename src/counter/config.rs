//! The `[counters]` section of the configuration.

use super::band::Precision;
use crate::base::Amount;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How counters are announced and read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The promise about a counter's total where no PRECISION was set, 0 to 1e20: 0 announces every change.
    #[serde(with = "precision_text")]
    pub default_precision: Precision,
    /// How long announcements are gathered before they leave, 1 to 1000.
    pub flush_interval_ms: u64,
    /// After this long without an increment a counter becomes exact everywhere, 10 to 60000.
    pub settle_ms: u64,
    /// The most counters this node makes for its clients; what peers announce is always taken.
    pub max_counters: u64,
    /// A counter that has stood at exactly 0 for a few seconds is deleted, as by DEL.
    pub collect_zero: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            default_precision: Precision::ONE,
            flush_interval_ms: 5,
            settle_ms: 1000,
            max_counters: 100_000_000,
            collect_zero: false,
        }
    }
}

/// A setting outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {given} is out of range, allowed is {allowed}")]
pub struct ConfigError {
    /// The setting's name within its section.
    pub key: &'static str,
    /// What was given.
    pub given: u64,
    /// What is allowed.
    pub allowed: &'static str,
}

impl Config {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ConfigError`] names the first setting outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let within = |key, given: u64, range: std::ops::RangeInclusive<u64>, allowed| {
            if range.contains(&given) { Ok(()) } else { Err(ConfigError { key, given, allowed }) }
        };
        within("flush_interval_ms", self.flush_interval_ms, 1..=1000, "1 to 1000")?;
        within("settle_ms", self.settle_ms, 10..=60_000, "10 to 60000")?;
        within("max_counters", self.max_counters, 1..=4_000_000_000, "1 to 4000000000")
    }

    /// How long announcements are gathered before they leave.
    pub fn flush_interval(&self) -> Duration {
        Duration::from_millis(self.flush_interval_ms)
    }

    /// After this long without an increment a counter becomes exact everywhere.
    pub fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_ms)
    }
}

/// A precision in a configuration: a number, or a text for more digits than a float holds.
mod precision_text {
    use super::{Amount, Precision};
    use serde::de::{Error, Unexpected};
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Whole(i64),
        Float(f64),
        Text(String),
    }

    const EXPECTED: &str = "a number from 0 to 1e20";

    pub(super) fn serialize<S: Serializer>(precision: &Precision, serializer: S) -> Result<S::Ok, S::Error> {
        match precision.amount().to_i64() {
            Some(whole) => serializer.serialize_i64(whole),
            None => serializer.serialize_str(&precision.amount().to_string()),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Precision, D::Error> {
        let text =
            match Given::deserialize(deserializer).map_err(|_| D::Error::custom(format!("expected {EXPECTED}")))? {
                Given::Whole(whole) => whole.to_string(),
                Given::Float(float) => float.to_string(),
                Given::Text(text) => text,
            };
        let unexpected = || D::Error::invalid_value(Unexpected::Str(&text), &EXPECTED);
        let amount: Amount = text.parse().map_err(|_| unexpected())?;
        Precision::new(amount).map_err(|_| unexpected())
    }
}
