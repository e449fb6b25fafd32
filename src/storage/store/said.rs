//! What a store says of itself and of the node when it is opened, and whether that can be.

use super::commits_file::{self, Said};
use super::engine::{self, Engine};
use super::mark::Mark;
use super::sealed::unseal;
use super::{MARK_KEY, Opened, RECORD_KEY, Standing};
use crate::base::{Durability, NodeId};
use crate::replication::NodeRecord;
use crate::storage::StorageError;
use crate::wire::{WireError, decode_node_record};
use std::path::Path;

/// What the store says of itself and of the node.
pub(super) fn read_node(engine: &Engine) -> Result<(Mark, Option<NodeRecord>), StorageError> {
    let get = |key: &[u8]| engine.node.get(key).map_err(engine::engine_error("read", &engine.path));
    let damaged = |what: &str| StorageError::StoreDamaged { path: engine.path.clone(), what: what.to_owned() };
    let mark = get(MARK_KEY)?.ok_or_else(|| damaged("it does not say whose it is"))?;
    let mark = read_mark(&engine.path, &mark)?;
    let record = match get(RECORD_KEY)? {
        None => None,
        Some(bytes) => {
            let bytes = unseal(RECORD_KEY, &bytes).ok_or_else(|| damaged("the node's record has a wrong checksum"))?;
            Some(decode_node_record(bytes).map_err(|error| wire_error(&engine.path, "the node's record", &error))?)
        }
    };
    Ok((mark, record))
}

pub(super) fn read_mark(path: &Path, sealed: &[u8]) -> Result<Mark, StorageError> {
    let mark = unseal(MARK_KEY, sealed).ok_or_else(|| StorageError::StoreDamaged {
        path: path.to_owned(),
        what: "what it says of itself has a wrong checksum".into(),
    })?;
    Mark::decode(mark, path)
}

pub(super) fn wire_error(path: &Path, what: &str, error: &WireError) -> StorageError {
    match error {
        WireError::Version(found) => StorageError::Newer {
            path: path.to_owned(),
            found: (*found).into(),
            known: crate::wire::STORED_VERSION.into(),
        },
        error => StorageError::StoreDamaged { path: path.to_owned(), what: format!("{what}: {error}") },
    }
}

pub(super) fn check_mark(path: &Path, mark: &Mark, node: NodeId, said: Said) -> Result<(), StorageError> {
    if mark.node != node {
        return Err(StorageError::OtherNode { path: path.to_owned(), found: mark.node, expected: node });
    }
    let damaged = |what: String| StorageError::StoreDamaged { path: path.to_owned(), what };
    if mark.store != said.store {
        return Err(damaged(format!(
            "it is not the store that the file {} beside it speaks of",
            commits_file::FILE_NAME
        )));
    }
    if mark.commit < said.commit {
        let lost = said.commit - mark.commit;
        return Err(damaged(format!("its last {lost} of {} commits are missing", said.commit)));
    }
    Ok(())
}

pub(super) fn commits_missing(data_directory: &Path) -> StorageError {
    StorageError::StoreDamaged {
        path: data_directory.join(commits_file::FILE_NAME),
        what: "it is missing, so nobody can say whether the store beside it is complete".into(),
    }
}

pub(super) fn opened(mark: &Mark, previous: Option<NodeRecord>, counters: u64) -> Opened {
    let complete = mark.clean || mark.durability == Durability::Always;
    let told = previous.as_ref().is_some_and(|record| record.has_told);
    // In memory mode nothing is written down before it is said, so the record does not know what was told.
    let stale = mark.stale || (!mark.clean && mark.durability == Durability::Memory);
    Opened {
        clean: mark.clean,
        mode_was: mark.durability,
        standing: Standing { whole: !stale && ((mark.whole && complete) || !told), stale },
        counters,
        previous,
    }
}
