//! The first words on a connection: a greeting, and which versions of the protocol the sender speaks.
//!
//! A greeting of 17 bytes, the oldest and the newest version in two bytes each, big-endian, the length of the name of the
//! sender's program's version in one byte, and that name. The first version says the greeting alone. What a later one appends
//! is passed over.

use super::pairing::{GREETING_BYTES, Greeting};
use crate::wire::{LinkProtocol, ProtocolVersions};

/// The longest name of a program's version.
const MAX_SOFTWARE_BYTES: usize = 32;

/// The first words of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Introduction {
    pub(super) greeting: Greeting,
    /// What the sender speaks.
    pub(super) versions: ProtocolVersions,
    /// The version of its program, for people; empty where it does not say.
    pub(super) software: String,
}

impl Introduction {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.greeting.encode().to_vec();
        bytes.extend_from_slice(&self.versions.oldest().0.to_be_bytes());
        bytes.extend_from_slice(&self.versions.newest().0.to_be_bytes());
        let software = &self.software.as_bytes()[..self.software.len().min(MAX_SOFTWARE_BYTES)];
        bytes.push(u8::try_from(software.len()).unwrap_or(0));
        bytes.extend_from_slice(software);
        bytes
    }

    /// Reads what [`Self::encode`] wrote, and whatever a later version appended. None where that makes no sense.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let greeting = Greeting::decode(bytes)?;
        let rest = bytes.get(GREETING_BYTES..)?;
        if rest.is_empty() {
            return Some(Self { greeting, versions: ProtocolVersions::UNSAID, software: String::new() });
        }
        let (oldest, rest) = rest.split_first_chunk::<2>()?;
        let (newest, rest) = rest.split_first_chunk::<2>()?;
        let versions = ProtocolVersions::new(u16::from_be_bytes(*oldest), u16::from_be_bytes(*newest))?;
        let (length, rest) = rest.split_first()?;
        let software = rest.get(..usize::from(*length))?;
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-+_".contains(byte);
        let is_name = software.len() <= MAX_SOFTWARE_BYTES && software.iter().all(is_plain);
        let software = if is_name { String::from_utf8_lossy(software).into_owned() } else { String::new() };
        Some(Self { greeting, versions, software })
    }

    /// What is spoken on the link, for a node that speaks `ours`; or why there is no link: in words for that node's own log,
    /// and for the other's.
    pub(super) fn agree(&self, ours: ProtocolVersions, our_software: &str) -> Result<LinkProtocol, Apart> {
        if let Some(version) = ours.common(self.versions) {
            return Ok(LinkProtocol { version, software: self.software.clone() });
        }
        let theirs = said(self.versions, &self.software);
        let ours = said(ours, our_software);
        let (here, there) = match self.versions.newest() < ours.0.newest() {
            true => ("upgrade that one", "upgrade the refused one"),
            false => ("upgrade this one", "upgrade the one that refuses"),
        };
        Err(Apart {
            here: format!("it speaks {} and this node {}: {here}, one version after the other", theirs.1, ours.1),
            there: format!(
                "the node that refuses speaks {}, the refused one {}: {there}, one version after the other",
                ours.1, theirs.1
            ),
        })
    }
}

/// Why two nodes do not link.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Apart {
    /// For the log of the node that finds it out.
    pub(super) here: String,
    /// For the other.
    pub(super) there: String,
}

/// "version 2 of the protocol (discnt 0.3.0)"
fn said(versions: ProtocolVersions, software: &str) -> (ProtocolVersions, String) {
    let plural = if versions.oldest() == versions.newest() { "" } else { "s" };
    let program = if software.is_empty() { String::new() } else { format!(" (discnt {software})") };
    (versions, format!("version{plural} {versions} of the protocol{program}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREETING: Greeting = Greeting { epoch: 7, number: 9, busy: true };

    fn introduction(oldest: u16, newest: u16, software: &str) -> Introduction {
        let versions = ProtocolVersions::new(oldest, newest).expect("a range");
        Introduction { greeting: GREETING, versions, software: software.into() }
    }

    #[test]
    fn an_introduction_has_the_pinned_bytes_and_may_grow() {
        let given = introduction(1, 258, "0.1.0");
        let mut bytes = given.encode();
        assert_eq!(bytes[..GREETING_BYTES], GREETING.encode());
        assert_eq!(bytes[GREETING_BYTES..], *b"\x00\x01\x01\x02\x050.1.0");
        assert_eq!(Greeting::decode(&bytes), Some(GREETING), "the first version reads the greeting");
        assert_eq!(Introduction::decode(&bytes), Some(given.clone()));
        bytes.extend_from_slice(b"later");
        assert_eq!(Introduction::decode(&bytes), Some(given));
    }

    #[test]
    fn who_says_a_greeting_alone_speaks_the_first_version() {
        let read = Introduction::decode(&GREETING.encode()).expect("the first version's");
        assert_eq!(read, introduction(1, 1, ""));
    }

    #[test]
    fn nonsense_is_refused_and_what_people_read_is_harmless() {
        let whole = introduction(1, 2, "0.1.0").encode();
        for length in (GREETING_BYTES + 1)..whole.len() {
            assert_eq!(Introduction::decode(&whole[..length]), None, "{length}");
        }
        for (oldest, newest) in [(0_u16, 1_u16), (3, 2)] {
            let bytes = [&GREETING.encode()[..], &oldest.to_be_bytes(), &newest.to_be_bytes(), &[0]].concat();
            assert_eq!(Introduction::decode(&bytes), None);
        }
        for software in ["a b", "\x1b[31m", "x=1", &"9".repeat(33)] {
            let mut bytes = introduction(1, 2, "").encode();
            bytes.pop();
            bytes.push(u8::try_from(software.len()).expect("short"));
            bytes.extend_from_slice(software.as_bytes());
            assert_eq!(Introduction::decode(&bytes).expect("read").software, "", "{software:?}");
        }
    }

    #[test]
    fn both_sides_are_told_who_is_to_be_upgraded() {
        let ours = ProtocolVersions::new(3, 4).expect("a range");
        let older = introduction(1, 2, "0.1.0").agree(ours, "0.5.0").expect_err("too old");
        assert_eq!(
            older.here,
            "it speaks versions 1-2 of the protocol (discnt 0.1.0) and this node versions 3-4 of the protocol (discnt \
             0.5.0): upgrade that one, one version after the other"
        );
        assert!(older.there.ends_with("upgrade the refused one, one version after the other"), "{}", older.there);
        let newer = introduction(9, 9, "").agree(ours, "0.5.0").expect_err("too new");
        assert!(newer.here.starts_with("it speaks version 9 of the protocol and this node"), "{}", newer.here);
        assert!(newer.here.contains(": upgrade this one"), "{}", newer.here);
        assert!(newer.there.len() <= 256 && newer.there.contains("upgrade the one that refuses"), "{}", newer.there);
        let agreed = introduction(2, 3, "0.4.0").agree(ours, "0.5.0").expect("one in common");
        assert_eq!((agreed.version.0, agreed.software.as_str()), (3, "0.4.0"));
    }
}
