//! Commands about the connection itself.

use super::call::{OK, bulk};
use super::error::CommandError;
use super::keyspace::parse_integer;
use super::outcome::Outcome;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group};
use crate::resp::{Protocol, Reply};

const MESSAGE: Argument = Argument::new("message", ArgumentKind::Text);

const CONNECTION: CommandSpecification = CommandSpecification {
    flags: &[Flag::Loading, Flag::Stale, Flag::Fast],
    group: Group::Connection,
    ..BASE
};

pub(super) const PING: CommandSpecification = CommandSpecification {
    name: "ping",
    summary: "Answers, to show that the node is there",
    arity: -1,
    arguments: &[MESSAGE.optional()],
    replies: "PONG, or the message as a bulk string.",
    handler: |call| match (call.arguments.len(), call.arguments.get(1)) {
        (1, _) => Ok(Reply::Simple("PONG").into()),
        (2, Some(message)) => Ok(bulk(message).into()),
        _ => Err(CommandError::Arity("ping".to_owned())),
    },
    ..CONNECTION
};

pub(super) const ECHO: CommandSpecification = CommandSpecification {
    name: "echo",
    summary: "Answers what it is given",
    arguments: &[MESSAGE],
    replies: "The message as a bulk string.",
    handler: |call| Ok(bulk(call.argument(1)).into()),
    ..CONNECTION
};

pub(super) const SELECT: CommandSpecification = CommandSpecification {
    name: "select",
    summary: "Chooses a database, of which there is only number 0",
    arguments: &[Argument::new("index", ArgumentKind::Integer)],
    replies: "OK for 0.",
    handler: |call| match parse_integer(call.argument(1)) {
        Some(0) => Ok(OK.into()),
        Some(_) => Err(CommandError::Database),
        None => Err(CommandError::NotInteger),
    },
    ..CONNECTION
};

pub(super) const RESET: CommandSpecification = CommandSpecification {
    name: "reset",
    summary: "Takes the connection back to how it was when it was made: RESP2, no name, password not given",
    arity: 1,
    flags: &[
        Flag::NoScript,
        Flag::Loading,
        Flag::Stale,
        Flag::Fast,
        Flag::NoAuth,
    ],
    replies: "RESET.",
    handler: |call| {
        call.session.set_protocol(Protocol::Resp2);
        call.session.authenticated = call.environment.settings.required_password().is_none();
        call.session
            .client
            .change_labels(|labels| labels.name.clear());
        Ok(Reply::Simple("RESET").into())
    },
    ..CONNECTION
};

pub(super) const QUIT: CommandSpecification = CommandSpecification {
    name: "quit",
    summary: "Ends the connection once all replies before it are sent",
    arity: -1,
    flags: RESET.flags,
    replies: "OK.",
    handler: |_| Ok(Outcome::Close(OK)),
    ..CONNECTION
};
