//! What root asks for with a data directory that is somebody else's is done as that user: files of root's making would be in
//! its way for ever, and root had better not write where another may have laid links.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::serve::ServeError;
use super::{Action, Arguments};

/// This very program, wherever it lies and whoever may look there.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// A user and its group, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owner {
    user: u32,
    group: u32,
}

/// Whose a directory is, or will be when it is made: as that of the nearest one above it.
fn owner_of(directory: &Path) -> io::Result<Owner> {
    let mut path = std::path::absolute(directory)?;
    loop {
        match fs::metadata(&path) {
            Ok(found) => return Ok(Owner { user: found.uid(), group: found.gid() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.pop() => {}
            Err(error) => return Err(error),
        }
    }
}

/// Goes on as the owner of the data directory, where this process is root's and the directory is not: with the same settings
/// and action, and with `input` to be read. Returns only where there is no need of that.
///
/// # Errors
/// [`ServeError`] when it cannot.
pub(super) fn become_owner(directory: &Path, arguments: &Arguments, input: &str) -> Result<(), ServeError> {
    let refused = |error| ServeError::System { what: "to go on as the owner of the data directory", error };
    let owner = owner_of(directory).map_err(refused)?;
    if !rustix::process::geteuid().is_root() || owner.user == 0 {
        return Ok(());
    }
    eprintln!(
        "discnt-server: {} is of the user with the number {}, so this is done as that user",
        directory.display(),
        owner.user
    );
    let (reader, mut writer) = io::pipe().map_err(refused)?;
    // It is short, and fits into the pipe before anybody reads.
    writer.write_all(input.as_bytes()).map_err(refused)?;
    drop(writer);
    let mut again = Command::new(THIS_PROGRAM);
    // Root's other groups are left behind with this.
    again.args(words(arguments)).uid(owner.user).gid(owner.group).stdin(reader);
    Err(refused(again.exec()))
}

/// The command line that says the same as these. A token is read from the input.
fn words(arguments: &Arguments) -> Vec<std::ffi::OsString> {
    let Arguments { config, port, bind, data_dir, certs_dir, settings, repair, action, .. } = arguments;
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.clone().into_os_string());
    let flags = [
        ("--config", path(config)),
        ("--port", port.map(|port| port.to_string().into())),
        ("--bind", bind.clone().map(Into::into)),
        ("--data-dir", path(data_dir)),
        ("--certs-dir", path(certs_dir)),
    ];
    let flags = flags.into_iter().filter_map(|(flag, value)| Some([flag.into(), value?]));
    let mut words: Vec<std::ffi::OsString> = flags.flatten().collect();
    words.extend(settings.iter().flat_map(|setting| ["--set".into(), setting.into()]));
    if *repair {
        words.push("--repair".into());
    }
    if let Some(Action::Join { .. }) = action {
        words.extend(["join", "--token-file", "-"].map(Into::into));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn the_same_is_asked_for_again_and_the_token_is_in_no_list_of_processes() {
        let line = "discnt-server --config a.toml --port 7711 --bind ::1 --data-dir d --certs-dir c --set log.level=info \
                    --set resp.threads=2 join discnt1-secret";
        let asked = Arguments::try_parse_from(line.split_whitespace()).expect("accepted");
        let words = words(&asked);
        assert!(!words.iter().any(|word| word.to_string_lossy().contains("secret")), "{words:?}");
        let again = Arguments::try_parse_from([vec!["discnt-server".into()], words].concat()).expect("accepted");
        let action = Some(Action::Join { token: None, token_file: Some("-".into()) });
        assert_eq!(format!("{again:?}"), format!("{:?}", Arguments { action, ..asked }));
    }

    #[test]
    fn a_directory_that_is_not_there_will_be_of_whom_the_one_above_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let found = fs::metadata(directory.path()).expect("it is there");
        let owner = Owner { user: found.uid(), group: found.gid() };
        assert_eq!(owner_of(&directory.path().join("a/b")).expect("found"), owner);
    }
}
