//! A store that was made of a backup takes its place, in two moves between which a process may end.

use super::{COMMITS, STORE};
use crate::storage::StorageError;
use crate::storage::checked_file::{io_error, sync_directory};
use std::fs;
use std::path::Path;

/// Where a backup becomes a store, in the data directory.
pub(in crate::storage) const RESTORING: &str = "restoring";
const NAMES: [&str; 2] = [STORE, COMMITS];

/// How far the moves have come.
enum Progress {
    /// Nothing is in its place, and there may be nothing complete to be put there.
    NotBegun,
    /// One of the two is in its place, and the other is where it was made.
    Half,
    /// Both are in their places.
    Done,
    /// What no restoring leaves.
    Other,
}

/// Moves what was made into its place.
pub(in crate::storage) fn place(data_directory: &Path) -> Result<(), StorageError> {
    let work = data_directory.join(RESTORING);
    move_missing(&work, data_directory)?;
    sync_directory(data_directory)?;
    remove(data_directory)
}

/// Ends the moves that a process before this began. Answers whether there was a restoring that had not come so far: then
/// there were no counters before it.
pub(super) fn complete(data_directory: &Path) -> Result<bool, StorageError> {
    match progress(data_directory)? {
        Some(Progress::NotBegun) => return Ok(true),
        Some(Progress::Half) => place(data_directory)?,
        Some(Progress::Done) => remove(data_directory)?,
        Some(Progress::Other) | None => {}
    }
    Ok(false)
}

/// Takes back what a process before this moved, if it did not end that.
pub(in crate::storage) fn take_back(data_directory: &Path) -> Result<(), StorageError> {
    match progress(data_directory)? {
        Some(Progress::Half) => move_missing(data_directory, &data_directory.join(RESTORING)),
        _ => Ok(()),
    }
}

/// Removes what is left of a restoring, if anything is.
pub(in crate::storage) fn remove(data_directory: &Path) -> Result<(), StorageError> {
    let work = data_directory.join(RESTORING);
    match fs::remove_dir_all(&work) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io_error("remove", &work)(error)),
        _ => Ok(()),
    }
}

/// None where nothing was being restored.
fn progress(data_directory: &Path) -> Result<Option<Progress>, StorageError> {
    let work = data_directory.join(RESTORING);
    if !exists(&work)? {
        return Ok(None);
    }
    let mut places = [(false, false); 2];
    for (place, name) in places.iter_mut().zip(NAMES) {
        *place = (exists(&data_directory.join(name))?, exists(&work.join(name))?);
    }
    Ok(Some(match places {
        [(false, _), (false, _)] => Progress::NotBegun,
        [(true, false), (false, true)] | [(false, true), (true, false)] => Progress::Half,
        [(true, _), (true, _)] => Progress::Done,
        _ => Progress::Other,
    }))
}

fn move_missing(from: &Path, to: &Path) -> Result<(), StorageError> {
    for name in NAMES {
        let (from, to) = (from.join(name), to.join(name));
        if !exists(&to)? {
            fs::rename(&from, &to).map_err(io_error("move", &from))?;
        }
    }
    Ok(())
}

fn exists(path: &Path) -> Result<bool, StorageError> {
    path.try_exists().map_err(io_error("look for", path))
}
