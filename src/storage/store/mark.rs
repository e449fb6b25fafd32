//! What the store says of itself: whose it is, what is known of the run that writes it, and how many commits it holds.

use super::super::error::StorageError;
use crate::base::{Durability, Incarnation, NodeId};
use minicbor::{Decoder, Encoder};
use std::path::Path;

/// The version of the store that is written, and the newest that is read.
///
/// Version 1 had no redo log: a program that knows only that would not see what is in it.
pub(super) const STORE_VERSION: u64 = 2;

/// Written anew with every commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The node whose counters these are.
    pub(super) node: NodeId,
    /// Tells this store from every other one, also of the same node.
    pub(super) store: u64,
    /// The number of the commit that this was written with.
    pub(super) commit: u64,
    /// The engine had given out the numbers below this one when this was written; the batch that it is in has one a little
    /// above. The engine's own checksum does not cover that number.
    pub(super) first_number: u64,
    /// The weakest durability of the present or last run.
    pub(super) durability: Durability,
    /// The run stopped and wrote all it had.
    pub(super) clean: bool,
    /// All that the replica ever numbered was in memory when this was written.
    pub(super) whole: bool,
    /// The state is older than what the node once said: repaired, or copied from a backup.
    pub(super) stale: bool,
    /// As which replica of the node it counts; 0 before it counted at all, and where that was not written yet.
    pub(super) incarnation: Incarnation,
    /// The engine had given out the numbers below this one when it began to count as that.
    pub(super) own_since: u64,
}

/// Places of a mark that says as which replica the node counts.
const PLACES: u64 = 11;

impl Mark {
    /// Whether this differs from another only in its place in the order of commits.
    pub(super) fn says_the_same_as(&self, other: &Self) -> bool {
        *self == Self { commit: self.commit, first_number: self.first_number, ..*other }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut out = Encoder::new(out);
        let durability = match self.durability {
            Durability::Always => 0,
            Durability::EverySecond => 1,
            Durability::Memory => 2,
        };
        let _ = out.array(PLACES).and_then(|out| {
            out.u64(STORE_VERSION)?
                .bytes(self.node.as_bytes())?
                .u64(self.store)?
                .u64(self.commit)?
                .u64(self.first_number)
        });
        let _ = out.u8(durability);
        let _ = out.bool(self.clean).and_then(|out| out.bool(self.whole)?.bool(self.stale));
        let _ = out.u64(self.incarnation.0).and_then(|out| out.u64(self.own_since));
    }

    /// Reads a mark; `path` is for the error.
    pub(super) fn decode(bytes: &[u8], path: &Path) -> Result<Self, StorageError> {
        let damaged = |what: String| StorageError::StoreDamaged { path: path.to_owned(), what };
        let mut input = Decoder::new(bytes);
        let head = input.array().and_then(|places| Ok((places, input.u64()?)));
        let (places, version) = head.map_err(|error| damaged(error.to_string()))?;
        if version > STORE_VERSION {
            return Err(StorageError::Newer { path: path.to_owned(), found: version, known: STORE_VERSION });
        }
        Self::decode_rest(&mut input, places.unwrap_or(0))
            .map_err(|error| damaged(format!("what it says of itself: {error}")))
    }

    fn decode_rest(input: &mut Decoder<'_>, places: u64) -> Result<Self, minicbor::decode::Error> {
        let node = input.bytes()?.try_into().map_err(|_| minicbor::decode::Error::message("a node id"))?;
        let (store, commit, first_number) = (input.u64()?, input.u64()?, input.u64()?);
        let durability = match input.u8()? {
            0 => Durability::Always,
            1 => Durability::EverySecond,
            2 => Durability::Memory,
            _ => return Err(minicbor::decode::Error::message("a durability")),
        };
        let (clean, whole, stale) = (input.bool()?, input.bool()?, input.bool()?);
        let (incarnation, own_since) = if places < PLACES { (0, 0) } else { (input.u64()?, input.u64()?) };
        Ok(Self {
            node: NodeId::new(node),
            store,
            commit,
            first_number,
            durability,
            clean,
            whole,
            stale,
            incarnation: Incarnation(incarnation),
            own_since,
        })
    }
}

/// The weaker of two promises: that which a run that had both kept.
pub(super) fn weaker(one: Durability, other: Durability) -> Durability {
    let rank = |durability| match durability {
        Durability::Always => 0,
        Durability::EverySecond => 1,
        Durability::Memory => 2,
    };
    if rank(one) >= rank(other) { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> Mark {
        Mark {
            node: NodeId::new([7; 20]),
            store: 0x0102,
            commit: 300,
            first_number: 9,
            durability: Durability::EverySecond,
            clean: true,
            whole: false,
            stale: true,
            incarnation: Incarnation(4),
            own_since: 8,
        }
    }

    #[test]
    fn a_mark_has_the_pinned_bytes() {
        let mut bytes = Vec::new();
        mark().encode(&mut bytes);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, format!("8b0254{}19010219012c0901f5f4f50408", "07".repeat(20)));
        assert_eq!(Mark::decode(&bytes, Path::new("x")).expect("a mark"), mark());
        let mut shorter = bytes[..bytes.len() - 2].to_vec();
        shorter[0] = 0x89;
        let before = Mark { incarnation: Incarnation(0), own_since: 0, ..mark() };
        assert_eq!(Mark::decode(&shorter, Path::new("x")).expect("a mark of before"), before);
        bytes[1] = 1;
        assert_eq!(Mark::decode(&bytes, Path::new("x")).expect("a mark of version 1"), mark());
        bytes[1] = 3;
        let newer = Mark::decode(&bytes, Path::new("x"));
        assert!(matches!(newer, Err(StorageError::Newer { found: 3, known: 2, .. })), "{newer:?}");
        let short = Mark::decode(&bytes[..9], Path::new("x"));
        assert!(short.is_err());
    }
}
