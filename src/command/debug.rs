//! DEBUG: what a node holds, for those who look for a fault. Refused unless the configuration allows it.

use super::call::{Call, bulk};
use super::counter_report::CounterReport;
use super::environment::ReplyShape;
use super::error::CommandError;
use super::flushing;
use super::help;
use super::outcome::{Outcome, Pending, StorageRequest};
use super::prediction_report;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group, KeyAccess, KeyPositions};
use std::time::Duration;

const FLUSHING: &[Flag] = &[Flag::Admin, Flag::Write, Flag::NoScript, Flag::NoMulti];

const SUBCOMMAND: CommandSpecification =
    CommandSpecification { flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale], ..BASE };

/// FLUSHALL and RESET, which the C program had.
const DELETING_ALL: CommandSpecification = CommandSpecification {
    summary: "Deletes all counters in the whole cluster, exactly as FLUSHALL does",
    flags: FLUSHING,
    every_counter: KeyAccess::WRITE,
    complexity: "As FLUSHALL",
    replies: "As FLUSHALL.",
    handler: |call| {
        check_allowed_as_ever(call)?;
        flushing::flush_for_debugging(call)
    },
    ..SUBCOMMAND
};

pub(super) const DEBUG: CommandSpecification = CommandSpecification {
    name: "debug",
    summary: "Shows what the node holds, where debug.enabled = true allows it",
    arity: -2,
    complexity: "Depends on the subcommand",
    subcommands: &[
        CommandSpecification {
            name: "counter",
            summary: "Shows all that the node holds of a counter, and what of it the other nodes have said they have",
            arity: 3,
            keys: KeyPositions::new(2, 2, 1),
            access: KeyAccess::READ,
            complexity: "O(N) for N nodes",
            arguments: &[Argument::new("name", ArgumentKind::Key)],
            replies: "A map: exists; value as GET reads it, and value-as-told without predictions; precision and who set it; own-share and other-shares, of each the replica (node id/which of its lives), born and revision (numbers of its sequence), total, what of that the assignment's cut covers, and its prediction: rate in amount a second, told how long ago; assignment, the last SET or DEL, with its cut, and with its context: up to which number its writer had everything; given-up, the shares that are no more; members, with what each has of this node's share, the assignment and the precision: durable, received, not yet, or not linked (as of its last digest, a second or two ago). Of a counter that was deleted there is something to show until all nodes have given it up.",
            handler: counter,
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "digest",
            summary: "Shows one hash of all counters, which is the same on all nodes that agree",
            complexity: "O(N) for N counters, up to a few seconds for a million; other clients of the same thread wait",
            replies: "40 hexadecimal digits. They cover, for each counter, its name, each replica's share (birth and exact total), the last SET or DEL (time, writer, number, value) and the PRECISION that was set. They do not cover predictions, nor what is left of counters that do not exist: that is given up at another time on each node. An increment counts from when it was made, on the other nodes from when they heard of it. Of counters that change while it runs, the states before and after may be mixed.",
            handler: digest,
            ..SUBCOMMAND
        },
        CommandSpecification { name: "flushall", ..DELETING_ALL },
        help::specification(Group::Server),
        CommandSpecification {
            name: "prediction",
            summary: "Shows what the node knows of how a counter moves",
            arity: 3,
            keys: KeyPositions::new(2, 2, 1),
            access: KeyAccess::READ,
            complexity: "O(N) for N nodes",
            arguments: &[Argument::new("name", ArgumentKind::Key)],
            replies: "A map: precision; band, how far the own share may be from what the others believe; own-share, nothing (null) while it is at rest or no other node is there to be told, otherwise its total, what the others believe of it, the rate they were told in amount a second and how long ago, the estimated rate and the seconds of observation behind it, the increments since it was told with the longest gap between two of them, how long ago the last was, whether arrivals deviated lately more than chance does, and when it is looked at again; other-shares, those that move by a prediction: replica, total and rate as told, how long ago, and what that is read as now.",
            handler: |call| {
                check_allowed(call)?;
                Ok(prediction_report::report(call)?.into())
            },
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "reload",
            summary: "Writes all that changed to disk, reads all of it back as a start does, and holds it against memory",
            flags: &[Flag::Admin, Flag::NoScript, Flag::NoMulti],
            complexity: "O(N) for N counters: as long as a start takes to load them. Other clients are served meanwhile, but nothing else is written: with durability always, replies to changes wait, and with everysec a crash before it is done may lose all that was counted since it began, not just the last second",
            replies: "OK once all is on disk, every file there has been checked, and every counter read back is what is in memory. Memory is not replaced by what was read: where both agree that would change nothing, and where they do not, memory is what clients were told. Of a counter that was changed meanwhile, nothing on disk may be newer than what is in memory. An error says that it could not be written or read, or names the first counter, by name, that differs; memory is as it was then, and discnt-cli backup keeps what is in it.",
            handler: |call| {
                check_allowed_as_ever(call)?;
                Ok(StorageRequest::Reload.into())
            },
            ..SUBCOMMAND
        },
        CommandSpecification { name: "reset", ..DELETING_ALL },
        CommandSpecification {
            name: "sleep",
            summary: "Answers after a time; other clients are served meanwhile",
            arity: 3,
            flags: &[Flag::Admin, Flag::NoScript, Flag::NoMulti, Flag::Loading, Flag::Stale],
            complexity: "As long as it is asked to take",
            arguments: &[Argument::new("seconds", ArgumentKind::Decimal)],
            replies: "OK after so many seconds, at most a day.",
            handler: sleep,
            ..SUBCOMMAND
        },
    ],
    ..SUBCOMMAND
};

fn sleep(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    check_allowed_as_ever(call)?;
    let seconds = std::str::from_utf8(call.argument(2)).ok().and_then(|text| text.parse().ok());
    let seconds: f64 = seconds.filter(|seconds| (0.0..=86_400.0).contains(seconds)).ok_or(CommandError::NotFloat)?;
    Ok(Outcome::Wait(Pending::Sleep(Duration::from_secs_f64(seconds))))
}

/// Refuses what the configuration does not allow.
fn check_allowed(call: &Call<'_>) -> Result<(), CommandError> {
    if call.environment.settings.debug.enabled { Ok(()) } else { Err(CommandError::DebugNotAllowed) }
}

/// The same for what shows nothing: programs that were written for the C program find it there.
fn check_allowed_as_ever(call: &Call<'_>) -> Result<(), CommandError> {
    match call.environment.settings.shape {
        ReplyShape::Discnt => Ok(()),
        ReplyShape::Redis => check_allowed(call),
    }
}

fn counter(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    check_allowed(call)?;
    let found = call.environment.table.examine(call.name(2)?, call.now.monotonic);
    let found = found.ok_or(CommandError::NoSuchKey)?;
    Ok(CounterReport::new(call, &found).reply().into())
}

fn digest(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    check_allowed(call)?;
    let cluster = &call.environment.cluster;
    let fingerprint = call.environment.table.fingerprint(&|index| cluster.replica(index));
    let fingerprint = fingerprint.ok_or(CommandError::Starting)?;
    Ok(bulk(fingerprint.to_string()).into())
}

#[cfg(test)]
#[path = "debug_tests.rs"]
mod tests;
