//! The exit status, a promise to scripts.

use std::process::ExitCode;

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Everything was answered.
    Answered,
    /// A command was answered with an error, or what was asked for could not be done.
    Failed,
    /// No connection, wrong usage, or nowhere to write to.
    Unusable,
}

impl Exit {
    /// Prints what clap says: help and version, or what is wrong with the usage.
    pub(super) fn of_usage(error: &clap::Error) -> Self {
        let printed = error.print();
        if printed.is_ok() && error.exit_code() == 0 { Self::Answered } else { Self::Unusable }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Answered => 0,
            Exit::Failed => 1,
            Exit::Unusable => 2,
        })
    }
}
