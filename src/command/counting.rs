//! INCR and its relatives: the commands that the program is for.

use super::call::Call;
use super::error::CommandError;
use super::outcome::Outcome;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group, KeyAccess, KeyPositions};
use crate::base::{Amount, Name};
use crate::counter::CounterError;
use crate::resp::Reply;
use std::collections::BTreeMap;

const NAME: Argument = Argument::new("name", ArgumentKind::Key);
const AMOUNT: Argument = Argument::new("amount", ArgumentKind::Decimal);
const NUMBER: &str = "The value after it: an integer where it is whole and fits 64 bits, otherwise a bulk string.";

const COUNTING: CommandSpecification = CommandSpecification {
    arity: 3,
    flags: &[Flag::Write, Flag::DenyOom, Flag::Fast],
    keys: KeyPositions::FIRST,
    access: KeyAccess::BOTH,
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

pub(super) const MINCRBYEACH: CommandSpecification = CommandSpecification {
    name: "mincrbyeach",
    summary: "Adds to each of several counters an amount of its own, to all of them or to none",
    arity: -3,
    keys: KeyPositions::new(1, -1, 2),
    arguments: &[Argument::new("increment", ArgumentKind::Block(&[NAME, AMOUNT])).multiple()],
    replies: "The values after it in the order of the names, each as INCRBY answers it. A name that is given twice is added to twice. If one amount is no number, or would take one counter out of its range, the answer is an error and no counter has changed.",
    handler: increment_each,
    ..MINCRBY
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

fn increment_many(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let by = call.amount(1)?;
    let names = call.names_from(2)?;
    increment_all(call, names.map(|name| (name, by)))
}

fn increment_each<'a>(call: &mut Call<'a>) -> Result<Outcome, CommandError> {
    if call.arguments.len().is_multiple_of(2) {
        return Err(CommandError::Arity("mincrbyeach".to_owned()));
    }
    let pair = |call: &Call<'a>, at| Ok::<_, CommandError>((call.name(at)?, call.amount(at + 1)?));
    let pairs = (1..call.arguments.len()).step_by(2).map(|at| pair(call, at));
    let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
    increment_all(call, pairs.iter().copied())
}

/// Looks first whether every sum is in range and every new counter has room. What another client changes between that look
/// and the increment is met by taking back the increments that were made already.
fn increment_all<'a>(
    call: &Call<'a>,
    increments: impl Iterator<Item = (Name<'a>, Amount)> + Clone,
) -> Result<Outcome, CommandError> {
    let (table, now) = (&call.environment.table, call.now.monotonic);
    let mut sums = BTreeMap::new();
    for (name, by) in increments.clone() {
        let sum = sums.entry(name).or_insert(Amount::ZERO);
        *sum = sum.checked_add(by).map_err(CounterError::from)?;
        table.check_increment(name, *sum, now)?;
    }
    table.check_room_for(sums.into_keys())?;
    let mut values = Vec::with_capacity(call.arguments.len() - 2);
    for (name, by) in increments.clone() {
        match table.increment(name, by, now) {
            Ok(value) => values.push(call.number(value)),
            Err(error) => {
                let state = take_back(call, increments.take(values.len()));
                return Err(CommandError::Partly { error, state });
            }
        }
    }
    Ok(Reply::Array(values).into())
}

/// Undoes increments that were made; says what is true afterwards.
fn take_back<'a>(call: &Call<'a>, increments: impl Iterator<Item = (Name<'a>, Amount)>) -> String {
    let kept = increments.filter(|(name, by)| add(call, *name, -*by).is_err());
    match kept.count() {
        0 => "all increments of this command were taken back".to_owned(),
        kept => format!("{kept} increments of this command stay, all others were taken back"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::environment::{ReplyShape, Settings};
    use super::super::testing::Bench;

    #[test]
    fn counting_answers_integers_where_the_value_is_whole_and_fits() {
        let mut bench = Bench::new();
        for (line, reply) in [
            ("INCR a", ":1"),
            ("incr a", ":2"),
            ("IncrBy a 40", ":42"),
            ("incrby a 0.1", "$4 42.1"),
            ("incrby a -0.1", ":42"),
            ("incrbyfloat a 1", "$2 43"),
            ("incrbyfloat a 0.5", "$4 43.5"),
            ("decr a", "$4 42.5"),
            ("decrby a 42.5", ":0"),
            ("decrby a -1e2", ":100"),
            ("decr new", ":-1"),
            ("incrby big 9223372036854775807", ":9223372036854775807"),
            ("incr big", "$19 9223372036854775808"),
            ("incrby test 0.1", "$3 0.1"),
            ("incrby test 0.2", "$3 0.3"),
        ] {
            assert_eq!(bench.run(line), reply, "{line}");
        }
    }

    #[test]
    fn the_other_shape_answers_text_throughout() {
        let mut bench = Bench::with(Settings { shape: ReplyShape::Discnt, ..Settings::default() });
        for (line, reply) in [
            ("incr a", "$1 1"),
            ("incrby a 2", "$1 3"),
            ("decr a", "$1 2"),
            ("decrby a 2", "$1 0"),
            ("incrbyfloat a 2", "$1 2"),
            ("mincrby 1 a b", "*2 $1 3 $1 1"),
            ("set a 9.50", "$3 9.5"),
        ] {
            assert_eq!(bench.run(line), reply, "{line}");
        }
    }

    #[test]
    fn what_is_refused_changes_nothing_and_names_the_command() {
        let mut bench = Bench::new();
        assert_eq!(bench.run("set a 1e20"), "+OK");
        let long = "x".repeat(513);
        for (line, reply) in [
            ("incrby a nan", "-ERR value is not a valid decimal number ('incrby' command)"),
            ("incrbyfloat a inf", "-ERR value is not a valid decimal number ('incrbyfloat' command)"),
            ("decrby a 1e21", "-ERR value is out of range, allowed is -1e20 to 1e20 ('decrby' command)"),
            ("incrby a ", "-ERR value is not a valid decimal number ('incrby' command)"),
            (
                "incr a",
                "-ERR increment or decrement would overflow: a counter holds -1e20 to 1e20; the value is unchanged ('incr' command)",
            ),
            ("incr", "-ERR wrong number of arguments for 'incr' command"),
            ("incr a b", "-ERR wrong number of arguments for 'incr' command"),
            ("mincrby 1", "-ERR wrong number of arguments for 'mincrby' command"),
            ("mincrby x b", "-ERR value is not a valid decimal number ('mincrby' command)"),
            ("mincrby 1 b  c", "-ERR a counter name must not be empty ('mincrby' command)"),
            ("incr ", "-ERR a counter name must not be empty ('incr' command)"),
            (
                &format!("incr {long}"),
                "-ERR a counter name of 513 bytes is too long, at most 512 are allowed ('incr' command)",
            ),
        ] {
            assert_eq!(bench.run(line), reply, "{line}");
        }
        assert_eq!(bench.run("get a"), "$21 100000000000000000000");
        assert_eq!(bench.run("keys *"), "*1 $1 a");
    }

    #[test]
    fn an_amount_goes_to_several_counters_or_to_none() {
        let mut bench = Bench::new();
        assert_eq!(bench.run("mincrby 0.5 a b a"), "*3 $3 0.5 $3 0.5 :1");
        assert_eq!(bench.run("set full 1e20"), "+OK");
        let refused = bench.run("mincrby 1 a full b");
        assert!(refused.starts_with("-ERR increment or decrement would overflow"));
        assert_eq!(bench.run("mget a b full"), "*3 $1 1 $3 0.5 $21 100000000000000000000");
    }

    #[test]
    fn each_counter_gets_an_amount_of_its_own_or_none_gets_any() {
        let mut bench = Bench::new();
        assert_eq!(bench.run("mincrbyeach a 1 b -0.5 a 2"), "*3 :1 $4 -0.5 :3");
        bench.run("set full 1e20");
        for (line, error) in [
            ("mincrbyeach a 1 full 1 b 1", "-ERR increment or decrement would overflow"),
            ("mincrbyeach a 1 b x", "-ERR value is not a valid decimal number ('mincrbyeach' command)"),
            ("mincrbyeach a 1 b", "-ERR wrong number of arguments for 'mincrbyeach' command"),
            ("mincrbyeach a", "-ERR wrong number of arguments for 'mincrbyeach' command"),
            ("mincrbyeach a 1  2", "-ERR a counter name must not be empty ('mincrbyeach' command)"),
            // Each alone would fit.
            ("mincrbyeach c 6e19 c 6e19", "-ERR increment or decrement would overflow"),
        ] {
            assert!(bench.run(line).starts_with(error), "{line}: {}", bench.run(line));
        }
        assert_eq!(bench.run("mget a b c full"), "*4 $1 3 $4 -0.5 $1 0 $21 100000000000000000000");
        // Amounts of both signs may pass the limit on the way to a sum within it.
        assert_eq!(bench.run("mincrbyeach full -1 full 1"), "*2 $20 99999999999999999999 $21 100000000000000000000");
    }

    #[test]
    fn a_name_given_twice_must_have_room_for_both() {
        let mut bench = Bench::new();
        bench.run("set a 6e19");
        // Each alone is in range, the two together are not.
        let refused = bench.run("mincrby 3e19 b a a");
        assert!(refused.starts_with("-ERR increment or decrement would overflow"), "{refused}");
        let refused = bench.run("mincrby 6e19 c c");
        assert!(refused.starts_with("-ERR increment or decrement would overflow"), "{refused}");
        assert_eq!(bench.run("get a"), "$20 60000000000000000000");
        assert_eq!(bench.run("exists b c"), ":0");
    }

    #[test]
    fn where_not_all_new_counters_have_room_none_is_made_and_nothing_is_counted() {
        let mut bench = Bench::with_max_counters(3);
        bench.run("incrby a 5");
        for line in ["mincrby 3 a a b c d", "mincrbyeach b 1 c 2 d 3 a 4"] {
            let refused = bench.run(line);
            let reason = "-OOM command not allowed when there are more than 'max_counters' = 3";
            assert!(refused.starts_with(reason), "{refused}");
            assert_eq!((bench.run("keys *"), bench.run("get a")), ("*1 $1 a".to_owned(), "$1 5".to_owned()));
        }
        assert_eq!(bench.run("mincrby 1 b c a b"), "*4 :1 :1 :6 :2", "a name that is given twice needs one place");
        assert_eq!(bench.run("mincrby 1 a b c"), "*3 :7 :3 :2", "those that are there count on");
    }
}
