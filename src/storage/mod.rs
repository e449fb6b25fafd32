//! Floor 5: the data directory.
//!
//! It keeps, for one server at a time, what a node must not forget: its incarnation, its members and whom it
//! barred. Every file carries a version and a checksum; a damaged file is an error that says so, never an
//! empty one. It never deletes what it did not write.

mod backup;
mod checked_file;
mod committer;
mod config;
mod directory;
mod error;
mod records;
mod store;

pub use backup::{BACKUP_FILE, BackupError, BackupReader, BackupWriter, RestoreError, Restored, restore};
pub use committer::{
    CommitError, CommitFigures, Commits, Committed, Committer, CommitterSettings, Complete, Failing, RereadError,
};
pub use config::{Config, ConfigError};
pub use directory::{DataDirectory, FilesRepaired};
pub use error::StorageError;
pub use records::{KeptOut, RememberedMember};
pub use store::{Changes, LoadProgress, Opened, Repaired, Standing, Store};
