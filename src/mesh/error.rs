//! What can go wrong on the mesh. None of these changes what is counted.

use super::config::ConfigError;
use crate::base::{MAX_MESSAGE_BYTES, NodeId};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the mesh did not start or its identity was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// The socket could not be had.
    #[error(
        "cannot use UDP {address} for the mesh: {error}; is another server running there? set [mesh] bind and port"
    )]
    Socket {
        /// What was asked for.
        address: String,
        /// What the system says.
        error: io::Error,
    },
    /// The TLS library refuses the identity.
    #[error("cannot set up TLS for the mesh with this node's certificate: {0}")]
    Tls(String),
    /// A setting cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The mesh was started outside of a tokio runtime.
    #[error("the mesh must be started within its runtime")]
    NoRuntime,
    /// Bytes that no peer may guess could not be had.
    #[error("the system gives no random numbers")]
    Random,
}

/// Why a dial came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The host name has no address.
    #[error("cannot resolve {host:?}: {reason}")]
    Resolve {
        /// The name as given.
        host: String,
        /// What the system says.
        reason: String,
    },
    /// The name has addresses, none of which this node's socket can reach.
    #[error("{host} has only IPv6 addresses and the mesh is bound to {bound}: set [mesh] bind = \"::\" to reach them")]
    AddressFamily {
        /// The name as given.
        host: String,
        /// The local address.
        bound: SocketAddr,
    },
    /// The transport refuses to try the address.
    #[error("cannot dial {address}: {reason}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answered in time.
    #[error("no answer from {address}{hint}")]
    NoAnswer {
        /// The last address tried.
        address: SocketAddr,
        /// What to look at; starts with a separator or is empty.
        hint: String,
    },
    /// The node there is not accepted here.
    #[error("{address} is not accepted: {reason}")]
    NotAccepted {
        /// Who was dialled.
        address: SocketAddr,
        /// "its certificate is of another authority"
        reason: String,
    },
    /// The node there does not accept this one.
    #[error("{address} refused this node: {reason}")]
    Refused {
        /// Who was dialled.
        address: SocketAddr,
        /// Its reason.
        reason: String,
    },
    /// The node there speaks no version of the protocol that this one does.
    #[error("{address} and this node have no version of the protocol in common: {reason}")]
    Incompatible {
        /// Who was dialled.
        address: SocketAddr,
        /// Which versions they speak.
        reason: String,
    },
    /// The dialled address is this node.
    #[error("{address} is this node itself, or one that runs with a copy of its key")]
    SelfConnection {
        /// Who was dialled.
        address: SocketAddr,
    },
    /// The connection broke before the link stood.
    #[error("the connection to {address} broke: {reason}")]
    Lost {
        /// Who was dialled.
        address: SocketAddr,
        /// How.
        reason: String,
    },
    /// This node has as many links as it may.
    #[error("this node has {0} links, the most it may have")]
    TooManyLinks(usize),
    /// The mesh is shutting down, or its identity was replaced under the dial.
    #[error("the mesh is closing its connections")]
    Closing,
}

/// Why a datagram or message was not taken. It is the caller's again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no link to that peer.
    #[error("there is no link to node {0}")]
    NotLinked(NodeId),
    /// The datagram is above what the link takes now; ask `max_datagram_bytes` before each.
    #[error("a datagram of {bytes} bytes is too long, the link takes {limit}")]
    DatagramTooLong {
        /// Its length.
        bytes: usize,
        /// The limit now.
        limit: usize,
    },
    /// The message is above [`MAX_MESSAGE_BYTES`].
    #[error("a message of {0} bytes is too long, at most {MAX_MESSAGE_BYTES} are allowed")]
    MessageTooLong(usize),
    /// The link's queue is full: the peer or the path is slower than the sender.
    #[error("the queue to node {0} is full")]
    Full(NodeId),
}

/// Why there is no usable identity or authority, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The settings contradict each other.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The system refuses an operation on a file.
    #[error("cannot {operation} {path}: {error}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {what}; {remedy}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// A file that would be overwritten is there. It was left as it is.
    #[error("{path} is there already and was left as it is: remove it first, or choose another place")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A key or certificate could not be made.
    #[error("cannot make {what}: {reason}")]
    Make {
        /// A key, a certificate.
        what: &'static str,
        /// What the library says.
        reason: String,
    },
}
