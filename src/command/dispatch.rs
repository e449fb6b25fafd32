//! From a request's arguments to the handler: which command, how many arguments, is the client allowed.

use super::call::{Call, shown};
use super::environment::Environment;
use super::error::CommandError;
use super::outcome::Outcome;
use super::session::Session;
use super::specification::Flag;
use super::table::{self, Found};
use crate::base::Moment;
use crate::resp::{Arguments, Reply};

/// Runs one request.
///
/// An error reply says that nothing was changed, or what was. Allocates nothing for INCR and GET and their like,
/// and takes no lock but the table's. Never panics, whatever the arguments.
pub fn execute(
    environment: &Environment,
    session: &mut Session,
    arguments: Arguments<'_>,
    now: Moment,
) -> Outcome {
    let statistics = &environment.statistics;
    let lane = session.lane();
    let found = match resolve(arguments) {
        Ok(found) => found,
        Err(error) => {
            statistics.count_unknown(lane);
            return refuse(&error, "");
        }
    };
    if let Err(error) = admit(found, session, arguments.len()) {
        statistics.count_rejected(lane, found.ordinal);
        return refuse(&error, "");
    }
    session.client.record(found.ordinal, now.monotonic);
    statistics.count_call(lane, found.ordinal);
    let mut call = Call {
        environment,
        session,
        arguments,
        now,
        container: found.container,
    };
    match (found.specification.handler)(&mut call) {
        Ok(outcome) => outcome,
        Err(error) => {
            statistics.count_failed(lane, found.ordinal);
            refuse(&error, &found.full_name())
        }
    }
}

fn resolve(arguments: Arguments<'_>) -> Result<Found, CommandError> {
    let name = arguments.get(0).unwrap_or_default();
    let Some(command) = table::find(name) else {
        return Err(unknown_command(name, arguments));
    };
    match arguments.get(1) {
        Some(subcommand) if !command.specification.subcommands.is_empty() => {
            table::find_subcommand(command, subcommand).ok_or_else(|| {
                CommandError::UnknownSubcommand {
                    name: shown(subcommand),
                    container: command.specification.name.to_ascii_uppercase(),
                }
            })
        }
        _ => Ok(command),
    }
}

/// Whether the request may run: arity first, then the password, as in Redis.
fn admit(found: Found, session: &Session, arguments: usize) -> Result<(), CommandError> {
    if !found.specification.accepts(arguments) {
        return Err(CommandError::Arity(found.full_name()));
    }
    if !session.authenticated && !found.specification.has(Flag::NoAuth) {
        return Err(CommandError::NotAuthenticated);
    }
    Ok(())
}

fn unknown_command(name: &[u8], arguments: Arguments<'_>) -> CommandError {
    let mut beginning = String::new();
    for argument in arguments.iter().skip(1) {
        if beginning.len() >= 128 {
            break;
        }
        beginning.push_str(&format!("'{}' ", shown(argument)));
    }
    CommandError::UnknownCommand {
        name: shown(name),
        arguments: beginning,
    }
}

fn refuse(error: &CommandError, command: &str) -> Outcome {
    Outcome::Reply(Reply::Error(error.reply(command)))
}
