//! BACKUP: all that the node holds, for `discnt-cli backup`.

use super::call::{Call, bulk};
use super::error::CommandError;
use super::help;
use super::keyspace::parse_integer;
use super::outcome::{ClusterRequest, Outcome};
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group, KeyAccess};
use crate::base::ReplicaIndex;
use crate::node::Phase;
use crate::replication::{NodeRecord, NumberSet};
use crate::resp::Reply;
use crate::wire::{encode_backup_entry, encode_node_record};

/// Places of the table that one READ looks at.
const PLACES: usize = 1024;
/// A READ that has found so many bytes ends.
const CHUNK_BYTES: usize = 256 << 10;

const SUBCOMMAND: CommandSpecification =
    CommandSpecification { flags: &[Flag::Admin, Flag::NoScript, Flag::Readonly], ..BASE };

pub(super) const BACKUP: CommandSpecification = CommandSpecification {
    name: "backup",
    summary: "Hands out all that the node holds, for discnt-cli backup",
    arity: -2,
    complexity: "Depends on the subcommand",
    subcommands: &[
        CommandSpecification {
            name: "begin",
            flags: &[Flag::Admin, Flag::NoScript, Flag::NoMulti],
            summary: "Writes down that others may hear of what the node holds: before the first RECORD",
            replies: "OK, once that is on disk.",
            handler: begin,
            ..SUBCOMMAND
        },
        help::specification(Group::Server),
        CommandSpecification {
            name: "read",
            summary: "Hands out all that is held of some counters, deleted ones included; counts that were not told yet are told first",
            arity: 3,
            every_counter: KeyAccess::READ,
            complexity: "O(1) for a call, O(N) for all N counters of the node",
            arguments: &[Argument::new("cursor", ArgumentKind::Integer)],
            replies: "The cursor to go on with, 0 at the start and at the end, and bytes that discnt-server --restore reads.",
            handler: read,
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "record",
            summary: "Hands out what the node knows of all replicas: before the first READ and after the last",
            complexity: "O(N) for N starts of nodes",
            replies: "Bytes that discnt-server --restore reads.",
            handler: record,
            ..SUBCOMMAND
        },
    ],
    ..SUBCOMMAND
};

/// What a node that is still finding out who it is holds, it may not hold on to. And a node that had told nobody anything
/// would begin again as if nobody had a backup.
fn check_begun(call: &Call<'_>) -> Result<(), CommandError> {
    let cluster = &call.environment.cluster;
    match cluster.phase() {
        Phase::Serving if cluster.record().has_told => Ok(()),
        Phase::Serving => Err(CommandError::BackupNotBegun),
        _ => Err(CommandError::Starting),
    }
}

fn begin(_: &mut Call<'_>) -> Result<Outcome, CommandError> {
    Ok(ClusterRequest::BeginBackup.into())
}

fn record(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    check_begun(call)?;
    let cluster = &call.environment.cluster;
    let mut record = NodeRecord::clone(&cluster.record());
    // A replica may be in counters already and not in the record yet, which is made anew now and then.
    while let Some(replica) =
        u32::try_from(record.replicas.len()).ok().and_then(|next| cluster.replica(ReplicaIndex(next)))
    {
        record.replicas.push((replica, NumberSet::default()));
    }
    let mut bytes = Vec::new();
    encode_node_record(&record, &mut bytes);
    Ok(bulk(bytes).into())
}

fn read(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    check_begun(call)?;
    let cursor = parse_integer(call.argument(2)).ok_or(CommandError::Cursor)?;
    let mut bytes = Vec::new();
    let next = call.environment.table.copy(cursor, PLACES, call.now.monotonic, &mut |name, counter| {
        encode_backup_entry(name, counter, &mut bytes);
        bytes.len() < CHUNK_BYTES
    })?;
    Ok(Reply::Array(vec![bulk(next.to_string()), Reply::Bulk(bytes)]).into())
}
