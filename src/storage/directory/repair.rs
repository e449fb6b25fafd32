//! The way back from damage to the small files of a data directory. None of them is deleted: what is damaged is set aside.

use super::{BARRED, DataDirectory, FORMAT, INCARNATION, MEMBERS};
use crate::base::Incarnation;
use crate::storage::StorageError;
use crate::storage::checked_file::{io_error, sync_directory};
use crate::storage::store::{Store, free_name};
use std::fs;
use std::path::PathBuf;

/// What was set aside of a data directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilesRepaired {
    /// Where it is now; none when nothing was damaged.
    pub set_aside: Option<PathBuf>,
    /// What was wrong, and what that means.
    pub losses: Vec<String>,
}

impl DataDirectory {
    /// Opens a directory that was one before, and makes it usable again: what is damaged of its small files is set aside, and
    /// an incarnation that cannot be read is replaced by one that is certainly later. `now_seconds` is the time since 1970.
    ///
    /// # Errors
    /// As [`Self::open`], but for damage to these files, and where there is no such directory.
    pub fn repair(path: impl Into<PathBuf>, now_seconds: u64) -> Result<(Self, FilesRepaired), StorageError> {
        let path = path.into();
        let format = path.join(FORMAT);
        if !format.try_exists().map_err(io_error("look for", &format))? && !super::was_ours(&path) {
            return Err(StorageError::NoDirectory { directory: path });
        }
        let directory = Self { _lock: super::lock(&path)?, path };
        let mut repaired = FilesRepaired::default();
        let missing = || StorageError::Missing { path: format.clone(), remedy: "" };
        if let Err(error) = directory.read_format().and_then(|format| format.ok_or_else(missing)) {
            // Every other file says itself which version it is of.
            directory.set_aside(FORMAT, "it is written again", error, &mut repaired)?;
            directory.write_format()?;
        }
        if let Err(error) = directory.read_incarnation() {
            let own = Store::last_own(&directory.path)?.map_or(0, |own| own.incarnation.0);
            let incarnation = Incarnation(now_seconds.max(own));
            directory.set_aside(INCARNATION.name, "a later one is taken", error, &mut repaired)?;
            directory.write_incarnation(incarnation.0)?;
        }
        if let Err(error) = directory.load_members() {
            directory.set_aside(MEMBERS.name, "CLUSTER MEET one of the members again", error, &mut repaired)?;
        }
        if let Err(error) = directory.load_kept_out() {
            directory.set_aside(BARRED.name, "CLUSTER FORGET again who is to stay out", error, &mut repaired)?;
        }
        Ok((directory, repaired))
    }

    /// Moves a file that is damaged out of the way, and says what then; passes on what is no damage.
    fn set_aside(
        &self,
        name: &str,
        then: &str,
        error: StorageError,
        repaired: &mut FilesRepaired,
    ) -> Result<(), StorageError> {
        let loss = match &error {
            StorageError::Damaged { .. } => error.place_and_cause(),
            StorageError::Missing { path, .. } => format!("{}: it was missing", path.display()),
            _ => return Err(error),
        };
        repaired.losses.push(format!("{loss}; {then}"));
        let from = self.path.join(name);
        if !from.try_exists().map_err(io_error("look for", &from))? {
            return Ok(());
        }
        let aside = match &repaired.set_aside {
            Some(aside) => aside.clone(),
            None => {
                let aside = free_name(&self.path)?;
                fs::create_dir(&aside).map_err(io_error("make", &aside))?;
                repaired.set_aside.insert(aside).clone()
            }
        };
        fs::rename(&from, aside.join(name)).map_err(io_error("set aside", &from))?;
        sync_directory(&aside)?;
        sync_directory(&self.path)
    }
}
