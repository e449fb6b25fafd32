//! Which file or directory something is, whatever its name.

use std::fs::{Metadata, metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The device and the number on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

impl Identity {
    /// Of what has this name now.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        metadata(path).map(|found| Self::from(&found))
    }
}

impl From<&Metadata> for Identity {
    fn from(found: &Metadata) -> Self {
        Self(found.dev(), found.ino())
    }
}
