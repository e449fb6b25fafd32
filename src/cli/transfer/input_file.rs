//! The file of an import, which is read twice: to check it, and to import it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::error::TransferError;

const READ_BUFFER_BYTES: usize = 256 << 10;

/// An open file. Both times the same one is read, whatever its name stands for meanwhile.
pub(super) struct InputFile {
    path: PathBuf,
    file: File,
}

impl InputFile {
    /// Opens the file; `-` is all of the input, put into a file that is gone when the program ends.
    ///
    /// # Errors
    /// [`TransferError::File`].
    pub(super) fn open(path: &Path) -> Result<Self, TransferError> {
        let failed = |error| TransferError::File { path: path.to_owned(), error };
        let file = if Self::is_input(path) { spool().map_err(failed)? } else { File::open(path).map_err(failed)? };
        if file.metadata().map_err(failed)?.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        Ok(Self { path: path.to_owned(), file })
    }

    /// Whether the path means the input.
    pub(super) fn is_input(path: &Path) -> bool {
        path == Path::new("-")
    }

    /// Reads from the beginning.
    ///
    /// # Errors
    /// [`TransferError::File`], also where the file is none that can be read twice.
    pub(super) fn read(&mut self) -> Result<BufReader<&File>, TransferError> {
        if let Err(error) = self.file.seek(SeekFrom::Start(0)) {
            return Err(self.failed(error));
        }
        Ok(BufReader::with_capacity(READ_BUFFER_BYTES, &self.file))
    }

    /// The error of this file.
    pub(super) fn failed(&self, error: io::Error) -> TransferError {
        TransferError::File { path: self.path.clone(), error }
    }
}

fn spool() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("discnt-import.{}", std::process::id()));
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    // It has no name from here on, and so goes with the process.
    fs::remove_file(&path)?;
    io::copy(&mut io::stdin().lock(), &mut file)?;
    Ok(file)
}
