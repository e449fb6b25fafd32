//! `--repair`: sets aside what is damaged of the counters on disk, and says what is to be done next.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::owner::become_owner;
use super::renewing::open_identity;
use super::serve::ServeError;
use super::{Arguments, LoadedConfiguration};
use crate::storage::{DataDirectory, FilesRepaired, Repaired, StorageError, Store};

/// What a repair came to, as text for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairReport {
    /// The data directory.
    pub directory: PathBuf,
    /// What was done to its small files.
    pub files: FilesRepaired,
    /// What was done to the counters.
    pub repaired: Repaired,
}

/// Repairs the counters on disk where they are damaged. Starts no server. Root does it as the owner of the data directory.
///
/// # Errors
/// [`ServeError`] when there is nothing to repair, another server has the directory, or the system refuses. Nothing that
/// is damaged was deleted.
pub fn repair(loaded: &LoadedConfiguration, arguments: &Arguments) -> Result<RepairReport, ServeError> {
    let path = loaded.configuration.data_directory();
    if !path.is_dir() {
        let error =
            io::Error::new(io::ErrorKind::NotFound, "there is no such directory; give the right one with --data-dir");
        return Err(StorageError::Io { operation: "repair", path, error }.into());
    }
    become_owner(&path, arguments, "")?;
    // A clock before 1970 has no seconds since then.
    let now_seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (directory, files) = DataDirectory::repair(path, now_seconds)?;
    let mesh = loaded.credentials.resolve_mesh(&loaded.configuration.mesh).map_err(ServeError::Door)?;
    let opened = open_identity(&mesh, &directory)?;
    let repaired = Store::repair(directory.path(), opened.identity.id)?;
    Ok(RepairReport { directory: directory.path().to_owned(), files, repaired })
}

impl fmt::Display for RepairReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Repaired { set_aside, saved, wrong, losses } = &self.repaired;
        let directory = self.directory.display();
        let files = &self.files;
        if let Some(aside) = &files.set_aside {
            writeln!(f, "files of {directory} are set aside in {}; nothing was deleted", aside.display())?;
        }
        for loss in &files.losses {
            writeln!(f, "lost:  {loss}")?;
        }
        let Some(set_aside) = set_aside else {
            return match files.losses.is_empty() {
                true => {
                    writeln!(f, "nothing is damaged in {directory}: {saved} counters are right. Nothing was changed.")
                }
                false => {
                    writeln!(f, "{saved} counters are right and were not changed. Next: start discnt-server as usual.")
                }
            };
        };
        writeln!(
            f,
            "what was damaged in {directory} is set aside in {}; nothing of it was deleted",
            set_aside.display()
        )?;
        writeln!(f, "saved: {saved} counters")?;
        if *wrong > 0 {
            writeln!(f, "lost:  {wrong} records that are not what was written")?;
        }
        for loss in losses {
            writeln!(f, "lost:  {loss}")?;
        }
        writeln!(
            f,
            "Next: start discnt-server as usual. Before it serves it takes over what one of its members has, which brings back\n\
             what was lost here and any of them had heard. What only this node had is counted no more; keep {} until\n\
             you have looked at the counters, then delete it.",
            set_aside.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_and_what_to_do_next_is_said() {
        let whole = Repaired { set_aside: None, saved: 7, wrong: 0, losses: Vec::new() };
        let mut report = RepairReport { directory: "/data".into(), files: FilesRepaired::default(), repaired: whole };
        assert_eq!(report.to_string(), "nothing is damaged in /data: 7 counters are right. Nothing was changed.\n");
        report.files.losses.push("/data/incarnation: it was missing".to_owned());
        let text = report.to_string();
        assert!(text.starts_with("lost:  /data/incarnation: it was missing\n7 counters are right"), "{text}");
        let losses = vec!["/data/store/x: a wrong checksum".to_owned()];
        let damaged = Repaired { set_aside: Some("/data/damaged-1".into()), saved: 5, wrong: 2, losses };
        let text =
            RepairReport { directory: "/data".into(), files: FilesRepaired::default(), repaired: damaged }.to_string();
        for words in [
            "is set aside in /data/damaged-1; nothing of it was deleted\n",
            "\nsaved: 5 counters\n",
            "\nlost:  2 records",
            "\nlost:  /data/store/x: a wrong checksum\n",
            "\nNext: start discnt-server as usual.",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}
