//! What the last line of an export tells: how many counters there are, and a checksum over them.
//!
//! The checksum is over what the counters are, not over how they are written, so a file may change its line breaks or
//! its quoting on the way and still be whole.

use std::fmt::{self, Write};

use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

use super::record::Record;

/// The version of both formats.
pub(super) const FORMAT_VERSION: u64 = 1;

/// How many counters, and their checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    /// How many there are.
    pub(super) counters: u64,
    /// SHA-256 in hexadecimal digits.
    pub(super) sha256: String,
}

impl Seal {
    /// Reads what [`Display`](fmt::Display) writes.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (counters, sha256) = std::str::from_utf8(text).ok()?.split_once(" counters sha256:")?;
        Self::new(counters.parse().ok()?, sha256)
    }

    /// A count and a checksum from a file, if they can be one.
    pub(super) fn new(counters: u64, sha256: &str) -> Option<Self> {
        let is_hex = sha256.len() == 2 * SHA256_OUTPUT_LEN && sha256.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hex.then(|| Self { counters, sha256: sha256.to_ascii_lowercase() })
    }
}

impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} counters sha256:{}", self.counters, self.sha256)
    }
}

/// Takes in one counter after the other.
pub(super) struct Sealing {
    counters: u64,
    context: Context,
    text: Vec<u8>,
}

impl Default for Sealing {
    fn default() -> Self {
        Self { counters: 0, context: Context::new(&SHA256), text: Vec::new() }
    }
}

impl Sealing {
    /// One more counter: the length of its name, a colon, the name, a colon, the value, a colon, the precision if there
    /// is one, and a line feed.
    pub(super) fn add(&mut self, record: &Record) {
        self.counters += 1;
        self.text.clear();
        self.text.extend_from_slice(record.name.len().to_string().as_bytes());
        self.text.push(b':');
        self.text.extend_from_slice(&record.name);
        self.text.push(b':');
        record.value.write_to(&mut self.text);
        self.text.push(b':');
        if let Some(precision) = record.precision {
            precision.write_to(&mut self.text);
        }
        self.text.push(b'\n');
        self.context.update(&self.text);
    }

    /// How many so far.
    pub(super) fn counters(&self) -> u64 {
        self.counters
    }

    /// The seal on what was taken in so far.
    pub(super) fn seal(&self) -> Seal {
        let digest = self.context.clone().finish();
        let sha256 = digest.as_ref().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        Seal { counters: self.counters, sha256 }
    }
}
