//! The store written anew: damage was found while the node runs, whose memory holds all that was acknowledged.
//!
//! What is written has no name until it is complete, and takes the damaged store's place as a repaired one does. So a process
//! that ends meanwhile leaves the damaged store, or the whole new one. As memory lacks nothing, the new one says of the node
//! what the damaged one said: the node goes on as the replica that it was.

use super::commits_file::{CommitsFile, Said};
use super::engine::Engine;
use super::identity::Identity;
use super::making::make_unfinished;
use super::opening::Files;
use super::repair::put_in_place;
use super::suspicion::Suspicion;
use super::{Changes, Mark, Store, UNFINISHED, redo, replacement};
use crate::replication::NodeRecord;
use crate::storage::StorageError;
use crate::storage::checked_file::io_error;
use std::fs;
use std::io;
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
        self.check_home()?;
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
        self.check_home()?;
        let (aside, commits) = put_in_place(&self.data_directory, fresh.mark)?;
        self.commits = Some(commits);
        (self.mark, self.durable, self.record) = (fresh.mark, fresh.durable, fresh.record);
        (self.damage, self.suspicion) = (None, Suspicion::default());
        Ok(aside)
    }

    /// Gives up a store that was begun anew, and gives back the space that it took.
    pub(in crate::storage) fn discard(self) {
        let Self { data_directory, open, .. } = self;
        drop(open);
        remove_unfinished(&data_directory);
    }

    /// From now on no start goes on with the damaged store, even if what damaged it is undone: whoever counts on after a
    /// repair passes over more numbers than can be drawn meanwhile. So it does not matter that this store does not know of them.
    ///
    /// # Errors
    /// [`StorageError`]: a start may still go on with it.
    pub(in crate::storage) fn give_up(&self) -> Result<(), StorageError> {
        self.check_home()?;
        // No store has this number.
        let said = Said { store: rand::random(), commit: self.mark.commit.saturating_add(1) };
        CommitsFile::create(&self.data_directory, said).map(drop)
    }

    /// What was unmounted or replaced is not damaged, and nobody else's directory is written to.
    fn check_home(&self) -> Result<(), StorageError> {
        let directory = &self.data_directory;
        let found = match Identity::of(directory) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io_error("look at", directory)(error)),
        };
        (found.is_some() && found == self.home)
            .then_some(())
            .ok_or_else(|| StorageError::OtherDirectory { directory: directory.clone() })
    }

    /// A store that was made just now and has not its name yet.
    pub(super) fn unnamed(data_directory: &Path, engine: Engine, mark: Mark) -> Self {
        let path = engine.path.clone();
        Self {
            data_directory: data_directory.to_owned(),
            home: None,
            open: Some(Files::of(&path, engine, mark)),
            path,
            logs: false,
            redo_bytes: redo::SEGMENT_BYTES,
            durable: mark.commit,
            mark,
            commits: None,
            record: None,
            damage: None,
            suspicion: Suspicion::default(),
        }
    }

    /// Takes in why something failed.
    pub(super) fn note_failure(&mut self, error: &StorageError) {
        if matches!(error, StorageError::Engine { .. }) {
            self.suspicion.arise();
        }
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

#[cfg(test)]
mod tests {
    use super::super::STORE;
    use super::super::tests::{NODE_ID, WHOLE, changes, record};
    use super::*;
    use crate::base::Durability;
    use tempfile::TempDir;

    fn begin(directory: &TempDir) -> Store {
        let (mut store, _) = Store::open(directory.path(), NODE_ID).expect("the store opens");
        store.begin_run(&record(100), Durability::Always, WHOLE).expect("begun");
        store.commit(&mut changes([("a".to_owned(), 5)]), None).expect("committed");
        store
    }

    #[test]
    fn a_store_that_was_given_up_is_refused_though_the_damage_is_undone() {
        for is_given_up in [false, true] {
            let directory = tempfile::tempdir().expect("a directory");
            let (log, away) = (directory.path().join(STORE).join("redo-0"), directory.path().join("away"));
            let mut store = begin(&directory);
            fs::rename(&log, &away).expect("moved away");
            store.commit(&mut changes([("a".to_owned(), 6)]), None).expect_err("it is missed");
            assert!(store.damage().is_some());
            if is_given_up {
                store.give_up().expect("written");
            }
            drop(store);
            fs::rename(&away, &log).expect("moved back");
            let opened = Store::open(directory.path(), NODE_ID).map(drop);
            match opened {
                Ok(()) => assert!(!is_given_up, "its numbers may be drawn again"),
                Err(error) => assert!(is_given_up && matches!(error, StorageError::StoreDamaged { .. }), "{error}"),
            }
            let repaired = Store::repair(directory.path(), NODE_ID).expect("repaired");
            assert_eq!(repaired.set_aside.is_some(), is_given_up);
        }
    }

    #[test]
    fn nothing_is_written_into_a_directory_that_took_the_name() {
        let parent = tempfile::tempdir().expect("a directory");
        let (data, away) = (parent.path().join("data"), parent.path().join("away"));
        fs::create_dir(&data).expect("made");
        let (mut store, _) = Store::open(&data, NODE_ID).expect("the store opens");
        store.begin_run(&record(100), Durability::Always, WHOLE).expect("begun");
        fs::rename(&data, &away).expect("moved");
        for is_there in [false, true] {
            if is_there {
                fs::create_dir(&data).expect("another");
            }
            store.commit(&mut changes([("a".to_owned(), 6)]), None).expect_err("it is missed");
            assert!(store.damage().is_some());
            let refused = [store.begin_anew(&record(100)).map(drop), store.give_up()];
            for refused in refused {
                assert!(matches!(refused, Err(StorageError::OtherDirectory { .. })), "{refused:?}");
            }
            assert!(!is_there || fs::read_dir(&data).expect("read").next().is_none());
        }
        fs::remove_dir(&data).expect("empty");
        fs::rename(&away, &data).expect("moved back");
        let fresh = store.begin_anew(&record(100)).expect("it is the right one again");
        fresh.discard();
    }
}
