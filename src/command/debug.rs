//! DEBUG: what a node holds, for those who look for a fault. Refused unless the configuration allows it.

use super::call::{Call, bulk};
use super::error::CommandError;
use super::help;
use super::outcome::Outcome;
use super::specification::{BASE, CommandSpecification, Flag, Group};

const SUBCOMMAND: CommandSpecification =
    CommandSpecification { flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale], ..BASE };

pub(super) const DEBUG: CommandSpecification = CommandSpecification {
    name: "debug",
    summary: "Shows what the node holds, where debug.enabled = true allows it",
    arity: -2,
    complexity: "Depends on the subcommand",
    subcommands: &[
        CommandSpecification {
            name: "digest",
            summary: "Shows one hash of all counters, which is the same on all nodes that agree",
            complexity: "O(N) for N counters, about a second for a million; other clients of the same thread wait",
            replies: "40 hexadecimal digits. They cover, for each counter, its name, each replica's share (birth and exact total), the last SET or DEL (time, writer, number, value) and the PRECISION that was set. They do not cover predictions, nor what is left of counters that do not exist: that is given up at another time on each node. An increment counts from when it was made, on the other nodes from when they heard of it. Of counters that change while it runs, the states before and after may be mixed.",
            handler: digest,
            ..SUBCOMMAND
        },
        help::specification(Group::Server),
    ],
    ..SUBCOMMAND
};

/// Refuses what the configuration does not allow.
fn check_allowed(call: &Call<'_>) -> Result<(), CommandError> {
    if call.environment.settings.debug.enabled { Ok(()) } else { Err(CommandError::DebugNotAllowed) }
}

fn digest(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    check_allowed(call)?;
    let cluster = &call.environment.cluster;
    let fingerprint = call.environment.table.fingerprint(&|index| cluster.replica(index));
    let fingerprint = fingerprint.ok_or(CommandError::Starting)?;
    Ok(bulk(fingerprint.to_string()).into())
}
