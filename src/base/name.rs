//! The name of a counter: 1 to 512 bytes of any value.

use super::limits::MAX_NAME_BYTES;
use std::fmt;

/// Why bytes are not a counter's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No bytes at all.
    #[error("a counter name must not be empty")]
    Empty,
    /// Too many bytes.
    #[error("a counter name of {0} bytes is too long, at most {MAX_NAME_BYTES} are allowed")]
    TooLong(usize),
}

/// A counter's name, borrowed and known to be of an allowed length.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    /// Checks the length.
    ///
    /// # Errors
    /// [`NameError`] for an empty name or one above 512 bytes.
    pub const fn new(bytes: &'a [u8]) -> Result<Self, NameError> {
        match bytes.len() {
            0 => Err(NameError::Empty),
            1..=MAX_NAME_BYTES => Ok(Self(bytes)),
            long => Err(NameError::TooLong(long)),
        }
    }

    /// The bytes.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_bytes_within_the_length_are_allowed() {
        assert!(Name::new(b"\0\xff\r\n ").is_ok());
        assert!(Name::new(&[7; MAX_NAME_BYTES]).is_ok());
        assert_eq!(Name::new(b""), Err(NameError::Empty));
        assert_eq!(Name::new(&[7; MAX_NAME_BYTES + 1]), Err(NameError::TooLong(513)));
    }
}
