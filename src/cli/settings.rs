//! Where to connect to, as whom, and how.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// One server and how to talk to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// A host name or an address, IPv6 without brackets.
    pub(super) host: String,
    /// Its TCP port.
    pub(super) port: u16,
    /// The unix socket to connect to instead of host and port.
    pub(super) socket: Option<PathBuf>,
    /// What to log in with.
    pub(super) credentials: Option<Credentials>,
    /// How to encrypt; `None` is plain TCP.
    pub(super) tls: Option<TlsSettings>,
    /// The protocol to ask for.
    pub(super) version: Version,
    /// How long each address may take to connect, and the server to answer to TLS and to the log-in.
    pub(super) connect_timeout: Duration,
}

impl Settings {
    /// Host and port as people write them, an IPv6 address in brackets; or the path of the unix socket.
    pub(super) fn address(&self) -> String {
        if let Some(path) = &self.socket {
            path.display().to_string()
        } else if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// What to log in with.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    /// The user; `None` is the server's default one.
    pub(super) user: Option<String>,
    /// The password.
    pub(super) password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Passwords get into no log.
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// How to encrypt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TlsSettings {
    /// The PEM file of the authorities that are trusted.
    pub(super) authorities: Option<PathBuf>,
    /// The PEM files of the certificate to show and of its key.
    pub(super) certificate: Option<(PathBuf, PathBuf)>,
    /// The name to ask for, where it is not the host.
    pub(super) server_name: Option<String>,
    /// Whether any certificate of the server's will do.
    pub(super) insecure: bool,
}

/// The protocol to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// What every server begins with.
    Resp2,
    /// RESP3, or RESP2 where the server does not know it.
    Resp3IfKnown,
    /// RESP3; say so if the server does not know it.
    Resp3,
}
