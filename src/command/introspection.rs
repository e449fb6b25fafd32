//! COMMAND: the table of commands as clients see it.

use super::call::{Call, bulk};
use super::error::CommandError;
use super::help;
use super::outcome::Outcome;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group, KeyPositions};
use super::table::{self, COMMANDS, Found};
use crate::base::Glob;
use crate::resp::Reply;

const NAMES: &[Argument] = &[Argument::new("command-name", ArgumentKind::Text).multiple().optional()];

const REQUEST: &[Argument] =
    &[Argument::new("command", ArgumentKind::Text), Argument::new("arg", ArgumentKind::Text).multiple().optional()];

const SUBCOMMAND: CommandSpecification =
    CommandSpecification { arity: -2, flags: &[Flag::Loading, Flag::Stale], complexity: "O(N) for N commands", ..BASE };

pub(super) const COMMAND: CommandSpecification = CommandSpecification {
    name: "command",
    summary: "Describes all commands",
    arity: -1,
    replies: "For each command its name, arity, flags, positions of names of counters, categories, hints, key specifications and subcommands.",
    handler: |_| Ok(Reply::Array(all_commands().map(information).collect()).into()),
    subcommands: &[
        CommandSpecification {
            name: "count",
            summary: "Counts the commands",
            arity: 2,
            complexity: "O(1)",
            replies: "How many there are, as an integer.",
            handler: |_| Ok(Reply::Integer(COMMANDS.len() as i64).into()),
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "docs",
            summary: "Documents commands",
            arguments: NAMES,
            replies: "A map from names to what there is to say of them, of all commands if none is named.",
            handler: |call| {
                let found = named(call).into_iter().flatten();
                let pairs = found.map(|found| (bulk(found.full_name()), documentation(found)));
                Ok(Reply::Map(pairs.collect()).into())
            },
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "getkeys",
            summary: "Finds the names of counters in a request",
            arity: -3,
            complexity: "O(N) for N arguments",
            arguments: REQUEST,
            replies: "The names, in the order of the request.",
            handler: |call| {
                let (_, names) = names_of_request(call)?;
                Ok(Reply::Array(names.map(bulk).collect()).into())
            },
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "getkeysandflags",
            summary: "Finds the names of counters in a request, and what it does with them",
            arity: -3,
            complexity: "O(N) for N arguments",
            arguments: REQUEST,
            replies: "A list for each name, in the order of the request: the name, and RW if the command changes counters, otherwise RO.",
            handler: |call| {
                let (found, names) = names_of_request(call)?;
                let pair = |name| Reply::Array(vec![bulk(name), Reply::Set(vec![access(found.specification)])]);
                Ok(Reply::Array(names.map(pair).collect()).into())
            },
            ..SUBCOMMAND
        },
        help::specification(Group::Server),
        CommandSpecification {
            name: "info",
            summary: "Describes some commands",
            arguments: NAMES,
            replies: "What COMMAND says of each of them, null for those that do not exist.",
            handler: |call| {
                let replies = named(call).into_iter();
                let replies = replies.map(|found| found.map_or(Reply::Null, information));
                Ok(Reply::Array(replies.collect()).into())
            },
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "list",
            summary: "Lists the names of commands",
            arguments: &[Argument::new(
                "filterby",
                ArgumentKind::OneOf(&[
                    Argument::new("module-name", ArgumentKind::Text).after("MODULE"),
                    Argument::new("category", ArgumentKind::Text).after("ACLCAT"),
                    Argument::new("pattern", ArgumentKind::Pattern).after("PATTERN"),
                ]),
            )
            .after("FILTERBY")
            .optional()],
            replies: "The names, subcommands' as command|subcommand if a filter takes them in.",
            handler: list,
            ..SUBCOMMAND
        },
    ],
    ..SUBCOMMAND
};

fn all_commands() -> impl Iterator<Item = Found> {
    table::all().filter(|found| found.container.is_none())
}

/// The commands named from the second argument on; all if none is.
fn named(call: &Call<'_>) -> Vec<Option<Found>> {
    if call.arguments.len() == 2 {
        return all_commands().map(Some).collect();
    }
    call.arguments_from(2).map(table::find_full).collect()
}

/// The command of the request that begins with the third argument, and the names of counters in it.
fn names_of_request<'a>(call: &Call<'a>) -> Result<(Found, impl Iterator<Item = &'a [u8]> + use<'a>), CommandError> {
    let arguments = call.arguments_from(2);
    let mut found = table::find(call.argument(2)).ok_or(CommandError::InvalidCommand)?;
    if let Some(subcommand) = call.arguments.get(3)
        && !found.specification.subcommands.is_empty()
    {
        found = table::find_subcommand(found, subcommand).ok_or(CommandError::InvalidCommand)?;
    }
    let KeyPositions { first, last, step } = found.specification.keys;
    if found.specification.keys == KeyPositions::NONE {
        return Err(CommandError::NoKeyArguments);
    }
    if !found.specification.accepts(arguments.len()) {
        return Err(CommandError::InvalidArity);
    }
    let end = if last < 0 { arguments.len() as i32 + last } else { last };
    let is_name = move |at: i32| at >= first && at <= end && (at - first) % step == 0;
    let names = (0..).zip(arguments).filter(move |(at, _)| is_name(*at));
    Ok((found, names.map(|(_, name)| name)))
}

/// What a command does with the counters that it is given.
fn access(specification: &CommandSpecification) -> Reply {
    Reply::Simple(if specification.has(Flag::Write) { "RW" } else { "RO" })
}

fn list(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let names: Vec<Reply> = match call.arguments.len() {
        2 => all_commands().map(|found| bulk(found.full_name())).collect(),
        5 if call.argument(2).eq_ignore_ascii_case(b"FILTERBY") => {
            let filter = parse_filter(call.argument(3), call.argument(4))?;
            let wanted = table::all().filter(filter);
            wanted.map(|found| bulk(found.full_name())).collect()
        }
        _ => return Err(CommandError::Syntax),
    };
    Ok(Reply::Array(names).into())
}

/// Which commands a list is to hold.
type Filter<'a> = Box<dyn Fn(&Found) -> bool + 'a>;

fn parse_filter<'a>(kind: &[u8], value: &'a [u8]) -> Result<Filter<'a>, CommandError> {
    let is = |name: &str| kind.eq_ignore_ascii_case(name.as_bytes());
    if is("MODULE") {
        // No command comes from a module.
        Ok(Box::new(|_| false))
    } else if is("ACLCAT") {
        Ok(Box::new(move |found| {
            let categories = found.specification.categories();
            let same = |name: &&str| name.as_bytes()[1..].eq_ignore_ascii_case(value);
            categories.iter().any(same)
        }))
    } else if is("PATTERN") {
        let pattern = value.to_ascii_lowercase();
        Ok(Box::new(move |found| Glob::new(&pattern).matches(found.full_name().as_bytes())))
    } else {
        Err(CommandError::Syntax)
    }
}

/// What COMMAND says of one command, in the order that clients of Redis expect.
fn information(found: Found) -> Reply {
    let specification = found.specification;
    let KeyPositions { first, last, step } = specification.keys;
    let flags = specification.flags.iter();
    let categories = specification.categories().into_iter();
    let subcommands = subcommands_of(found).map(information);
    Reply::Array(vec![
        bulk(found.full_name()),
        Reply::Integer(specification.arity.into()),
        Reply::Set(flags.map(|flag| Reply::Simple(flag.name())).collect()),
        Reply::Integer(first.into()),
        Reply::Integer(last.into()),
        Reply::Integer(step.into()),
        Reply::Set(categories.map(Reply::Simple).collect()),
        Reply::Array(Vec::new()),
        Reply::Array(key_specifications(specification)),
        Reply::Array(subcommands.collect()),
    ])
}

fn subcommands_of(found: Found) -> impl Iterator<Item = Found> {
    let subcommands = found.specification.subcommands.iter();
    subcommands.filter_map(move |subcommand| table::find_subcommand(found, subcommand.name.as_bytes()))
}

fn key_specifications(specification: &CommandSpecification) -> Vec<Reply> {
    let KeyPositions { first, last, step } = specification.keys;
    if specification.keys == KeyPositions::NONE {
        return Vec::new();
    }
    let number = |value: i32| Reply::Integer(value.into());
    // Counted from the first name on, unless it is counted from the end.
    let last = if last < 0 { last } else { last - first };
    let search = Reply::Map(vec![(Reply::Text("index"), number(first))]);
    let range = Reply::Map(vec![
        (Reply::Text("lastkey"), number(last)),
        (Reply::Text("keystep"), number(step)),
        (Reply::Text("limit"), Reply::Integer(0)),
    ]);
    let typed = |kind, spec| Reply::Map(vec![(Reply::Text("type"), Reply::Text(kind)), (Reply::Text("spec"), spec)]);
    vec![Reply::Map(vec![
        (Reply::Text("flags"), Reply::Set(vec![access(specification)])),
        (Reply::Text("begin_search"), typed("index", search)),
        (Reply::Text("find_keys"), typed("range", range)),
    ])]
}

/// What COMMAND DOCS says of one command.
fn documentation(found: Found) -> Reply {
    let specification = found.specification;
    let mut fields = vec![
        (Reply::Text("summary"), Reply::Text(specification.summary)),
        (Reply::Text("since"), Reply::Text(specification.since)),
        (Reply::Text("group"), Reply::Text(specification.group.name())),
        (Reply::Text("complexity"), Reply::Text(specification.complexity)),
    ];
    if !specification.arguments.is_empty() {
        fields.push((Reply::Text("arguments"), arguments(specification.arguments)));
    }
    if !specification.subcommands.is_empty() {
        let pairs = subcommands_of(found).map(|sub| (bulk(sub.full_name()), documentation(sub)));
        fields.push((Reply::Text("subcommands"), Reply::Map(pairs.collect())));
    }
    Reply::Map(fields)
}

fn arguments(arguments: &[Argument]) -> Reply {
    Reply::Array(arguments.iter().map(argument).collect())
}

fn argument(argument: &Argument) -> Reply {
    let mut fields = vec![
        (Reply::Text("name"), Reply::Text(argument.name)),
        (Reply::Text("type"), Reply::Text(argument.kind.name())),
    ];
    let parts = argument.kind.parts();
    if parts.is_empty() {
        fields.push((Reply::Text("display_text"), Reply::Text(argument.name)));
    }
    if let ArgumentKind::Key = argument.kind {
        fields.push((Reply::Text("key_spec_index"), Reply::Integer(0)));
    }
    if let Some(token) = argument.token {
        fields.push((Reply::Text("token"), Reply::Text(token)));
    }
    let flags = [(argument.optional, "optional"), (argument.multiple, "multiple")];
    let flags = flags.into_iter().filter_map(|(set, name)| set.then_some(Reply::Simple(name)));
    let flags: Vec<Reply> = flags.collect();
    if !flags.is_empty() {
        fields.push((Reply::Text("flags"), Reply::Array(flags)));
    }
    if !parts.is_empty() {
        fields.push((Reply::Text("arguments"), self::arguments(parts)));
    }
    Reply::Map(fields)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;

    #[test]
    fn commands_are_described_as_redis_does() {
        let mut bench = Bench::new();
        let get = "*10 $3 get :-2 *2 +readonly +fast :1 :1 :1 *3 +@string +@read +@fast *0 *1 *6 $5 flags *1 +RO $12 begin_search *4 $4 type $5 index $4 spec *2 $5 index :1 $9 find_keys *4 $4 type $5 range $4 spec *6 $7 lastkey :0 $7 keystep :1 $5 limit :0 *0";
        assert_eq!(bench.run("command info GET"), format!("*1 {get}"));
        assert_eq!(bench.run("command info nosuch get"), format!("*2 $-1 {get}"));
        let all = COMMANDS.len();
        assert_eq!(bench.run("command count"), format!(":{all}"));
        assert!(bench.run("command").starts_with(&format!("*{all} *10 ")));
        assert!(bench.run("command info").starts_with(&format!("*{all} *10 ")));
        assert!(bench.run("command info client|id").starts_with("*1 *10 $9 client|id :2 "));
        assert!(bench.run("command info mincrby").contains("lastkey :-1"));
    }

    #[test]
    fn documents_hold_arguments_and_subcommands() {
        let mut bench = Bench::new();
        let docs = bench.run("command docs get");
        for part in [
            "*2 $3 get *10 $7 summary ",
            "$5 group $7 counter",
            "$9 arguments *2 *8 $4 name $4 name $4 type $3 key $12 display_text $4 name $14 key_spec_index :0 ",
            "$4 name $7 quality $4 type $5 oneof $5 flags *1 +optional",
            "$5 token $5 STATE",
        ] {
            assert!(docs.contains(part), "{part}: {docs}");
        }
        let cluster = bench.run("command docs CLUSTER nosuch");
        assert!(cluster.starts_with("*2 $7 cluster "), "{cluster}");
        assert!(cluster.contains("$12 cluster|meet "), "{cluster}");
        bench.run("hello 3");
        let all = bench.run("command docs");
        assert!(all.starts_with(&format!("%{} $4 incr %5 ", COMMANDS.len())), "{all}");
    }

    #[test]
    fn names_are_found_in_requests() {
        let mut bench = Bench::new();
        for (line, reply) in [
            ("get a", "*1 $1 a"),
            ("MINCRBY 1 a b", "*2 $1 a $1 b"),
            ("mincrbyeach a 1 b 2", "*2 $1 a $1 b"),
            ("memory usage a", "*1 $1 a"),
            ("get", "-ERR Invalid number of arguments specified for command"),
            ("ping", "-ERR The command has no key arguments"),
            ("nosuch a", "-ERR Invalid command specified"),
            ("memory nosuch a", "-ERR Invalid command specified"),
        ] {
            assert_eq!(bench.run(&format!("command getkeys {line}")), reply, "{line}");
        }
        assert_eq!(bench.run("command getkeysandflags set a 1"), "*1 *2 $1 a *1 +RW");
        assert_eq!(bench.run("command getkeysandflags mget a b"), "*2 *2 $1 a *1 +RO *2 $1 b *1 +RO");
    }

    #[test]
    fn lists_are_filtered() {
        let mut bench = Bench::new();
        let all = bench.run("command list");
        assert!(all.starts_with(&format!("*{} ", COMMANDS.len())) && !all.contains('|'));
        let pattern = bench.run("command list filterby pattern CLIENT|set*");
        assert_eq!(pattern, "*2 $14 client|setinfo $14 client|setname");
        assert_eq!(bench.run("command list FILTERBY MODULE x"), "*0");
        let writes = bench.run("command list filterby aclcat WRITE");
        assert!(writes.contains("$6 incrby") && !writes.contains("$3 get"), "{writes}");
        for line in ["x", "filterby pattern", "filterby what x", "x pattern y"] {
            let reply = bench.run(&format!("command list {line}"));
            assert_eq!(reply, "-ERR syntax error ('command|list' command)");
        }
    }
}
