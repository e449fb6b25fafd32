//! Key and certificate files: written whole, durably and with the right mode, or not at all.

use super::error::IdentityError;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Far above any chain of certificates that makes sense.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// So many files that crashes left may be in the way of a new one.
const MAX_ATTEMPTS: usize = 1000;

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

/// Writes a temporary file beside `path`, makes it durable and renames it. Of several who do so at once each has a
/// temporary file of its own, and the last to be done wins.
pub(super) fn replace(path: &Path, text: &str, secrecy: Secrecy) -> Result<(), IdentityError> {
    let (temporary, file) = new_file_beside(path, secrecy).map_err(io_error("write", path))?;
    let written =
        write_durably(file, text, secrecy).and_then(|()| fs::rename(&temporary, path)).and_then(|()| sync_parent(path));
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

/// An empty file, hidden, of a name that nobody else has: neither another process, nor another thread, nor one that a crash
/// left.
fn new_file_beside(path: &Path, secrecy: Secrecy) -> io::Result<(PathBuf, File)> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut refused = io::Error::from(io::ErrorKind::AlreadyExists);
    for _ in 0..MAX_ATTEMPTS {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let beside = path.with_file_name(format!(".{name}.{}.{number}.new", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).mode(secrecy.mode()).open(&beside) {
            Ok(file) => return Ok((beside, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => refused = error,
            Err(error) => return Err(error),
        }
    }
    Err(refused)
}

fn write_durably(mut file: File, text: &str, secrecy: Secrecy) -> io::Result<()> {
    // The mode that it was made with was cut by the umask.
    file.set_permissions(fs::Permissions::from_mode(secrecy.mode()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_who_write_a_file_at_once_each_writes_it_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        let texts: Vec<String> = (0..8).map(|number| number.to_string().repeat(10_000 + number)).collect();
        std::thread::scope(|scope| {
            for text in &texts {
                scope.spawn(|| (0..20).for_each(|_| replace(&path, text, Secrecy::Public).expect("written")));
            }
        });
        let read = read(&path).expect("readable").expect("there");
        assert!(texts.contains(&read), "it is a mixture");
        assert_eq!(fs::read_dir(directory.path()).expect("listed").count(), 1, "nothing is left over");
    }
}
