//! The engine and the log in front of it, open.

use super::engine::Engine;
use super::mark::Mark;
use super::redo::{self, Redo};
use super::said::read_node;
use crate::replication::NodeRecord;
use crate::storage::error::StorageError;
use std::path::Path;
use std::sync::Arc;

/// What can be written to.
pub(super) struct Files {
    // The log goes first: it waits for what still uses the engine.
    pub(super) redo: Redo,
    pub(super) engine: Arc<Engine>,
    /// What the engine says of the store; the number of its commit may be older.
    pub(super) in_engine: Mark,
}

impl Files {
    /// Opens a store of which the engine's files were checked, and brings what is only in the log into the engine. `check`
    /// sees first what all of it says of the store.
    pub(super) fn open(
        path: &Path,
        check: impl FnOnce(&Mark) -> Result<(), StorageError>,
    ) -> Result<(Self, Option<NodeRecord>), StorageError> {
        let engine = Engine::open(path)?;
        let (mut mark, mut record) = read_node(&engine)?;
        let chain = redo::chain(path, mark.store, mark.commit)?;
        check(&Mark { commit: chain.last.unwrap_or(mark.commit), ..mark })?;
        if chain.last.is_some() {
            chain.replay(&engine, mark.store, mark.commit)?;
            (mark, record) = read_node(&engine)?;
        }
        Ok((Self::of(path, engine, mark), record))
    }

    /// A store of which the engine has everything.
    pub(super) fn of(path: &Path, engine: Engine, in_engine: Mark) -> Self {
        Self { redo: Redo::new(path, in_engine.store, in_engine.commit), engine: Arc::new(engine), in_engine }
    }
}
