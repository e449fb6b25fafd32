//! One counter as it stands in a file, and what can be wrong with a line of one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::base::{Amount, Name, NameError};
use crate::cli::quote::quote;

/// The longest record of a file, in bytes; the longest name takes 3,072 when every byte of it is escaped.
pub(super) const MAX_RECORD_BYTES: usize = 16 << 10;
/// How much of a text that was refused is shown, in bytes.
const SHOWN_BYTES: usize = 60;

/// One counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Its name, 1 to 512 bytes.
    pub(super) name: Vec<u8>,
    /// Its value.
    pub(super) value: Amount,
    /// The precision that was set for it.
    pub(super) precision: Option<Amount>,
}

/// What is wrong with a line, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// More bytes than any counter needs.
    #[error("the line is longer than {MAX_RECORD_BYTES} bytes; one counter a line is expected")]
    TooLong,
    /// Neither `name` nor `name_base64`.
    #[error("there is no name; 1 to 512 bytes are expected, as name or as name_base64")]
    NoName,
    /// Both of them.
    #[error("there is a name and a name_base64; one of them is expected")]
    TwoNames,
    /// A name of a length that is not allowed.
    #[error("{0}")]
    Name(#[from] NameError),
    /// A name that is not text.
    #[error("the name {0} is not UTF-8; a name of other bytes is expected as name_base64")]
    NameNotText(String),
    /// Letters that base64 does not have, or too few.
    #[error("the name_base64 {0} is not base64 (RFC 4648, with its padding)")]
    NotBase64(String),
    /// No value.
    #[error("there is no value; a decimal number from -1e20 to 1e20 is expected")]
    NoValue,
    /// A value that is none, or that would be rounded.
    #[error("the value {0} is not a decimal number from -1e20 to 1e20 with at most 17 digits after the point")]
    Value(String),
    /// A precision that is none.
    #[error("the precision {0} is not a decimal number from 0 to 1e20 with at most 17 digits after the point")]
    Precision(String),
    /// A number in JSON that may have lost digits on its way.
    #[error("{0} is a number with a point or too long for JSON; a text is expected, as in \"value\":\"0.1\"")]
    JsonNumber(String),
    /// Not what a line of JSON lines is.
    #[error("{0}; an object is expected, as {{\"name\":\"visits\",\"value\":\"10.5\"}}")]
    Json(String),
    /// A quote where none may be.
    #[error("a quote stands inside a field; a field with quotes in it is expected in quotes, each of its own doubled")]
    StrayQuote,
    /// A quoted field without an end.
    #[error("a field begins with a quote that is never closed")]
    OpenQuote,
    /// A line break without its second byte.
    #[error("a carriage return stands alone; a field with one is expected in quotes")]
    StrayReturn,
    /// Too few or too many fields.
    #[error("there are {found} fields; {expected} are expected")]
    Fields {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: String,
    },
    /// A first line that is neither columns nor a counter.
    #[error(
        "{0} is neither a column nor a counter's value; expected is a counter, as in 'visits,10.5', or columns out of name, \
         name_base64, value and precision"
    )]
    Header(String),
    /// Columns that do not make a counter.
    #[error("the columns make no counter; name or name_base64, and value, are expected, each once")]
    Columns,
    /// A version of the format that this program does not know.
    #[error("the file is an export of format version {0}; this program reads version 1")]
    Version(u64),
    /// The first line of an export, somewhere else.
    #[error("this is how an export begins; it is expected in the first line alone")]
    LateHead,
    /// The last line of an export, in a file that is none.
    #[error("this is how an export ends, but the first line is not how one begins")]
    EndOfNoExport,
    /// The end is not well formed.
    #[error("this is not how an export ends; a count and 64 hexadecimal digits are expected")]
    End,
    /// Something follows the end.
    #[error("something follows the end of the export; nothing is expected")]
    AfterEnd,
    /// An export without its end.
    #[error("the export is cut short: it has {0} counters and not its last line, which tells how many there must be")]
    CutShort(u64),
    /// Another number of counters than the end tells.
    #[error("the export had {told} counters, but {found} stand here; lines are missing, or were added")]
    Count {
        /// What the end tells.
        told: u64,
        /// How many stand before it.
        found: u64,
    },
    /// Other counters than those that were exported.
    #[error("the checksum is not that of the counters above: one of them is not as it was exported")]
    Checksum,
}

impl Fault {
    /// Whether what follows cannot be understood after this.
    pub(super) fn is_fatal(&self) -> bool {
        matches!(self, Self::Version(_) | Self::Columns | Self::Header(_) | Self::OpenQuote)
    }
}

/// A name out of the two ways to give one; an empty text is one that is not given.
pub(super) fn name_of(text: Option<&[u8]>, base64: Option<&[u8]>) -> Result<Vec<u8>, Fault> {
    let given = |text: Option<&[u8]>| text.is_some_and(|text| !text.is_empty());
    let name = match (given(text), given(base64)) {
        (true, true) => return Err(Fault::TwoNames),
        (false, false) => return Err(Fault::NoName),
        (true, false) => {
            let bytes = text.unwrap_or_default();
            if std::str::from_utf8(bytes).is_err() {
                return Err(Fault::NameNotText(shown(bytes)));
            }
            bytes.to_vec()
        }
        (false, true) => {
            let letters = base64.unwrap_or_default();
            STANDARD.decode(letters).map_err(|_| Fault::NotBase64(shown(letters)))?
        }
    };
    Name::new(&name)?;
    Ok(name)
}

/// A value, never rounded.
pub(super) fn value_of(text: &[u8]) -> Result<Amount, Fault> {
    if text.is_empty() {
        return Err(Fault::NoValue);
    }
    Amount::parse_exact(text).map_err(|_| Fault::Value(shown(text)))
}

/// A precision; an empty text is one that was not set.
pub(super) fn precision_of(text: &[u8]) -> Result<Option<Amount>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    let precision = Amount::parse_exact(text).ok().filter(|amount| *amount >= Amount::ZERO);
    precision.map(Some).ok_or_else(|| Fault::Precision(shown(text)))
}

/// The name as text, if it can stand in a line as it is.
pub(super) fn plain_text(name: &[u8]) -> Option<&str> {
    std::str::from_utf8(name).ok().filter(|text| !text.chars().any(char::is_control))
}

/// The name in base64.
pub(super) fn base64_of(name: &[u8]) -> String {
    STANDARD.encode(name)
}

/// The bytes in quotes, not too many of them.
pub(super) fn shown(bytes: &[u8]) -> String {
    match bytes.get(..SHOWN_BYTES) {
        Some(start) if bytes.len() > SHOWN_BYTES => format!("{}...", quote(start)),
        _ => quote(bytes),
    }
}

/// Any record that there can be.
#[cfg(test)]
pub(super) fn any_record() -> impl proptest::strategy::Strategy<Value = Record> {
    use proptest::prelude::*;
    let amount = |units| Amount::from_units(units).expect("in range");
    let most = 10_i128.pow(37);
    let name = prop::collection::vec(any::<u8>(), 1..40);
    let parts = (name, -most..=most, proptest::option::of(0..=most));
    parts.prop_map(move |(name, value, precision)| Record {
        name,
        value: amount(value),
        precision: precision.map(amount),
    })
}
