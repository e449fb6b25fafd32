//! `commits`: how many commits the store has made, kept beside it.
//!
//! It is rewritten after each commit and made durable only at a clean stop, so it may lag behind the store and is never
//! ahead of it: a store with fewer commits than it says has lost some. Two slots are written in turn, so that one of them is
//! always right.

use super::super::checked_file::{io_error, sync_directory};
use super::super::error::StorageError;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

pub(in crate::storage) const FILE_NAME: &str = "commits";
/// Far enough apart to be in different blocks of any disk.
const SLOT_OFFSETS: [u64; 2] = [0, 4096];
const SLOT_BYTES: usize = 32;
const MAGIC: &[u8; 7] = b"discnt\0";
const VERSION: u8 = 1;

/// The open file.
#[derive(Debug)]
pub(super) struct CommitsFile {
    file: File,
    path: PathBuf,
    /// The slot that is written next.
    next: usize,
}

/// What it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// Of which store.
    pub(super) store: u64,
    /// This many commits were durable.
    pub(super) commit: u64,
}

impl CommitsFile {
    /// Opens the file and reads it; `None` when there is no such file.
    pub(super) fn open(directory: &Path) -> Result<Option<(Self, Said)>, StorageError> {
        let path = directory.join(FILE_NAME);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("open", &path)(error)),
        };
        let mut best: Option<(usize, Said)> = None;
        for (slot, offset) in SLOT_OFFSETS.into_iter().enumerate() {
            let mut bytes = [0; SLOT_BYTES];
            match file.read_exact_at(&mut bytes, offset) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                Err(error) => return Err(io_error("read", &path)(error)),
            }
            let Some(said) = decode(&bytes, &path)? else { continue };
            if best.is_none_or(|(_, other)| other.commit <= said.commit) {
                best = Some((slot, said));
            }
        }
        let (slot, said) = best.ok_or_else(|| StorageError::StoreDamaged {
            path: path.clone(),
            what: "neither of its two slots can be read".into(),
        })?;
        Ok(Some((Self { file, path, next: 1 - slot }, said)))
    }

    /// Makes the file, or makes it anew. Durable when it returns.
    pub(super) fn create(directory: &Path, said: Said) -> Result<Self, StorageError> {
        let path = directory.join(FILE_NAME);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io_error("make", &path))?;
        let mut this = Self { file, path, next: 0 };
        this.write(said)?;
        this.write(said)?;
        this.sync()?;
        sync_directory(directory)?;
        Ok(this)
    }

    /// Says that a commit is durable.
    pub(super) fn write(&mut self, said: Said) -> Result<(), StorageError> {
        let mut bytes = [0; SLOT_BYTES];
        bytes[..7].copy_from_slice(MAGIC);
        bytes[7] = VERSION;
        bytes[8..16].copy_from_slice(&said.store.to_le_bytes());
        bytes[16..24].copy_from_slice(&said.commit.to_le_bytes());
        let checksum = xxh3_64(&bytes[..24]).to_le_bytes();
        bytes[24..].copy_from_slice(&checksum);
        self.file.write_all_at(&bytes, SLOT_OFFSETS[self.next]).map_err(io_error("write", &self.path))?;
        self.next = 1 - self.next;
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), StorageError> {
        self.file.sync_all().map_err(io_error("make durable", &self.path))
    }
}

/// What a slot says; nothing when it is damaged, half written, or never was.
fn decode(bytes: &[u8; SLOT_BYTES], path: &Path) -> Result<Option<Said>, StorageError> {
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
    if &bytes[..7] != MAGIC || xxh3_64(&bytes[..24]) != number(24) {
        return Ok(None);
    }
    if bytes[7] > VERSION {
        return Err(StorageError::Newer { path: path.to_owned(), found: bytes[7].into(), known: VERSION.into() });
    }
    Ok(Some(Said { store: number(8), commit: number(16) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_was_written_is_read_and_a_damaged_slot_falls_back_by_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        assert!(CommitsFile::open(path).expect("no file").is_none());
        let mut file = CommitsFile::create(path, Said { store: 9, commit: 1 }).expect("made");
        for commit in 2..=7 {
            file.write(Said { store: 9, commit }).expect("written");
        }
        let (reopened, said) = CommitsFile::open(path).expect("read").expect("there");
        assert_eq!(said, Said { store: 9, commit: 7 });
        let newest = SLOT_OFFSETS[1 - reopened.next];
        reopened.file.write_all_at(&[0xff], newest + 17).expect("damaged");
        let (_, said) = CommitsFile::open(path).expect("read").expect("there");
        assert_eq!(said.commit, 6);
        reopened.file.set_len(3).expect("cut");
        assert!(matches!(CommitsFile::open(path), Err(StorageError::StoreDamaged { .. })));
    }
}
