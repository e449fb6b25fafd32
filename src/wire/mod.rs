//! Floor 2: the bytes that nodes exchange: CBOR (RFC 8949), versioned, bounded, as tuples and never maps of names.
//!
//! Decoding validates everything once, into types, and borrows names from the packet. It must never panic or
//! allocate more than a small multiple of what arrived, whatever arrived.

mod backup;
mod certify;
mod decimal;
mod error;
#[cfg(test)]
mod golden_tests;
mod heartbeat;
mod ids;
mod kind;
mod message;
mod packer;
mod record;
mod repair;
mod stored;
#[cfg(test)]
mod stored_tests;
mod version;

pub use backup::{encode_backup_entry, take_backup_entry};
pub use certify::{
    CertificateGiven, CertifyReply, CertifyRequest, MAX_CERTIFICATE_BYTES, MAX_CERTIFICATES, MAX_CERTIFY_BYTES,
    OfferedAuthority,
};
pub use error::WireError;
pub use heartbeat::Heartbeat;
pub use kind::MessageKind;
pub use message::{DigestLine, HeldLine, Hello, Message, PullLine, RepairItems};
pub use packer::{Packed, RecordPacker, encode_membership, encode_names_wanted};
pub use record::{AssignmentBody, Datagram, Observed, Record, Records};
pub use repair::{RepairItem, RepairKind, RepairWriter};
pub use stored::{
    STORED_VERSION, decode_node_record, decode_stored_counter, encode_node_record, encode_stored_counter,
};
pub use version::{LinkProtocol, ProtocolVersion, ProtocolVersions, SOFTWARE_VERSION};

/// The version of the layout that every datagram and message opens with. It is that of the oldest program which reads them:
/// what was only added to since is the same layout.
pub const FORMAT_VERSION: u8 = 1;
