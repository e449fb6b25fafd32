//! Whom a node is to meet that was certified before it was started.

use crate::mesh::error::IdentityError;
use crate::mesh::files::{self, Secrecy};
use std::path::Path;

/// Where that is in the data directory.
const FILE: &str = "to_meet";

/// Remembers members to be met, by host and UDP port; none when they were.
///
/// # Errors
/// [`IdentityError`] when the file cannot be written.
pub fn remember_to_meet(data_directory: &Path, members: &[(String, u16)]) -> Result<(), IdentityError> {
    let path = data_directory.join(FILE);
    if members.is_empty() {
        return files::remove(&path);
    }
    let text: String = members.iter().map(|(host, port)| format!("{host} {port}\n")).collect();
    files::replace(&path, &text, Secrecy::Public)
}

/// Members that are to be met. What cannot be read is left out: an operator can say CLUSTER MEET.
pub fn to_meet(data_directory: &Path) -> Vec<(String, u16)> {
    let text = files::read(&data_directory.join(FILE)).ok().flatten().unwrap_or_default();
    let member = |line: &str| {
        let (host, port) = line.rsplit_once(' ')?;
        Some((host.to_owned(), port.parse().ok()?))
    };
    text.lines().filter_map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_to_meet_is_known_until_it_was_met() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(to_meet(directory.path()), []);
        let members = [("node1.example".to_owned(), 5262), ("::1".to_owned(), 7711)];
        remember_to_meet(directory.path(), &members).expect("written");
        assert_eq!(to_meet(directory.path()), members);
        remember_to_meet(directory.path(), &[]).expect("removed");
        assert_eq!(to_meet(directory.path()), []);
    }
}
