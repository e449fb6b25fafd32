//! The store: every counter and what the node knows of all replicas, on disk.
//!
//! What is in it is checked before it is used: the engine's files before the engine sees them, each value by a checksum of
//! our own, and the number of commits against a file beside it. A damaged value is never handed out.

mod anew;
mod changes;
mod check;
mod commits_file;
mod engine;
mod identity;
mod load;
mod making;
mod mark;
mod opening;
pub(super) mod placing;
mod redo;
mod repair;
mod replacement;
mod said;
mod salvage;
mod sealed;
mod suspicion;
mod writers;
mod writing;

pub use changes::Changes;
pub use load::LoadProgress;
pub use repair::Repaired;
pub(super) use repair::free_name;

use super::checked_file::{io_error, sync_directory};
use super::error::StorageError;
use crate::base::{Durability, NodeId, ReplicaId};
use crate::replication::NodeRecord;
use commits_file::CommitsFile;
pub(super) use commits_file::FILE_NAME as COMMITS;
use identity::Identity;
use making::{make, make_first};
use mark::{Mark, weaker};
use opening::Files;
use said::{check_mark, commits_missing, opened, read_mark};
use std::path::{Path, PathBuf};
use suspicion::Suspicion;

/// The database, in the data directory.
pub(super) const STORE: &str = "store";
/// A database that is being made, and not one yet.
const UNFINISHED: &str = "store.new";
/// That with which a store is made.
const FIRST_COMMIT: u64 = 1;
const MARK_KEY: &[u8] = b"mark";
const RECORD_KEY: &[u8] = b"record";
/// A key that is no counter's name, by its length. Were the counters gone, so would it be.
const MARKER_KEY: [u8; crate::base::MAX_NAME_BYTES + 1] = [0; crate::base::MAX_NAME_BYTES + 1];
const MARKER_VALUE: &[u8] = b"the counters of this node";

/// What a store held when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The node's record as last written; `None` when nothing was ever counted here.
    pub previous: Option<NodeRecord>,
    /// The last run stopped and wrote all it had.
    pub clean: bool,
    /// The weakest durability of the last run.
    pub mode_was: Durability,
    /// What is known of the record's replica and of the rest.
    pub standing: Standing,
    /// About how many counters there are.
    pub counters: u64,
}

/// How what is in memory, and so in the store, stands to what the node once said. It is kept, so that a run that ends
/// before it has caught up is not taken for one that had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// All that the present replica ever told anybody is here.
    pub whole: bool,
    /// What is here may be older than what the node acknowledged of others: a member's state is to be asked for as a whole.
    pub stale: bool,
}

/// The open store of one node.
pub struct Store {
    data_directory: PathBuf,
    /// Which directory that was. None while the store is made.
    home: Option<Identity>,
    path: PathBuf,
    /// None after it failed: it is opened anew for the next write.
    open: Option<Files>,
    /// Whether commits go into the log.
    logs: bool,
    /// About how long a file of the log may become.
    redo_bytes: u64,
    mark: Mark,
    /// The last commit that is known to be on disk.
    durable: u64,
    /// None while the store is made.
    commits: Option<CommitsFile>,
    record: Option<NodeRecord>,
    /// What was found damaged since it was opened.
    damage: Option<String>,
    /// The engine failed for a reason of its own: its tables are looked at before they are used again.
    suspicion: Suspicion,
}

impl Store {
    /// Opens the store in a data directory that the caller has locked, or makes a new one.
    ///
    /// # Errors
    /// [`StorageError`] says what is wrong, where, and what to do. Nothing was changed but what a repair before this had begun.
    pub fn open(data_directory: &Path, node: NodeId) -> Result<(Self, Opened), StorageError> {
        replacement::complete(data_directory)?;
        let was_restoring = placing::complete(data_directory)?;
        let path = data_directory.join(STORE);
        let said = CommitsFile::open(data_directory)?;
        let is_there = path.try_exists().map_err(io_error("look for", &path))?;
        let (commits, said) = match (said, is_there) {
            (Some(said), true) => said,
            (None, false) => make_first(data_directory, node, was_restoring)?,
            // Only ever made, and not to the end: nothing was in it.
            (Some((_, said)), false) if said.commit <= FIRST_COMMIT => make(data_directory, node)?,
            (None, true) => {
                return Err(commits_missing(data_directory));
            }
            (Some(_), false) => {
                return Err(StorageError::StoreDamaged { path, what: "the whole directory is missing".into() });
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let journals = check::check(&path, threads)?;
        if let Some(mark) = &journals.mark {
            // Before anything is changed.
            let mark = read_mark(&path, mark)?;
            let last = redo::chain(&path, mark.store, mark.commit)?.last;
            check_mark(&path, &Mark { commit: last.unwrap_or(mark.commit), ..mark }, node, said)?;
        }
        journals.cut_torn_end()?;
        let (open, record) = Files::open(&path, |mark| check_mark(&path, mark, node, said))?;
        replacement::remove_unfinished(data_directory);
        let mark = open.in_engine;
        let opened = opened(&mark, record.clone(), open.engine.counters.approximate_len() as u64);
        let data_directory = data_directory.to_owned();
        Ok((
            Self {
                home: Some(Identity::of(&data_directory).map_err(io_error("look at", &data_directory))?),
                data_directory,
                path,
                open: Some(open),
                logs: false,
                redo_bytes: redo::SEGMENT_BYTES,
                mark,
                durable: mark.commit,
                commits: Some(commits),
                record,
                damage: None,
                suspicion: Suspicion::default(),
            },
            opened,
        ))
    }

    /// Whose counters are in a data directory, as far as that can be read; whether they are damaged is not looked at.
    ///
    /// # Errors
    /// [`StorageError`] when the system refuses, or the store is of a newer version.
    pub fn owner(data_directory: &Path) -> Result<Option<NodeId>, StorageError> {
        let path = data_directory.join(STORE);
        if !path.is_dir() {
            return Ok(None);
        }
        Ok(salvage::Salvage::new(&path).node_state()?.mark.map(|mark| mark.node))
    }

    /// Ends what an earlier process began, which may have written the store under another id. Nothing where there is nothing.
    ///
    /// # Errors
    /// [`StorageError`]; it is as it was, or a step further.
    pub fn end_replacement(data_directory: &Path) -> Result<(), StorageError> {
        replacement::complete(data_directory)
    }

    /// Refuses a node whose counters these are not, as far as that can be read.
    ///
    /// # Errors
    /// [`StorageError::OtherNode`], or as [`Self::owner`].
    pub fn check_owner(data_directory: &Path, node: NodeId) -> Result<(), StorageError> {
        match Self::owner(data_directory)? {
            Some(found) if found != node => {
                Err(StorageError::OtherNode { path: data_directory.join(STORE), found, expected: node })
            }
            _ => Ok(()),
        }
    }

    /// As which replica a node counted last, as far as that can be read.
    ///
    /// # Errors
    /// As [`Self::owner`].
    pub(super) fn last_own(data_directory: &Path) -> Result<Option<ReplicaId>, StorageError> {
        let path = data_directory.join(STORE);
        if !path.is_dir() {
            return Ok(None);
        }
        Ok(salvage::Salvage::new(&path).node_state()?.record.map(|record| record.own))
    }

    /// Notes that a run begins, which counts as `record.own` and may use numbers up to `record.reserved`. Durable when it
    /// returns.
    ///
    /// # Errors
    /// [`StorageError`]; no run has begun.
    pub fn begin_run(
        &mut self,
        record: &NodeRecord,
        durability: Durability,
        standing: Standing,
    ) -> Result<(), StorageError> {
        let Standing { whole, stale } = standing;
        self.logs = durability != Durability::Memory;
        let mark = Mark { clean: false, durability, whole, stale, ..self.mark };
        self.write(&mut Changes::default(), Some(record), mark)
    }

    /// Hands every counter to `take`, from `threads` threads at once, in no order.
    ///
    /// # Errors
    /// [`StorageError`] at the first counter that is not what was written; those taken before are right.
    pub fn load(
        &mut self,
        threads: usize,
        progress: &LoadProgress,
        take: impl Fn(crate::base::Name<'_>, crate::counter::StoredCounter) + Sync,
    ) -> Result<u64, StorageError> {
        let replicas: Vec<_> =
            self.record.iter().flat_map(|record| record.replicas.iter().map(|(replica, _)| *replica)).collect();
        let Some(open) = &mut self.open else { return Err(self.not_open()) };
        open.redo.drain(&open.engine)?;
        load::load(&open.engine, &replicas, threads, progress, take)
    }

    /// Closes the store, opens it again as a start does, with every file checked, and hands every counter to `take`.
    ///
    /// # Errors
    /// [`StorageError`]: what is on disk cannot be read, or is not what was written. The next write opens it again.
    pub(super) fn read_again(
        &mut self,
        threads: usize,
        take: impl Fn(crate::base::Name<'_>, crate::counter::StoredCounter) + Sync,
    ) -> Result<u64, StorageError> {
        // Only one can be open.
        self.open = None;
        let read = self.try_read_again(threads, take);
        if let Err(error) = &read {
            self.note_failure(error);
        }
        read
    }

    fn try_read_again(
        &mut self,
        threads: usize,
        take: impl Fn(crate::base::Name<'_>, crate::counter::StoredCounter) + Sync,
    ) -> Result<u64, StorageError> {
        let said = CommitsFile::open(&self.data_directory)?.map(|(_, said)| said);
        let said = said.ok_or_else(|| commits_missing(&self.data_directory))?;
        check::check(&self.path, threads)?.cut_torn_end()?;
        let (mut open, record) = Files::open(&self.path, |mark| check_mark(&self.path, mark, self.mark.node, said))?;
        let mark = open.in_engine;
        if (mark.store, mark.commit) != (self.mark.store, self.durable) || record != self.record {
            let what = "it is not what was written: what it says of the node is another".into();
            return Err(StorageError::StoreDamaged { path: self.path.clone(), what });
        }
        open.redo.limit(self.redo_bytes);
        self.open = Some(open);
        self.load(threads, &LoadProgress::default(), take)
    }

    /// Writes changes and, in one go with them, the node's record. On disk when it returns.
    ///
    /// # Errors
    /// [`StorageError`]: whether they are on disk is not known. They are to be written again.
    pub fn commit(&mut self, changes: &mut Changes, record: Option<&NodeRecord>) -> Result<(), StorageError> {
        self.write(changes, record, self.mark)
    }

    /// What the commits from now on say of the node.
    pub fn set_standing(&mut self, standing: Standing) {
        (self.mark.whole, self.mark.stale) = (standing.whole, standing.stale);
    }

    /// The durability that is promised from now on; of two in one run, the weaker is what the run will have had. It is
    /// written with the next commit.
    pub fn set_durability(&mut self, durability: Durability) {
        self.logs = durability != Durability::Memory;
        self.mark.durability = weaker(durability, self.mark.durability);
    }

    /// Notes that everything is on disk, closes the store, and looks whether a start will find it. Nothing is to be written
    /// after that.
    ///
    /// # Errors
    /// [`StorageError`]; the stop is not a clean one, but can be tried again.
    pub fn close_clean(&mut self) -> Result<(), StorageError> {
        let closed = self.try_close_clean();
        if let Err(error) = &closed {
            self.mark.clean = false;
            self.note_failure(error);
        }
        closed
    }

    fn try_close_clean(&mut self) -> Result<(), StorageError> {
        let mark = Mark { clean: true, ..self.mark };
        self.write(&mut Changes::default(), None, mark)?;
        if let Some(open) = &mut self.open {
            // The engine has all of it, and says so: what cannot be removed does no harm.
            let _ = open.redo.remove();
        }
        if let Some(commits) = &self.commits {
            commits.sync()?;
        }
        self.open = None;
        sync_directory(&self.data_directory)?;
        let journals = check::check_all_but_tables(&self.path)?;
        let last = journals.mark.as_deref().map(|mark| read_mark(&self.path, mark)).transpose()?;
        // Nothing was being written: an end that is cut off was cut off by somebody.
        if journals.is_torn() || last.is_some_and(|mark| mark.commit != self.mark.commit) {
            return Err(StorageError::StoreDamaged {
                path: self.path.clone(),
                what: "its journal ends before the last of what was written".into(),
            });
        }
        let said = CommitsFile::open(&self.data_directory)?.map(|(_, said)| (said.store, said.commit));
        let is_right = said == Some((self.mark.store, self.mark.commit));
        is_right.then_some(()).ok_or_else(|| StorageError::StoreDamaged {
            path: self.data_directory.join(COMMITS),
            what: "it is missing, or does not say what was written".into(),
        })
    }

    /// Brings what is only in the log and the journal into tables, which load faster. Blocks until it is done.
    ///
    /// # Errors
    /// [`StorageError`]; everything is still where it was.
    pub fn settle(&mut self) -> Result<(), StorageError> {
        let Some(open) = &mut self.open else { return Err(self.not_open()) };
        open.redo.drain(&open.engine)?;
        open.engine.settle()
    }

    /// How long a file of the redo log may become, about. There are three.
    pub fn limit_redo(&mut self, bytes: u64) {
        self.redo_bytes = bytes;
        if let Some(open) = &mut self.open {
            open.redo.limit(bytes);
        }
    }

    /// Whether the next commit may have to wait for more than its own bytes.
    pub fn is_behind(&self) -> bool {
        self.open.as_ref().is_none_or(|open| open.redo.is_behind())
    }

    /// The node's record that is on disk.
    pub(super) fn record(&self) -> Option<&NodeRecord> {
        self.record.as_ref()
    }

    /// How many commits the store holds.
    pub fn commits(&self) -> u64 {
        self.mark.commit
    }

    fn not_open(&self) -> StorageError {
        StorageError::Engine { operation: "use", path: self.path.clone(), what: "it is closed".into() }
    }
}

#[cfg(test)]
mod tests;
