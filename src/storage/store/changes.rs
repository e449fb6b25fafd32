//! What one commit is to write: counters, in bytes already.
//!
//! An item is `[length of the value: 4 bytes][checksum: 8][length of the name: 8][name][value]`, least significant byte first.
//! The checksum is that of a sealed value, of all that follows it. These bytes are also what the redo log holds.

use super::sealed::{SEAL_BYTES, USUAL_BYTES, checksum_of};
use crate::counter::StoredCounter;
use crate::wire::encode_stored_counter;

/// In place of a value's length: the counter is gone.
const GONE: u32 = u32::MAX;
const LENGTH_BYTES: usize = 4;
const NAME_LENGTH_BYTES: usize = 8;
/// What comes before the name.
const HEAD_BYTES: usize = LENGTH_BYTES + SEAL_BYTES + NAME_LENGTH_BYTES;

/// Counters that changed, each under its name, or gone.
#[derive(Debug, Default)]
pub struct Changes {
    bytes: Vec<u8>,
    /// Where each item begins.
    items: Vec<usize>,
}

/// One counter of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub(super) name: &'a [u8],
    checksum: [u8; SEAL_BYTES],
    /// None: it is gone.
    value: Option<&'a [u8]>,
}

impl Changes {
    /// The counter as it is now; `None` when it is gone. The last word on a name counts.
    pub fn push(&mut self, name: &[u8], counter: Option<&StoredCounter>) {
        let begin = self.bytes.len();
        self.items.push(begin);
        self.bytes.reserve(HEAD_BYTES + name.len() + USUAL_BYTES);
        self.bytes.extend_from_slice(&[0; LENGTH_BYTES + SEAL_BYTES]);
        self.bytes.extend_from_slice(&(name.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(name);
        let value = self.bytes.len();
        if let Some(counter) = counter {
            encode_stored_counter(counter, &mut self.bytes);
        }
        let length = counter.map_or(GONE, |_| (self.bytes.len() - value) as u32);
        let checksum = checksum_of(&self.bytes[begin + LENGTH_BYTES + SEAL_BYTES..]);
        self.bytes[begin..begin + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
        self.bytes[begin + LENGTH_BYTES..begin + LENGTH_BYTES + SEAL_BYTES].copy_from_slice(&checksum);
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// About how many bytes will be written.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.items.clear();
        self.bytes.clear();
    }

    /// The names, some maybe more than once.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.items().map(|item| item.name)
    }

    /// All items, as they follow each other.
    pub(super) fn encoded(&self) -> &[u8] {
        &self.bytes
    }

    /// In order, one word a name: all of a batch have one number in the engine, which would take either of two.
    pub(super) fn settled(&self) -> Vec<Item<'_>> {
        let mut items: Vec<_> = self.items().collect();
        // Stable: of one name, the last word is the last.
        items.sort_by_key(|item| item.name);
        items.reverse();
        items.dedup_by_key(|item| item.name);
        items.reverse();
        items
    }

    fn items(&self) -> impl Iterator<Item = Item<'_>> {
        self.items.iter().filter_map(|begin| Item::first(&self.bytes[*begin..])).map(|(item, _)| item)
    }
}

impl<'a> Item<'a> {
    /// The item that `bytes` begin with, and how long it is; `None` where there is none.
    pub(super) fn first(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (checksum, rest) = rest.split_first_chunk()?;
        let (name_length, rest) = rest.split_first_chunk()?;
        let (name, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*name_length)).ok()?)?;
        let value = match u32::from_le_bytes(*length) {
            GONE => None,
            length => Some(rest.get(..length as usize)?),
        };
        let taken = HEAD_BYTES + name.len() + value.map_or(0, <[u8]>::len);
        Some((Self { name, checksum: *checksum, value }, taken))
    }

    /// The value as the engine keeps it, written over `out`; `None` when the counter is gone.
    pub(super) fn sealed<'b>(&self, out: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        let value = self.value?;
        out.clear();
        out.extend_from_slice(&self.checksum);
        out.extend_from_slice(value);
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sealed::unseal;
    use super::*;

    #[test]
    fn the_last_word_on_a_name_counts() {
        let counter = StoredCounter::default();
        let mut changes = Changes::default();
        for (name, there) in [("b", true), ("a", false), ("b", false), ("c", false), ("c", true)] {
            changes.push(name.as_bytes(), there.then_some(&counter));
        }
        let settled: Vec<_> = changes.settled().iter().map(|item| (item.name, item.value.is_some())).collect();
        assert_eq!(settled, [(&b"a"[..], false), (b"b", false), (b"c", true)]);
        assert_eq!(changes.names().collect::<Vec<_>>(), [b"b", b"a", b"b", b"c", b"c"]);
    }

    #[test]
    fn an_item_has_the_pinned_bytes_and_a_seal_that_the_engines_reader_takes() {
        let mut changes = Changes::default();
        changes.push(b"ab", Some(&StoredCounter::default()));
        let hex: String = changes.encoded().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "020000005784b941ed69035d020000000000000061628101");
        let (item, length) = Item::first(changes.encoded()).expect("an item");
        assert_eq!((item.name, length), (&b"ab"[..], changes.bytes()));
        let mut out = Vec::new();
        let sealed = item.sealed(&mut out).expect("it is there");
        assert_eq!(unseal(b"ab", sealed), Some(&[0x81, 1][..]));
        for short in 0..changes.bytes() {
            assert_eq!(Item::first(&changes.encoded()[..short]), None);
        }
    }
}
