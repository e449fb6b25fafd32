//! The section `[mesh]` of the configuration.

use crate::wire::ProtocolVersions;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// How nodes reach each other. Durations are in milliseconds, sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The IP address to bind the UDP socket to; `::` is every address of both families.
    pub bind: String,
    /// The UDP port; 0 lets the system choose.
    pub port: u16,
    /// `host:port` that other nodes are told, for a node behind NAT or in a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertise: Option<String>,
    /// Where the authority of the node's own making is kept. Unused when `ca_cert`, `cert` and `key` are given.
    pub certs_dir: PathBuf,
    /// The certificates of the authorities whose nodes are accepted, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_cert: Option<PathBuf>,
    /// This node's certificate, then any between it and the authority, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// The private key of `cert`, as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// A link that is silent for this long is lost.
    pub idle_timeout_ms: u64,
    /// How often a quiet link says that it lives.
    pub keepalive_interval_ms: u64,
    /// How long a connection may take from its first packet to a link.
    pub handshake_timeout_ms: u64,
    /// How many unproven connections may be under way at once.
    pub max_handshakes: usize,
    /// How much may wait in a link's datagram queue; what is above is refused, not delayed.
    pub datagram_send_buffer_bytes: usize,
    /// How much received but unread may wait on a link; the oldest is dropped above it.
    pub datagram_receive_buffer_bytes: usize,
    /// How much may wait in a link's message queue.
    pub message_queue_bytes: usize,
    /// How many messages may wait in a link's queue.
    pub message_queue_length: usize,
    /// The versions of the protocol that are spoken. No setting: another program speaks others.
    #[serde(skip)]
    pub versions: ProtocolVersions,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: "127.0.0.1".into(),
            port: 5262,
            advertise: None,
            certs_dir: PathBuf::from("./certs/dev"),
            ca_cert: None,
            cert: None,
            key: None,
            idle_timeout_ms: 5000,
            keepalive_interval_ms: 1000,
            handshake_timeout_ms: 5000,
            max_handshakes: 64,
            datagram_send_buffer_bytes: 64 << 10,
            datagram_receive_buffer_bytes: 1 << 20,
            message_queue_bytes: 4 << 20,
            message_queue_length: 1024,
            versions: ProtocolVersions::SPOKEN,
        }
    }
}

/// A setting of `[mesh]` that cannot be, with what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// One value is outside what is allowed.
    #[error("mesh.{key} = {given}: {expected}")]
    Value {
        /// The setting.
        key: &'static str,
        /// What was given.
        given: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// Two settings contradict each other.
    #[error("mesh.{key} = {given} contradicts mesh.{other} = {other_given}: {expected}")]
    Conflict {
        /// One setting.
        key: &'static str,
        /// Its value.
        given: String,
        /// The other setting.
        other: &'static str,
        /// Its value.
        other_given: String,
        /// What is allowed.
        expected: &'static str,
    },
}

/// The files of a certificate that was issued elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The authorities.
    pub ca_cert: PathBuf,
    /// The node's certificate chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

const BIND_EXPECTED: &str = "an IP address is expected, as 127.0.0.1, 0.0.0.0 (all of IPv4) or :: (all)";
const TOGETHER: &str = "ca_cert, cert and key are given together, or none of them for a development authority";

impl Config {
    /// Checks every value and how they fit together.
    ///
    /// # Errors
    /// [`ConfigError`] for the first setting that cannot be.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.bind_address()?;
        self.advertised()?;
        self.certificate_files()?;
        let ranges: [(&'static str, u64, u64, u64, &'static str); 8] = [
            ("idle_timeout_ms", self.idle_timeout_ms, 100, 600_000, "100 to 600000 is allowed"),
            ("keepalive_interval_ms", self.keepalive_interval_ms, 10, 600_000, "10 to 600000 is allowed"),
            ("handshake_timeout_ms", self.handshake_timeout_ms, 100, 600_000, "100 to 600000 is allowed"),
            ("max_handshakes", self.max_handshakes as u64, 1, 65_536, "1 to 65536 is allowed"),
            (
                "datagram_send_buffer_bytes",
                self.datagram_send_buffer_bytes as u64,
                4096,
                64 << 20,
                "4096 to 67108864 is allowed",
            ),
            (
                "datagram_receive_buffer_bytes",
                self.datagram_receive_buffer_bytes as u64,
                4096,
                64 << 20,
                "4096 to 67108864 is allowed",
            ),
            ("message_queue_bytes", self.message_queue_bytes as u64, 4096, 1 << 30, "4096 to 1073741824 is allowed"),
            ("message_queue_length", self.message_queue_length as u64, 1, 1 << 20, "1 to 1048576 is allowed"),
        ];
        for (key, given, least, most, expected) in ranges {
            if !(least..=most).contains(&given) {
                return Err(ConfigError::Value { key, given: given.to_string(), expected });
            }
        }
        if self.keepalive_interval_ms.saturating_mul(2) > self.idle_timeout_ms {
            return Err(ConfigError::Conflict {
                key: "keepalive_interval_ms",
                given: self.keepalive_interval_ms.to_string(),
                other: "idle_timeout_ms",
                other_given: self.idle_timeout_ms.to_string(),
                expected: "the interval may be half of the timeout at most, or one lost packet drops the link",
            });
        }
        Ok(())
    }

    /// Where to bind the socket.
    ///
    /// # Errors
    /// [`ConfigError`] when `bind` is not an IP address.
    pub fn bind_address(&self) -> Result<SocketAddr, ConfigError> {
        let text = self.bind.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&self.bind);
        let ip: IpAddr = text.parse().map_err(|_| ConfigError::Value {
            key: "bind",
            given: format!("{:?}", self.bind),
            expected: BIND_EXPECTED,
        })?;
        Ok(SocketAddr::new(ip, self.port))
    }

    /// The host and port that other nodes are told, when they were set.
    ///
    /// # Errors
    /// [`ConfigError`] when `advertise` is not `host:port` or `[IPv6]:port`.
    pub fn advertised(&self) -> Result<Option<(String, u16)>, ConfigError> {
        let Some(given) = &self.advertise else {
            return Ok(None);
        };
        parse_host_and_port(given).map(Some).ok_or_else(|| ConfigError::Value {
            key: "advertise",
            given: format!("{given:?}"),
            expected: "host:port is expected, as node1.example.net:5262 or [2001:db8::1]:5262",
        })
    }

    /// The certificate files, when they were set.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] when only some of the three were.
    pub fn certificate_files(&self) -> Result<Option<CertificateFiles>, ConfigError> {
        let given = [("ca_cert", &self.ca_cert), ("cert", &self.cert), ("key", &self.key)];
        if let (Some(ca_cert), Some(cert), Some(key)) = (&self.ca_cert, &self.cert, &self.key) {
            return Ok(Some(CertificateFiles { ca_cert: ca_cert.clone(), cert: cert.clone(), key: key.clone() }));
        }
        let set = given.iter().find_map(|(key, value)| value.as_ref().map(|path| (*key, path)));
        let unset = given.iter().find(|(_, value)| value.is_none());
        match (set, unset) {
            (Some((key, path)), Some((other, _))) => Err(ConfigError::Conflict {
                key,
                given: format!("{:?}", path.display().to_string()),
                other,
                other_given: "(not set)".into(),
                expected: TOGETHER,
            }),
            _ => Ok(None),
        }
    }
}

fn parse_host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
    let host = match host.strip_prefix('[') {
        Some(rest) => {
            let inner = rest.strip_suffix(']')?;
            inner.parse::<std::net::Ipv6Addr>().ok()?;
            inner
        }
        // A bare IPv6 address leaves it open where the port begins.
        None if host.contains(':') => return None,
        None => host,
    };
    let plain = !host.is_empty() && host.len() <= 255 && !host.chars().any(|c| c.is_whitespace() || c.is_control());
    plain.then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_allowed() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn a_certificate_without_its_key_is_refused_with_both_names() {
        let config = Config { cert: Some("/etc/discnt/node.crt".into()), ..Config::default() };
        let error = config.check().expect_err("two of three are missing");
        let text = error.to_string();
        assert!(text.contains("mesh.cert = \"/etc/discnt/node.crt\""), "{text}");
        assert!(text.contains("mesh.ca_cert = (not set)"), "{text}");
    }

    #[test]
    fn values_outside_their_range_name_the_key_and_what_is_allowed() {
        let refused = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().expect_err("the value is not allowed").to_string()
        };
        assert!(refused(|c| c.bind = "localhost".into()).starts_with("mesh.bind = \"localhost\""));
        assert!(refused(|c| c.idle_timeout_ms = 1).contains("100 to 600000"));
        assert!(refused(|c| c.keepalive_interval_ms = 4000).contains("idle_timeout_ms = 5000"));
        for bad in ["host", "host:", "host:0", "::1:5262", "[::1:5262", ":5262", "a b:1"] {
            let config = Config { advertise: Some(bad.into()), ..Config::default() };
            assert!(config.check().is_err(), "{bad}");
        }
    }

    #[test]
    fn advertised_hosts_and_bound_addresses_take_both_families() {
        for (given, host) in [
            ("node1.example.net:5262", "node1.example.net"),
            ("10.0.0.1:5262", "10.0.0.1"),
            ("[2001:db8::1]:5262", "2001:db8::1"),
        ] {
            let config = Config { advertise: Some(given.into()), ..Config::default() };
            assert_eq!(config.advertised(), Ok(Some((host.to_owned(), 5262))));
        }
        for bind in ["::", "[::]", "::1", "0.0.0.0"] {
            let config = Config { bind: bind.into(), ..Config::default() };
            assert!(config.bind_address().is_ok(), "{bind}");
        }
    }
}
