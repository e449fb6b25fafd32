//! Floor 5: the mesh, that is QUIC between nodes under mutual TLS.
//!
//! It makes and checks identities, keeps one link to each peer, and carries datagrams and messages of bytes
//! that it does not look into. Who sent something is what the connection's certificate says, never what the
//! payload says. It knows nothing of counters or membership and decides nothing about whom to dial.

mod accept;
mod authorities;
mod authority;
mod certificate;
mod config;
mod dial;
mod endpoint;
mod error;
mod event;
mod files;
mod frame;
mod handshake;
mod identity;
mod introduction;
mod joining;
mod link;
mod links;
mod pairing;
mod refusal;
mod retries;
mod shared;
mod socket;
mod succession;
mod tls;
mod transport;

pub use authorities::AUTHORITIES_FILE;
pub use authority::{
    AUTHORITY_CERTIFICATE_FILE, AUTHORITY_KEY_FILE, Authority, DEVELOPMENT_VALIDITY_DAYS, IssuedCertificate,
    load_authority, make_authority,
};
pub use certificate::{CertificateDetails, describe};
pub use config::{CertificateFiles, Config, ConfigError};
pub use endpoint::Mesh;
pub use error::{DialError, IdentityError, MeshError, SendError};
pub use event::{CloseReason, DialId, DownReason, MeshEvent, MessageTicket};
pub use identity::{
    Certified, Identity, IdentitySource, Joined, NEXT_KEY_FILE, NODE_CERTIFICATE_FILE, NODE_KEY_FILE, OpenedIdentity,
};
pub use joining::{
    Invitation, JoinError, Joining, OpenInvitation, Token, TokenError, own_address, remember_to_meet, to_meet,
};
pub use shared::{LinkFigures, MeshCounts};
pub use socket::bind_socket;
