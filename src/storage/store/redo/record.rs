//! One record of the log: all that one commit writes.
//!
//! A head of six numbers of 8 bytes, least significant byte first: a word that also tells the version, a checksum over all that
//! follows it, the store, the commit before it, its own commit, the length of the body. The body is the mark and the node's
//! record, both sealed, each after its length in 4 bytes, and then the counters ([`Item`]).

use super::super::changes::{Changes, Item};
use super::super::mark::Mark;
use super::super::sealed::unseal;
use super::super::{MARK_KEY, RECORD_KEY};
use crate::storage::StorageError;
use std::ops::Range;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// The first bytes of each record. The last of them is the version.
pub(super) const WORD: [u8; 8] = *b"dscredo\x01";
pub(super) const HEAD_BYTES: usize = 48;
const CHECKSUM: Range<usize> = 8..16;
/// In place of a length: there is no node's record.
const NONE: u32 = u32::MAX;

/// A record in the bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Record {
    pub(super) previous: u64,
    pub(super) commit: u64,
    /// Where the sealed mark is, the sealed record of the node, and the counters.
    mark: Range<usize>,
    node: Option<Range<usize>>,
    items: Range<usize>,
}

/// What a record says it is part of, and where in the order of all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) store: u64,
    pub(super) previous: u64,
    pub(super) commit: u64,
}

/// Writes a record over `out`.
pub(super) fn encode(out: &mut Vec<u8>, place: Place, mark: &[u8], node: Option<&[u8]>, changes: &Changes) {
    out.clear();
    out.resize(HEAD_BYTES, 0);
    out.extend_from_slice(&(mark.len() as u32).to_le_bytes());
    out.extend_from_slice(mark);
    out.extend_from_slice(&node.map_or(NONE, |node| node.len() as u32).to_le_bytes());
    out.extend_from_slice(node.unwrap_or_default());
    out.extend_from_slice(changes.encoded());
    let length = (out.len() - HEAD_BYTES) as u64;
    out[..8].copy_from_slice(&WORD);
    for (at, number) in (16..).step_by(8).zip([place.store, place.previous, place.commit, length]) {
        out[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    let checksum = xxh3_64(&out[CHECKSUM.end..]).to_le_bytes();
    out[CHECKSUM].copy_from_slice(&checksum);
}

/// Of which store a record is, by its first bytes.
pub(super) fn store_of(head: &[u8; HEAD_BYTES]) -> Option<u64> {
    head.starts_with(&WORD).then(|| u64::from_le_bytes(std::array::from_fn(|at| head[16 + at])))
}

impl Record {
    /// The record of this store that begins at a byte, and where it ends; `None` where there is none that is right.
    pub(super) fn at(bytes: &[u8], begin: usize, store: u64) -> Option<(Self, usize)> {
        let rest = bytes.get(begin..)?;
        let number = |at: usize| Some(u64::from_le_bytes(*rest.get(at..)?.first_chunk()?));
        if !rest.starts_with(&WORD) || number(16)? != store {
            return None;
        }
        let length = usize::try_from(number(40)?).ok()?;
        let body = rest.get(HEAD_BYTES..HEAD_BYTES.checked_add(length)?)?;
        if xxh3_64(&rest[CHECKSUM.end..HEAD_BYTES + length]) != number(CHECKSUM.start)? {
            return None;
        }
        let part = |at: usize| {
            let length = u32::from_le_bytes(*body.get(at..)?.first_chunk()?);
            let end = if length == NONE { at + 4 } else { (at + 4).checked_add(length as usize)? };
            body.get(at + 4..end)?;
            Some((length != NONE, at + 4..end))
        };
        let (_, mark) = part(0)?;
        let (has_node, node) = part(mark.end)?;
        let items = node.end..length;
        let within = |range: Range<usize>| begin + HEAD_BYTES + range.start..begin + HEAD_BYTES + range.end;
        let record = Self {
            previous: number(24)?,
            commit: number(32)?,
            mark: within(mark),
            node: has_node.then(|| within(node)),
            items: within(items),
        };
        Some((record, begin + HEAD_BYTES + length))
    }

    /// What it says of the store; the error of the mark when that cannot be read.
    pub(in super::super) fn mark(&self, bytes: &[u8], path: &Path) -> Option<Result<Mark, StorageError>> {
        unseal(MARK_KEY, &bytes[self.mark.clone()]).map(|mark| Mark::decode(mark, path))
    }

    /// The node's record, sealed, if one was written.
    pub(in super::super) fn sealed_node<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        self.node.clone().map(|node| &bytes[node])
    }

    /// The node's record as it was before it was sealed.
    pub(in super::super) fn node<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        unseal(RECORD_KEY, self.sealed_node(bytes)?)
    }

    /// The counters, in the order in which they were written.
    pub(in super::super) fn items<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = Item<'a>> {
        let mut rest = &bytes[self.items.clone()];
        std::iter::from_fn(move || {
            let (item, length) = Item::first(rest)?;
            rest = &rest[length..];
            Some(item)
        })
    }

    /// The number of the commit before it.
    pub(in super::super) fn previous(&self) -> u64 {
        self.previous
    }

    /// The number of its commit.
    pub(in super::super) fn commit(&self) -> u64 {
        self.commit
    }
}
