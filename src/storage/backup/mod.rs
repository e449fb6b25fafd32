//! Backups: a file with all that a node held, and the way of one into an empty data directory.

mod file;
mod restore;

pub use file::{BACKUP_FILE, BackupError, BackupReader, BackupWriter};
pub use restore::{RestoreError, Restored, restore};
