//! Why counters could not be moved.

use std::io;
use std::path::PathBuf;

use crate::cli::connection::ConnectError;
use crate::cli::exit::Exit;

/// What happened. What was done before it is told beside it.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransferError {
    /// There is no connection.
    #[error("{0}")]
    Connect(#[from] ConnectError),
    /// There is no connection to the server that is imported from.
    #[error("could not connect to {address} to import from it: {reason}")]
    Source {
        /// Host and port.
        address: String,
        /// What happened.
        reason: String,
    },
    /// The connection was lost.
    #[error("the connection to {address} was lost: {reason}")]
    Lost {
        /// Host and port.
        address: String,
        /// What happened.
        reason: String,
    },
    /// The server refused a request.
    #[error("{address} refused {request}: {reason}")]
    Refused {
        /// Host and port.
        address: String,
        /// What was asked.
        request: String,
        /// What it said.
        reason: String,
    },
    /// The server answered something else than was expected.
    #[error("{address} answered {request} with something else than was expected: {answer}")]
    Unexpected {
        /// Host and port.
        address: String,
        /// What was asked.
        request: String,
        /// How it begins.
        answer: String,
    },
    /// Everything is set, and not on the server's disk.
    #[error("{address} has not written to its disk within {seconds} s what was set")]
    NotOnDisk {
        /// Host and port.
        address: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// The output takes nothing more.
    #[error("could not write: {0}")]
    Output(io::Error),
    /// What was given cannot be done.
    #[error("{0}")]
    Given(String),
    /// The user ended it.
    #[error("interrupted")]
    Interrupted,
}

impl TransferError {
    /// How to end after it.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Connect(_) | Self::Source { .. } | Self::Lost { .. } | Self::Output(_) => Exit::Unusable,
            Self::Interrupted => Exit::Interrupted,
            _ => Exit::Failed,
        }
    }
}
