//! OBJECT: what tools for Redis ask of a key.

use super::call::Call;
use super::error::CommandError;
use super::help;
use super::outcome::Outcome;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group, KeyAccess, KeyPositions};
use crate::base::Amount;
use crate::resp::Reply;

const SUBCOMMAND: CommandSpecification = CommandSpecification {
    arity: 3,
    flags: &[Flag::Readonly],
    group: Group::Generic,
    keys: KeyPositions::new(2, 2, 1),
    access: KeyAccess::READ,
    arguments: &[Argument::new("name", ArgumentKind::Key)],
    ..BASE
};

pub(super) const OBJECT: CommandSpecification = CommandSpecification {
    name: "object",
    summary: "Tells of a counter what Redis tells of a string",
    arity: -2,
    flags: &[],
    keys: KeyPositions::NONE,
    access: KeyAccess::NONE,
    arguments: &[],
    complexity: "Depends on the subcommand",
    subcommands: &[
        CommandSpecification {
            name: "encoding",
            summary: "Tells how Redis would keep a string with the counter's value",
            replies: "int if the value is whole and fits 64 bits, otherwise embstr; nothing (null) if the counter does not exist.",
            handler: |call| look(call, |value| Reply::Text(if value.to_i64().is_some() { "int" } else { "embstr" })),
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "freq",
            summary: "Is not answered: how often a counter is read is not tracked",
            replies: "An error, as in Redis without an LFU policy; nothing (null) if the counter does not exist.",
            handler: not_tracked,
            ..SUBCOMMAND
        },
        help::specification(Group::Generic),
        CommandSpecification {
            name: "idletime",
            summary: "Is not answered: when a counter was read is not tracked",
            replies: "An error, as in Redis with an LFU policy; nothing (null) if the counter does not exist.",
            handler: not_tracked,
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "refcount",
            summary: "Tells how many names a counter has",
            replies: "1; nothing (null) if the counter does not exist.",
            handler: |call| look(call, |_| Reply::Integer(1)),
            ..SUBCOMMAND
        },
    ],
    ..SUBCOMMAND
};

/// A look at a counter is no read: it counts as neither hit nor miss.
fn look(call: &Call<'_>, tell: impl FnOnce(Amount) -> Reply) -> Result<Outcome, CommandError> {
    let value = call.environment.table.read(call.name(2)?, call.now.monotonic);
    Ok(value.map_or(Reply::Null, tell).into())
}

fn not_tracked(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    match call.environment.table.read(call.name(2)?, call.now.monotonic) {
        Some(_) => Err(CommandError::NotTracked),
        None => Ok(Reply::Null.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    #[test]
    fn counters_look_like_strings() {
        let mut bench = Bench::new();
        bench.run("set a 5");
        bench.run("set b 0.5");
        let error = "-ERR how often and when a counter is read is not tracked: nothing is evicted";
        for (line, reply) in [
            ("object encoding a", "$3 int"),
            ("object encoding b", "$6 embstr"),
            ("object encoding c", "$-1"),
            ("object refcount a", ":1"),
            ("object refcount c", "$-1"),
            ("object freq a", &format!("{error} ('object|freq' command)")),
            ("object idletime a", &format!("{error} ('object|idletime' command)")),
            ("object idletime c", "$-1"),
            ("object nothing c", "-ERR unknown subcommand 'nothing'. Try OBJECT HELP."),
        ] {
            assert_eq!(bench.run(line), reply, "{line}");
        }
        assert_eq!(bench.environment.statistics.misses(), 0);
    }
}
