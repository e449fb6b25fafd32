//! A file that is there as a whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::TransferError;

/// A file that is being written beside the place where it will be. Dropped, it is removed.
pub(super) struct OutputFile {
    file: File,
    path: PathBuf,
    temporary: PathBuf,
    is_kept: bool,
}

impl OutputFile {
    /// Begins a file for this place.
    ///
    /// # Errors
    /// [`TransferError::File`], and [`TransferError::Given`] for a place that is taken by something else than a file.
    pub(super) fn create(path: &Path) -> Result<Self, TransferError> {
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            let text =
                format!("{} is no file that could be replaced; without --output it goes to the output", path.display());
            return Err(TransferError::Given(text));
        }
        let Some(name) = path.file_name() else {
            return Err(TransferError::Given(format!("{} is not the name of a file", path.display())));
        };
        let mut temporary_name = std::ffi::OsString::from(".");
        temporary_name.push(name);
        temporary_name.push(format!(".{}.part", std::process::id()));
        let temporary = path.with_file_name(temporary_name);
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary);
        let file = file.map_err(|error| TransferError::File { path: temporary.clone(), error })?;
        Ok(Self { file, path: path.to_owned(), temporary, is_kept: false })
    }

    /// Where it is written meanwhile.
    pub(super) fn place(&self) -> std::path::Display<'_> {
        self.temporary.display()
    }

    /// Puts it where it belongs, when it is on the disk.
    ///
    /// # Errors
    /// [`TransferError::File`]; what was there before is there still.
    pub(super) fn keep(mut self) -> Result<(), TransferError> {
        let moved = self.file.sync_all().and_then(|()| fs::rename(&self.temporary, &self.path));
        moved.map_err(|error| TransferError::File { path: self.path.clone(), error })?;
        self.is_kept = true;
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        // Some file systems have no way to do this; the file is whole all the same.
        let _ = File::open(directory.unwrap_or(Path::new("."))).and_then(|directory| directory.sync_all());
        Ok(())
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if !self.is_kept {
            // Whoever cannot remove it could not have renamed it either.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}
