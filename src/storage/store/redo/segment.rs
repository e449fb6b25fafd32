//! Reading a file of the log. It is written over from its beginning again and again: what is right of an earlier turn may
//! follow what is right of this one, and has lower numbers.

use super::record::{Record, WORD};
use crate::storage::StorageError;
use crate::storage::checked_file::io_error;
use memchr::memmem;
use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One file, read as a whole.
pub(in super::super) struct Segment {
    pub(in super::super) path: PathBuf,
    pub(in super::super) bytes: Vec<u8>,
    /// The records of its present turn, one after another.
    pub(in super::super) records: Vec<Record>,
    /// Where they end.
    end: usize,
}

/// From where to where the commits of a segment go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The commit before its first.
    pub(super) previous: u64,
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Segment {
    /// Reads a file of a store; `None` when there is none.
    pub(in super::super) fn read(path: PathBuf, store: u64) -> Result<Option<Self>, StorageError> {
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        let (mut records, mut end): (Vec<Record>, usize) = (Vec::new(), 0);
        while let Some((record, next)) = Record::at(&bytes, end, store) {
            if records.last().is_some_and(|last| last.commit != record.previous) {
                break;
            }
            records.push(record);
            end = next;
        }
        Ok(Some(Self { path, bytes, records, end }))
    }

    pub(super) fn span(&self) -> Option<Span> {
        let (first, last) = (self.records.first()?, self.records.last()?);
        Some(Span { previous: first.previous, first: first.commit, last: last.commit })
    }

    /// Fails when there is a right record behind one that is not, and it is newer than `known`: what a write leaves that is
    /// cut short is followed by nothing newer.
    pub(super) fn check_end(&self, store: u64, known: u64) -> Result<(), StorageError> {
        let known = self.records.last().map_or(known, |last| last.commit.max(known));
        match self.beyond(store).find(|(record, _)| record.commit > known) {
            None => Ok(()),
            Some((record, _)) => Err(damaged(
                &self.path,
                format!(
                    "what it holds from byte {} on cannot be read, though commit {} behind it is there",
                    self.end, record.commit
                ),
            )),
        }
    }

    /// All records above `known` that are right, and what cannot be read before the last of them.
    pub(in super::super) fn everything(&self, store: u64, known: u64) -> (Vec<Record>, Vec<Range<usize>>) {
        let mut records: Vec<_> = self.records.iter().filter(|record| record.commit > known).cloned().collect();
        let mut newest = self.records.last().map_or(known, |last| last.commit.max(known));
        let (mut end, mut lost) = (self.end, Vec::new());
        for (record, range) in self.beyond(store) {
            if record.commit > newest {
                newest = record.commit;
                if range.start > end {
                    lost.push(end..range.start);
                }
                end = range.end;
                records.push(record);
            }
        }
        (records, lost)
    }

    fn beyond(&self, store: u64) -> impl Iterator<Item = (Record, Range<usize>)> {
        let mut at = self.end;
        let finder = memmem::Finder::new(&WORD).into_owned();
        std::iter::from_fn(move || {
            loop {
                let begin = at + finder.find(self.bytes.get(at..)?)?;
                match Record::at(&self.bytes, begin, store) {
                    Some((record, end)) => {
                        at = end;
                        return Some((record, begin..end));
                    }
                    None => at = begin + 1,
                }
            }
        })
    }
}

pub(super) fn damaged(path: &Path, what: String) -> StorageError {
    StorageError::StoreDamaged { path: path.to_owned(), what }
}
