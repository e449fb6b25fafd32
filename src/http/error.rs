//! Why there is no HTTP. Nothing is left open when one of these is returned.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// An error of starting to answer over HTTP, or of its files.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// A setting is outside its bounds, or contradicts another.
    #[error("[http] {key} = {given}: allowed is {allowed}")]
    Setting {
        /// The name of the setting.
        key: &'static str,
        /// What was given.
        given: String,
        /// What is allowed.
        allowed: String,
    },
    /// A file cannot be used.
    #[error("[http] {key} = {}: {reason}", path.display())]
    File {
        /// The name of the setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen for HTTP on {address}: {source}; set http.listen to another address, or to \"\" for none")]
    Bind {
        /// The address and port.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system would not give a thread or its event queue.
    #[error("the system refused {what} for HTTP: {source}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
}
