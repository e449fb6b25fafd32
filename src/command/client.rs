//! CLIENT: who is connected, what a connection calls itself and wants, and ending or pausing connections.

use super::call::{Call, OK, bulk, shown};
use super::client_filter::{CLIENT_TYPE, FILTERS, Filter};
use super::client_line::describe;
use super::clients::{Labels, Mark};
use super::error::CommandError;
use super::help;
use super::interruption::Unblocked;
use super::keyspace::parse_integer;
use super::outcome::Outcome;
use super::pause::Paused;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group};
use crate::resp::Reply;
use std::time::Duration;

const SUBCOMMAND: CommandSpecification =
    CommandSpecification { flags: &[Flag::NoScript, Flag::Loading, Flag::Stale], group: Group::Connection, ..BASE };

const FOR_OPERATORS: CommandSpecification =
    CommandSpecification { flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale], ..SUBCOMMAND };

const SWITCH: Argument =
    Argument::new("enabled", ArgumentKind::OneOf(&[Argument::word("on", "ON"), Argument::word("off", "OFF")]));

pub(super) const CLIENT: CommandSpecification = CommandSpecification {
    name: "client",
    summary: "Shows the connections, names one's own, ends or pauses others",
    arity: -2,
    flags: &[],
    complexity: "Depends on the subcommand",
    subcommands: &[
        CACHING,
        GETNAME,
        GETREDIR,
        help::specification(Group::Connection),
        ID,
        INFO,
        KILL,
        LIST,
        NO_EVICT,
        NO_TOUCH,
        PAUSE,
        REPLY,
        SETINFO,
        SETNAME,
        TRACKING,
        TRACKINGINFO,
        UNBLOCK,
        UNPAUSE,
    ],
    ..SUBCOMMAND
};

const CACHING: CommandSpecification = CommandSpecification {
    name: "caching",
    summary: "Refused: there is no tracking that it could change",
    arity: 3,
    arguments: &[Argument::new(
        "mode",
        ArgumentKind::OneOf(&[Argument::word("yes", "YES"), Argument::word("no", "NO")]),
    )],
    replies: "An error.",
    handler: |_| Err(CommandError::NotTracking),
    ..SUBCOMMAND
};

const GETNAME: CommandSpecification = CommandSpecification {
    name: "getname",
    summary: "Shows the name of the connection",
    replies: "The name, or null if it has none.",
    handler: |call| {
        let name = call.session.client.labels().name;
        let named = !name.is_empty();
        Ok(if named { bulk(name) } else { Reply::Null }.into())
    },
    ..SUBCOMMAND
};

const GETREDIR: CommandSpecification = CommandSpecification {
    name: "getredir",
    summary: "Shows where invalidations go: nowhere, as there is no tracking",
    replies: "-1.",
    handler: |_| Ok(Reply::Integer(-1).into()),
    ..SUBCOMMAND
};

const ID: CommandSpecification = CommandSpecification {
    name: "id",
    summary: "Shows the number of the connection, which no other ever has",
    replies: "The number as an integer.",
    handler: |call| Ok(integer(call.session.client.id()).into()),
    ..SUBCOMMAND
};

const INFO: CommandSpecification = CommandSpecification {
    name: "info",
    summary: "Shows the connection as CLIENT LIST does",
    replies: "One line of name=value pairs.",
    handler: |call| {
        let line = describe(&call.session.client, call.environment.settings.shape, call.now.monotonic);
        Ok(Reply::Verbatim(line).into())
    },
    ..SUBCOMMAND
};

const KILL: CommandSpecification = CommandSpecification {
    name: "kill",
    summary: "Closes the connections to which all filters apply, or the one from this address",
    arity: -3,
    complexity: "O(N) for N connections",
    arguments: &[Argument::new(
        "filters",
        ArgumentKind::OneOf(&[Argument::new("ip:port", ArgumentKind::Text), FILTERS]),
    )],
    replies: "With filters: how many connections are closed, as an integer; one's own is left out unless SKIPME no is said; MAXAGE means those that have been there for so many seconds or longer. With an address: OK, or an error if no connection is from there. What a connection has sent and was not run is lost; what was run counts, also where the reply does not arrive.",
    handler: kill,
    ..FOR_OPERATORS
};

const LIST: CommandSpecification = CommandSpecification {
    name: "list",
    summary: "Shows all connections of this node",
    arity: -2,
    complexity: "O(N) for N connections",
    arguments: &[CLIENT_TYPE, Argument::new("client-id", ArgumentKind::Integer).multiple().after("ID").optional()],
    replies: "A line of name=value pairs for each, as Redis has them, or with replies = discnt as the C program had them. TYPE may be normal, master, replica or pubsub; no connection here is a master or a replica.",
    handler: |call| {
        let (filter, shape, now) = (Filter::to_list(call)?, call.environment.settings.shape, call.now.monotonic);
        let clients = call.environment.clients.list();
        let meant = clients.iter().filter(|client| filter.means(client, now));
        Ok(Reply::Verbatim(meant.map(|client| describe(client, shape, now)).collect()).into())
    },
    ..FOR_OPERATORS
};

const NO_EVICT: CommandSpecification = CommandSpecification {
    name: "no-evict",
    summary: "Marks the connection as one that is not to be closed for want of memory, which no connection is here",
    arity: 3,
    arguments: &[SWITCH],
    replies: "OK. CLIENT LIST shows the flag e.",
    handler: |call| set_mark(call, Mark::NoEvict),
    ..FOR_OPERATORS
};

const NO_TOUCH: CommandSpecification = CommandSpecification {
    name: "no-touch",
    summary: "Marks the connection as one whose reads do not count as use, which no reads do here",
    arity: 3,
    arguments: &[SWITCH],
    replies: "OK. CLIENT LIST shows the flag T.",
    handler: |call| set_mark(call, Mark::NoTouch),
    ..SUBCOMMAND
};

const PAUSE: CommandSpecification = CommandSpecification {
    name: "pause",
    summary: "Has requests of all connections of this node wait for so many milliseconds",
    arity: -3,
    arguments: &[
        Argument::new("timeout", ArgumentKind::Integer),
        Argument::new("mode", ArgumentKind::OneOf(&[Argument::word("write", "WRITE"), Argument::word("all", "ALL")]))
            .optional(),
    ],
    replies: "OK. WRITE has only those wait that change counters; otherwise all do but CLIENT UNPAUSE. A second pause makes one that is on neither shorter nor milder. What other nodes count still arrives meanwhile.",
    handler: pause,
    ..FOR_OPERATORS
};

const REPLY: CommandSpecification = CommandSpecification {
    name: "reply",
    summary: "Turns the replies to this connection's requests off and on",
    arity: 3,
    arguments: &[Argument::new(
        "action",
        ArgumentKind::OneOf(&[
            Argument::word("on", "ON"),
            Argument::word("off", "OFF"),
            Argument::word("skip", "SKIP"),
        ]),
    )],
    replies: "ON: OK. OFF and SKIP: nothing; SKIP leaves out the reply to the next request alone.",
    handler: reply,
    ..SUBCOMMAND
};

const SETINFO: CommandSpecification = CommandSpecification {
    name: "setinfo",
    summary: "Tells the name or the version of the client library",
    arity: 4,
    arguments: &[Argument::new(
        "attribute",
        ArgumentKind::OneOf(&[
            Argument::new("libname", ArgumentKind::Text).after("LIB-NAME"),
            Argument::new("libver", ArgumentKind::Text).after("LIB-VER"),
        ]),
    )],
    replies: "OK.",
    handler: set_library,
    ..SUBCOMMAND
};

const SETNAME: CommandSpecification = CommandSpecification {
    name: "setname",
    summary: "Names the connection; the empty name takes the name away",
    arity: 3,
    arguments: &[Argument::new("connection-name", ArgumentKind::Text)],
    replies: "OK.",
    handler: |call| {
        let name = check_label(call.argument(2)).ok_or(CommandError::ClientName)?;
        call.session.client.change_labels(|labels| labels.name = name);
        Ok(OK.into())
    },
    ..SUBCOMMAND
};

const TRACKING: CommandSpecification = CommandSpecification {
    name: "tracking",
    summary: "Answers OK to OFF; client-side caching is not offered",
    arity: -3,
    arguments: &[SWITCH],
    replies: "OFF: OK. ON: an error that says what to use instead.",
    handler: |call| if switch(call.argument(2))? { Err(CommandError::NoTracking) } else { Ok(OK.into()) },
    ..SUBCOMMAND
};

const TRACKINGINFO: CommandSpecification = CommandSpecification {
    name: "trackinginfo",
    summary: "Shows that tracking is off",
    replies: "A map of flags (off), redirect (-1) and prefixes (none).",
    handler: |_| {
        let pair = |name, value| (Reply::Text(name), value);
        Ok(Reply::Map(vec![
            pair("flags", Reply::Set(vec![Reply::Text("off")])),
            pair("redirect", Reply::Integer(-1)),
            pair("prefixes", Reply::Array(Vec::new())),
        ])
        .into())
    },
    ..SUBCOMMAND
};

const UNBLOCK: CommandSpecification = CommandSpecification {
    name: "unblock",
    summary: "Ends the waiting of a connection that is in WAIT or WAITAOF",
    arity: -3,
    arguments: &[
        Argument::new("client-id", ArgumentKind::Integer),
        Argument::new(
            "unblock-type",
            ArgumentKind::OneOf(&[Argument::word("timeout", "TIMEOUT"), Argument::word("error", "ERROR")]),
        )
        .optional(),
    ],
    replies: "1 if it was waiting, otherwise 0. The connection is answered as if its time were over, or with ERROR the error UNBLOCKED.",
    handler: unblock,
    ..FOR_OPERATORS
};

const UNPAUSE: CommandSpecification = CommandSpecification {
    name: "unpause",
    summary: "Ends the pause that CLIENT PAUSE began",
    replies: "OK, also if there is none.",
    handler: |call| {
        call.environment.clients.pause().end();
        Ok(OK.into())
    },
    ..FOR_OPERATORS
};

fn integer(number: u64) -> Reply {
    Reply::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A label that CLIENT LIST can show: printable ASCII without spaces, perhaps empty.
pub(super) fn check_label(label: &[u8]) -> Option<String> {
    let printable = label.iter().all(u8::is_ascii_graphic);
    let text = std::str::from_utf8(label).ok().filter(|_| printable)?;
    Some(text.to_owned())
}

fn set_library(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    type Field = fn(&mut Labels) -> &mut String;
    let attribute = call.argument(2);
    let (name, field): (_, Field) = if attribute.eq_ignore_ascii_case(b"LIB-NAME") {
        ("lib-name", |labels| &mut labels.library)
    } else if attribute.eq_ignore_ascii_case(b"LIB-VER") {
        ("lib-ver", |labels| &mut labels.library_version)
    } else {
        return Err(CommandError::LibraryOption(shown(attribute)));
    };
    let value = check_label(call.argument(3)).ok_or(CommandError::LibraryLabel(name))?;
    call.session.client.change_labels(|labels| *field(labels) = value);
    Ok(OK.into())
}

/// ON or OFF.
fn switch(word: &[u8]) -> Result<bool, CommandError> {
    if word.eq_ignore_ascii_case(b"ON") {
        Ok(true)
    } else if word.eq_ignore_ascii_case(b"OFF") {
        Ok(false)
    } else {
        Err(CommandError::Syntax)
    }
}

fn set_mark(call: &mut Call<'_>, mark: Mark) -> Result<Outcome, CommandError> {
    let on = switch(call.argument(2))?;
    call.session.client.set(mark, on);
    Ok(OK.into())
}

fn kill(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let by_address = call.arguments.len() == 3;
    let filter = if by_address { Filter::from_address(call.argument(2)) } else { Filter::to_kill(call)? };
    let myself = call.session.client.id();
    let (mut killed, mut is_own_end) = (0, false);
    for client in call.environment.clients.list() {
        if !filter.means(&client, call.now.monotonic) || client.is_ended() {
            continue;
        }
        killed += 1;
        if client.id() == myself {
            // Its reply is sent before it is closed.
            is_own_end = true;
        } else {
            client.end();
        }
    }
    let reply = match (by_address, killed) {
        (true, 0) => return Err(CommandError::NoSuchClient),
        (true, _) => OK,
        (false, killed) => Reply::Integer(killed),
    };
    Ok(if is_own_end { Outcome::Close(reply) } else { reply.into() })
}

fn pause(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let what = match call.arguments.get(3) {
        None => Paused::All,
        Some(word) if word.eq_ignore_ascii_case(b"ALL") => Paused::All,
        Some(word) if word.eq_ignore_ascii_case(b"WRITE") => Paused::Writes,
        Some(_) => return Err(CommandError::Syntax),
    };
    if call.arguments.len() > 4 {
        return Err(CommandError::Syntax);
    }
    let millis = parse_integer(call.argument(2)).ok_or(CommandError::TimeoutNotInteger)?;
    let now = call.now.monotonic;
    call.environment.clients.pause().begin(what, now.after(Duration::from_millis(millis)), now);
    Ok(OK.into())
}

fn reply(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let word = call.argument(2);
    let replies = &mut call.session.replies;
    if word.eq_ignore_ascii_case(b"SKIP") {
        replies.skip_next();
    } else {
        replies.turn(switch(word)?);
    }
    Ok(OK.into())
}

fn unblock(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let id = parse_integer(call.argument(2)).ok_or(CommandError::NotInteger)?;
    let how = match call.arguments.get(3) {
        None => Unblocked::Timeout,
        Some(word) if word.eq_ignore_ascii_case(b"TIMEOUT") => Unblocked::Timeout,
        Some(word) if word.eq_ignore_ascii_case(b"ERROR") => Unblocked::Error,
        Some(_) => return Err(CommandError::UnblockReason),
    };
    if call.arguments.len() > 4 {
        return Err(CommandError::Syntax);
    }
    let was_waiting = call.environment.clients.find(id).is_some_and(|client| client.unblock(how));
    Ok(Reply::Integer(was_waiting.into()).into())
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
