//! CLIENT: who is connected, and what a connection calls itself.

use super::call::{Call, OK, bulk, shown};
use super::clients::{Client, Labels};
use super::error::CommandError;
use super::help;
use super::keyspace::parse_integer;
use super::outcome::Outcome;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group};
use super::table;
use crate::base::Monotonic;
use crate::resp::{Protocol, Reply};
use std::collections::BTreeSet;

const SUBCOMMAND: CommandSpecification =
    CommandSpecification { flags: &[Flag::NoScript, Flag::Loading, Flag::Stale], group: Group::Connection, ..BASE };

pub(super) const CLIENT: CommandSpecification = CommandSpecification {
    name: "client",
    summary: "Shows the connections and names one's own",
    arity: -2,
    flags: &[],
    complexity: "Depends on the subcommand",
    subcommands: &[
        CommandSpecification {
            name: "getname",
            summary: "Shows the name of the connection",
            replies: "The name, or null if it has none.",
            handler: |call| {
                let name = call.session.client.labels().name;
                let named = !name.is_empty();
                Ok(if named { bulk(name) } else { Reply::Null }.into())
            },
            ..SUBCOMMAND
        },
        help::specification(Group::Connection),
        CommandSpecification {
            name: "id",
            summary: "Shows the number of the connection, which no other ever has",
            replies: "The number as an integer.",
            handler: |call| {
                let id = i64::try_from(call.session.client.id()).unwrap_or(i64::MAX);
                Ok(Reply::Integer(id).into())
            },
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "info",
            summary: "Shows the connection as CLIENT LIST does",
            replies: "One line of name=value pairs.",
            handler: |call| {
                let line = describe(&call.session.client, call.now.monotonic);
                Ok(Reply::Verbatim(line).into())
            },
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "list",
            summary: "Shows all connections of this node",
            arity: -2,
            flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
            complexity: "O(N) for N connections",
            arguments: &[
                Argument::new("type", ArgumentKind::Text).after("TYPE").optional(),
                Argument::new("client-id", ArgumentKind::Integer).multiple().after("ID").optional(),
            ],
            replies: "A line of name=value pairs for each. TYPE may be normal, master, replica or pubsub.",
            handler: list,
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "setinfo",
            summary: "Tells the name or the version of the client library",
            arity: 4,
            arguments: &[Argument::new(
                "attribute",
                ArgumentKind::OneOf(&[
                    Argument::new("libname", ArgumentKind::Text).after("LIB-NAME"),
                    Argument::new("libver", ArgumentKind::Text).after("LIB-VER"),
                ]),
            )],
            replies: "OK.",
            handler: set_library,
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "setname",
            summary: "Names the connection; the empty name takes the name away",
            arity: 3,
            arguments: &[Argument::new("connection-name", ArgumentKind::Text)],
            replies: "OK.",
            handler: |call| {
                let name = check_label(call.argument(2)).ok_or(CommandError::ClientName)?;
                call.session.client.change_labels(|labels| labels.name = name);
                Ok(OK.into())
            },
            ..SUBCOMMAND
        },
    ],
    ..SUBCOMMAND
};

/// A label that CLIENT LIST can show: printable ASCII without spaces, perhaps empty.
pub(super) fn check_label(label: &[u8]) -> Option<String> {
    let printable = label.iter().all(u8::is_ascii_graphic);
    let text = std::str::from_utf8(label).ok().filter(|_| printable)?;
    Some(text.to_owned())
}

fn set_library(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    type Field = fn(&mut Labels) -> &mut String;
    let attribute = call.argument(2);
    let (name, field): (_, Field) = if attribute.eq_ignore_ascii_case(b"LIB-NAME") {
        ("lib-name", |labels| &mut labels.library)
    } else if attribute.eq_ignore_ascii_case(b"LIB-VER") {
        ("lib-ver", |labels| &mut labels.library_version)
    } else {
        return Err(CommandError::LibraryOption(shown(attribute)));
    };
    let value = check_label(call.argument(3)).ok_or(CommandError::LibraryLabel(name))?;
    call.session.client.change_labels(|labels| *field(labels) = value);
    Ok(OK.into())
}

fn list(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let mut class = None;
    let mut ids: Option<BTreeSet<u64>> = None;
    let mut at = 2;
    while let Some(option) = call.arguments.get(at) {
        let value = call.arguments.get(at + 1).ok_or(CommandError::Syntax)?;
        if option.eq_ignore_ascii_case(b"TYPE") {
            class = Some(Class::parse(value)?);
            at += 2;
        } else if option.eq_ignore_ascii_case(b"ID") {
            // All that follow are ids.
            let given = call.arguments_from(at + 1);
            let given = given.map(|id| parse_integer(id).ok_or(CommandError::ClientId));
            ids = Some(given.collect::<Result<_, _>>()?);
            break;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let wanted = |client: &Client| {
        class.is_none_or(|class| class == Class::of(client))
            && ids.as_ref().is_none_or(|ids| ids.contains(&client.id()))
    };
    let clients = call.environment.clients.list();
    let clients = clients.iter().filter(|client| wanted(client));
    let lines = clients.map(|client| describe(client, call.now.monotonic));
    Ok(Reply::Verbatim(lines.collect()).into())
}

/// What CLIENT LIST tells connections apart by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Normal,
    /// With subscriptions.
    PubSub,
    /// There are no such connections.
    Replica,
}

impl Class {
    fn of(client: &Client) -> Self {
        if client.subscriptions() == (0, 0) { Self::Normal } else { Self::PubSub }
    }

    fn parse(text: &[u8]) -> Result<Self, CommandError> {
        let is = |name: &str| text.eq_ignore_ascii_case(name.as_bytes());
        if is("normal") {
            Ok(Self::Normal)
        } else if is("pubsub") {
            Ok(Self::PubSub)
        } else if ["master", "replica", "slave"].into_iter().any(is) {
            Ok(Self::Replica)
        } else {
            Err(CommandError::ClientType(shown(text)))
        }
    }
}

/// A line of CLIENT LIST, with its line break. Fields that would say nothing here are left out.
fn describe(client: &Client, now: Monotonic) -> String {
    let labels = client.labels();
    let protocol = match client.protocol() {
        Protocol::Resp2 => 2,
        Protocol::Resp3 => 3,
    };
    let (names, patterns) = client.subscriptions();
    let flags = if Class::of(client) == Class::PubSub { "P" } else { "N" };
    let last = table::all().find(|found| found.ordinal == client.last_command());
    let command = last.map_or_else(|| "NULL".to_owned(), |found| found.full_name());
    format!(
        "id={} addr={} laddr={} name={} age={} idle={} flags={flags} db=0 sub={names} psub={patterns} ssub=0 multi=-1 cmd={command} user=default redir=-1 resp={protocol} lib-name={} lib-ver={}\n",
        client.id(),
        client.remote(),
        client.local(),
        labels.name,
        now.since(client.connected_at()).as_secs(),
        now.since(client.last_active()).as_secs(),
        labels.library,
        labels.library_version,
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;
    use crate::base::Moment;
    use std::time::Duration;

    #[test]
    fn a_connection_is_named() {
        let mut bench = Bench::new();
        let no = "cannot contain spaces, newlines or special characters.";
        for (line, reply) in [
            ("client getname", "$-1".to_owned()),
            ("client setname me", "+OK".to_owned()),
            ("CLIENT GETNAME", "$2 me".to_owned()),
            ("client setname a\nb", format!("-ERR Client names {no} ('client|setname' command)")),
            ("client setname é", format!("-ERR Client names {no} ('client|setname' command)")),
            ("client getname", "$2 me".to_owned()),
            ("client setname ", "+OK".to_owned()),
            ("client getname", "$-1".to_owned()),
            ("client setinfo lib-name redis-py", "+OK".to_owned()),
            ("client SETINFO LIB-VER 8.0", "+OK".to_owned()),
            ("client setinfo lib-ver 8\t0", format!("-ERR lib-ver {no} ('client|setinfo' command)")),
            ("client setinfo x y", "-ERR Unrecognized option 'x' ('client|setinfo' command)".to_owned()),
            ("client setname", "-ERR wrong number of arguments for 'client|setname' command".to_owned()),
            ("client", "-ERR wrong number of arguments for 'client' command".to_owned()),
            ("client what", "-ERR unknown subcommand 'what'. Try CLIENT HELP.".to_owned()),
            (
                "client maint_notifications on",
                "-ERR unknown subcommand 'maint_notifications'. Try CLIENT HELP.".to_owned(),
            ),
        ] {
            assert_eq!(bench.run(line), reply, "{line}");
        }
        let line = bench.text("client info");
        assert!(line.contains(" name= ") && line.ends_with(" lib-name=redis-py lib-ver=8.0\n"), "{line}");
    }

    #[test]
    fn connections_are_listed_until_they_end() {
        let mut bench = Bench::new();
        let mut other = Bench::connect(&bench.environment, bench.now);
        let id = other.client().id();
        other.set_protocol(Protocol::Resp3);
        bench.now = Moment { monotonic: bench.now.monotonic.after(Duration::from_secs(7)), ..bench.now };
        let list = bench.text("client list");
        assert_eq!(list.lines().count(), 2);
        let idle = "age=7 idle=7 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 cmd=NULL user=default redir=-1 resp=3";
        let active =
            "age=7 idle=0 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 cmd=client|list user=default redir=-1 resp=2";
        assert!(list.contains(idle) && list.contains(active), "{list}");
        assert!(list.contains("addr=127.0.0.1:40000 laddr=127.0.0.1:5262"), "{list}");
        let only = bench.text(&format!("client list id {id} 99"));
        assert!(only.starts_with(&format!("id={id} ")) && only.lines().count() == 1, "{only}");
        assert_eq!(bench.text("client list type pubsub"), "");
        assert_eq!(bench.text("client list type normal").lines().count(), 2);
        assert_ne!(bench.run("client id"), format!(":{id}"));
        for (line, error) in [
            ("client list type what", "-ERR Unknown client type 'what' ('client|list' command)"),
            ("client list id x", "-ERR Invalid client ID ('client|list' command)"),
            ("client list id", "-ERR syntax error ('client|list' command)"),
            ("client list what x", "-ERR syntax error ('client|list' command)"),
        ] {
            assert_eq!(bench.run(line), error, "{line}");
        }
        drop(other);
        assert_eq!(bench.text("client list").lines().count(), 1);
        assert_eq!(bench.environment.clients.len(), 1);
    }

    #[test]
    fn help_lists_the_subcommands() {
        let mut bench = Bench::new();
        for container in ["client", "cluster", "config", "command"] {
            let help = bench.run(&format!("{container} HELP"));
            assert!(help.contains("<subcommand>") && help.contains("HELP"), "{help}");
        }
        assert!(bench.run("client help").contains("SETINFO LIB-NAME libname | LIB-VER libver"));
    }
}
