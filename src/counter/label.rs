//! A counter's name as the table keeps it, and what is to be known of the counter without a look at its state: short names
//! lie in the counter itself, so that finding a counter does not wait for one more place in memory.

/// The longest name that needs no allocation.
const INLINE_BYTES: usize = 21;

/// Something that is so or not so of a counter.
#[derive(Clone, Copy, Debug)]
pub(super) enum Flag {
    /// Counted as existing.
    Exists,
    /// In the shard's announceable queue.
    Queued,
    /// In the shard's list of counters that may be given up.
    Tended,
    /// In the shard's list of counters that changed since they were last handed over to be kept.
    Unsaved,
    /// There may be a record of it on disk.
    Kept,
    /// Somebody watches it by a pattern, or it is yet to be found out that nobody does.
    Watched,
    /// In the shard's list of counters that changed since they were last looked at for whoever watches.
    Noted,
    /// In the shard's list of counters that are extrapolated.
    Listed,
}

/// A name and some flags, in three words.
#[derive(Debug)]
pub(super) enum Label {
    Short { flags: u8, length: u8, bytes: [u8; INLINE_BYTES] },
    Long { flags: u8, bytes: Box<[u8]> },
}

const _: () = assert!(size_of::<Label>() == 24 && size_of::<Option<Label>>() == 24);

impl Label {
    /// With no flag set.
    pub(super) fn new(name: &[u8]) -> Self {
        let mut bytes = [0; INLINE_BYTES];
        match bytes.get_mut(..name.len()) {
            Some(front) => {
                front.copy_from_slice(name);
                // At most 21.
                Self::Short { flags: 0, length: name.len() as u8, bytes }
            }
            None => Self::Long { flags: 0, bytes: name.into() },
        }
    }

    #[inline]
    pub(super) fn name(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes, .. } => bytes.get(..usize::from(*length)).unwrap_or(bytes),
            Self::Long { bytes, .. } => bytes,
        }
    }

    #[inline]
    pub(super) fn has(&self, flag: Flag) -> bool {
        let (Self::Short { flags, .. } | Self::Long { flags, .. }) = self;
        flags & flag.bit() != 0
    }

    /// Answers how it was.
    #[inline]
    pub(super) fn set(&mut self, flag: Flag, is_so: bool) -> bool {
        let (Self::Short { flags, .. } | Self::Long { flags, .. }) = self;
        let before = *flags & flag.bit() != 0;
        *flags = if is_so { *flags | flag.bit() } else { *flags & !flag.bit() };
        before
    }

    /// What it takes apart from itself, in bytes.
    pub(super) fn allocated(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Long { bytes, .. } => bytes.len(),
        }
    }
}

impl Flag {
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_length_are_kept_as_they_are() {
        for length in 0..=64 {
            let name: Vec<u8> = (0..length).collect();
            let label = Label::new(&name);
            assert_eq!(label.name(), name);
            assert_eq!(label.allocated() == 0, name.len() <= INLINE_BYTES);
        }
    }

    #[test]
    fn each_flag_is_set_alone() {
        use Flag::{Exists, Kept, Listed, Noted, Queued, Tended, Unsaved, Watched};
        let all = [Exists, Queued, Tended, Unsaved, Kept, Watched, Noted, Listed];
        for name in [&b"short"[..], &[b'n'; 40]] {
            let mut label = Label::new(name);
            for (number, flag) in all.into_iter().enumerate() {
                assert!(!label.set(flag, true) && label.set(flag, true));
                let set: Vec<bool> = all.iter().map(|flag| label.has(*flag)).collect();
                assert_eq!(set.iter().filter(|is_set| **is_set).count(), number + 1);
            }
            for flag in all {
                assert!(label.set(flag, false) && !label.has(flag));
            }
            assert_eq!(label.name(), name);
        }
    }
}
