//! Making a store where there is none.

use super::commits_file::{CommitsFile, FILE_NAME as COMMITS, Said};
use super::engine::Engine;
use super::mark::Mark;
use super::sealed::seal;
use super::{FIRST_COMMIT, MARK_KEY, MARKER_KEY, MARKER_VALUE, STORE, UNFINISHED, placing};
use crate::base::{Durability, Incarnation, NodeId};
use crate::storage::checked_file::{io_error, sync_directory};
use crate::storage::directory::last_incarnation_in;
use crate::storage::error::StorageError;
use std::fs;
use std::path::Path;

/// Makes the first store of a node. One that took an incarnation had one before: it is made first.
pub(super) fn make_first(
    data_directory: &Path,
    node: NodeId,
    was_restoring: bool,
) -> Result<(CommitsFile, Said), StorageError> {
    let last = last_incarnation_in(data_directory)?;
    if let Some(incarnation) = last.filter(|_| !was_restoring) {
        let path = data_directory.join(STORE);
        let what = format!(
            "it is missing, and so is the file {COMMITS} beside it, though the node has counted as incarnation {}",
            incarnation.0
        );
        return Err(StorageError::StoreDamaged { path, what });
    }
    let made = make(data_directory, node)?;
    placing::remove(data_directory)?;
    Ok(made)
}

/// Makes a store where there is none. It gets its name when it is complete.
pub(super) fn make(data_directory: &Path, node: NodeId) -> Result<(CommitsFile, Said), StorageError> {
    let (engine, mark) = make_unfinished(data_directory, node)?;
    let unfinished = engine.path.clone();
    drop(engine);
    let said = Said { store: mark.store, commit: mark.commit };
    let commits = CommitsFile::create(data_directory, said)?;
    fs::rename(&unfinished, data_directory.join(STORE)).map_err(io_error("rename", &unfinished))?;
    sync_directory(data_directory)?;
    Ok((commits, said))
}

/// Makes an empty store that has not its name yet.
pub(super) fn make_unfinished(data_directory: &Path, node: NodeId) -> Result<(Engine, Mark), StorageError> {
    let unfinished = data_directory.join(UNFINISHED);
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(io_error("remove", &unfinished)(error));
        }
        _ => {}
    }
    fs::create_dir(&unfinished).map_err(io_error("make", &unfinished))?;
    let engine = Engine::open(&unfinished)?;
    let mark = Mark {
        node,
        store: rand::random(),
        commit: FIRST_COMMIT,
        first_number: engine.next_number(),
        durability: Durability::Always,
        clean: true,
        whole: true,
        stale: false,
        incarnation: Incarnation(0),
        own_since: 0,
    };
    let marker = seal(&MARKER_KEY, |out| out.extend_from_slice(MARKER_VALUE));
    let said = seal(MARK_KEY, |out| mark.encode(out));
    engine.write(|write| write(&MARKER_KEY, Some(&marker)), [(MARK_KEY, said)].into_iter())?;
    Ok((engine, mark))
}
