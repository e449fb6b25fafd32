//! Why clients cannot be served. Nothing is left open when one of these is returned.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// An error of starting to listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// A part of `[resp] bind` is no address.
    #[error(
        "[resp] bind: '{given}' is not an address of this machine ({reason}); give IP addresses such as 127.0.0.1, \
         0.0.0.0 or ::1, separated by commas"
    )]
    BadAddress {
        /// The part, as it was given.
        given: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An address cannot be listened on.
    #[error("cannot listen for clients on {address}: {source}; {}", advice(.source, *.address))]
    Bind {
        /// The address and port.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The unix socket cannot be listened on.
    #[error("cannot listen for clients at [resp] unix_socket = {}: {reason}", .path.display())]
    Unix {
        /// The socket's path.
        path: PathBuf,
        /// What is in the way.
        reason: String,
    },
    /// A socket that was passed on is of no use.
    #[error("cannot listen for clients on a socket that the service manager passed on: {0}")]
    Inherited(#[source] io::Error),
    /// A setting is outside its bounds, or contradicts another.
    #[error("[resp] {key} = {given}: allowed is {allowed}")]
    Setting {
        /// The name of the setting.
        key: &'static str,
        /// What was given.
        given: String,
        /// What is allowed.
        allowed: String,
    },
    /// A file for TLS cannot be used.
    #[error("[resp] {key} = {}: {reason}", path.display())]
    Tls {
        /// The name of the setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system would not give a thread or its event queue.
    #[error("cannot start the thread '{name}' that serves clients: {source}")]
    Thread {
        /// The thread's name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

/// What a person can do about it.
fn advice(error: &io::Error, address: SocketAddr) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("is another server on port {port}? Stop it, or choose another port with --port or [resp] port")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("no interface of this machine has the address {}; see [resp] bind", address.ip())
        }
        io::ErrorKind::PermissionDenied if port < 1024 => format!(
            "port {port} is below 1024, which takes the capability CAP_NET_BIND_SERVICE; choose a higher one with --port"
        ),
        _ => "see [resp] bind and port".to_owned(),
    }
}
