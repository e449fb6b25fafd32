//! The engine's journals, read before the engine does.
//!
//! The engine takes whatever it cannot read for the torn end of the last write, and cuts it off with all that follows. Here
//! the two are told apart: a write that was torn was never acknowledged; anything else is damage.
//!
//! A journal is a row of batches, then zeros. A batch is a start (tag 1, count, number), items (tag 2, type, compression,
//! keyspace, lengths, key, value) and an end (tag 3, checksum of the items, trailer). All numbers are little-endian.

use std::ops::Range;
use xxhash_rust::xxh3::xxh3_64;

const TAG_START: u8 = 1;
const TAG_ITEM: u8 = 2;
const TAG_END: u8 = 3;
const START_BYTES: usize = 13;
const ITEM_HEAD_BYTES: usize = 21;
const END_BYTES: usize = 13;
const TRAILER: &[u8; 4] = b"FJL\x03";
const VALUE: u8 = 0;
const TOMBSTONE: u8 = 1;
/// What a disk writes as a whole.
const SECTOR_BYTES: usize = 512;
/// That many zeros in a row at the end or begin of a sector are taken for a sector that was not written.
const HOLE_BYTES: usize = 32;
/// A trailer with no more flipped bits than this is one that was written.
const MOST_FLIPS: u32 = 3;

/// One batch, whole and right.
#[derive(Debug)]
pub(in super::super) struct Batch {
    /// The number all of it has in the engine.
    pub(in super::super) number: u64,
    pub(in super::super) items: Vec<Item>,
    /// Behind its end.
    end: usize,
}

/// Where one item is in the journal's bytes.
#[derive(Debug)]
pub(in super::super) struct Item {
    pub(in super::super) keyspace: u64,
    pub(in super::super) key: Range<usize>,
    /// None: the key is removed.
    pub(in super::super) value: Option<Range<usize>>,
}

/// How a journal ends.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Tail {
    /// With the end of a batch.
    Whole,
    /// With a write that was cut short.
    Torn,
    /// What follows the good batches was changed after it was written.
    Damaged(String),
}

/// What was found in a journal.
#[derive(Debug)]
pub(in super::super) struct Scan {
    /// Up to here everything is right.
    pub(in super::super) good: usize,
    pub(in super::super) tail: Tail,
}

/// Reads a journal, and shows each batch that is right, up to the first that is not.
pub(in super::super) fn scan(bytes: &[u8], mut visit: impl FnMut(&Batch)) -> Scan {
    let mut at = 0;
    loop {
        match read_batch(bytes, at) {
            Ok(batch) => {
                visit(&batch);
                at = batch.end;
            }
            Err(what) => return Scan { good: at, tail: judge_tail(bytes, at, &what) },
        }
    }
}

/// Shows every batch that is right, however much is damaged between them. Answers where something else was written.
pub(in super::super) fn salvage(bytes: &[u8], mut visit: impl FnMut(&Batch)) -> Vec<Range<usize>> {
    let (mut at, mut good, mut skipped) = (0, 0, Vec::new());
    while at < bytes.len() {
        match read_batch(bytes, at) {
            Ok(batch) => {
                skipped.extend((good < at).then_some(good..at));
                visit(&batch);
                at = batch.end;
                good = at;
            }
            Err(_) => at = next_start(bytes, at + 1),
        }
    }
    // The engine makes room before it writes: zeros at the end are nothing.
    let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    skipped.extend((good < written).then_some(good..written));
    skipped
}

/// Where the next batch may begin.
fn next_start(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter().position(|byte| *byte == TAG_START).map_or(bytes.len(), |at| from + at)
}

fn judge_tail(bytes: &[u8], at: usize, what: &str) -> Tail {
    let rest = &bytes[at..];
    let Some(last) = rest.iter().rposition(|byte| *byte != 0) else { return Tail::Whole };
    let mut following = 0_usize;
    salvage(&rest[1.min(rest.len())..], |_| following += 1);
    if following > 0 {
        return Tail::Damaged(format!("at byte {at}, {what}, and {following} good batches come after that"));
    }
    if has_hole(bytes, at, at + last + 1) {
        return Tail::Torn;
    }
    if is_complete(rest, last) { Tail::Damaged(format!("at byte {at}, {what}")) } else { Tail::Torn }
}

/// Whether an end was written: then so was all before it, but for sectors that a power cut left out. `last` is the last byte
/// that is not zero. A trailer whose end is zeros was cut short.
fn is_complete(rest: &[u8], last: usize) -> bool {
    let trailer = (last + 1).checked_sub(TRAILER.len()).and_then(|from| rest.get(from..=last)).unwrap_or_default();
    let flips: u32 = trailer.iter().zip(TRAILER).map(|(found, written)| (found ^ written).count_ones()).sum();
    trailer.len() == TRAILER.len() && flips <= MOST_FLIPS
}

/// Whether a sector in this range holds nothing.
fn has_hole(bytes: &[u8], from: usize, to: usize) -> bool {
    let mut begin = from;
    while begin < to {
        let end = ((begin / SECTOR_BYTES + 1) * SECTOR_BYTES).min(to);
        // No batch begins with a zero, so of the first sector any part tells.
        let is_enough = begin == from || end - begin >= HOLE_BYTES;
        if is_enough && bytes[begin..end].iter().all(|byte| *byte == 0) {
            return true;
        }
        begin = end;
    }
    false
}

/// Reads a number of `N` bytes.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(N)?)?;
    Some(field.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn read_batch(bytes: &[u8], at: usize) -> Result<Batch, String> {
    let short = || "a batch is cut short".to_owned();
    if bytes.get(at) != Some(&TAG_START) {
        return Err("no batch begins where one should".to_owned());
    }
    let count = number::<4>(bytes, at + 1).ok_or_else(short)?;
    let batch_number = number::<8>(bytes, at + 5).ok_or_else(short)?;
    let first = at + START_BYTES;
    let (mut position, mut items) = (first, Vec::new());
    for _ in 0..count {
        let (item, end) = read_item(bytes, position)?;
        items.push(item);
        position = end;
    }
    if bytes.get(position) != Some(&TAG_END) {
        return Err("a batch does not end where it should".to_owned());
    }
    let checksum = number::<8>(bytes, position + 1).ok_or_else(short)?;
    let end = position + END_BYTES;
    if bytes.get(end - TRAILER.len()..end) != Some(TRAILER) {
        return Err("a batch has no proper end".to_owned());
    }
    if xxh3_64(&bytes[first..position]) != checksum {
        return Err("a batch has a wrong checksum".to_owned());
    }
    Ok(Batch { number: batch_number, items, end })
}

fn read_item(bytes: &[u8], at: usize) -> Result<(Item, usize), String> {
    let wrong = || "a batch holds something else than items".to_owned();
    let head = bytes.get(at..at + ITEM_HEAD_BYTES).ok_or_else(wrong)?;
    let (tag, kind, compression) = (head[0], head[1], head[2]);
    if tag != TAG_ITEM || !(kind == VALUE || kind == TOMBSTONE) || compression != 0 {
        return Err(wrong());
    }
    let field = |offset, width: usize| {
        head[offset..offset + width].iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let (keyspace, key_length, length, stored_length) = (field(3, 8), field(11, 2), field(13, 4), field(17, 4));
    if length != stored_length {
        return Err(wrong());
    }
    let key_from = at + ITEM_HEAD_BYTES;
    let value_from = key_from + key_length as usize;
    let end = value_from + length as usize;
    if end > bytes.len() {
        return Err("a batch is cut short".to_owned());
    }
    let value = (kind == VALUE).then_some(value_from..end);
    Ok((Item { keyspace, key: key_from..value_from, value }, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch that puts one value.
    fn batch(number: u64, key: &[u8], value: &[u8]) -> Vec<u8> {
        let mut item = vec![TAG_ITEM, VALUE, 0];
        item.extend_from_slice(&1_u64.to_le_bytes());
        item.extend_from_slice(&(key.len() as u16).to_le_bytes());
        item.extend_from_slice(&(value.len() as u32).to_le_bytes());
        item.extend_from_slice(&(value.len() as u32).to_le_bytes());
        item.extend_from_slice(key);
        item.extend_from_slice(value);
        let mut bytes = vec![TAG_START, 1, 0, 0, 0];
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&item);
        bytes.push(TAG_END);
        bytes.extend_from_slice(&xxh3_64(&item).to_le_bytes());
        bytes.extend_from_slice(TRAILER);
        bytes
    }

    fn journal() -> (Vec<u8>, usize) {
        let mut bytes = batch(5, b"a", b"first");
        let first = bytes.len();
        bytes.extend_from_slice(&batch(7, b"b", &[0xaa; 1500]));
        (bytes, first)
    }

    fn tail(bytes: &[u8]) -> (usize, Tail) {
        let scan = scan(bytes, |_| {});
        (scan.good, scan.tail)
    }

    #[test]
    fn zeros_behind_the_last_batch_are_nothing() {
        let (mut bytes, _) = journal();
        let length = bytes.len();
        assert_eq!(tail(&bytes), (length, Tail::Whole));
        bytes.resize(10_000, 0);
        assert_eq!(tail(&bytes), (length, Tail::Whole));
        assert_eq!(tail(&[]), (0, Tail::Whole));
    }

    #[test]
    fn a_write_that_was_cut_short_is_torn_wherever_it_was_cut() {
        let (bytes, first) = journal();
        for length in first + 1..bytes.len() {
            assert_eq!(tail(&bytes[..length]), (first, Tail::Torn), "{length}");
            let mut padded = bytes[..length].to_vec();
            padded.resize(10_000, 0);
            assert_eq!(tail(&padded), (first, Tail::Torn), "{length}, then zeros");
        }
    }

    #[test]
    fn sectors_that_were_left_out_are_torn_and_flipped_bits_are_damage() {
        let (bytes, first) = journal();
        let mut begin = first;
        while begin < bytes.len() {
            let end = ((begin / SECTOR_BYTES + 1) * SECTOR_BYTES).min(bytes.len());
            let mut torn = bytes.clone();
            torn[begin..end].fill(0);
            assert_eq!(tail(&torn), (first, Tail::Torn), "{begin}");
            begin = end;
        }
        let numbers = (first + 5) * 8..(first + START_BYTES) * 8;
        for bit in (first * 8..bytes.len() * 8).filter(|bit| !numbers.contains(bit)) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (good, tail) = tail(&flipped);
            assert!(good == first && matches!(tail, Tail::Damaged(_)), "bit {bit}: {tail:?}");
        }
    }

    #[test]
    fn damage_before_a_good_batch_is_never_torn_and_the_good_one_is_salvaged() {
        let (bytes, first) = journal();
        for at in 0..first {
            let mut damaged = bytes.clone();
            damaged[at] = damaged[at].wrapping_add(1);
            let (good, tail) = tail(&damaged);
            // The number of a batch is not covered by its checksum; what the store writes into each batch tells it.
            let is_number = (5..START_BYTES).contains(&at);
            assert!(matches!(tail, Tail::Damaged(_)) || is_number, "byte {at}: {tail:?}");
            assert!(good == 0 || is_number);
            let mut salvaged = Vec::new();
            let skipped = salvage(&damaged, |batch| salvaged.push(batch.number));
            assert!(salvaged.contains(&7), "byte {at}");
            let expected = (!is_number).then_some(0..first);
            assert_eq!(skipped, expected.into_iter().collect::<Vec<_>>(), "byte {at}");
        }
    }
}
