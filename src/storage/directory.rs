//! The data directory: who may use it, and what is kept in it.
//!
//! | file | what it is |
//! |---|---|
//! | `LOCK` | locked for as long as a server runs; holds its process id |
//! | `FORMAT` | the version of the directory; written last, so its presence says that all else is there |
//! | `incarnation` | the last incarnation that may have been used |
//! | `members`, `barred` | who is redialled at the next start, and who is not let in |

use super::checked_file::{self, Kind, io_error};
use super::error::StorageError;
use super::records::{self, KeptOut, KeptOutEntry, RememberedMember};
use super::store::STORE;
use crate::base::Incarnation;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const LOCK: &str = "LOCK";
const FORMAT: &str = "FORMAT";
const FORMAT_WORDS: &str = "discnt data ";
const FORMAT_VERSION: u64 = 1;
const INCARNATION: Kind = Kind {
    name: "incarnation",
    consequence: "a node that uses an incarnation a second time makes the cluster lose counts (discnt-server --repair takes a later one)",
    version: 1,
};
const MEMBERS: Kind = Kind {
    name: "members",
    consequence: "the node would not find its cluster again by itself (discnt-server --repair sets it aside all the same)",
    version: 1,
};
const BARRED: Kind = Kind {
    name: "barred",
    consequence: "nodes that were forgotten would be let in again (discnt-server --repair sets it aside all the same)",
    version: 3,
};

/// A data directory that this process alone uses, for as long as the value lives.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    /// Holds the lock; the system frees it with the file, also when the process is killed.
    _lock: File,
}

impl DataDirectory {
    /// Opens the directory, and makes it (mode 0700) when it is not there.
    ///
    /// # Errors
    /// [`StorageError`] when another server has it, it is of a newer version, damaged, not ours, or the
    /// system refuses. What was in it stays as it was.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let path = path.into();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(io_error("make the data directory", &path))?;
        refuse_foreign(&path)?;
        let lock = lock(&path)?;
        let directory = Self { path, _lock: lock };
        match directory.read_format()? {
            Some(()) => directory.check_incarnation()?,
            None => directory.initialise()?,
        }
        Ok(directory)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether no node was ever started with it, and no backup was restored into it.
    ///
    /// # Errors
    /// [`StorageError`] when the incarnation cannot be read.
    pub fn is_new(&self) -> Result<bool, StorageError> {
        Ok(!self.path.join(STORE).exists() && self.last_incarnation()?.is_none())
    }

    /// Takes an incarnation that was never used from this directory. It is on disk when this returns.
    ///
    /// # Errors
    /// [`StorageError`]; no incarnation was taken.
    pub fn next_incarnation(&self) -> Result<Incarnation, StorageError> {
        self.next_incarnation_above(Incarnation(0))
    }

    /// As [`Self::next_incarnation`], and also above `heard`: what others say that this node has used.
    ///
    /// # Errors
    /// [`StorageError`]; no incarnation was taken.
    pub fn next_incarnation_above(&self, heard: Incarnation) -> Result<Incarnation, StorageError> {
        let next = self
            .read_incarnation()?
            .max(heard.0)
            .checked_add(1)
            .ok_or_else(|| StorageError::Exhausted { path: self.path.join(INCARNATION.name) })?;
        self.write_incarnation(next)?;
        Ok(Incarnation(next))
    }

    /// The last incarnation taken, or `None` when none ever was.
    ///
    /// # Errors
    /// [`StorageError`] when the file is damaged or missing.
    pub fn last_incarnation(&self) -> Result<Option<Incarnation>, StorageError> {
        Ok(match self.read_incarnation()? {
            0 => None,
            last => Some(Incarnation(last)),
        })
    }

    /// The members as last saved; none when they never were.
    ///
    /// # Errors
    /// [`StorageError`] when the file is damaged or of a newer version.
    pub fn load_members(&self) -> Result<Vec<RememberedMember>, StorageError> {
        self.load(MEMBERS, records::member_from_line)
    }

    /// Whether there are members in the data directory at this path, which may be another process's.
    ///
    /// # Errors
    /// As [`Self::load_members`].
    pub fn knows_members(path: &Path) -> Result<bool, StorageError> {
        Ok(!load(path, MEMBERS, records::member_from_line)?.is_empty())
    }

    /// Saves the members, all at once. On disk when this returns; the old ones stay when it fails.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn save_members(&self, members: &[RememberedMember]) -> Result<(), StorageError> {
        let lines = members.iter().map(records::member_to_line);
        checked_file::write(&self.path, MEMBERS, lines)
    }

    /// Who is kept out, as last saved; nobody when it never was.
    ///
    /// # Errors
    /// [`StorageError`] when the file is damaged or of a newer version.
    pub fn load_kept_out(&self) -> Result<KeptOut, StorageError> {
        let mut kept_out = KeptOut::default();
        for line in self.load(BARRED, records::kept_out_from_line)? {
            match line {
                KeptOutEntry::Admission(admission) => kept_out.admissions.push(admission),
                KeptOutEntry::Barred(barred) => kept_out.barred.push(barred),
            }
        }
        Ok(kept_out)
    }

    /// Saves who is kept out, all at once. On disk when this returns; the old ones stay when it fails.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn save_kept_out(&self, kept_out: &KeptOut) -> Result<(), StorageError> {
        let barred = kept_out.barred.iter().map(records::barred_to_line);
        checked_file::write(
            &self.path,
            BARRED,
            barred.chain(kept_out.admissions.iter().map(records::admission_to_line)),
        )
    }

    fn load<T>(&self, kind: Kind, parse: fn(&str) -> Result<T, String>) -> Result<Vec<T>, StorageError> {
        load(&self.path, kind, parse)
    }

    /// Prepares a new directory. `FORMAT` comes last: a crash before it leaves what this does again.
    fn initialise(&self) -> Result<(), StorageError> {
        self.write_incarnation(0)?;
        self.write_format()
    }

    fn write_format(&self) -> Result<(), StorageError> {
        let format = format!("{FORMAT_WORDS}{FORMAT_VERSION}\n");
        checked_file::replace(&self.path, FORMAT, format.as_bytes())
    }

    fn read_format(&self) -> Result<Option<()>, StorageError> {
        let path = self.path.join(FORMAT);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        let version: Option<u64> = std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| text.strip_prefix(FORMAT_WORDS)?.strip_suffix('\n'))
            .and_then(|number| number.parse().ok());
        match version {
            Some(1..=FORMAT_VERSION) => Ok(Some(())),
            Some(found) if found > FORMAT_VERSION => Err(StorageError::Newer { path, found, known: FORMAT_VERSION }),
            _ => Err(StorageError::Damaged {
                path,
                what: format!("expected the words \"{FORMAT_WORDS}{FORMAT_VERSION}\""),
                consequence: "the version of the other files would be unknown (discnt-server --repair writes it again)",
            }),
        }
    }

    fn check_incarnation(&self) -> Result<(), StorageError> {
        self.read_incarnation().map(drop)
    }

    fn read_incarnation(&self) -> Result<u64, StorageError> {
        // Never taken for zero: an incarnation that is used twice would overwrite counts with less.
        read_incarnation(&self.path)?.ok_or_else(|| StorageError::Missing {
            path: self.path.join(INCARNATION.name),
            remedy: "start discnt-server once with --repair, which takes a later one than any that can have been used",
        })
    }

    fn write_incarnation(&self, incarnation: u64) -> Result<(), StorageError> {
        let line = records::incarnation_to_line(incarnation);
        checked_file::write(&self.path, INCARNATION, std::iter::once(line))
    }
}

fn load<T>(directory: &Path, kind: Kind, parse: fn(&str) -> Result<T, String>) -> Result<Vec<T>, StorageError> {
    let lines = checked_file::read(directory, kind)?.unwrap_or_default();
    let parsed = lines.iter().enumerate().map(|(at, line)| {
        parse(line).map_err(|what| StorageError::Damaged {
            path: directory.join(kind.name),
            // The head is line 1.
            what: format!("line {}: {what}", at + 2),
            consequence: kind.consequence,
        })
    });
    parsed.collect()
}

/// Whether only a node's directory can look like this, though it may have lost its `FORMAT`.
fn was_ours(path: &Path) -> bool {
    read_incarnation(path).is_ok_and(|incarnation| incarnation.is_some())
}

/// The last incarnation taken in a data directory; none when none ever was.
pub(super) fn last_incarnation_in(path: &Path) -> Result<Option<Incarnation>, StorageError> {
    Ok(read_incarnation(path)?.filter(|last| *last > 0).map(Incarnation))
}

/// None when there is no such file.
fn read_incarnation(directory: &Path) -> Result<Option<u64>, StorageError> {
    let Some(lines) = checked_file::read(directory, INCARNATION)? else { return Ok(None) };
    let parsed = match lines.as_slice() {
        [line] => records::incarnation_from_line(line),
        other => Err(format!("one line was expected below the first, not {}", other.len())),
    };
    let path = directory.join(INCARNATION.name);
    parsed.map(Some).map_err(|what| StorageError::Damaged { path, what, consequence: INCARNATION.consequence })
}

/// Refuses a directory that holds things but no `FORMAT`: writing into somebody's home would be rude, and a
/// node's directory that lost its `FORMAT` must not be taken for a new one.
fn refuse_foreign(path: &Path) -> Result<(), StorageError> {
    let ours_before_format =
        [LOCK.to_owned(), INCARNATION.name.to_owned(), format!("{}.new", INCARNATION.name), format!("{FORMAT}.new")];
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(io_error("read the directory", path))? {
        let entry = entry.map_err(io_error("read the directory", path))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == FORMAT {
            return Ok(());
        }
        found.push(name);
    }
    found.sort();
    match found.into_iter().find(|name| !ours_before_format.contains(name)) {
        None => Ok(()),
        Some(_) if was_ours(path) => Err(StorageError::Missing {
            path: path.join(FORMAT),
            remedy: "start discnt-server once with --repair, which writes it again",
        }),
        Some(found) => Err(StorageError::Foreign { directory: path.to_owned(), found }),
    }
}

fn lock(directory: &Path) -> Result<File, StorageError> {
    let path = directory.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StorageError::Locked { directory: directory.to_owned(), holder: read_holder(&mut file) });
        }
        Err(TryLockError::Error(error)) => return Err(io_error("lock", &path)(error)),
    }
    file.set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| writeln!(file, "{}", std::process::id()))
        .map_err(io_error("write", &path))?;
    Ok(file)
}

/// Who holds the lock, as far as the file tells.
fn read_holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(32).read_to_string(&mut text);
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(process)) => format!(" (process {process})"),
        _ => String::new(),
    }
}

mod repair;
#[cfg(test)]
mod tests;

pub use repair::FilesRepaired;
