//! Floor 5: the mesh, that is QUIC between nodes under mutual TLS.
//!
//! It makes and checks identities, keeps one link to each peer, and carries datagrams and messages of bytes
//! that it does not look into. Who sent something is what the connection's certificate says, never what the
//! payload says. It knows nothing of counters or membership and decides nothing about whom to dial.

mod config;
mod error;
mod event;

pub use config::{CertificateFiles, Config, ConfigError};
pub use error::{DialError, MeshError, SendError};
pub use event::{CloseReason, DialId, DownReason, MeshEvent, MessageTicket};
