//! The exit status, a promise to scripts.

use std::process::ExitCode;

use super::output::output_ended;

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Everything was answered.
    Answered,
    /// A command was answered with an error, or what was asked for could not be done.
    Failed,
    /// No connection, wrong usage, or nowhere to write to.
    Unusable,
    /// The user ended it before it was done.
    Interrupted,
}

impl Exit {
    /// The one that tells more of what went wrong.
    pub(super) fn worse(self, other: Self) -> Self {
        if other.status() > self.status() { other } else { self }
    }

    /// The number for it.
    pub(super) fn status(self) -> u8 {
        match self {
            Self::Answered => 0,
            Self::Failed => 1,
            Self::Unusable => 2,
            // What shells make of a program that Ctrl-C ended.
            Self::Interrupted => 130,
        }
    }

    /// Prints what clap says: help and version, or what is wrong with the usage.
    pub(super) fn of_usage(error: &clap::Error) -> Self {
        match error.print() {
            _ if error.exit_code() != 0 => Self::Unusable,
            Ok(()) => Self::Answered,
            Err(error) => output_ended(&error),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}
