//! INFO, TIME and CONFIG: the node as a server.

use super::call::{Call, bulk};
use super::configuration;
use super::error::CommandError;
use super::help;
use super::info;
use super::outcome::Outcome;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group};
use crate::resp::Reply;

pub(super) const INFO: CommandSpecification = CommandSpecification {
    name: "info",
    summary: "Shows figures about the node",
    arity: -1,
    flags: &[Flag::Loading, Flag::Stale],
    complexity: "O(N) for N sections",
    arguments: &[Argument::new("section", ArgumentKind::Text)
        .multiple()
        .optional()],
    replies: "Lines of name:value under a heading for each section. Sections are server, clients, memory, stats, cpu, commandstats, keyspace, cluster, mesh and counters; default leaves commandstats out, all and everything do not.",
    handler: |call| Ok(Reply::Verbatim(info::report(call)).into()),
    ..BASE
};

pub(super) const TIME: CommandSpecification = CommandSpecification {
    name: "time",
    summary: "Shows the node's wall clock",
    arity: 1,
    flags: &[Flag::Loading, Flag::Stale, Flag::Fast],
    replies: "Seconds since 1970 and the microseconds beyond, to the millisecond, both as bulk strings.",
    handler: |call| {
        let millis = call.now.wall.0;
        let seconds = bulk((millis / 1000).to_string());
        let micros = bulk((millis % 1000 * 1000).to_string());
        Ok(Reply::Array(vec![seconds, micros]).into())
    },
    ..BASE
};

pub(super) const CONFIG: CommandSpecification = CommandSpecification {
    name: "config",
    summary: "Shows the configuration",
    arity: -2,
    complexity: "Depends on the subcommand",
    subcommands: &[
        CommandSpecification {
            name: "get",
            summary: "Shows the settings whose names match one of the patterns",
            arity: -3,
            flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
            complexity: "O(N) for N patterns",
            arguments: &[Argument::new("parameter", ArgumentKind::Pattern).multiple()],
            replies: "A map of names and values. Names are section.key, and those that Redis has for the same settings. Secrets are shown as asterisks.",
            handler: config_get,
            ..BASE
        },
        help::specification(Group::Server),
    ],
    ..BASE
};

fn config_get(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let patterns: Vec<Vec<u8>> = call
        .arguments_from(2)
        .map(<[u8]>::to_ascii_lowercase)
        .collect();
    let found = configuration::matching(call.environment, &patterns);
    let pairs = found
        .into_iter()
        .map(|(name, value)| (bulk(name), bulk(value)));
    Ok(Reply::Map(pairs.collect()).into())
}
