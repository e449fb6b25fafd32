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
    /// How long announcements are gathered before they leave, 0 to 1000; with 0 each leaves as soon as the node's loop sees it.
    pub flush_interval_ms: u64,
    /// After this long without an increment a counter becomes exact everywhere, 10 to 60000.
    pub settle_ms: u64,
    /// The most counters this node makes for its clients; what peers announce is always taken.
    pub max_counters: u64,
    /// The most memory in bytes that the process may use before no more counters are made for clients; 0 for any.
    #[serde(with = "bytes_text")]
    pub max_memory: u64,
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
            max_memory: 0,
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
        within("flush_interval_ms", self.flush_interval_ms, 0..=1000, "0 to 1000")?;
        within("settle_ms", self.settle_ms, 10..=60_000, "10 to 60000")?;
        within("max_counters", self.max_counters, 1..=4_000_000_000, "1 to 4000000000")?;
        // Less than a node takes without any counter would refuse every one.
        let most = 1 << 50;
        let allowed = "0, or 33554432 (32mb) to 1125899906842624";
        if self.max_memory == 0 { Ok(()) } else { within("max_memory", self.max_memory, 32 << 20..=most, allowed) }
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

/// A number of bytes in a configuration: a whole number, or a text with a unit.
mod bytes_text {
    use crate::base::parse_bytes;
    use serde::de::{Error, Unexpected};
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Whole(u64),
        Text(String),
    }

    const EXPECTED: &str = "a whole number of bytes, or a text such as \"512mb\" or \"4gb\"";

    pub(super) fn serialize<S: Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(*bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        match Given::deserialize(deserializer) {
            Ok(Given::Whole(bytes)) => Ok(bytes),
            Ok(Given::Text(text)) => {
                parse_bytes(&text).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &EXPECTED))
            }
            Err(_) => Err(D::Error::custom(format!("expected {EXPECTED}"))),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_a_number_of_bytes_or_a_text_with_a_unit() {
        let parse = |text: &str| toml::from_str::<Config>(text).map(|config| config.max_memory);
        for (text, bytes) in [("", 0), ("max_memory = 33554432", 32 << 20), ("max_memory = \"1gb\"", 1 << 30)] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["max_memory = -1", "max_memory = \"much\"", "max_memory = true"] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains("a whole number of bytes, or a text such as \"512mb\""), "{error}");
        }
    }

    #[test]
    fn memory_out_of_bounds_is_refused_with_its_bounds() {
        let config = |max_memory| Config { max_memory, ..Config::default() };
        for bytes in [0, 32 << 20, 1 << 50] {
            assert_eq!(config(bytes).validate(), Ok(()));
        }
        let error = config((32 << 20) - 1).validate().expect_err("too little").to_string();
        let allowed = "allowed is 0, or 33554432 (32mb) to 1125899906842624";
        assert_eq!(error, format!("max_memory = 33554431 is out of range, {allowed}"));
        assert!(config((1 << 50) + 1).validate().is_err());
    }
}
