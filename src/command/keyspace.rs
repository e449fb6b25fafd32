//! Which counters there are.

use super::call::{Call, bulk};
use super::error::CommandError;
use super::outcome::Outcome;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group, KeyAccess, KeyPositions};
use crate::base::Glob;
use crate::resp::Reply;

const NAME: Argument = Argument::new("name", ArgumentKind::Key);
const PATTERN: Argument = Argument::new("pattern", ArgumentKind::Pattern);

/// Slots of the table that a listing of all counters visits at a time.
const LISTING_SLOTS: usize = 1024;
/// Slots that SCAN visits if it is not told.
const SCAN_SLOTS: usize = 10;
/// The most slots that one SCAN visits, so that it does not hold up the other clients of its thread.
const MAX_SCAN_SLOTS: u64 = 100_000;
/// What TYPE says of a counter: the type of Redis that takes the same commands.
const COUNTER_TYPE: &str = "string";

const READING: CommandSpecification =
    CommandSpecification { flags: &[Flag::Readonly], access: KeyAccess::READ, group: Group::Generic, ..BASE };

/// Without names: which counters a user is shown is up to what it may read.
const LISTING: CommandSpecification = CommandSpecification { access: KeyAccess::NONE, ..READING };

pub(super) const EXISTS: CommandSpecification = CommandSpecification {
    name: "exists",
    summary: "Counts which of the names are counters",
    arity: -2,
    flags: &[Flag::Readonly, Flag::Fast],
    keys: KeyPositions::ALL,
    complexity: "O(N) for N names",
    arguments: &[NAME.multiple()],
    replies: "How many of them exist, as an integer; a name that is given twice counts twice.",
    handler: |call| {
        let existing = call.names_from(1)?.filter(|name| call.read(*name).is_some());
        Ok(integer(existing.count() as u64).into())
    },
    ..READING
};

pub(super) const DEL: CommandSpecification = CommandSpecification {
    name: "del",
    summary: "Deletes counters in the whole cluster; an increment elsewhere that this node has not seen brings the counter back with that increment",
    arity: -2,
    flags: &[Flag::Write],
    keys: KeyPositions::ALL,
    access: KeyAccess::WRITE,
    complexity: "O(N) for N names",
    arguments: &[NAME.multiple()],
    replies: "How many of them existed, as an integer.",
    handler: delete,
    ..READING
};

pub(super) const UNLINK: CommandSpecification = CommandSpecification {
    name: "unlink",
    summary: "Deletes counters, exactly as DEL does",
    flags: &[Flag::Write, Flag::Fast],
    ..DEL
};

pub(super) const TYPE: CommandSpecification = CommandSpecification {
    name: "type",
    summary: "Tells whether a counter exists, in the word that Redis has for it",
    flags: &[Flag::Readonly, Flag::Fast],
    keys: KeyPositions::FIRST,
    arguments: &[NAME],
    replies: "string if it exists, otherwise none.",
    handler: |call| {
        let exists = call.read(call.name(1)?).is_some();
        Ok(Reply::Simple(if exists { COUNTER_TYPE } else { "none" }).into())
    },
    ..READING
};

pub(super) const KEYS: CommandSpecification = CommandSpecification {
    name: "keys",
    summary: "Lists all counters whose names match a pattern; SCAN does the same in small steps",
    is_dangerous: true,
    complexity: "O(N) for all N counters of the node",
    arguments: &[PATTERN],
    replies: "The names, sorted; of a user that may not read all counters, those that it may read.",
    handler: |call| {
        let pattern = Glob::new(call.argument(1));
        let mut names = Vec::new();
        let mut cursor = 0;
        loop {
            cursor = scan_matching(call, cursor, LISTING_SLOTS, pattern, &mut names);
            if cursor == 0 {
                break;
            }
            call.environment.exclusion.make_way(call.session.thread());
        }
        // A counter that moves while the listing goes on may be met twice.
        names.sort_unstable();
        names.dedup();
        Ok(Reply::Array(names.into_iter().map(Reply::Bulk).collect()).into())
    },
    ..LISTING
};

pub(super) const SCAN: CommandSpecification = CommandSpecification {
    name: "scan",
    summary: "Lists counters step by step; those that exist all the while are listed at least once",
    arity: -2,
    complexity: "O(COUNT) for a call, O(N) for all N counters of the node",
    arguments: &[
        Argument::new("cursor", ArgumentKind::Integer),
        PATTERN.after("MATCH").optional(),
        Argument::new("count", ArgumentKind::Integer).after("COUNT").optional(),
        Argument::new("type", ArgumentKind::Text).after("TYPE").optional(),
    ],
    replies: "The cursor to go on with, 0 at the end, and some names, perhaps none. COUNT is how many places are looked at, by default 10 and at most 100000. All counters are of TYPE string. A user that may not read all counters is shown those that it may read.",
    handler: scan,
    ..LISTING
};

pub(super) const DBSIZE: CommandSpecification = CommandSpecification {
    name: "dbsize",
    summary: "Counts the counters that exist",
    arity: 1,
    flags: &[Flag::Readonly, Flag::Fast],
    replies: "How many there are, as an integer.",
    handler: |call| Ok(integer(call.environment.table.len()).into()),
    ..LISTING
};

fn delete(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let names = call.names_from(1)?;
    let mut deleted = 0;
    for (done, name) in names.enumerate() {
        match call.environment.table.delete(name, call.now) {
            Ok(existed) => deleted += u64::from(existed),
            Err(error) if done == 0 => return Err(error.into()),
            Err(error) => {
                let state = format!("the first {done} names were deleted, the others were not");
                return Err(CommandError::Partly { error, state });
            }
        }
    }
    Ok(integer(deleted).into())
}

fn scan(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let cursor = parse_integer(call.argument(1)).ok_or(CommandError::Cursor)?;
    let mut pattern = Glob::new(b"*");
    let mut slots = SCAN_SLOTS;
    let mut of_our_type = true;
    let mut at = 2;
    while let Some(option) = call.arguments.get(at) {
        let value = call.arguments.get(at + 1).ok_or(CommandError::Syntax)?;
        if option.eq_ignore_ascii_case(b"MATCH") {
            pattern = Glob::new(value);
        } else if option.eq_ignore_ascii_case(b"COUNT") {
            slots = parse_count(value)?;
        } else if option.eq_ignore_ascii_case(b"TYPE") {
            of_our_type = value.eq_ignore_ascii_case(COUNTER_TYPE.as_bytes());
        } else {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    let mut names = Vec::new();
    let next = scan_matching(call, cursor, slots, pattern, &mut names);
    if !of_our_type {
        names.clear();
    }
    let names = names.into_iter().map(Reply::Bulk).collect();
    Ok(Reply::Array(vec![bulk(next.to_string()), Reply::Array(names)]).into())
}

/// Appends the matching names of the next slots; the cursor to go on with.
fn scan_matching(call: &Call<'_>, cursor: u64, slots: usize, pattern: Glob<'_>, names: &mut Vec<Vec<u8>>) -> u64 {
    let all = pattern.matches_all();
    let rights = call.session.rights.limits();
    let mut visit = |name: &[u8]| {
        let may_see = rights.is_none_or(|user| user.may(name, KeyAccess::READ));
        if (all || pattern.matches(name)) && may_see {
            names.push(name.to_vec());
        }
    };
    call.environment.table.scan(cursor, slots, &mut visit)
}

fn parse_count(text: &[u8]) -> Result<usize, CommandError> {
    if text.first() == Some(&b'-') || text == b"0" {
        return Err(CommandError::Syntax);
    }
    let count = parse_integer(text).ok_or(CommandError::NotInteger)?;
    Ok(count.clamp(1, MAX_SCAN_SLOTS) as usize)
}

/// Decimal digits alone, as many as fit 64 bits.
pub(super) fn parse_integer(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    text.parse().ok()
}

fn integer(count: u64) -> Reply {
    Reply::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn counters_are_listed_counted_and_deleted() {
        let mut bench = Bench::new();
        for (line, reply) in [
            ("dbsize", ":0"),
            ("keys *", "*0"),
            ("mincrby 1 aa ab b", "*3 :1 :1 :1"),
            ("dbsize", ":3"),
            ("keys a?", "*2 $2 aa $2 ab"),
            ("keys [^a]*", "*1 $1 b"),
            ("exists aa b c b", ":3"),
            ("type aa", "+string"),
            ("type c", "+none"),
            ("del aa c aa", ":1"),
            ("unlink ab b", ":2"),
            ("get aa", "$1 0"),
            ("dbsize", ":0"),
            ("incr aa", ":1"),
        ] {
            assert_eq!(bench.run(line), reply, "{line}");
        }
    }

    #[test]
    fn what_is_refused_deletes_nothing() {
        let mut bench = Bench::new();
        bench.run("incr a");
        for (line, reply) in [
            ("del a ", "-ERR a counter name must not be empty ('del' command)"),
            ("unlink a ", "-ERR a counter name must not be empty ('unlink' command)"),
            ("del", "-ERR wrong number of arguments for 'del' command"),
            ("exists", "-ERR wrong number of arguments for 'exists' command"),
            ("keys", "-ERR wrong number of arguments for 'keys' command"),
            ("dbsize x", "-ERR wrong number of arguments for 'dbsize' command"),
            ("type ", "-ERR a counter name must not be empty ('type' command)"),
            ("scan x", "-ERR invalid cursor ('scan' command)"),
            ("scan -1", "-ERR invalid cursor ('scan' command)"),
            ("scan 99999999999999999999", "-ERR invalid cursor ('scan' command)"),
            ("scan 0 COUNT", "-ERR syntax error ('scan' command)"),
            ("scan 0 COUNT 0", "-ERR syntax error ('scan' command)"),
            ("scan 0 COUNT -5", "-ERR syntax error ('scan' command)"),
            ("scan 0 COUNT x", "-ERR value is not an integer or out of range ('scan' command)"),
            ("scan 0 WHAT x", "-ERR syntax error ('scan' command)"),
        ] {
            assert_eq!(bench.run(line), reply, "{line}");
        }
        assert_eq!(bench.run("get a"), "$1 1");
    }

    /// All that a scan lists, and how many calls it took.
    fn scan_all(bench: &mut Bench, options: &str) -> (BTreeSet<Vec<u8>>, usize) {
        let (mut names, mut cursor, mut calls) = (BTreeSet::new(), "0".to_owned(), 0);
        loop {
            calls += 1;
            let Reply::Array(reply) = bench.reply(&format!("scan {cursor}{options}")) else {
                panic!("SCAN answers a list");
            };
            let [Reply::Bulk(next), Reply::Array(found)] = &reply[..] else {
                panic!("SCAN answers a cursor and a list, not {reply:?}");
            };
            names.extend(found.iter().map(|name| match name {
                Reply::Bulk(name) => name.clone(),
                other => panic!("{other:?} is not a name"),
            }));
            cursor = String::from_utf8(next.clone()).expect("digits");
            if cursor == "0" {
                return (names, calls);
            }
        }
    }

    #[test]
    fn a_scan_meets_every_counter() {
        let mut bench = Bench::new();
        for number in 0..1000 {
            bench.run(&format!("incr name:{number}"));
        }
        let (names, calls) = scan_all(&mut bench, "");
        assert_eq!(names.len(), 1000);
        assert!(calls > 50);
        let (names, fewer) = scan_all(&mut bench, " count 500 type STRING match name:1*");
        assert_eq!(names.len(), 111);
        assert!(fewer < calls);
        let (names, calls) = scan_all(&mut bench, " COUNT 18446744073709551615");
        assert_eq!((names.len(), calls), (1000, 1));
        assert!(scan_all(&mut bench, " TYPE hash").0.is_empty());
        let Reply::Array(all) = bench.reply("keys *") else {
            panic!("KEYS answers a list");
        };
        assert_eq!(all.len(), 1000);
    }
}
