//! A counter's name as the table keeps it: short ones lie in the counter itself, so that finding a counter does not
//! wait for one more place in memory.

use std::ops::Deref;

/// The longest name that needs no allocation.
const INLINE_BYTES: usize = 22;

/// The bytes of a name; 24 bytes in size.
#[derive(Debug)]
pub(super) enum StoredName {
    Inline { length: u8, bytes: [u8; INLINE_BYTES] },
    Heap(Box<[u8]>),
}

impl StoredName {
    pub(super) fn new(name: &[u8]) -> Self {
        let mut bytes = [0; INLINE_BYTES];
        match bytes.get_mut(..name.len()) {
            Some(front) => {
                front.copy_from_slice(name);
                // At most 22.
                Self::Inline { length: name.len() as u8, bytes }
            }
            None => Self::Heap(name.into()),
        }
    }

    /// What it takes apart from itself, in bytes.
    pub(super) fn allocated(&self) -> usize {
        match self {
            Self::Inline { .. } => 0,
            Self::Heap(bytes) => bytes.len(),
        }
    }
}

impl Deref for StoredName {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Inline { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or(bytes),
            Self::Heap(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_length_are_kept_as_they_are() {
        for length in 0..=64 {
            let name: Vec<u8> = (0..length).collect();
            let stored = StoredName::new(&name);
            assert_eq!(*stored, *name);
            assert_eq!(matches!(stored, StoredName::Inline { .. }), name.len() <= INLINE_BYTES);
        }
        assert_eq!(size_of::<StoredName>(), 24);
    }
}
