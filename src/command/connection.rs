//! Commands about the connection itself.

use super::call::bulk;
use super::specification::{
    Argument, ArgumentKind, CommandSpecification, Flag, Group, KeyPositions,
};
use super::table::SINCE;
use crate::resp::Reply;

pub(super) const PING: CommandSpecification = CommandSpecification {
    name: "ping",
    summary: "Answers, to show that the node is there",
    arity: -1,
    flags: &[Flag::Fast, Flag::Stale, Flag::Loading],
    keys: KeyPositions::NONE,
    group: Group::Connection,
    since: SINCE,
    complexity: "O(1)",
    arguments: &[Argument::new("message", ArgumentKind::Text).optional()],
    replies: "PONG, or the message as a bulk string.",
    subcommands: &[],
    handler: |call| {
        Ok(match call.arguments.get(1) {
            Some(message) => bulk(message),
            None => Reply::Simple("PONG"),
        }
        .into())
    },
};
