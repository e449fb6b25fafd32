//! Key and certificate files: written whole, durably and with the right mode, or not at all.

use super::error::IdentityError;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Far above any chain of certificates that makes sense.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Who may read a file.
#[derive(Clone, Copy)]
pub(super) enum Secrecy {
    /// Mode 0600.
    Secret,
    /// Mode 0644.
    Public,
}

impl Secrecy {
    const fn mode(self) -> u32 {
        match self {
            Self::Secret => 0o600,
            Self::Public => 0o644,
        }
    }
}

/// Writes a temporary file beside `path`, makes it durable and renames it.
pub(super) fn replace(path: &Path, text: &str, secrecy: Secrecy) -> Result<(), IdentityError> {
    let temporary = temporary_path(path);
    let written = write_durably(&temporary, text, secrecy)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| sync_parent(path));
    if written.is_err() {
        // Best effort: a key must not lie around under a second name.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(io_error("write", path))
}

/// Gives a file another name in the same directory, durably.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), IdentityError> {
    fs::rename(from, to).and_then(|()| sync_parent(to)).map_err(io_error("rename", from))
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), IdentityError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Makes a directory and those above it; a new one is for its owner alone.
pub(super) fn make_directory(path: &Path) -> Result<(), IdentityError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io_error("make the directory", path))
}

/// The text of a file, or `None` when there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<String>, IdentityError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("open", path)(error)),
    };
    let mut text = String::new();
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(io_error("read", path))?;
    Ok(Some(text))
}

/// Whether others than the owner may read the file; unknown counts as no.
pub(super) fn is_readable_by_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// Names the operation and the path of a system error.
pub(super) fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> IdentityError {
    let path = path.to_owned();
    move |error| IdentityError::Io { operation, path, error }
}

/// Hidden, and with the process id: two processes that write the same file do not share a temporary one.
fn temporary_path(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.new", std::process::id()))
}

fn write_durably(path: &Path, text: &str, secrecy: Secrecy) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(secrecy.mode()).open(path)?;
    // The mode above is cut by the umask, and does not touch a file that is there.
    file.set_permissions(fs::Permissions::from_mode(secrecy.mode()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
