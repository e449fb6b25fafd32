//! The `[telemetry]` section of the configuration.

use serde::{Deserialize, Serialize};

/// The path that OTLP has for traces.
const TRACES: &str = "/v1/traces";

/// Where traces are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A collector of OpenTelemetry that takes OTLP as JSON over HTTP; none where it is not set.
    pub otlp_endpoint: Option<String>,
}

/// Why no traces are sent.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The collector's address is none.
    #[error(
        "[telemetry] otlp_endpoint = \"{0}\": allowed is http://HOST:PORT, with a path behind it or not, of a collector on this \
         machine or a network that is trusted"
    )]
    Endpoint(String),
    /// The system would not give a thread or its event queue.
    #[error("the system refused {what} for traces: {error}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        error: std::io::Error,
    },
}

/// Where the collector is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Its host and port, as they are dialled.
    pub(super) authority: String,
    /// What is asked for there.
    pub(super) path: String,
}

impl Config {
    /// Refuses what is no address of a collector.
    ///
    /// # Errors
    /// [`TelemetryError::Endpoint`].
    pub fn check(&self) -> Result<(), TelemetryError> {
        self.endpoint().map(drop)
    }

    /// The collector, if one is set.
    pub(super) fn endpoint(&self) -> Result<Option<Endpoint>, TelemetryError> {
        let Some(given) = &self.otlp_endpoint else { return Ok(None) };
        parse(given).map(Some).ok_or_else(|| TelemetryError::Endpoint(given.clone()))
    }
}

fn parse(given: &str) -> Option<Endpoint> {
    let rest = given.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = authority.rsplit_once(':')?;
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"@?#\"\\".contains(&byte);
    let is_number = port.parse::<u16>().is_ok_and(|port| port > 0);
    if host.is_empty() || !is_number || !given.bytes().all(is_plain) {
        return None;
    }
    Some(Endpoint { authority: authority.to_owned(), path: format!("{}{TRACES}", path.trim_end_matches('/')) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_a_host_and_a_port_and_perhaps_a_path() {
        for (given, authority, path) in [
            ("http://127.0.0.1:4318", "127.0.0.1:4318", "/v1/traces"),
            ("http://[::1]:4318/", "[::1]:4318", "/v1/traces"),
            ("http://collector.example:80/otlp/", "collector.example:80", "/otlp/v1/traces"),
        ] {
            let endpoint = Endpoint { authority: authority.to_owned(), path: path.to_owned() };
            assert_eq!(parse(given), Some(endpoint), "{given}");
        }
        for given in [
            "",
            "127.0.0.1:4318",
            "https://a:1",
            "http://a",
            "http://a:0",
            "http://:1",
            "http://a:1/\r\nX: y",
            "http://u@a:1",
        ] {
            let config = Config { otlp_endpoint: Some(given.to_owned()) };
            assert!(config.check().is_err(), "{given}");
        }
        assert!(Config::default().check().is_ok());
    }
}
