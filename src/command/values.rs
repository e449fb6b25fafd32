//! SET, GET and what else is about the value of a counter.

use super::call::{Call, OK, shown};
use super::environment::ReplyShape;
use super::error::CommandError;
use super::outcome::Outcome;
use super::specification::{
    Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group, KeyPositions,
};
use crate::base::Amount;
use crate::counter::Precision;
use crate::node::{ClusterView, LinkView, MemberView};
use crate::resp::Reply;

const NAME: Argument = Argument::new("name", ArgumentKind::Key);
const VALUE: Argument = Argument::new("value", ArgumentKind::Decimal);

const READING: CommandSpecification = CommandSpecification {
    arity: -2,
    flags: &[Flag::Readonly, Flag::Fast],
    keys: KeyPositions::FIRST,
    group: Group::Counter,
    ..BASE
};

pub(super) const SET: CommandSpecification = CommandSpecification {
    name: "set",
    summary: "Gives a counter a value; increments elsewhere that this node has not seen stay counted on top of it",
    arity: -3,
    flags: &[Flag::Write, Flag::DenyOom],
    arguments: &[NAME, VALUE],
    replies: "OK.",
    handler: set,
    ..READING
};

pub(super) const GET: CommandSpecification = CommandSpecification {
    name: "get",
    summary: "Reads a counter, and with STATE whether all nodes are within reach",
    arguments: &[NAME, Argument::word("state", "STATE").optional()],
    replies: "The value as a bulk string, 0 if the counter does not exist. With STATE the value and CONSISTENT, or INCONSISTENT while some member of the cluster is not linked, suspected or failed.",
    handler: get,
    ..READING
};

pub(super) const MGET: CommandSpecification = CommandSpecification {
    name: "mget",
    summary: "Reads several counters",
    keys: KeyPositions::ALL,
    complexity: "O(N) for N names",
    arguments: &[NAME.multiple()],
    replies: "The values as bulk strings in the order of the names, 0 for those that do not exist.",
    handler: |call| {
        let names = call.names_from(1)?;
        let values = names.map(|name| Reply::Amount(call.read(name).unwrap_or_default()));
        Ok(Reply::Array(values.collect()).into())
    },
    ..READING
};

pub(super) const PRECISION: CommandSpecification = CommandSpecification {
    name: "precision",
    summary: "Shows or sets how far a reading of a counter may be from the truth, on all nodes",
    flags: &[Flag::Write, Flag::Fast],
    arguments: &[NAME, VALUE.optional()],
    replies: "The precision now in force as a bulk string; the default one if the counter has none of its own.",
    handler: precision,
    ..READING
};

fn set(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    if let Some(option) = call.arguments.get(3) {
        return Err(CommandError::Option {
            command: "SET",
            takes: "a name and a value",
            option: shown(option),
        });
    }
    let name = call.name(1)?;
    let value = call.amount(2)?;
    call.environment.table.assign(name, value, call.now)?;
    Ok(match call.environment.settings.shape {
        ReplyShape::Redis => OK,
        ReplyShape::Discnt => Reply::Amount(value),
    }
    .into())
}

fn get(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let name = call.name(1)?;
    let with_state = match call.arguments.get(2) {
        None => false,
        Some(option) if option.eq_ignore_ascii_case(b"STATE") && call.arguments.len() == 3 => true,
        Some(option) => {
            let surplus = call.arguments.get(3).unwrap_or(option);
            return Err(CommandError::Option {
                command: "GET",
                takes: "a name and, if wanted, STATE",
                option: shown(surplus),
            });
        }
    };
    let value = Reply::Amount(call.read(name).unwrap_or(Amount::ZERO));
    if !with_state {
        return Ok(value.into());
    }
    let state = if is_consistent(&call.environment.cluster.view()) {
        "CONSISTENT"
    } else {
        "INCONSISTENT"
    };
    Ok(Reply::Array(vec![value, Reply::Text(state)]).into())
}

fn precision(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    if call.arguments.len() > 3 {
        return Err(CommandError::Arity("precision".to_owned()));
    }
    let name = call.name(1)?;
    let table = &call.environment.table;
    if call.arguments.len() == 2 {
        return Ok(Reply::Amount(table.precision(name).amount()).into());
    }
    let precision = Precision::new(call.amount(2)?)?;
    table.set_precision(name, precision, call.now)?;
    Ok(Reply::Amount(precision.amount()).into())
}

/// Whether this node hears from every member, itself aside.
pub(super) fn is_consistent(view: &ClusterView) -> bool {
    view.members.iter().all(is_reachable)
}

/// Whether the member is this node or is linked and in good standing.
pub(super) fn is_reachable(member: &MemberView) -> bool {
    let linked = matches!(member.link, LinkView::Myself | LinkView::Linked);
    member.myself || (linked && !member.suspected && !member.failed)
}
