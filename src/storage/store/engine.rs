//! The key-value engine below the store: how it is set up, and its errors in our words.

use super::super::error::StorageError;
use fjall::config::{BlockSizePolicy, FilterPolicy};
use fjall::{AbstractTree, Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is kept in memory before it becomes a table on disk; opening reads at most about this much of the journal anew.
const MEMTABLE_BYTES: u64 = 16 << 20;
const JOURNAL_BYTES: u64 = 64 << 20;
/// Everything is read once, in order: there is nothing to keep.
const CACHE_BYTES: u64 = 1 << 20;
const BLOCK_BYTES: u32 = 16 << 10;
/// The engine holds a writer up for ever at four sealed memtables when its own thread has died, so it never gets there.
const MOST_SEALED: usize = 2;
const MOST_RUNS: usize = 16;
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

pub(super) const COUNTERS: &str = "counters";
pub(super) const NODE: &str = "node";

/// An open database with its two keyspaces.
pub(super) struct Engine {
    pub(super) path: PathBuf,
    // Keyspaces go first: they hold the database's insides.
    pub(super) counters: Keyspace,
    pub(super) node: Keyspace,
    database: Database,
}

impl Engine {
    /// Opens the database in `path`, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, StorageError> {
        let failed = engine_error("open", path);
        let database = Database::builder(path)
            // With two threads the one that does not compact spins meanwhile.
            .worker_threads(1)
            .max_journaling_size(JOURNAL_BYTES)
            .cache_size(CACHE_BYTES)
            .open()
            .map_err(&failed)?;
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE_BYTES)
                .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES))
                .filter_policy(FilterPolicy::disabled())
        };
        // Always in this order: the check of the files relies on their numbers, 1 and 2.
        let counters = database.keyspace(COUNTERS, options).map_err(&failed)?;
        let node = database.keyspace(NODE, options).map_err(&failed)?;
        Ok(Self { path: path.to_owned(), counters, node, database })
    }

    /// Writes all or nothing, and makes it durable. `counters` calls what it is given for each name: with its value, or
    /// none where it is to be removed.
    pub(super) fn write(
        &self,
        counters: impl FnOnce(&mut dyn FnMut(&[u8], Option<&[u8]>)),
        node: impl Iterator<Item = (&'static [u8], Vec<u8>)>,
    ) -> Result<(), StorageError> {
        self.wait_for_room()?;
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        counters(&mut |name, value| match value {
            Some(value) => batch.insert(&self.counters, name, value),
            None => batch.remove(&self.counters, name),
        });
        for (key, value) in node {
            batch.insert(&self.node, key, value);
        }
        batch.commit().map_err(engine_error("write to", &self.path))
    }

    /// The number that the next batch has at least.
    pub(super) fn next_number(&self) -> u64 {
        self.database.seqno()
    }

    /// Turns what is in memory into tables.
    pub(super) fn settle(&self) -> Result<(), StorageError> {
        for keyspace in [&self.counters, &self.node] {
            keyspace.rotate_memtable().map_err(engine_error("write to", &self.path))?;
            while keyspace.sealed_memtable_count() > 0 {
                self.is_alive()?;
                std::thread::sleep(LOOK_INTERVAL);
            }
        }
        Ok(())
    }

    /// Fails when the engine's thread has died.
    fn is_alive(&self) -> Result<(), StorageError> {
        // Flushes nothing to the disk.
        self.database.persist(PersistMode::Buffer).map_err(engine_error("write to", &self.path))
    }

    /// Waits until what was written has become tables, as long as the engine is alive.
    fn wait_for_room(&self) -> Result<(), StorageError> {
        let is_full = |keyspace: &Keyspace| {
            keyspace.sealed_memtable_count() > MOST_SEALED || keyspace.tree.l0_run_count() > MOST_RUNS
        };
        while is_full(&self.counters) || is_full(&self.node) {
            self.is_alive()?;
            std::thread::sleep(LOOK_INTERVAL);
        }
        Ok(())
    }
}

/// Names the operation and the path of an engine's error.
pub(super) fn engine_error(operation: &'static str, path: &Path) -> impl Fn(fjall::Error) -> StorageError {
    let path = path.to_owned();
    move |error| match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => {
            StorageError::of_system(operation, path.clone(), error)
        }
        fjall::Error::Poisoned => StorageError::Engine {
            operation,
            path: path.clone(),
            what: "an earlier write in the background failed".into(),
        },
        other => StorageError::Engine { operation, path: path.clone(), what: format!("{other:?}") },
    }
}
