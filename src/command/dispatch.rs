//! From a request's arguments to the handler: which command, how many arguments, is the client allowed.

use super::acl;
use super::call::{Call, shown};
use super::environment::Environment;
use super::error::CommandError;
use super::outcome::Outcome;
use super::pause::Paused;
use super::session::Session;
use super::specification::Flag;
use super::subscribing;
use super::table::{self, Found};
use super::timing::{self, ReadClock};
use super::transactions;
use crate::base::Moment;
use crate::resp::{Arguments, Reply};

/// Runs one request.
///
/// An error reply says that nothing was changed, or what was. Allocates nothing for INCR and GET and their like,
/// and takes no lock but the table's. Never panics, whatever the arguments.
pub fn execute(environment: &Environment, session: &mut Session, arguments: Arguments<'_>, now: Moment) -> Outcome {
    run(environment, session, arguments, now, &Way::default())
}

/// Runs one request that a transaction has queued. No pause stops it any more: EXEC has begun.
pub(super) fn execute_queued(
    environment: &Environment,
    session: &mut Session,
    arguments: Arguments<'_>,
    now: Moment,
) -> Outcome {
    run(environment, session, arguments, now, &Way { is_queued: true, ..Way::default() })
}

/// How a request comes to be run.
#[derive(Default)]
struct Way<'a> {
    /// Where it may be timed.
    clock: Option<ReadClock<'a>>,
    /// By EXEC.
    is_queued: bool,
}

/// Runs one request as [`execute`] does, and notes how long it took. The clock is read at the end, and at the beginning where
/// that is not `now`; for most requests of a batch, which are run at one `now`, not at all.
#[inline]
pub fn execute_timed(
    environment: &Environment,
    session: &mut Session,
    arguments: Arguments<'_>,
    now: Moment,
    clock: ReadClock<'_>,
) -> Outcome {
    run(environment, session, arguments, now, &Way { clock: Some(clock), is_queued: false })
}

fn run(
    environment: &Environment,
    session: &mut Session,
    arguments: Arguments<'_>,
    now: Moment,
    way: &Way<'_>,
) -> Outcome {
    let statistics = &environment.statistics;
    let lane = session.lane();
    let found = match resolve(arguments) {
        Ok(found) => found,
        Err(error) => {
            statistics.count_unknown(lane);
            session.refuse_transaction();
            if matches!(error, CommandError::Http) {
                statistics.count_error("ERR");
                return Outcome::Close(Reply::Error(error.reply("")));
            }
            return refuse(environment, &error, "");
        }
    };
    if let Err(error) = admit(found, session, arguments.len()) {
        return reject(environment, session, found, &error);
    }
    if !session.rights.is_unrestricted()
        && let Err(error) = allow(environment, session, found, arguments, now, way.is_queued)
    {
        return reject(environment, session, found, &error);
    }
    let gate = environment.persistence.gate();
    if !gate.is_open()
        && let Err(error) = environment.persistence.admit(gate, found.specification)
    {
        return reject(environment, session, found, &error);
    }
    // Before anything is done with it: it is run anew, from the beginning, when the pause is over.
    if environment.clients.pause().is_on() && !way.is_queued && waits_for_pause(environment, session, found, now) {
        return Outcome::Paused;
    }
    if session.transaction.is_some() && !transactions::runs_at_once(found) {
        return queue(environment, session, found, arguments, now);
    }
    let monitors = &environment.observation.monitors;
    if monitors.is_watched() {
        monitors.tell(found, arguments, session.client(), now);
    }
    session.client.record(found.ordinal, now.monotonic);
    let began =
        way.clock.and_then(|clock| session.sampling.begin(found.ordinal, arguments.len(), now.monotonic, clock));
    let mut call = Call { environment, session, arguments, now, container: found.container };
    let result = (found.specification.handler)(&mut call);
    if gate.holds_replies() && found.specification.has(Flag::Write) && may_have_changed(&result) {
        session.awaits_disk = true;
    }
    let outcome = match result {
        Ok(outcome) => {
            statistics.count_success(lane, found.ordinal);
            outcome
        }
        Err(error) => {
            statistics.count_failed(lane, found.ordinal);
            refuse(environment, &error, &found.full_name())
        }
    };
    if let (Some(clock), Some(began)) = (way.clock, began) {
        let nanos = timing::took(began, clock(), &outcome);
        timing::note(environment, session, (found, arguments), nanos, now);
    }
    outcome
}

/// Answers a request that is not run; nor will be the transaction that it was to be part of.
fn reject(environment: &Environment, session: &mut Session, found: Found, error: &CommandError) -> Outcome {
    environment.statistics.count_rejected(session.lane(), found.ordinal);
    session.refuse_transaction();
    refuse(environment, error, "")
}

#[cold]
fn queue(
    environment: &Environment,
    session: &mut Session,
    found: Found,
    arguments: Arguments<'_>,
    now: Moment,
) -> Outcome {
    session.client.record(found.ordinal, now.monotonic);
    match transactions::queue(environment, session, found, arguments) {
        Ok(reply) => Outcome::Reply(reply),
        Err(error) => {
            environment.statistics.count_rejected(session.lane(), found.ordinal);
            session.refuse_transaction();
            refuse(environment, &error, &found.full_name())
        }
    }
}

fn resolve(arguments: Arguments<'_>) -> Result<Found, CommandError> {
    let name = arguments.get(0).unwrap_or_default();
    let Some(command) = table::find(name) else {
        if is_http(name) {
            return Err(CommandError::Http);
        }
        return Err(unknown_command(name, arguments));
    };
    match arguments.get(1) {
        Some(subcommand) if !command.specification.subcommands.is_empty() => {
            table::find_subcommand(command, subcommand).ok_or_else(|| CommandError::UnknownSubcommand {
                name: shown(subcommand),
                container: command.specification.name.to_ascii_uppercase(),
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
    if !subscribing::admit(session, found.specification) {
        return Err(CommandError::Subscribed(found.full_name()));
    }
    Ok(())
}

/// Whether the user may do this; what it may not is noted. A change of the user holds from here on.
#[inline(never)]
fn allow(
    environment: &Environment,
    session: &mut Session,
    found: Found,
    arguments: Arguments<'_>,
    now: Moment,
    is_queued: bool,
) -> Result<(), CommandError> {
    match session.rights.current().check(found, arguments) {
        Ok(()) => Ok(()),
        Err(denied) => Err(acl::deny(environment, session, denied, now, is_queued)),
    }
}

/// Whether CLIENT PAUSE has the request wait.
#[cold]
fn waits_for_pause(environment: &Environment, session: &Session, found: Found, now: Moment) -> bool {
    match environment.clients.pause().what(now.monotonic) {
        // The one way to end it early.
        Some(Paused::All) => found.full_name() != "client|unpause",
        Some(Paused::Writes) => found.specification.has(Flag::Write) || transactions::would_write(session, found),
        None => false,
    }
}

/// Whether a command that changes counters has done so. Errors change nothing, but for those that say what they did.
fn may_have_changed(result: &Result<Outcome, CommandError>) -> bool {
    matches!(result, Ok(_) | Err(CommandError::Partly { .. }))
}

/// Whether this is a line that every browser's request has. A web page can make a browser send its body, line by
/// line, to a port of the user's own machine, where each line would be taken for a command.
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"POST") || name.eq_ignore_ascii_case(b"Host:")
}

fn unknown_command(name: &[u8], arguments: Arguments<'_>) -> CommandError {
    let mut beginning = String::new();
    for argument in arguments.iter().skip(1) {
        if beginning.len() >= 128 {
            break;
        }
        beginning.push_str(&format!("'{}' ", shown(argument)));
    }
    CommandError::UnknownCommand { name: shown(name), arguments: beginning }
}

#[cold]
fn refuse(environment: &Environment, error: &CommandError, command: &str) -> Outcome {
    environment.statistics.count_error(error.code());
    Outcome::Reply(Reply::Error(error.reply(command)))
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
