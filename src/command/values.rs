//! SET, GET and what else is about the value of a counter.

use super::call::{Call, OK, bulk, shown};
use super::environment::ReplyShape;
use super::error::CommandError;
use super::outcome::Outcome;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group, KeyAccess, KeyPositions};
use crate::base::{Amount, Moment};
use crate::counter::{BoundedReading, CounterState, MemberStanding, Precision};
use crate::node::{LinkView, MemberView};
use crate::resp::Reply;

const NAME: Argument = Argument::new("name", ArgumentKind::Key);
const VALUE: Argument = Argument::new("value", ArgumentKind::Decimal);

const READING: CommandSpecification = CommandSpecification {
    arity: -2,
    flags: &[Flag::Readonly, Flag::Fast],
    keys: KeyPositions::FIRST,
    access: KeyAccess::READ,
    group: Group::Counter,
    ..BASE
};

pub(super) const SET: CommandSpecification = CommandSpecification {
    name: "set",
    summary: "Gives a counter a value; increments elsewhere that this node has not seen stay counted on top of it",
    arity: -3,
    flags: &[Flag::Write, Flag::DenyOom],
    access: KeyAccess::WRITE,
    arguments: &[NAME, VALUE],
    replies: "OK.",
    handler: set,
    ..READING
};

pub(super) const GET: CommandSpecification = CommandSpecification {
    name: "get",
    summary: "Reads a counter; with STATE also whether all nodes are within reach, with BOUND how far from the truth it may be, with ENTRY the precision that was set",
    arguments: &[
        NAME,
        Argument::new(
            "quality",
            ArgumentKind::OneOf(&[
                Argument::word("state", "STATE"),
                Argument::word("bound", "BOUND"),
                Argument::word("entry", "ENTRY"),
            ]),
        )
        .optional(),
    ],
    replies: "The value as a bulk string, 0 if the counter does not exist. With STATE the value and CONSISTENT, or INCONSISTENT while some member of the cluster is not linked, is suspected or failed, was not heard within its lease, or while this node is still catching up. With BOUND four things: the value, the bound, the age in milliseconds, and the ids of the members that this node has not heard within their lease, or not caught up with yet. All that the other members had counted up to that age ago is in the value, to within the bound; what was counted later may be in it or not. Where a counter is predicted, the value is that of the last moment its owners vouched for, which GET alone extrapolates to the present. With ENTRY two things, as an export needs them: the value, or nothing (null) if the counter does not exist, and the precision that was set for it, or nothing if the default one is in force.",
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
    access: KeyAccess::BOTH,
    arguments: &[
        NAME,
        Argument::new("what", ArgumentKind::OneOf(&[VALUE, Argument::word("effective", "EFFECTIVE")])).optional(),
    ],
    replies: "The precision now in force as a bulk string; the default one if the counter has none of its own. With EFFECTIVE the precision that the flush interval really left to readers of this node: more than what was asked if the other nodes counted more than that between two announcements within the last ten seconds. A narrower precision is kept to as soon as a node hears of it, a wider one once all nodes have, which takes two seconds or so. A precision outlives the counter: after DEL it is there for the next of that name, and takes its place in memory and on disk on every node for good.",
    handler: precision,
    ..READING
};

fn set(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    if let Some(option) = call.arguments.get(3) {
        return Err(CommandError::Option { command: "SET", takes: "a name and a value", option: shown(option) });
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
    let value = |call: &Call<'_>| Reply::Amount(call.read(name).unwrap_or(Amount::ZERO));
    match call.arguments.get(2) {
        None => Ok(value(call).into()),
        Some(option) if option.eq_ignore_ascii_case(b"STATE") && call.arguments.len() == 3 => {
            let state = if is_consistent(call) { "CONSISTENT" } else { "INCONSISTENT" };
            Ok(Reply::Array(vec![value(call), Reply::Text(state)]).into())
        }
        Some(option) if option.eq_ignore_ascii_case(b"BOUND") && call.arguments.len() == 3 => {
            Ok(bounded(&call.environment.table.read_bounded(name, call.now.monotonic), call.now).into())
        }
        Some(option) if option.eq_ignore_ascii_case(b"ENTRY") && call.arguments.len() == 3 => {
            let own = |state: &CounterState| state.precision().map(|register| register.precision.amount());
            let precision = call.environment.table.inspect_with(name, own).flatten();
            let parts = [call.read(name), precision];
            Ok(Reply::Array(parts.into_iter().map(|part| part.map_or(Reply::Null, Reply::Amount)).collect()).into())
        }
        Some(option) => {
            let surplus = call.arguments.get(3).unwrap_or(option);
            let takes = "a name and, if wanted, STATE, BOUND or ENTRY";
            Err(CommandError::Option { command: "GET", takes, option: shown(surplus) })
        }
    }
}

/// A reading with its promise. The age is rounded up: what is older is promised all the more.
fn bounded(reading: &BoundedReading, now: Moment) -> Reply {
    let age_ms = now.monotonic.since(reading.as_of).as_nanos().div_ceil(1_000_000);
    let ids = reading.outside_lease.iter().map(|node| bulk(node.to_string()));
    Reply::Array(vec![
        Reply::Amount(reading.value.unwrap_or_default()),
        Reply::Amount(reading.bound),
        Reply::Integer(i64::try_from(age_ms).unwrap_or(i64::MAX)),
        Reply::Array(ids.collect()),
    ])
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
    if call.arguments.get(2).is_some_and(|what| what.eq_ignore_ascii_case(b"EFFECTIVE")) {
        return Ok(Reply::Amount(table.effective_precision(name, call.now.monotonic).amount()).into());
    }
    let precision = Precision::new(call.amount(2)?)?;
    table.set_precision(name, precision, call.now)?;
    Ok(Reply::Amount(precision.amount()).into())
}

/// Whether this node can reach every member, hears from it, and has caught up with it.
pub(super) fn is_consistent(call: &Call<'_>) -> bool {
    let view = call.environment.cluster.view();
    let table = &call.environment.table;
    let standings = table.progress().standings();
    let is_current =
        |member: &MemberStanding| member.told.is_some() && table.is_within_lease(member, call.now.monotonic);
    !view.catching_up && view.members.iter().all(is_reachable) && standings.members.iter().all(is_current)
}

/// Whether the member is this node or is linked and in good standing.
pub(super) fn is_reachable(member: &MemberView) -> bool {
    let linked = matches!(member.link, LinkView::Myself | LinkView::Linked);
    member.myself || (linked && !member.suspected && !member.failed)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, member};
    use super::*;
    use crate::node::ClusterView;

    #[test]
    fn a_value_that_was_set_is_read() {
        let mut bench = Bench::new();
        for (line, reply) in [
            ("get a", "$1 0"),
            ("set a -0.50", "+OK"),
            ("get a", "$4 -0.5"),
            ("mget a none a", "*3 $4 -0.5 $1 0 $4 -0.5"),
            ("set a 0", "+OK"),
            ("exists a", ":1"),
        ] {
            assert_eq!(bench.run(line), reply, "{line}");
        }
    }

    #[test]
    fn options_of_redis_are_refused_by_name() {
        let mut bench = Bench::new();
        for (line, reply) in [
            ("set a 1 EX 10", "-ERR SET takes a name and a value; option 'EX' is not supported"),
            ("set a 1 get", "-ERR SET takes a name and a value; option 'get' is not supported"),
            ("set a one", "-ERR value is not a valid decimal number ('set' command)"),
            ("set a", "-ERR wrong number of arguments for 'set' command"),
            (
                "get a WHAT",
                "-ERR GET takes a name and, if wanted, STATE, BOUND or ENTRY; option 'WHAT' is not supported",
            ),
            (
                "get a STATE x",
                "-ERR GET takes a name and, if wanted, STATE, BOUND or ENTRY; option 'x' is not supported",
            ),
            ("get", "-ERR wrong number of arguments for 'get' command"),
            ("mget a ", "-ERR a counter name must not be empty ('mget' command)"),
        ] {
            assert_eq!(bench.run(line), reply, "{line}");
        }
        assert_eq!(bench.run("exists a"), ":0");
        let evil = bench.outcome(&[b"set", b"a", b"1", b"E\r\n+OK\r\n"]);
        let text = format!("{evil:?}");
        assert!(!text.contains("\\r") && text.contains("E??+OK??"), "{text}");
    }

    #[test]
    fn state_tells_whether_every_member_is_within_reach() {
        let mut bench = Bench::new();
        bench.run("incr a");
        assert_eq!(bench.run("get a state"), "*2 $1 1 $10 CONSISTENT");
        let lost: [fn(&mut MemberView); 5] = [
            |m| m.link = LinkView::Unlinked,
            |m| m.link = LinkView::Handshake,
            |m| m.suspected = true,
            |m| m.failed = true,
            |m| (m.suspected, m.failed) = (true, true),
        ];
        for lose in lost {
            let mut view = ClusterView { members: vec![member(1), member(2)], ..ClusterView::default() };
            bench.environment.cluster.publish(view.clone());
            assert_eq!(bench.run("get a STATE"), "*2 $1 1 $10 CONSISTENT");
            lose(&mut view.members[1]);
            bench.environment.cluster.publish(view);
            assert_eq!(bench.run("get a STATE"), "*2 $1 1 $12 INCONSISTENT");
        }
    }

    #[test]
    fn a_bounded_reading_tells_bound_age_and_who_is_outside_the_lease() {
        let mut bench = Bench::new();
        bench.run("incrby a 7");
        assert_eq!(bench.run("get a bound"), "*4 $1 7 $1 0 :0 *0");
        assert_eq!(bench.run("get none BOUND"), "*4 $1 0 $1 0 :0 *0");
        let away = member(2).id;
        bench.environment.table.progress().update_standings(|standings| {
            standings.members = vec![MemberStanding {
                node: away,
                replica: None,
                default_precision: Precision::ONE,
                told: None,
                shifted: (crate::base::Monotonic::ZERO, std::time::Duration::ZERO),
            }];
        });
        assert_eq!(bench.run("get a BOUND"), format!("*4 $1 7 $1 0 :0 *1 $40 {away}"));
        assert_eq!(bench.run("get a STATE"), "*2 $1 7 $12 INCONSISTENT");
    }

    #[test]
    fn an_entry_is_what_was_given_and_nothing_else() {
        let mut bench = Bench::new();
        for (line, reply) in [
            ("get a ENTRY", "*2 $-1 $-1"),
            ("precision a 2.50", "$3 2.5"),
            ("get a entry", "*2 $-1 $3 2.5"),
            ("set a 0", "+OK"),
            ("get a entry", "*2 $1 0 $3 2.5"),
            ("incr b", ":1"),
            ("get b entry", "*2 $1 1 $-1"),
            (
                "get b entry x",
                "-ERR GET takes a name and, if wanted, STATE, BOUND or ENTRY; option 'x' is not supported",
            ),
        ] {
            assert_eq!(bench.run(line), reply, "{line}");
        }
    }

    #[test]
    fn precision_is_shown_and_set() {
        let mut bench = Bench::new();
        for (line, reply) in [
            ("precision a", "$1 1"),
            ("precision a 2.5", "$3 2.5"),
            ("precision a", "$3 2.5"),
            ("precision a effective", "$3 2.5"),
            ("precision a 0", "$1 0"),
            ("precision a x", "-ERR value is not a valid decimal number ('precision' command)"),
            ("precision a 1 2", "-ERR wrong number of arguments for 'precision' command"),
            ("exists a", ":0"),
        ] {
            assert_eq!(bench.run(line), reply, "{line}");
        }
        assert!(bench.run("precision a -1").ends_with("('precision' command)"));
        assert_eq!(bench.run("precision a"), "$1 0");
    }
}
