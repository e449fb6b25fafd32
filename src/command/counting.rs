//! INCR and its relatives: the commands that the program is for.

use super::call::Call;
use super::error::CommandError;
use super::outcome::Outcome;
use super::specification::{
    Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group, KeyPositions,
};
use crate::base::{Amount, Name};
use crate::resp::Reply;

const NAME: Argument = Argument::new("name", ArgumentKind::Key);
const AMOUNT: Argument = Argument::new("amount", ArgumentKind::Decimal);
const NUMBER: &str =
    "The value after it: an integer where it is whole and fits 64 bits, otherwise a bulk string.";

const COUNTING: CommandSpecification = CommandSpecification {
    arity: 3,
    flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
    keys: KeyPositions::FIRST,
    group: Group::Counter,
    arguments: &[NAME, AMOUNT],
    replies: NUMBER,
    handler: increment_by,
    ..BASE
};

pub(super) const INCR: CommandSpecification = CommandSpecification {
    name: "incr",
    summary: "Adds one to a counter, which is made if it does not exist",
    arity: 2,
    arguments: &[NAME],
    handler: |call| increment(call, Amount::ONE),
    ..COUNTING
};

pub(super) const INCRBY: CommandSpecification = CommandSpecification {
    name: "incrby",
    summary: "Adds an amount, which may be a decimal, to a counter",
    ..COUNTING
};

pub(super) const INCRBYFLOAT: CommandSpecification = CommandSpecification {
    name: "incrbyfloat",
    summary: "Adds an amount to a counter, exactly, and answers text",
    replies: "The value after it as a bulk string.",
    handler: |call| {
        let amount = call.amount(2)?;
        let value = add(call, call.name(1)?, amount)?;
        Ok(Reply::Amount(value).into())
    },
    ..COUNTING
};

pub(super) const DECR: CommandSpecification = CommandSpecification {
    name: "decr",
    summary: "Takes one from a counter, which is made if it does not exist",
    arity: 2,
    arguments: &[NAME],
    handler: |call| increment(call, -Amount::ONE),
    ..COUNTING
};

pub(super) const DECRBY: CommandSpecification = CommandSpecification {
    name: "decrby",
    summary: "Takes an amount, which may be a decimal, from a counter",
    handler: |call| {
        let amount = call.amount(2)?;
        increment(call, -amount)
    },
    ..COUNTING
};

pub(super) const MINCRBY: CommandSpecification = CommandSpecification {
    name: "mincrby",
    summary: "Adds one amount to several counters, to all of them or to none",
    arity: -3,
    flags: &[Flag::Write, Flag::DenyOom],
    keys: KeyPositions::new(2, -1, 1),
    complexity: "O(N) for N names",
    arguments: &[AMOUNT, NAME.multiple()],
    replies: "The values after it in the order of the names, each as INCRBY answers it. A name that is given twice is added to twice.",
    handler: increment_many,
    ..COUNTING
};

fn increment_by(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let amount = call.amount(2)?;
    increment(call, amount)
}

fn increment(call: &mut Call<'_>, by: Amount) -> Result<Outcome, CommandError> {
    let value = add(call, call.name(1)?, by)?;
    Ok(call.number(value).into())
}

fn add(call: &Call<'_>, name: Name<'_>, by: Amount) -> Result<Amount, CommandError> {
    let table = &call.environment.table;
    Ok(table.increment(name, by, call.now.monotonic)?)
}

/// Looks first whether every sum is in range. What another client changes between that look and the increment is
/// met by taking back the increments that were made already.
fn increment_many(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let by = call.amount(1)?;
    let names = call.names_from(2)?;
    let (table, now) = (&call.environment.table, call.now.monotonic);
    for name in names.clone() {
        table.read(name, now).unwrap_or_default().checked_add(by)?;
    }
    let mut values = Vec::with_capacity(call.arguments.len() - 2);
    for name in names.clone() {
        match table.increment(name, by, now) {
            Ok(value) => values.push(call.number(value)),
            Err(error) => {
                let state = take_back(call, names.take(values.len()), by);
                return Err(CommandError::Partly { error, state });
            }
        }
    }
    Ok(Reply::Array(values).into())
}

/// Undoes increments that were made; says what is true afterwards.
fn take_back<'a>(call: &Call<'a>, names: impl Iterator<Item = Name<'a>>, by: Amount) -> String {
    let kept = names.filter(|name| add(call, *name, -by).is_err());
    match kept.count() {
        0 => "no counter of this command was changed".to_owned(),
        kept => format!("{kept} of the counters keep the increment, the others are unchanged"),
    }
}
