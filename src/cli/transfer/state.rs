//! How far an import came, in a small file beside its input.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::TransferError;
use super::output_file::OutputFile;
use super::seal::Seal;

/// Before 2, what was answered counted as done, on disk or not.
const VERSION: u64 = 2;

/// What such a file holds.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    discnt_import: u64,
    /// Where the counters go.
    server: String,
    /// The checksum of all counters of the file.
    sha256: String,
    /// How many of them are done and on the server's disk, from the first on.
    counters_done: u64,
}

/// How far one import came.
pub(super) struct State {
    path: PathBuf,
    server: String,
    sha256: String,
}

impl State {
    /// The state of importing this file, with these counters, into this server.
    pub(super) fn new(input: &Path, server: &str, counters: &Seal) -> Self {
        let mut name = input.as_os_str().to_owned();
        name.push(".import-state");
        Self { path: name.into(), server: server.to_owned(), sha256: counters.sha256.clone() }
    }

    /// Where it is kept.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How many counters are done; none where nothing was kept.
    ///
    /// # Errors
    /// [`TransferError::Given`] where what was kept is of another import, and where it is damaged.
    pub(super) fn load(&self) -> Result<u64, TransferError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(TransferError::File { path: self.path.clone(), error }),
        };
        let path = self.path.display();
        let content: Content = serde_json::from_slice(&text).map_err(|error| {
            TransferError::Given(format!(
                "{path} does not say how far the import came ({error}); remove it to begin anew"
            ))
        })?;
        let other =
            |what: &str| TransferError::Given(format!("{path} is of an import {what}; remove it to begin anew"));
        if content.discnt_import != VERSION {
            return Err(other(&format!("of version {}, not {VERSION}", content.discnt_import)));
        }
        if content.sha256 != self.sha256 {
            return Err(other("of other counters: the file has been changed since"));
        }
        if content.server != self.server {
            return Err(other(&format!("into {}, not into {}", content.server, self.server)));
        }
        Ok(content.counters_done)
    }

    /// Keeps how many counters are done.
    ///
    /// # Errors
    /// [`TransferError::File`].
    pub(super) fn save(&self, counters_done: u64) -> Result<(), TransferError> {
        let (server, sha256) = (self.server.clone(), self.sha256.clone());
        let content = Content { discnt_import: VERSION, server, sha256, counters_done };
        let mut file = OutputFile::create(&self.path)?;
        let written = serde_json::to_vec(&content).map_err(io::Error::from).and_then(|text| file.write_all(&text));
        written.map_err(|error| TransferError::File { path: self.path.clone(), error })?;
        file.keep()
    }

    /// Forgets it: the import is done.
    ///
    /// # Errors
    /// [`TransferError::File`].
    pub(super) fn remove(&self) -> Result<(), TransferError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(TransferError::File { path: self.path.clone(), error })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(directory: &Path, server: &str, digit: char) -> State {
        let seal = Seal::new(3, &digit.to_string().repeat(64)).expect("a seal");
        State::new(&directory.join("a.csv"), server, &seal)
    }

    #[test]
    fn what_was_kept_is_known_again_for_the_same_import_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let own = state(directory.path(), "h:1", 'a');
        assert_eq!(own.load().expect("nothing kept"), 0);
        own.save(2).expect("kept");
        own.save(7).expect("kept");
        assert_eq!(own.load().expect("kept"), 7);
        for (other, word) in
            [(state(directory.path(), "h:2", 'a'), "into h:1"), (state(directory.path(), "h:1", 'b'), "changed")]
        {
            let error = other.load().expect_err("refused").to_string();
            assert!(error.contains(word) && error.contains("a.csv.import-state"), "{error}");
        }
        fs::write(own.path(), "{").expect("written");
        assert!(own.load().expect_err("refused").to_string().contains("remove it"));
        own.remove().expect("removed");
        own.remove().expect("nothing to remove");
        assert_eq!(own.load().expect("nothing kept"), 0);
    }
}
