//! The `[http]` section of the configuration.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::HttpError;

/// Between the port for clients and the one for HTTP, where none is set.
const PORT_DISTANCE: u16 = 10_000;

/// Where HTTP is answered, and for whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// An address and port; empty for none. Where it is not set: this machine alone, at the port for clients and 10000.
    pub listen: Option<String>,
    /// A file whose first line is what whoever asks must say.
    pub token_file: Option<PathBuf>,
    /// The server's certificate, with those that lead to its authority, in PEM. With it there is TLS.
    pub tls_cert: Option<PathBuf>,
    /// The key of that certificate, in PEM.
    pub tls_key: Option<PathBuf>,
    /// The authorities of the certificates that whoever asks must show, in PEM.
    pub tls_ca_cert: Option<PathBuf>,
    /// The most connections at once; for one more, that of the busiest address is closed that was silent the longest.
    pub max_connections: u32,
    /// The most that may follow live values at once; one more is refused.
    pub max_streams: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: None,
            token_file: None,
            tls_cert: None,
            tls_key: None,
            tls_ca_cert: None,
            max_connections: 128,
            max_streams: 32,
        }
    }
}

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listen {
    /// Nowhere.
    Off,
    /// There, or not at all: nobody has asked for it.
    ByDefault(SocketAddr),
    /// There.
    At(SocketAddr),
}

impl Config {
    /// Refuses settings that are out of bounds or contradict each other. The files are not looked at.
    ///
    /// # Errors
    /// [`HttpError::Setting`], which names the key, what was given and what is allowed.
    pub fn check(&self) -> Result<(), HttpError> {
        for (key, given, least) in [("max_connections", self.max_connections, 1), ("max_streams", self.max_streams, 0)]
        {
            if !(least..=100_000).contains(&given) {
                return refuse(key, &given.to_string(), &format!("{least} to 100000"));
            }
        }
        let file = |path: &Option<PathBuf>| path.as_deref().map_or("not set".to_owned(), |path| format!("{path:?}"));
        match (&self.tls_cert, &self.tls_key) {
            (None, Some(_)) => return refuse("tls_cert", "not set", "a file in PEM, as tls_key is set"),
            (Some(_), None) => return refuse("tls_key", "not set", "a file in PEM, as tls_cert is set"),
            _ => {}
        }
        if self.tls_ca_cert.is_some() && self.tls_cert.is_none() {
            return refuse(
                "tls_ca_cert",
                &file(&self.tls_ca_cert),
                "no such line, unless tls_cert and tls_key are set",
            );
        }
        let Listen::At(address) = self.listens(0)? else { return Ok(()) };
        let is_guarded = self.tls_cert.is_some() && (self.token_file.is_some() || self.tls_ca_cert.is_some());
        if !address.ip().is_loopback() && !is_guarded {
            return refuse(
                "listen",
                &format!("\"{address}\""),
                "an address of this machine alone, such as \"127.0.0.1:15262\", unless tls_cert and tls_key are set, \
                 and token_file or tls_ca_cert",
            );
        }
        Ok(())
    }

    /// Where to listen, with clients at this port.
    pub(super) fn listens(&self, client_port: u16) -> Result<Listen, HttpError> {
        match self.listen.as_deref() {
            Some("") => Ok(Listen::Off),
            Some(given) => match given.parse() {
                Ok(address) => Ok(Listen::At(address)),
                Err(_) => refuse(
                    "listen",
                    &format!("\"{given}\""),
                    "an IP address and a port, as \"127.0.0.1:15262\" or \"[::1]:15262\", or \"\" for none",
                ),
            },
            // Above the last port the system chooses one, as it does for clients at port 0.
            None => {
                let port = if client_port == 0 { 0 } else { client_port.checked_add(PORT_DISTANCE).unwrap_or(0) };
                Ok(Listen::ByDefault(SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
            }
        }
    }

    /// The files that it names, each with its key, for whoever resolves them.
    pub fn files_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut PathBuf)> {
        let files = [
            ("token_file", &mut self.token_file),
            ("tls_cert", &mut self.tls_cert),
            ("tls_key", &mut self.tls_key),
            ("tls_ca_cert", &mut self.tls_ca_cert),
        ];
        files.into_iter().filter_map(|(key, path)| Some((key, path.as_mut()?)))
    }

    pub(super) fn tls_files(&self) -> Option<(&Path, &Path)> {
        self.tls_cert.as_deref().zip(self.tls_key.as_deref())
    }
}

fn refuse<T>(key: &'static str, given: &str, allowed: &str) -> Result<T, HttpError> {
    Err(HttpError::Setting { key, given: given.to_owned(), allowed: allowed.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_this_machine_alone_beside_the_clients() {
        let config = Config::default();
        assert!(config.check().is_ok());
        let at = |port| config.listens(port).expect("a default");
        assert_eq!(at(5262), Listen::ByDefault("127.0.0.1:15262".parse().expect("an address")));
        let chosen = Listen::ByDefault("127.0.0.1:0".parse().expect("an address"));
        assert_eq!((at(0), at(60_000)), (chosen, chosen), "the system chooses");
        let off = Config { listen: Some(String::new()), ..config };
        assert_eq!(off.listens(5262).expect("off"), Listen::Off);
    }

    #[test]
    fn beyond_this_machine_there_is_tls_and_nobody_is_let_in_unknown() {
        let tls = "tls_cert = \"/c\"\ntls_key = \"/k\"\n";
        let open = "listen = \"0.0.0.0:15262\"\n";
        for refused in [
            open.to_owned(),
            format!("{open}{tls}"),
            format!("{open}token_file = \"/t\""),
            "listen = \"[2001:db8::1]:15262\"\ntoken_file = \"/t\"".to_owned(),
        ] {
            let config: Config = toml::from_str(&refused).expect("well-formed");
            let error = config.check().expect_err(&refused).to_string();
            assert!(error.starts_with("[http] listen = ") && error.contains("tls_cert"), "{error}");
        }
        for taken in [
            format!("{open}{tls}token_file = \"/t\""),
            format!("{open}{tls}tls_ca_cert = \"/a\""),
            "listen = \"127.0.0.1:0\"".to_owned(),
            "listen = \"[::1]:80\"\ntoken_file = \"/t\"".to_owned(),
            "listen = \"\"".to_owned(),
        ] {
            let config: Config = toml::from_str(&taken).expect("well-formed");
            assert!(config.check().is_ok(), "{taken}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (text, message) in [
            ("listen = \"localhost:80\"", "[http] listen = \"localhost:80\": allowed is an IP address and a port"),
            ("tls_key = \"/k\"", "[http] tls_cert = not set: allowed is a file in PEM, as tls_key is set"),
            ("tls_cert = \"/c\"", "[http] tls_key = not set: allowed is a file in PEM, as tls_cert is set"),
            ("tls_ca_cert = \"/a\"", "[http] tls_ca_cert = \"/a\": allowed is no such line"),
            ("max_connections = 0", "[http] max_connections = 0: allowed is 1 to 100000"),
            ("max_streams = 100001", "[http] max_streams = 100001: allowed is 0 to 100000"),
        ] {
            let config: Config = toml::from_str(text).expect("well-formed");
            let error = config.check().expect_err(text).to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
