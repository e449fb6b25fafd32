//! The file of a backup: a line that says what it is, and then frames, of which none can be changed, lost, doubled or put
//! elsewhere without that being noticed.
//!
//! A frame is the length of its content in 4 bytes, the checksum in 8, the more significant first, and the content: a byte
//! that says of what kind, and the rest. The checksum (XXH3, 64 bits) is over the frame's number, counted from 0, in 8
//! bytes, and the content. The kinds are `R`, the node's record, first as it was before the counters were read and last as
//! it was after; `C`, counters; and `E`, the end, with the number of counters in 8 bytes.

use std::io::{self, Read, Write};

use xxhash_rust::xxh3::Xxh3;

use crate::replication::{NodeRecord, NumberSet};
use crate::wire::{WireError, decode_node_record, decode_stored_counter, take_backup_entry};

/// The name of the file in the directory of a backup.
pub const BACKUP_FILE: &str = "discnt.backup";
const HEAD: &[u8] = b"discnt backup 1\n";
/// How the head of every version begins. Its number and a line feed follow.
const HEAD_WORDS: &[u8] = b"discnt backup ";
/// The longest number of a version that is looked for.
const MAX_VERSION_DIGITS: usize = 9;
/// The longest content of a frame, in bytes.
const MAX_FRAME_BYTES: usize = 64 << 20;
const RECORD: u8 = b'R';
const COUNTERS: u8 = b'C';
const END: u8 = b'E';

/// Why a file is no whole backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It does not begin as one.
    #[error("it is no backup")]
    NoBackup,
    /// It begins as one that this version cannot read.
    #[error("it was made by a newer version (its format is {0}, this one reads 1); use a newer discnt-server")]
    Newer(u32),
    /// It ends before its end.
    #[error("it is cut short in frame {0}")]
    CutShort(u64),
    /// A frame is not what was written.
    #[error("frame {frame} is damaged: {what}")]
    Damaged {
        /// Its number, from 0.
        frame: u64,
        /// What is wrong with it.
        what: String,
    },
}

/// Writes a backup.
pub struct BackupWriter<W> {
    out: W,
    frame: u64,
    counters: u64,
}

impl<W: Write> BackupWriter<W> {
    /// Begins with the record that the node had before the first counter was read.
    ///
    /// # Errors
    /// That of the output.
    pub fn begin(mut out: W, record: &[u8]) -> io::Result<Self> {
        out.write_all(HEAD)?;
        let mut writer = Self { out, frame: 0, counters: 0 };
        writer.frame(RECORD, record)?;
        Ok(writer)
    }

    /// Some counters, as [`crate::wire::encode_backup_entry`] appends them. Answers how many there are so far.
    ///
    /// # Errors
    /// That of the output, and [`io::ErrorKind::InvalidData`] for what are no counters.
    pub fn add(&mut self, entries: &[u8]) -> io::Result<u64> {
        let mut rest = entries;
        while take_backup_entry(&mut rest).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?.is_some()
        {
            self.counters += 1;
        }
        if !entries.is_empty() {
            self.frame(COUNTERS, entries)?;
        }
        Ok(self.counters)
    }

    /// Ends with the record that the node had when the last counter was read. Answers the output, and how many counters
    /// there are.
    ///
    /// # Errors
    /// That of the output.
    pub fn finish(mut self, record: &[u8]) -> io::Result<(W, u64)> {
        self.frame(RECORD, record)?;
        self.frame(END, &self.counters.to_be_bytes())?;
        self.out.flush()?;
        Ok((self.out, self.counters))
    }

    fn frame(&mut self, kind: u8, content: &[u8]) -> io::Result<()> {
        let length = u32::try_from(content.len() + 1).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.out.write_all(&length.to_be_bytes())?;
        self.out.write_all(&checksum(self.frame, &[kind], content).to_be_bytes())?;
        self.out.write_all(&[kind])?;
        self.frame += 1;
        self.out.write_all(content)
    }
}

/// Why a file that begins like this is not read.
fn other_head(head: &[u8]) -> BackupError {
    if head.is_empty() {
        return BackupError::Empty;
    }
    let line = head.strip_prefix(HEAD_WORDS).and_then(|rest| rest.get(..rest.iter().position(|byte| *byte == b'\n')?));
    let version = line.and_then(|number| str::from_utf8(number).ok()?.parse().ok());
    version.filter(|version| *version > 1).map_or(BackupError::NoBackup, BackupError::Newer)
}

fn checksum(frame: u64, kind: &[u8], content: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(&frame.to_be_bytes());
    hasher.update(kind);
    hasher.update(content);
    hasher.digest()
}

/// Reads a backup.
pub struct BackupReader<R> {
    input: R,
    frame: u64,
}

impl<R: Read> BackupReader<R> {
    /// Begins to read; answers the record from before the counters too.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn begin(mut input: R) -> Result<(Self, NodeRecord), BackupError> {
        let mut head = Vec::new();
        input.by_ref().take(HEAD.len() as u64).read_to_end(&mut head)?;
        if head != HEAD {
            input.take(MAX_VERSION_DIGITS as u64).read_to_end(&mut head)?;
            return Err(other_head(&head));
        }
        let mut reader = Self { input, frame: 0 };
        let (kind, content) = reader.next()?;
        let record = reader.record(kind, &content)?;
        Ok((reader, record))
    }

    /// Hands the counters over, a frame at a time, each as [`take_backup_entry`] reads them, and answers the record from after
    /// them. Everything is checked before it is handed over, but for the states, which that record is needed for.
    ///
    /// # Errors
    /// [`BackupError`], and what `take` answers.
    pub fn read<E: From<BackupError>>(mut self, take: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<NodeRecord, E> {
        let mut counters = 0;
        loop {
            let (kind, content) = self.next()?;
            if kind != COUNTERS {
                let record = self.record(kind, &content)?;
                self.end(counters)?;
                return Ok(record);
            }
            let mut rest = &content[..];
            while take_backup_entry(&mut rest).map_err(|error| self.damaged(error))?.is_some() {
                counters += 1;
            }
            take(&content)?;
        }
    }

    fn record(&self, kind: u8, content: &[u8]) -> Result<NodeRecord, BackupError> {
        if kind != RECORD {
            return Err(self.damaged("the record of the node is expected"));
        }
        decode_node_record(content).map_err(|error| self.damaged(error))
    }

    fn end(&mut self, counters: u64) -> Result<(), BackupError> {
        let (kind, content) = self.next()?;
        if kind != END || content != counters.to_be_bytes() {
            return Err(self.damaged(format!("the end of {counters} counters is expected")));
        }
        match self.input.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(self.damaged("something follows the end")),
        }
    }

    fn next(&mut self) -> Result<(u8, Vec<u8>), BackupError> {
        let number = self.frame;
        let cut_short = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => BackupError::CutShort(number),
            _ => BackupError::Io(error),
        };
        let mut head = [0; 13];
        self.input.read_exact(&mut head).map_err(cut_short)?;
        let number_of = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let (length, expected) = (number_of(&head[..4]) as usize, number_of(&head[4..12]));
        if !(1..=MAX_FRAME_BYTES).contains(&length) {
            return Err(self.damaged("its length"));
        }
        let mut content = Vec::new();
        // Memory is taken as bytes come, not as the length claims.
        self.input.by_ref().take(length as u64 - 1).read_to_end(&mut content)?;
        if content.len() + 1 < length {
            return Err(BackupError::CutShort(number));
        }
        if checksum(number, &head[12..], &content) != expected {
            return Err(self.damaged("its checksum"));
        }
        self.frame += 1;
        Ok((head[12], content))
    }

    /// The frame that was read last, or is being read.
    fn damaged(&self, what: impl ToString) -> BackupError {
        BackupError::Damaged { frame: self.frame.saturating_sub(1), what: what.to_string() }
    }
}

/// What a restored node knows of all replicas: it holds what the node held before the counters were read, and its counters
/// may name replicas that were heard of only while they were.
pub(super) fn joined(before: NodeRecord, after: NodeRecord) -> Result<NodeRecord, String> {
    let is_longer = after.replicas.len() >= before.replicas.len();
    let same = before.replicas.iter().zip(&after.replicas).all(|(one, other)| one.0 == other.0);
    if !is_longer || !same || before.own != after.own {
        return Err("the node began another life while it was made".to_owned());
    }
    let known = before.replicas.len();
    let later = after.replicas.into_iter().skip(known).map(|(replica, _)| (replica, NumberSet::default()));
    let replicas = before.replicas.into_iter().chain(later).collect();
    Ok(NodeRecord { replicas, time: before.time.max(after.time), ..before })
}

/// Whether every state of a frame can be read with this record.
pub(super) fn check_states(entries: &[u8], record: &NodeRecord) -> Result<(), WireError> {
    let replicas: Vec<_> = record.replicas.iter().map(|(replica, _)| *replica).collect();
    let mut rest = entries;
    while let Some((_, state)) = take_backup_entry(&mut rest)? {
        decode_stored_counter(state, &replicas)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Incarnation, NodeId, ReplicaId, Total};
    use crate::counter::{Share, StoredCounter};
    use crate::wire::{encode_backup_entry, encode_node_record};

    fn replica(number: u8) -> ReplicaId {
        ReplicaId { node: NodeId::new([number; 20]), incarnation: Incarnation(1) }
    }

    fn record(replicas: &[(u8, u64)]) -> NodeRecord {
        let held = |(number, last): &(u8, u64)| (replica(*number), NumberSet::new(*last, []));
        NodeRecord { own: replica(1), replicas: replicas.iter().map(held).collect(), ..NodeRecord::default() }
    }

    fn bytes_of(record: &NodeRecord) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_node_record(record, &mut bytes);
        bytes
    }

    fn written() -> Vec<u8> {
        let share = Share { born: 1, revision: 2, total: Total::from_units(3) };
        let counter = StoredCounter { own: Some(share), ..StoredCounter::default() };
        let mut writer = BackupWriter::begin(Vec::new(), &bytes_of(&record(&[(1, 5)]))).expect("room");
        for names in [&[&b"a"[..], b"b"][..], &[], &[b"c"]] {
            let mut entries = Vec::new();
            names.iter().for_each(|name| encode_backup_entry(name, &counter, &mut entries));
            writer.add(&entries).expect("room");
        }
        let (bytes, counters) = writer.finish(&bytes_of(&record(&[(1, 7), (2, 9)]))).expect("room");
        assert_eq!(counters, 3);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<(NodeRecord, Vec<u8>), BackupError> {
        let mut names = Vec::new();
        let (reader, before) = BackupReader::begin(bytes)?;
        let after = reader.read(&mut |mut entries| {
            while let Some((name, _)) = take_backup_entry(&mut entries).expect("checked") {
                names.extend_from_slice(name.as_bytes());
            }
            Ok::<(), BackupError>(())
        })?;
        Ok((joined(before, after).expect("one life"), names))
    }

    #[test]
    fn what_was_written_is_read_and_only_what_was_held_before_is_claimed() {
        let (found, names) = read(&written()).expect("whole");
        assert_eq!(names, b"abc");
        assert_eq!(found, record(&[(1, 5), (2, 0)]));
    }

    #[test]
    fn no_flipped_bit_lost_byte_or_moved_frame_goes_unnoticed() {
        let good = written();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&bad).is_err(), "bit {bit}");
        }
        for length in 0..good.len() {
            assert!(read(&good[..length]).is_err(), "length {length}");
        }
        assert!(read(&[&good[..], b"x"].concat()).is_err());
        // The frames of the counters, doubled, left out, and after each other in another order.
        let (_, second) = frame_after(&good, HEAD.len());
        let (_, third) = frame_after(&good, second);
        let (_, fourth) = frame_after(&good, third);
        let parts = [&good[..second], &good[second..third], &good[third..fourth], &good[fourth..]];
        for order in [&[0, 1, 1, 2, 3][..], &[0, 2, 3], &[0, 1, 3], &[0, 2, 1, 3]] {
            let bad: Vec<u8> = order.iter().flat_map(|part| parts[*part].to_vec()).collect();
            assert!(read(&bad).is_err(), "{order:?}");
        }
        assert!(read(&parts.concat()).is_ok());
    }

    #[test]
    fn what_is_no_backup_of_this_version_is_told_apart() {
        let told = |head: &[u8]| read(&[head, &written()[HEAD.len()..]].concat()).expect_err("refused").to_string();
        assert_eq!(read(b"").expect_err("refused").to_string(), "it is empty");
        for version in ["2", "10", "4294967295"] {
            let text = told(format!("discnt backup {version}\n").as_bytes());
            let expected = format!(
                "it was made by a newer version (its format is {version}, this one reads 1); use a newer discnt-server"
            );
            assert_eq!(text, expected);
        }
        for junk in ["discnt backup 0\n", "discnt backup 11111111111\n", "discnt backup \n", "discnt backup 2", "junk"]
        {
            assert_eq!(told(junk.as_bytes()), "it is no backup", "{junk}");
        }
        for junk in [&b"x"[..], b"discnt backup 1", b"discnt backup 2", b"\n"] {
            assert_eq!(read(junk).expect_err("refused").to_string(), "it is no backup");
        }
    }

    /// Where a frame begins and ends.
    fn frame_after(bytes: &[u8], at: usize) -> (usize, usize) {
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        (at, at + 12 + length as usize)
    }

    #[test]
    fn records_of_two_lives_do_not_go_together() {
        let before = record(&[(1, 5), (2, 5)]);
        assert!(joined(before.clone(), record(&[(1, 5)])).is_err());
        assert!(joined(before.clone(), record(&[(1, 5), (3, 5)])).is_err());
        let reborn = NodeRecord { own: replica(3), ..record(&[(1, 5), (2, 5), (3, 0)]) };
        assert!(joined(before, reborn).is_err());
    }
}
