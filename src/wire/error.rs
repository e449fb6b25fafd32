//! Why bytes from a peer were refused. Nothing was applied.

/// What is wrong with a datagram or message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not the CBOR that was expected.
    #[error("malformed: {0}")]
    Malformed(String),
    /// A format that this program does not speak.
    #[error("format version {0} is not known, expected {expected}", expected = super::FORMAT_VERSION)]
    Version(u8),
    /// A kind of datagram, message or record that this version does not have.
    #[error("unknown kind {0}")]
    Kind(u8),
    /// Parts of a datagram or message that were passed over; the rest was taken.
    #[error("{0} parts are of kinds that this version does not know; the rest was taken")]
    LaterKinds(u64),
    /// A figure outside its bounds.
    #[error("{0} is out of bounds")]
    Bounds(&'static str),
}

impl From<minicbor::decode::Error> for WireError {
    fn from(error: minicbor::decode::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}
