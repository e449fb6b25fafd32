//! What can go wrong with the data directory. Unless said otherwise, nothing on disk was changed.

use crate::base::NodeId;
use rustix::io::Errno;
use std::io;
use std::path::PathBuf;

/// Why the data directory cannot be used, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Another server has it.
    #[error(
        "the data directory {directory} is in use by another discnt-server{holder}: stop that one, or give this one a --data-dir of its own"
    )]
    Locked {
        /// The directory.
        directory: PathBuf,
        /// " (process 123)", or nothing when that is not known.
        holder: String,
    },
    /// The system refuses an operation.
    #[error("cannot {operation} {path}: {error}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file is not what was written.
    #[error(
        "{path} is damaged: {what}; restore it from a backup of the directory, and do not just delete it: {consequence}"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What deleting it would do.
        consequence: &'static str,
    },
    /// A file that must be there is not.
    #[error("{path} is missing from a data directory in use: restore it from a backup, or {remedy}")]
    Missing {
        /// The file.
        path: PathBuf,
        /// What else can be done.
        remedy: &'static str,
    },
    /// The directory or a file of it was written by a later version.
    #[error(
        "{path} is of version {found}, this discnt-server reads up to version {known}: a newer one has written it, and there is no way back with this data directory. Start the newer one again, or an older one with an empty data directory and a backup of before the upgrade; nothing was changed"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The newest known.
        known: u64,
    },
    /// The directory is not empty and not ours.
    #[error(
        "{directory} is not a data directory of discnt-server (it holds {found} and no FORMAT file): give an empty or new one with --data-dir"
    )]
    Foreign {
        /// The directory.
        directory: PathBuf,
        /// An entry that is there.
        found: String,
    },
    /// There is no data directory where one must be.
    #[error(
        "{directory} is not a data directory of discnt-server (it holds no FORMAT file): give the right one with --data-dir"
    )]
    NoDirectory {
        /// The directory.
        directory: PathBuf,
    },
    /// The numbers ran out, which a counter of 64 bits does not do by itself.
    #[error("{path} holds the highest possible incarnation: it was tampered with")]
    Exhausted {
        /// The file.
        path: PathBuf,
    },
    /// A part of the store is not what was written.
    #[error(
        "{path} is damaged: {what}; nothing of it was loaded and nothing was changed: start discnt-server once with --repair, which keeps the damaged part under damaged-1 (or the next free number) and saves what can still be read, or restore a backup"
    )]
    StoreDamaged {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A part of the store was found damaged while the node runs, and could not be replaced by what is in memory.
    #[error("{damage}; memory holds all of it, and the store cannot be written anew: {cause}")]
    NotWrittenAnew {
        /// Where, and what is wrong with it.
        damage: String,
        /// Why not.
        cause: String,
    },
    /// Not all that is in memory can be written before more numbers may be drawn.
    #[error("some changes can be written only once the node may use more numbers")]
    LacksNumbers,
    /// The node counts as another replica than when the writing began.
    #[error("the node has become another replica meanwhile, and what it counts is to be written under that")]
    OtherReplica,
    /// The data directory is not the one that was opened.
    #[error(
        "{directory} is another directory than the one that this server opened: nothing is written into it; mount or move the right one there again, or stop the server"
    )]
    OtherDirectory {
        /// What has its name now.
        directory: PathBuf,
    },
    /// The store belongs to another node.
    #[error(
        "{path} holds the counters of node {found}, and this one is {expected}: give this node a --data-dir of its own, or bring back the certificate and key that the store was written with"
    )]
    OtherNode {
        /// The store.
        path: PathBuf,
        /// Whose it is.
        found: NodeId,
        /// Who we are.
        expected: NodeId,
    },
    /// The system does not let this user, or anybody, do it.
    #[error(
        "cannot {operation} {path}: {error}; give discnt-server's user the right to read and write all of the data directory, and have its disk mounted for writing"
    )]
    NotAllowed {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The storage engine refuses, for a reason that is not the system's.
    #[error("cannot {operation} {path}: {what}")]
    Engine {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the engine says.
        what: String,
    },
}

impl StorageError {
    /// Where something is wrong and what, without what is to be done about it.
    pub(super) fn place_and_cause(&self) -> String {
        match self {
            Self::StoreDamaged { path, what } | Self::Damaged { path, what, .. } => {
                format!("{}: {what}", path.display())
            }
            other => other.to_string(),
        }
    }

    /// Whether what was on disk, and should be there, is not: no other try finds it.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::StoreDamaged { .. } => true,
            Self::Io { operation, error, .. } => {
                let is_unreadable = *operation == "read" && error.raw_os_error() == Some(Errno::IO.raw_os_error());
                error.kind() == io::ErrorKind::NotFound || is_unreadable
            }
            _ => false,
        }
    }

    /// What the system says to an operation.
    pub(super) fn of_system(operation: &'static str, path: PathBuf, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotAllowed { operation, path, error }
            }
            _ => Self::Io { operation, path, error },
        }
    }
}
