//! The directory that the servers of one test share, and the command-line client.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::server::{Server, Start};

/// One test's directory: an authority, and a place for each server's data and log. Declare it before the servers, so
/// that they have ended when it is removed.
pub(crate) struct Ground {
    directory: tempfile::TempDir,
    servers: AtomicUsize,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) errors: String,
}

impl Ground {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory"), servers: AtomicUsize::new(0) }
    }

    /// A path in the directory.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A server that shares the authority of all others on this ground.
    pub(crate) fn server(&self) -> Start {
        let number = self.servers.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("server-{number}");
        Start::new(&name, self.path(&name), self.path("certs"))
    }

    /// One server that runs.
    #[track_caller]
    pub(crate) fn start(&self) -> Server {
        self.server().run()
    }

    /// Three servers that are linked.
    #[track_caller]
    pub(crate) fn three(&self) -> [Server; 3] {
        self.three_with(&[])
    }

    /// Three servers with these settings that are linked.
    #[track_caller]
    pub(crate) fn three_with(&self, settings: &[&str]) -> [Server; 3] {
        let servers = [(); 3].map(|()| self.server().set_all(settings).run());
        super::link(&[&servers[0], &servers[1], &servers[2]]);
        servers
    }

    /// Runs the command-line client with these words.
    #[track_caller]
    pub(crate) fn cli(&self, words: &[&str]) -> Ran {
        run(Command::new(env!("CARGO_BIN_EXE_discnt-cli")).args(words).current_dir(self.directory.path()))
    }
}

/// Runs a program to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Ran {
    let output = command.stdin(Stdio::null()).output().expect("the program runs");
    Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
