//! The engine's files, checked before the engine sees them.
//!
//! The engine trusts much of what it reads: it would cut a damaged journal short, remove what nothing refers to, and
//! panic where lengths are wrong. It is shown only what it wrote itself. Nothing here changes anything but the one thing
//! it says: the torn end of a journal is cut off.

pub(super) mod journal;
pub(super) mod tables;

use super::mark::Mark;
use super::sealed::unseal;
use super::{MARK_KEY, StorageError};
use crate::storage::checked_file::io_error;
use journal::{Batch, Item, Tail};
use parking_lot::Mutex;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::path::{Path, PathBuf};
use tables::TableFile;

/// The trees of the engine: its own, the counters', the node's.
const TREES: [u64; 3] = [0, COUNTERS_TREE, NODE_TREE];
/// That of the node.
pub(super) const NODE_TREE: u64 = 2;
/// That of the counters.
pub(super) const COUNTERS_TREE: u64 = 1;
const TREES_FOLDER: &str = "keyspaces";
const VERSION_FILE: &str = "version";
const VERSION_WORD: &[u8; 3] = b"FJL";
const ENGINE_VERSION: u8 = 3;
const JOURNAL_SUFFIX: &str = "jnl";
/// More numbers than the engine takes for itself while a batch is written.
const NUMBERS_APART: u64 = 1 << 16;

/// What the journals hold.
#[derive(Debug, Default)]
pub(super) struct Journals {
    /// The last that the store said of itself, sealed.
    pub(super) mark: Option<Vec<u8>>,
    /// The last journal, if its end is to be cut off, and where.
    torn: Option<(PathBuf, u64)>,
}

/// Checks every file. Tables are read by as many threads.
pub(super) fn check(store: &Path, threads: usize) -> Result<Journals, StorageError> {
    check_version(store)?;
    check_tree_folders(store)?;
    let mut tables = Vec::new();
    for tree in TREES {
        tables.extend(tables::list(&tree_path(store, tree))?);
    }
    check_tables(&tables, threads)?;
    check_journals(store)
}

/// Checks what it takes to find every table, and that each is there; not what is in them.
pub(super) fn check_all_but_tables(store: &Path) -> Result<Journals, StorageError> {
    check_version(store)?;
    check_tree_folders(store)?;
    for tree in TREES {
        for TableFile { path, .. } in tables::list(&tree_path(store, tree))? {
            if !path.try_exists().map_err(io_error("look for", &path))? {
                return Err(damaged(&path, "it is missing".into()));
            }
        }
    }
    check_journals(store)
}

impl Journals {
    /// Whether the last write is not whole.
    pub(super) fn is_torn(&self) -> bool {
        self.torn.is_some()
    }

    /// Cuts off what a write left that was cut short itself, so that the engine finds nothing but whole batches.
    pub(super) fn cut_torn_end(&self) -> Result<(), StorageError> {
        let Some((path, good)) = &self.torn else { return Ok(()) };
        let cut = OpenOptions::new().write(true).open(path).and_then(|file| {
            file.set_len(*good)?;
            file.sync_all()
        });
        cut.map_err(io_error("cut the torn end off", path))
    }
}

pub(super) fn tree_path(store: &Path, tree: u64) -> PathBuf {
    store.join(TREES_FOLDER).join(tree.to_string())
}

/// Only the journals: enough where the tables were checked a moment ago.
pub(super) fn check_journals(store: &Path) -> Result<Journals, StorageError> {
    let paths = journal_paths(store)?;
    let mut journals = Journals::default();
    let Some((newest, _)) = paths.last() else {
        return Err(damaged(store, "its journal is missing".into()));
    };
    let mut last = None;
    for ((number, path), expected) in paths.iter().zip(paths[0].0..) {
        if *number != expected {
            return Err(damaged(&store.join(format!("{expected}.{JOURNAL_SUFFIX}")), "it is missing".into()));
        }
        let bytes = read_written(path).map_err(io_error("read", path))?;
        let (mut wrong, mut mark) = (None, None);
        let scan = journal::scan(&bytes, |batch| match check_batch(&bytes, batch, path, last) {
            Ok((commit, range)) => (last, mark) = (Some((batch.number, commit)), Some(range)),
            Err(error) if wrong.is_none() || matches!(error, StorageError::Newer { .. }) => wrong = Some(error),
            Err(_) => {}
        });
        if let Some(error) = wrong {
            return Err(error);
        }
        journals.mark = mark.map(|range| bytes[range].to_vec()).or(journals.mark);
        match scan.tail {
            Tail::Whole => {}
            Tail::Torn if number == newest => journals.torn = Some((path.clone(), scan.good as u64)),
            Tail::Torn => return Err(damaged(path, format!("it ends at byte {}, and it is not the last", scan.good))),
            Tail::Damaged(what) => return Err(damaged(path, what)),
        }
    }
    Ok(journals)
}

/// A batch that follows another, of which `last` are the numbers in the engine and of the commit. Answers the number of its
/// commit, and where its mark is. With a lower number than its own the engine would pass it over unnoticed.
fn check_batch(
    bytes: &[u8],
    batch: &Batch,
    path: &Path,
    last: Option<(u64, u64)>,
) -> Result<(u64, Range<usize>), StorageError> {
    let (mark, range) = batch_mark(bytes, batch, path)?;
    let numbers = mark.first_number..mark.first_number.saturating_add(NUMBERS_APART);
    if !numbers.contains(&batch.number) {
        return Err(damaged_batch(path, batch, "that is not its number"));
    }
    if last.is_some_and(|(number, commit)| batch.number <= number || mark.commit <= commit) {
        return Err(damaged_batch(path, batch, "it is older than the one before it"));
    }
    Ok((mark.commit, range))
}

/// What a batch says of the store, and where all of it is. It also tells which numbers the batch can have in the engine,
/// whose checksum does not cover them.
pub(super) fn batch_mark(bytes: &[u8], batch: &Batch, path: &Path) -> Result<(Mark, Range<usize>), StorageError> {
    let is_mark = |item: &&Item| item.keyspace == NODE_TREE && bytes[item.key.clone()] == *MARK_KEY;
    let range = batch.items.iter().rev().find(is_mark).and_then(|item| item.value.clone());
    let range = range.ok_or_else(|| damaged_batch(path, batch, "it does not say whose it is"))?;
    let mark = unseal(MARK_KEY, &bytes[range.clone()])
        .ok_or_else(|| damaged_batch(path, batch, "what it says of itself has a wrong checksum"))?;
    Ok((Mark::decode(mark, path)?, range))
}

fn damaged_batch(path: &Path, batch: &Batch, what: &str) -> StorageError {
    damaged(path, format!("the batch with the number {}: {what}", batch.number))
}

/// The journals with their numbers, the oldest first.
pub(super) fn journal_paths(store: &Path) -> Result<Vec<(u64, PathBuf)>, StorageError> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(store).map_err(io_error("read the directory", store))? {
        let path = entry.map_err(io_error("read the directory", store))?.path();
        if path.extension() != Some(OsStr::new(JOURNAL_SUFFIX)) {
            continue;
        }
        let number = path.file_stem().and_then(OsStr::to_str).and_then(|stem| stem.parse().ok());
        match number.filter(|_| path.is_file()) {
            Some(number) => journals.push((number, path)),
            None => return Err(damaged(&path, "it is not a journal of this store".into())),
        }
    }
    journals.sort();
    Ok(journals)
}

fn check_version(store: &Path) -> Result<(), StorageError> {
    let path = store.join(VERSION_FILE);
    let bytes = read_file(&path)?;
    match bytes.strip_prefix(VERSION_WORD) {
        Some([ENGINE_VERSION]) => {}
        Some([found]) if *found > ENGINE_VERSION => {
            return Err(StorageError::Newer { path, found: (*found).into(), known: ENGINE_VERSION.into() });
        }
        _ => return Err(damaged(&path, "it does not say which version the files beside it are of".into())),
    }
    read_file(&store.join("lock")).map(drop)
}

/// The engine removes what it does not know and panics at names that are no numbers.
fn check_tree_folders(store: &Path) -> Result<(), StorageError> {
    let folder = store.join(TREES_FOLDER);
    for tree in TREES {
        let path = tree_path(store, tree);
        if !path.join("tables").is_dir() {
            return Err(damaged(&path, "it is missing, or parts of it are".into()));
        }
        let known = |name: &str| name.parse::<u64>().is_ok();
        check_names(&path.join("tables"), known, fs::FileType::is_file)?;
    }
    let known = |name: &str| TREES.iter().any(|tree| tree.to_string() == name);
    check_names(&folder, known, fs::FileType::is_dir)
}

fn check_names(
    folder: &Path,
    mut is_known: impl FnMut(&str) -> bool,
    is_right: impl Fn(&fs::FileType) -> bool,
) -> Result<(), StorageError> {
    for entry in fs::read_dir(folder).map_err(io_error("read the directory", folder))? {
        let entry = entry.map_err(io_error("read the directory", folder))?;
        let kind = entry.file_type().map_err(io_error("look at", &entry.path()))?;
        if !(entry.file_name().to_str().is_some_and(&mut is_known) && is_right(&kind)) {
            return Err(damaged(&entry.path(), "it is no part of this store".into()));
        }
    }
    Ok(())
}

fn check_tables(tables: &[TableFile], threads: usize) -> Result<(), StorageError> {
    let left = Mutex::new(tables.iter());
    let run = || {
        loop {
            let next = left.lock().next();
            match next {
                Some(table) => tables::check(table)?,
                None => return Ok(()),
            }
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.max(1)).map(|_| scope.spawn(run)).collect();
        let result = run();
        others.into_iter().fold(result, |result, other| {
            result.and(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    })
}

pub(super) fn damaged(path: &Path, what: String) -> StorageError {
    StorageError::StoreDamaged { path: path.to_owned(), what }
}

/// A journal's bytes up to the last place where something was written. The engine makes room of 64 MiB beforehand; what follows
/// are zeros that no disk holds.
pub(super) fn read_written(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    // A file system that does not know shows all of it.
    let written = written_bytes(&file).unwrap_or(u64::MAX);
    file.rewind()?;
    let mut bytes = Vec::new();
    file.take(written).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Where the last part of a file ends that was written.
fn written_bytes(file: &File) -> Result<u64, Errno> {
    let mut end = 0;
    loop {
        match seek(file, SeekFrom::Data(end)) {
            Ok(data) => end = seek(file, SeekFrom::Hole(data))?,
            // Nothing but a hole follows.
            Err(Errno::NXIO) => return Ok(end),
            Err(error) => return Err(error),
        }
    }
}

/// A file that must be there.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, StorageError> {
    match fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(damaged(path, "it is missing".into())),
        Err(error) => Err(io_error("read", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_that_nobody_wrote_to_is_not_read() {
        let directory = tempfile::tempdir().expect("a place");
        let path = directory.path().join("0.jnl");
        let file = File::create(&path).expect("a file");
        file.set_len(64 << 20).expect("room");
        assert_eq!(read_written(&path).expect("read"), Vec::<u8>::new());
        let written =
            |at: u64, bytes: &[u8]| std::os::unix::fs::FileExt::write_all_at(&file, bytes, at).expect("written");
        written(0, b"first");
        written(1 << 20, b"after a hole");
        let bytes = read_written(&path).expect("read");
        assert!(bytes.len() < 2 << 20, "{} bytes were read", bytes.len());
        let behind = (1 << 20) + b"after a hole".len();
        assert!(bytes.starts_with(b"first\0") && bytes[1 << 20..].starts_with(b"after a hole"));
        assert!(bytes[5..1 << 20].iter().chain(&bytes[behind..]).all(|byte| *byte == 0));
    }
}
