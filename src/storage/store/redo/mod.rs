//! The redo log in front of the engine: where commits come often, each goes here, in one write and one flush, and into the
//! engine later, together with what came after it on the same counters.
//!
//! Some files are written in turn, each from its beginning again when all it holds is in the engine. They keep their size: a
//! flush of bytes that have their place on the disk already costs the file system no work of its own. Commits follow
//! each other by number, from that which the engine holds on; what is left of an earlier turn has lower ones.
//!
//! Nothing here may say that a commit is durable before the flush has returned, nor write over a file before the engine
//! durably has what was in it.

mod consolidation;
mod record;
mod segment;

use super::changes::Changes;
use super::engine::Engine;
use super::identity::Identity;
use crate::storage::StorageError;
use crate::storage::checked_file::{io_error, sync_directory};
use record::Place;
pub(super) use record::Record;
pub(super) use segment::Segment;
use segment::{Span, damaged};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

/// A file that is longer is brought into the engine. The longer, the more often a busy counter is in it, and the longer a
/// start after a crash.
pub(super) const SEGMENT_BYTES: u64 = 32 << 20;
/// One is written, one brought into the engine, and one is there for when that takes longer.
const SEGMENTS: usize = 3;
/// A file grows by so much at a time.
const GROWTH_BYTES: u64 = 1 << 20;
const NAME: &str = "redo-";

/// The log of an open store. Whoever drops this waits for what is being brought into the engine.
pub(super) struct Redo {
    directory: PathBuf,
    store: u64,
    segment_bytes: u64,
    /// That which is written, if any was since the last turn.
    active: Option<Active>,
    /// Full, in order, with the last commit of each; what is brought into the engine is the first.
    full: VecDeque<(usize, u64)>,
    working: Option<JoinHandle<Result<(), StorageError>>>,
    /// The last commit that is in the engine, as far as is known.
    consolidated: u64,
    buffer: Vec<u8>,
    may_have_files: bool,
}

struct Active {
    number: usize,
    file: File,
    identity: Identity,
    /// The last commit in it.
    last: u64,
    written: u64,
    /// So much of the file has its place on the disk.
    allocated: u64,
}

/// The commits in the log that the engine does not have, from the oldest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    /// Each with its last commit.
    paths: Vec<(PathBuf, u64)>,
    /// The last of them.
    pub(super) last: Option<u64>,
}

fn path_of(directory: &Path, number: usize) -> PathBuf {
    directory.join(format!("{NAME}{number}"))
}

/// All files of the log that there may be in a store.
pub(super) fn paths(directory: &Path) -> impl Iterator<Item = PathBuf> {
    (0..SEGMENTS).map(|number| path_of(directory, number))
}

/// The store that the log in a directory is of, as far as that can be read.
pub(super) fn store_of(directory: &Path) -> Option<u64> {
    paths(directory).find_map(|path| {
        let mut head = [0; record::HEAD_BYTES];
        File::open(path).and_then(|file| file.read_exact_at(&mut head, 0)).ok()?;
        record::store_of(&head)
    })
}

/// Reads the log of a store whose engine holds `known` commits. Changes nothing.
///
/// # Errors
/// [`StorageError::StoreDamaged`] when what follows is not all there.
pub(super) fn chain(directory: &Path, store: u64, known: u64) -> Result<Chain, StorageError> {
    let mut found: Vec<(Span, PathBuf)> = Vec::new();
    for path in paths(directory) {
        let Some(segment) = Segment::read(path, store)? else { continue };
        segment.check_end(store, known)?;
        found.extend(segment.span().filter(|span| span.last > known).map(|span| (span, segment.path)));
    }
    found.sort_by_key(|(span, _)| span.first);
    let mut chain = Chain::default();
    let mut last = known;
    for (span, path) in found {
        if span.previous != last {
            return Err(damaged(
                &path,
                format!("it begins with commit {}, and {last} was the last before it", span.first),
            ));
        }
        last = span.last;
        chain.last = Some(last);
        chain.paths.push((path, last));
    }
    Ok(chain)
}

impl Chain {
    /// Brings everything into the engine.
    pub(super) fn replay(self, engine: &Engine, store: u64, known: u64) -> Result<(), StorageError> {
        let mut previous = known;
        for (path, last) in self.paths {
            consolidation::consolidate(engine, path, store, (previous, last))?;
            previous = last;
        }
        Ok(())
    }
}

impl Redo {
    /// The log of a store whose engine holds everything, which was `consolidated` commits.
    pub(super) fn new(directory: &Path, store: u64, consolidated: u64) -> Self {
        Self {
            directory: directory.to_owned(),
            store,
            segment_bytes: SEGMENT_BYTES,
            active: None,
            full: VecDeque::new(),
            working: None,
            consolidated,
            buffer: Vec::new(),
            may_have_files: true,
        }
    }

    /// Files are at most about so long.
    pub(super) fn limit(&mut self, segment_bytes: u64) {
        self.segment_bytes = segment_bytes;
    }

    /// Whether what a commit of so many bytes writes is better given to the engine at once.
    pub(super) fn is_too_much(&self, bytes: usize) -> bool {
        bytes as u64 > self.segment_bytes / 4
    }

    /// Whether a commit may have to wait for what is brought into the engine.
    pub(super) fn is_behind(&self) -> bool {
        self.full.len() + 1 >= SEGMENTS
    }

    /// Writes a commit that follows `previous`. On disk when it returns.
    ///
    /// # Errors
    /// [`StorageError`]: whether it is on disk is not known, and nothing more may be written here. The log is to be read anew.
    pub(super) fn append(
        &mut self,
        engine: &Arc<Engine>,
        (previous, commit): (u64, u64),
        (mark, node): (&[u8], Option<&[u8]>),
        changes: &Changes,
    ) -> Result<(), StorageError> {
        self.collect(false)?;
        self.may_have_files = true;
        let mut active = match self.active.take() {
            Some(active) => active,
            None => self.open_next(engine)?,
        };
        record::encode(&mut self.buffer, Place { store: self.store, previous, commit }, mark, node, changes);
        active.write(&path_of(&self.directory, active.number), &self.buffer)?;
        active.last = commit;
        if active.written >= self.segment_bytes {
            self.full.push_back((active.number, commit));
        } else {
            self.active = Some(active);
        }
        self.work(engine);
        Ok(())
    }

    /// Brings everything into the engine.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub(super) fn drain(&mut self, engine: &Engine) -> Result<(), StorageError> {
        self.full.extend(self.active.take().map(|active| (active.number, active.last)));
        while !self.full.is_empty() {
            self.make_room(engine)?;
        }
        Ok(())
    }

    /// Nothing is in the log that the engine has not, of which the last commit is this.
    pub(super) fn begin_after(&mut self, commit: u64) {
        self.consolidated = commit;
    }

    /// Removes the files of a log of which the engine has everything.
    pub(super) fn remove(&mut self) -> Result<(), StorageError> {
        if !std::mem::take(&mut self.may_have_files) {
            return Ok(());
        }
        for path in paths(&self.directory) {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error("remove", &path)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes a file that is free; where there is none, waits until one is.
    fn open_next(&mut self, engine: &Engine) -> Result<Active, StorageError> {
        if self.full.len() >= SEGMENTS {
            self.make_room(engine)?;
        }
        let free = (0..SEGMENTS).find(|number| self.full.iter().all(|(full, _)| full != number));
        Active::open(&self.directory, free.expect("there are more files than full ones"))
    }

    /// Waits until the first full file is in the engine, or brings it there.
    fn make_room(&mut self, engine: &Engine) -> Result<(), StorageError> {
        if self.working.is_some() {
            return self.collect(true);
        }
        let Some((number, last)) = self.full.front() else { return Ok(()) };
        let path = path_of(&self.directory, *number);
        let done = consolidation::consolidate(engine, path, self.store, (self.consolidated, *last));
        self.take_in(done)
    }

    /// Begins to bring the first full file into the engine, unless that is under way.
    fn work(&mut self, engine: &Arc<Engine>) {
        let (None, Some((number, last))) = (&self.working, self.full.front()) else { return };
        let (engine, path) = (Arc::clone(engine), path_of(&self.directory, *number));
        let (store, commits) = (self.store, (self.consolidated, *last));
        let work = move || consolidation::consolidate(&engine, path, store, commits);
        match std::thread::Builder::new().name("discnt-redo".into()).spawn(work) {
            Ok(working) => self.working = Some(working),
            // It is tried again with the next commit.
            Err(error) => tracing::warn!("the system gives no thread to tidy the log with: {error}"),
        }
    }

    /// Takes in what was brought into the engine, if that has ended, or waits for it.
    fn collect(&mut self, wait: bool) -> Result<(), StorageError> {
        let Some(working) = self.working.take_if(|working| wait || working.is_finished()) else { return Ok(()) };
        let done = working.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        self.take_in(done)
    }

    fn take_in(&mut self, done: Result<(), StorageError>) -> Result<(), StorageError> {
        done?;
        self.consolidated = self.full.pop_front().map_or(self.consolidated, |(_, last)| last);
        Ok(())
    }
}

impl Drop for Redo {
    fn drop(&mut self) {
        if let Some(working) = self.working.take() {
            // It has the engine, which nobody else can open before. What it says is of no use to anybody now.
            let _ = working.join();
        }
    }
}

impl Active {
    fn open(directory: &Path, number: usize) -> Result<Self, StorageError> {
        let path = path_of(directory, number);
        let open = || {
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
            // By its name, as it is looked for later.
            let found = std::fs::metadata(&path)?;
            Ok((file, found.len(), Identity::from(&found)))
        };
        let (file, allocated, identity) = open().map_err(io_error("open", &path))?;
        if allocated == 0 {
            sync_directory(directory)?;
        }
        Ok(Self { number, file, identity, last: 0, written: 0, allocated })
    }

    /// Durable when it returns.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
        let end = self.written + bytes.len() as u64;
        let mut write = || {
            if end > self.allocated {
                let grown = end.next_multiple_of(GROWTH_BYTES);
                let zeros = vec![0; (grown - self.allocated) as usize];
                self.file.write_all_at(&zeros, self.allocated)?;
                self.allocated = grown;
            }
            self.file.write_all_at(bytes, self.written)?;
            self.file.sync_data()
        };
        write().map_err(io_error("write to", path))?;
        self.written = end;
        self.check_place(path)
    }

    /// Fails when what was flushed cannot be found again: the file is gone, another, or shorter than this has made it.
    fn check_place(&self, path: &Path) -> Result<(), StorageError> {
        let found = match std::fs::metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damaged(path, "it was removed while it was written".into()));
            }
            Err(error) => return Err(io_error("look at", path)(error)),
        };
        if Identity::from(&found) != self.identity {
            return Err(damaged(path, "another file is in its place".into()));
        }
        if found.len() < self.allocated {
            let what = format!("it has {} bytes and should have {}", found.len(), self.allocated);
            return Err(damaged(path, what));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
