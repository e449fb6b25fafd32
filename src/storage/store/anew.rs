//! The store written anew: damage was found while the node runs, whose memory holds all that was acknowledged.
//!
//! What is written has no name until it is complete, and takes the damaged store's place as a repaired one does. So a process
//! that ends meanwhile leaves the damaged store, or the whole new one. As memory lacks nothing, the new one says of the node
//! what the damaged one said: the node goes on as the replica that it was.

use super::engine::Engine;
use super::making::make_unfinished;
use super::opening::Files;
use super::repair::put_in_place;
use super::{Changes, Mark, Store, UNFINISHED, redo, replacement};
use crate::replication::NodeRecord;
use crate::storage::StorageError;
use std::fs;
use std::path::{Path, PathBuf};

impl Store {
    /// What was found damaged, and is to be written anew before anything else is written.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// Begins a store without a name, for all that is in memory.
    ///
    /// # Errors
    /// [`StorageError`]; nothing was changed.
    pub(in crate::storage) fn begin_anew(&mut self, record: &NodeRecord) -> Result<Self, StorageError> {
        // What uses the files is done before they are moved.
        self.open = None;
        // Of an attempt that got as far as the moves.
        replacement::complete(&self.data_directory)?;
        let begun = make_unfinished(&self.data_directory, self.mark.node).and_then(|(engine, made)| {
            let Mark { durability, whole, stale, .. } = self.mark;
            let mark = Mark { durability, whole, stale, clean: false, ..made };
            let mut fresh = Self::unnamed(&self.data_directory, engine, mark);
            fresh.commit(&mut Changes::default(), Some(record))?;
            Ok(fresh)
        });
        if begun.is_err() {
            remove_unfinished(&self.data_directory);
        }
        begun
    }

    /// Sets the damaged store aside, and goes on with one that was begun anew and is complete. Answers where the damaged is.
    ///
    /// # Errors
    /// [`StorageError`]: everything is to be written anew once more.
    pub(in crate::storage) fn replace_by(&mut self, mut fresh: Self) -> Result<PathBuf, StorageError> {
        // The engine knows its files by their names.
        fresh.open = None;
        let (aside, commits) = put_in_place(&self.data_directory, fresh.mark)?;
        self.commits = Some(commits);
        (self.mark, self.durable, self.record) = (fresh.mark, fresh.durable, fresh.record);
        (self.damage, self.is_suspect) = (None, false);
        Ok(aside)
    }

    /// Gives up a store that was begun anew, and gives back the space that it took.
    pub(in crate::storage) fn discard(self) {
        let Self { data_directory, open, .. } = self;
        drop(open);
        remove_unfinished(&data_directory);
    }

    /// Why what is in memory cannot be written as a whole.
    pub(in crate::storage) fn lacks_numbers(&self) -> StorageError {
        let what = "some changes can be written only once the node may use more numbers".into();
        StorageError::Engine { operation: "write all of memory to", path: self.path.clone(), what }
    }

    /// A store that was made just now and has not its name yet.
    pub(super) fn unnamed(data_directory: &Path, engine: Engine, mark: Mark) -> Self {
        let path = engine.path.clone();
        Self {
            data_directory: data_directory.to_owned(),
            open: Some(Files::of(&path, engine, mark)),
            path,
            logs: false,
            redo_bytes: redo::SEGMENT_BYTES,
            durable: mark.commit,
            mark,
            commits: None,
            record: None,
            damage: None,
            is_suspect: false,
        }
    }

    /// Takes in why something failed.
    pub(super) fn note_failure(&mut self, error: &StorageError) {
        self.is_suspect |= matches!(error, StorageError::Engine { .. });
        if error.is_damage() && self.damage.is_none() {
            self.damage = Some(error.place_and_cause());
            if let Some(commits) = &self.commits {
                // After a power cut, too, what is lost is to be missed. Where this fails, the damage may show all the same.
                let _ = commits.sync();
            }
        }
    }
}

/// What is left is removed by the next attempt anyway.
fn remove_unfinished(data_directory: &Path) {
    let _ = fs::remove_dir_all(data_directory.join(UNFINISHED));
}
