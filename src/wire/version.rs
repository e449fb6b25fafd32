//! Versions of the protocol between nodes, and how two nodes agree on one.
//!
//! Every node speaks a range of versions, says so in its first words on a connection, and a link uses the newest that both
//! speak. What each version brought:
//!
//! 1. The first. It refuses a datagram or message as a whole where a part of it is not as this version has it, and does not
//!    say which versions it speaks.
//! 2. Reads over what came later: further parts at the end of an array, and kinds of messages, records and items of a repair
//!    that it does not know. Says its versions and the version of its program, and whose keys are banned.
//!
//! So what is new goes to peers of version 2 or later only. A new kind of message says in its line of [`super::MessageKind`]
//! since when there is one, and is not sent on a link of an earlier version. A new kind of record has a number, which
//! everybody must have: it must not be made before every member reads it.

use std::fmt;

/// A version of the protocol between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolVersion(pub u16);

impl ProtocolVersion {
    /// The first, which refuses a message as a whole where a part of it is not as it knows it.
    pub const FIRST: Self = Self(1);
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The versions that a program speaks: all from the oldest to the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolVersions {
    oldest: ProtocolVersion,
    newest: ProtocolVersion,
}

impl ProtocolVersions {
    /// What this program speaks.
    pub const SPOKEN: Self = Self { oldest: ProtocolVersion(1), newest: ProtocolVersion(2) };
    /// What a program speaks that does not say it.
    pub const UNSAID: Self = Self { oldest: ProtocolVersion(1), newest: ProtocolVersion(1) };

    /// A range; none where it is empty, or begins before the first version.
    pub const fn new(oldest: u16, newest: u16) -> Option<Self> {
        if oldest == 0 || oldest > newest {
            return None;
        }
        Some(Self { oldest: ProtocolVersion(oldest), newest: ProtocolVersion(newest) })
    }

    /// The oldest of them.
    pub const fn oldest(self) -> ProtocolVersion {
        self.oldest
    }

    /// The newest of them.
    pub const fn newest(self) -> ProtocolVersion {
        self.newest
    }

    /// The newest that both speak.
    pub fn common(self, other: Self) -> Option<ProtocolVersion> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest.max(other.oldest)).then_some(newest)
    }
}

impl Default for ProtocolVersions {
    fn default() -> Self {
        Self::SPOKEN
    }
}

/// "2", or "1-2".
impl fmt::Display for ProtocolVersions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.oldest == self.newest { self.newest.fmt(f) } else { write!(f, "{}-{}", self.oldest, self.newest) }
    }
}

/// The version of this program, as other nodes are told it.
pub const SOFTWARE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What two nodes agreed on for a link, and what the other runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkProtocol {
    /// The version that is spoken on the link.
    pub version: ProtocolVersion,
    /// The version of the other's program, in its own words; empty where it does not say.
    pub software: String,
}

impl LinkProtocol {
    /// With a node that says nothing of itself.
    pub const fn unsaid() -> Self {
        Self { version: ProtocolVersions::UNSAID.newest, software: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(oldest: u16, newest: u16) -> ProtocolVersions {
        ProtocolVersions::new(oldest, newest).expect("a range")
    }

    #[test]
    fn a_link_uses_the_newest_version_that_both_speak() {
        for (one, other, common) in [
            ((1, 2), (1, 2), Some(2)),
            ((1, 1), (1, 2), Some(1)),
            ((1, 2), (2, 3), Some(2)),
            ((1, 4), (2, 3), Some(3)),
            ((1, 2), (3, 4), None),
            ((3, 3), (1, 2), None),
        ] {
            let (one, other) = (range(one.0, one.1), range(other.0, other.1));
            assert_eq!(one.common(other).map(|version| version.0), common, "{one} and {other}");
            assert_eq!(other.common(one), one.common(other));
        }
    }

    #[test]
    fn a_range_begins_with_the_first_version_and_is_not_empty() {
        assert_eq!(ProtocolVersions::new(0, 2), None);
        assert_eq!(ProtocolVersions::new(3, 2), None);
        assert_eq!(range(1, 2), ProtocolVersions::SPOKEN);
        assert_eq!(range(1, 2).to_string(), "1-2");
        assert_eq!(range(7, 7).to_string(), "7");
    }

    #[test]
    fn the_version_before_is_always_spoken() {
        let spoken = ProtocolVersions::SPOKEN;
        assert!(spoken.oldest() < spoken.newest(), "a cluster is upgraded node by node");
    }
}
