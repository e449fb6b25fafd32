//! A small file of text lines under a head that carries kind, version and checksum; replaced as a whole,
//! durably, or not at all.

use super::error::StorageError;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The most bytes such a file may have: far above what the tested number of peers needs.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// What a file holds and what losing it means.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// Its name in the directory and in its own head.
    pub(super) name: &'static str,
    /// What deleting it would do; the end of a sentence.
    pub(super) consequence: &'static str,
    /// The version written, and the newest that is read. Older ones are read, too.
    pub(super) version: u64,
}

/// The first line. The checksum is the SHA-256 of all that follows the line's end.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    discnt: String,
    version: u64,
    sha256: String,
}

/// Only what every later version must keep, to tell "newer" from "damaged".
#[derive(Deserialize)]
struct AnyHead {
    discnt: String,
    version: u64,
}

/// Reads the lines of a file, or `None` when there is no such file.
pub(super) fn read(directory: &Path, kind: Kind) -> Result<Option<Vec<String>>, StorageError> {
    let path = directory.join(kind.name);
    let damaged = |what: String| StorageError::Damaged { path: path.clone(), what, consequence: kind.consequence };
    let Some(bytes) = read_bounded(&path)? else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes).map_err(|_| damaged("it is not text".into()))?;
    let (head, body) = text.split_once('\n').ok_or_else(|| damaged("its first line has no end".into()))?;
    let any: AnyHead =
        serde_json::from_str(head).map_err(|error| damaged(format!("its first line cannot be read: {error}")))?;
    if any.discnt != kind.name {
        return Err(damaged(format!("it says that it is {:?}, not {:?}", any.discnt, kind.name)));
    }
    if any.version == 0 {
        return Err(damaged("there is no version 0 of it".into()));
    }
    if any.version > kind.version {
        return Err(StorageError::Newer { path, found: any.version, known: kind.version });
    }
    let head: Head =
        serde_json::from_str(head).map_err(|error| damaged(format!("its first line cannot be read: {error}")))?;
    if head.sha256 != checksum(body.as_bytes()) {
        return Err(damaged("its checksum does not match".into()));
    }
    Ok(Some(body.lines().map(str::to_owned).collect()))
}

/// Replaces a file: when this returns, the new content is on disk under its name; when it fails, the old is.
pub(super) fn write(directory: &Path, kind: Kind, lines: impl Iterator<Item = String>) -> Result<(), StorageError> {
    let mut body = String::new();
    for line in lines {
        body.push_str(&line);
        body.push('\n');
    }
    let head = Head { discnt: kind.name.to_owned(), version: kind.version, sha256: checksum(body.as_bytes()) };
    let head = serde_json::to_string(&head).expect("a struct of texts and numbers is always JSON");
    replace(directory, kind.name, format!("{head}\n{body}").as_bytes())
}

/// Writes a temporary file, makes it durable, and renames it over the old one.
pub(super) fn replace(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
    let temporary = temporary_path(directory, name);
    let path = directory.join(name);
    let written = write_durably(&temporary, bytes).map_err(io_error("write", &temporary));
    let renamed = written.and_then(|()| fs::rename(&temporary, &path).map_err(io_error("replace", &path)));
    if renamed.is_err() {
        // Best effort: what is left is overwritten by the next attempt anyway.
        let _ = fs::remove_file(&temporary);
    }
    renamed?;
    sync_directory(directory)
}

/// Where a file is written before it gets its name.
pub(super) fn temporary_path(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.new"))
}

/// Makes the directory's entries durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), StorageError> {
    File::open(directory).and_then(|handle| handle.sync_all()).map_err(io_error("make durable", directory))
}

/// Names the operation and the path of a system error.
pub(super) fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StorageError {
    let path = path.to_owned();
    move |error| StorageError::of_system(operation, path, error)
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn read_bounded(path: &Path) -> Result<Option<Vec<u8>>, StorageError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("open", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(io_error("read", path))?;
    Ok(Some(bytes))
}

fn checksum(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in digest(&SHA256, bytes).as_ref() {
        write!(hex, "{byte:02x}").expect("writing to a text does not fail");
    }
    hex
}
