//! What can be wrong with the bytes of a request.

use std::ascii::escape_default;

use super::ErrorReply;

/// A violation of the protocol. The connection cannot go on, because where the next request begins is not known.
///
/// The words are those that clients know from Redis, as far as Redis makes the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The count after `*` is not a number, or is above the limit.
    #[error("Protocol error: invalid multibulk length")]
    InvalidMultibulkLength,
    /// The length after `$` is not a number, is negative, or is above the limit.
    #[error("Protocol error: invalid bulk length")]
    InvalidBulkLength,
    /// An argument did not begin with `$`. Arrays within a request end here, too.
    #[error("Protocol error: expected '$', got '{}'", escape_default(*.0))]
    ExpectedBulk(u8),
    /// An argument was not followed by CR LF: its length was wrong.
    #[error("Protocol error: expected CRLF after a bulk string")]
    UnterminatedBulk,
    /// An inline request has an open quote, or text right behind a closing one.
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// An inline request is longer than the limit.
    #[error("Protocol error: too big inline request")]
    TooBigInline,
    /// The arguments of one request are together longer than the limit.
    #[error("Protocol error: too big request")]
    TooBigRequest,
    /// More arguments than a client may send before it has given the password.
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    /// A longer argument than a client may send before it has given the password.
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulkLength,
}

impl From<ProtocolError> for ErrorReply {
    fn from(error: ProtocolError) -> Self {
        Self::new(format!("ERR {error}"))
    }
}
