//! The exit status, a promise to scripts.

use std::process::ExitCode;

use clap::CommandFactory;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::arguments::Arguments;
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
    pub(super) fn of_usage(error: clap::Error) -> Self {
        let error = with_tip(error);
        match error.print() {
            _ if error.exit_code() != 0 => Self::Unusable,
            Ok(()) => Self::Answered,
            Err(error) => output_ended(&error),
        }
    }
}

/// Says of an option that stands behind a command, which does not have it, that it goes before that.
fn with_tip(mut error: clap::Error) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else { return error };
    let command = Arguments::command();
    let is_given = |option: &clap::Arg| {
        let short = option.get_short().map(|short| format!("-{short}"));
        let long = option.get_long().map(|long| format!("--{long}"));
        [short, long].into_iter().flatten().any(|name| name == *given)
    };
    if command.get_arguments().any(is_given) {
        let tip = format!("'{given}' is an option of discnt-cli itself: it goes before the command");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    }
    error
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{certs, transfer};
    use super::*;

    #[test]
    fn an_option_of_the_connection_behind_a_command_is_said_to_go_before_it() {
        let commands = transfer::definitions().into_iter().chain([certs::definition()]);
        let mut commands: Vec<_> = commands.map(|command| (command.get_name().to_owned(), command)).collect();
        for (name, words) in [
            ("certs", &["certs", "rotate", "--authority", "-p", "7711"][..]),
            ("certs", &["certs", "rotate", "--port=7711"]),
            ("certs", &["certs", "rotate", "-s", "socket"]),
            ("backup", &["backup", "directory", "--tls"]),
        ] {
            let (_, command) = commands.iter_mut().find(|(found, _)| found == name).expect("a command");
            let error = command.try_get_matches_from_mut(words).expect_err("it goes before the command");
            let said = with_tip(error).to_string();
            assert!(said.contains("tip: '-") && said.contains("goes before the command"), "{words:?}: {said}");
        }
        let (_, command) = &mut commands.pop().expect("certs");
        let error = command.try_get_matches_from_mut(["certs", "rotate", "--nonsense"]).expect_err("no such option");
        assert!(!with_tip(error).to_string().contains("goes before"));
    }
}
