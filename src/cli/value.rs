//! What a server answers, as a value. RESP2 and RESP3 share it: a RESP2 map is just an array.

/// One reply of a RESP server.
///
/// Maps keep their order and their doubles keep the digits that were sent, so that what is shown is what was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A short text such as `OK`.
    Status(Vec<u8>),
    /// An error, without the leading dash.
    Error(Vec<u8>),
    /// A 64-bit integer.
    Integer(i64),
    /// A string of any bytes.
    Bulk(Vec<u8>),
    /// Text that wants to be shown as it is.
    Verbatim(Vec<u8>),
    /// Nothing: RESP3's null, and the null string and null array of RESP2.
    Null,
    /// RESP3's truth value.
    Boolean(bool),
    /// A floating point number, with the digits that were sent (`1.5`, `inf`, `nan`).
    Double(String),
    /// An integer of any length, with the digits that were sent.
    BigNumber(String),
    /// An ordered list.
    Array(Vec<Value>),
    /// A collection without order.
    Set(Vec<Value>),
    /// Pairs, in the order in which they were sent.
    Map(Vec<(Value, Value)>),
    /// A message that no command asked for.
    Push(Vec<Value>),
}

impl Value {
    /// Whether this is an error reply.
    pub(super) fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    /// The bytes of any kind of string, a status included.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Status(bytes) | Self::Bulk(bytes) | Self::Verbatim(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The text of any kind of string, if it is UTF-8.
    pub(super) fn text(&self) -> Option<&str> {
        self.bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// The elements of an array, a set or a push.
    pub(super) fn elements(&self) -> Option<&[Value]> {
        match self {
            Self::Array(elements) | Self::Set(elements) | Self::Push(elements) => Some(elements),
            _ => None,
        }
    }

    /// The pairs of a map, or of the flat array that RESP2 sends instead of one. An odd last element is left out.
    pub(super) fn pairs(&self) -> Vec<(&Value, &Value)> {
        match self {
            Self::Map(pairs) => pairs.iter().map(|(key, value)| (key, value)).collect(),
            Self::Array(elements) => elements.as_chunks::<2>().0.iter().map(|[key, value]| (key, value)).collect(),
            _ => Vec::new(),
        }
    }
}
