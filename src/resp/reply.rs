//! Replies as values, before they become bytes.

use std::borrow::Cow;
use std::fmt;

use crate::base::Amount;

/// The version of the protocol that a connection speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Version 2: what a connection speaks until it says HELLO 3.
    #[default]
    Resp2,
    /// Version 3, with maps, sets, doubles, booleans and pushes.
    Resp3,
}

/// What a request is answered with.
///
/// Types that RESP2 does not have are written there as the types that stand in for them.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// A short status such as `OK`; must hold no line break.
    Simple(&'static str),
    /// An error.
    Error(ErrorReply),
    /// A whole number.
    Integer(i64),
    /// A bulk string of an amount's shortest text.
    Amount(Amount),
    /// A bulk string of any bytes.
    Bulk(Vec<u8>),
    /// A bulk string that is known beforehand.
    Text(&'static str),
    /// Nothing.
    Null,
    /// Nothing, where a list could have been.
    NullArray,
    /// True or false; 1 or 0 under RESP2.
    Boolean(bool),
    /// A floating point number; a bulk string under RESP2.
    Double(f64),
    /// A list.
    Array(Vec<Reply>),
    /// Pairs of a key and a value; a list of twice the length under RESP2.
    Map(Vec<(Reply, Reply)>),
    /// Members without an order; a list under RESP2.
    Set(Vec<Reply>),
    /// Something that the client did not ask for; a list under RESP2.
    Push(Vec<Reply>),
    /// Several replies to one request, one after the other.
    Many(Vec<Reply>),
    /// Plain text to be shown to a person as it is; a bulk string under RESP2.
    Verbatim(String),
}

impl Reply {
    /// What it takes in memory, in bytes. Linear in what it is made of.
    pub fn memory(&self) -> usize {
        let own = match self {
            Self::Bulk(bytes) => bytes.len(),
            Self::Verbatim(text) => text.len(),
            Self::Error(error) => error.0.len(),
            Self::Array(items) | Self::Set(items) | Self::Push(items) | Self::Many(items) => {
                items.iter().map(Self::memory).sum()
            }
            Self::Map(pairs) => pairs.iter().map(|(key, value)| key.memory() + value.memory()).sum(),
            _ => 0,
        };
        size_of::<Self>() + own
    }

    /// Whether it is what a client is told of by itself, however it wants its requests answered.
    pub fn is_push(&self) -> bool {
        match self {
            Self::Push(_) => true,
            Self::Many(replies) => replies.iter().all(|reply| matches!(reply, Self::Push(_))),
            _ => false,
        }
    }
}

/// The text of an error reply, without the dash: `ERR no such thing`.
///
/// Never holds a line break, which would end the reply early and let its rest pass for another reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReply(Cow<'static, str>);

impl ErrorReply {
    /// An error reply; line breaks in the text become spaces.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        let text = text.into();
        if text.contains(['\r', '\n']) { Self(Cow::Owned(text.replace(['\r', '\n'], " "))) } else { Self(text) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ErrorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ErrorReply> for Reply {
    fn from(error: ErrorReply) -> Self {
        Self::Error(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_cannot_smuggle_in_a_second_reply() {
        let error = ErrorReply::new("ERR unknown command 'a\r\n+OK'");
        assert_eq!(error.as_str(), "ERR unknown command 'a  +OK'");
    }
}
