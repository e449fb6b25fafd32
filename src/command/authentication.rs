//! AUTH and HELLO: who the client is and which protocol it speaks.

use super::access::{Account, DEFAULT, Login};
use super::acl;
use super::call::{Call, OK, bulk, shown};
use super::client::check_label;
use super::connection::RESET;
use super::environment::{REDIS_VERSION, ReplyShape};
use super::error::CommandError;
use super::outcome::Outcome;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Group};
use crate::node::{LinkView, MemberView};
use crate::resp::{Protocol, Reply};
use std::sync::Arc;

const USERNAME: Argument = Argument::new("username", ArgumentKind::Text);
const PASSWORD: Argument = Argument::new("password", ArgumentKind::Text);

pub(super) const AUTH: CommandSpecification = CommandSpecification {
    name: "auth",
    summary: "Says who the client is; without a name it is the user called default",
    arity: -2,
    flags: RESET.flags,
    group: Group::Connection,
    arguments: &[USERNAME.optional(), PASSWORD],
    replies: "OK.",
    handler: authenticate,
    ..BASE
};

pub(super) const HELLO: CommandSpecification = CommandSpecification {
    name: "hello",
    summary: "Chooses the protocol, gives the password and names the connection; alone it shows the nodes of the cluster",
    arity: -1,
    flags: RESET.flags,
    group: Group::Connection,
    arguments: &[Argument::new(
        "arguments",
        ArgumentKind::Block(&[
            Argument::new("protover", ArgumentKind::Integer),
            Argument::new("auth", ArgumentKind::Block(&[USERNAME, PASSWORD])).after("AUTH").optional(),
            Argument::new("clientname", ArgumentKind::Text).after("SETNAME").optional(),
        ]),
    )
    .optional()],
    replies: "A map of what the server is. Without arguments: 1, this node's id, then for each node its id, address, port and priority: 1 for a linked node or this one, 5 for one without a link, 10 for a suspected and 100 for a failed one.",
    handler: hello,
    ..BASE
};

fn authenticate(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let settings = &call.environment.settings;
    let (user, password) = match call.arguments.len() {
        2 if settings.access.default_account().user().takes_any_password => {
            return Err(match settings.shape {
                ReplyShape::Redis => CommandError::NoPasswordConfigured,
                ReplyShape::Discnt => CommandError::NoPasswordSet,
            });
        }
        2 => (DEFAULT.as_bytes(), call.argument(1)),
        3 => (call.argument(1), call.argument(2)),
        _ => return Err(CommandError::Syntax),
    };
    let account = log_in(call, user, password).map_err(|error| match (settings.shape, error) {
        (ReplyShape::Discnt, CommandError::WrongPassword) => CommandError::InvalidPassword,
        (_, error) => error,
    })?;
    call.session.log_in(&account);
    acl::end_if_overreaching(call);
    Ok(OK.into())
}

fn log_in(call: &Call<'_>, user: &[u8], password: &[u8]) -> Result<Arc<Account>, CommandError> {
    let needs_password = call.session.has_certificate_user();
    let login = Login { user, password, command: call.argument(0), needs_password };
    call.environment.settings.access.log_in(&call.session.client, &login, call.now)
}

/// What HELLO asks for, all of it checked.
struct Greeting {
    protocol: Protocol,
    account: Option<Arc<Account>>,
    name: Option<String>,
}

fn hello(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    if call.arguments.len() == 1 {
        return if call.session.authenticated {
            Ok(nodes(call).into())
        } else {
            Err(CommandError::HelloNotAuthenticated)
        };
    }
    let greeting = parse_greeting(call)?;
    if !call.session.authenticated && greeting.account.is_none() {
        return Err(CommandError::HelloNotAuthenticated);
    }
    let session = &mut *call.session;
    if let Some(account) = greeting.account {
        session.log_in(&account);
    }
    session.set_protocol(greeting.protocol);
    if let Some(name) = greeting.name {
        session.client.change_labels(|labels| labels.name = name);
    }
    acl::end_if_overreaching(call);
    Ok(server(call).into())
}

fn parse_greeting(call: &Call<'_>) -> Result<Greeting, CommandError> {
    let version = super::keyspace::parse_integer(call.argument(1));
    let mut greeting = Greeting {
        protocol: match version.ok_or(CommandError::ProtocolNotInteger)? {
            2 => Protocol::Resp2,
            3 => Protocol::Resp3,
            _ => return Err(CommandError::UnsupportedProtocol),
        },
        account: None,
        name: None,
    };
    let mut at = 2;
    while let Some(option) = call.arguments.get(at) {
        let first = call.arguments.get(at + 1);
        let second = call.arguments.get(at + 2);
        match (first, second) {
            (Some(user), Some(password)) if option.eq_ignore_ascii_case(b"AUTH") => {
                greeting.account = Some(log_in(call, user, password)?);
                at += 3;
            }
            (Some(name), _) if option.eq_ignore_ascii_case(b"SETNAME") => {
                greeting.name = Some(check_label(name).ok_or(CommandError::ClientName)?);
                at += 2;
            }
            _ => return Err(CommandError::HelloOption(shown(option))),
        }
    }
    Ok(greeting)
}

/// The map that clients of Redis expect. The version is that of the Redis whose behaviour they may count on.
fn server(call: &Call<'_>) -> Reply {
    let id = i64::try_from(call.session.client.id()).unwrap_or(i64::MAX);
    let version = match call.session.protocol() {
        Protocol::Resp2 => 2,
        Protocol::Resp3 => 3,
    };
    Reply::Map(vec![
        (Reply::Text("server"), Reply::Text("discnt")),
        (Reply::Text("version"), Reply::Text(REDIS_VERSION)),
        (Reply::Text("discnt_version"), bulk(call.environment.settings.version.as_str())),
        (Reply::Text("proto"), Reply::Integer(version)),
        (Reply::Text("id"), Reply::Integer(id)),
        (Reply::Text("mode"), Reply::Text("standalone")),
        (Reply::Text("role"), Reply::Text("master")),
        (Reply::Text("modules"), Reply::Array(Vec::new())),
    ])
}

fn nodes(call: &Call<'_>) -> Reply {
    let view = call.environment.cluster.view();
    let myself = view.members.iter().find(|member| member.myself);
    let id = myself.map_or_else(String::new, |member| member.id.to_string());
    let mut replies = vec![Reply::Integer(1), bulk(id)];
    replies.extend(view.members.iter().map(|member| {
        Reply::Array(vec![
            bulk(member.id.to_string()),
            bulk(member.host.as_str()),
            bulk(member.client_port.to_string()),
            bulk(priority(member).to_string()),
        ])
    }));
    Reply::Array(replies)
}

/// The lower, the sooner a client should connect to it.
fn priority(member: &MemberView) -> u8 {
    match member.link {
        _ if member.myself => 1,
        _ if member.failed => 100,
        _ if member.suspected => 10,
        LinkView::Myself | LinkView::Linked => 1,
        LinkView::Handshake | LinkView::Unlinked => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, member};
    use super::*;
    use crate::node::ClusterView;

    #[test]
    fn nothing_is_served_before_the_password() {
        let mut bench = Bench::with_password("secret");
        let no = "-NOAUTH Authentication required.";
        let hello = "-NOAUTH HELLO must be called with the client already authenticated";
        let wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
        for line in ["ping", "get a", "command", "info", "client id", "cluster nodes"] {
            assert_eq!(bench.run(line), no, "{line}");
        }
        for line in ["hello", "hello 3", "hello 2 setname me"] {
            assert!(bench.run(line).starts_with(hello), "{line}");
        }
        for line in [
            "auth wrong",
            "auth secretx",
            "auth secre",
            "auth ",
            "auth secretsecret",
            "auth other secret",
            "hello 3 auth default wrong",
            "hello 3 auth other secret setname me",
        ] {
            assert_eq!(bench.run(line), wrong, "{line}");
            assert!(!bench.session.is_authenticated());
        }
        assert_eq!(bench.protocol(), Protocol::Resp2);
        assert!(bench.run("nosuch").starts_with("-ERR unknown command"));
        assert_eq!(bench.run("get"), "-ERR wrong number of arguments for 'get' command");
        assert_eq!(bench.run("auth default secret"), "+OK");
        assert_eq!(bench.run("ping"), "+PONG");
    }

    #[test]
    fn without_a_password_everyone_is_let_in() {
        let mut bench = Bench::new();
        assert!(bench.run("auth x").starts_with("-ERR AUTH <password> called without any password"));
        assert_eq!(bench.run("auth default x"), "+OK");
        assert!(bench.run("auth other x").starts_with("-WRONGPASS"));
        assert_eq!(bench.run("auth a b c"), "-ERR syntax error ('auth' command)");
        let empty = Bench::with_password("");
        assert!(empty.session.is_authenticated());
    }

    #[test]
    fn hello_chooses_the_protocol_or_changes_nothing() {
        let mut bench = Bench::new();
        let reply = bench.run("HELLO 3 AUTH default any SETNAME me");
        assert!(reply.starts_with("%8 $6 server $6 discnt $7 version"), "{reply}");
        assert!(reply.contains("$5 proto :3"), "{reply}");
        assert_eq!(bench.run("client getname"), "$2 me");
        for (line, error) in [
            ("hello 4", "-NOPROTO unsupported protocol version"),
            ("hello 1", "-NOPROTO unsupported protocol version"),
            ("hello x", "-ERR Protocol version is not an integer or out of range ('hello' command)"),
            ("hello 2 what", "-ERR Syntax error in HELLO option 'what'"),
            ("hello 2 auth default", "-ERR Syntax error in HELLO option 'auth'"),
            ("hello 2 setname", "-ERR Syntax error in HELLO option 'setname'"),
            (
                "hello 2 setname a\nb",
                "-ERR Client names cannot contain spaces, newlines or special characters. ('hello' command)",
            ),
        ] {
            assert_eq!(bench.run(line), error, "{line}");
            assert_eq!(bench.protocol(), Protocol::Resp3);
        }
        assert!(bench.run("hello 2").starts_with("*16 $6 server"));
        assert_eq!(bench.run("client getname"), "$2 me");
    }

    #[test]
    fn hello_alone_shows_the_nodes_and_whom_to_prefer() {
        let mut bench = Bench::new();
        let mut members: Vec<MemberView> = (1..=5).map(member).collect();
        members[2].link = LinkView::Unlinked;
        members[3].suspected = true;
        members[4].failed = true;
        let ids: Vec<String> = members.iter().map(|m| m.id.to_string()).collect();
        bench.environment.cluster.publish(ClusterView { members, ..ClusterView::default() });
        let mut expected = format!("*7 :1 $40 {}", ids[0]);
        for (at, priority) in ["$1 1", "$1 1", "$1 5", "$2 10", "$3 100"].iter().enumerate() {
            let host = format!("10.0.0.{}", at + 1);
            expected += &format!(" *4 $40 {} ${} {host} $4 771{} {priority}", ids[at], host.len(), at + 1);
        }
        assert_eq!(bench.run("hello"), expected);
    }

    #[test]
    fn who_becomes_another_keeps_nothing_that_the_other_may_not_know() {
        for (line, rules, ends) in [
            ("subscribe x", "~ads:* &ads:* +@all", true),
            ("subscribe ads:1", "~ads:* &ads:* +@all", false),
            ("psubscribe *", "~ads:* &ads:* +@all", true),
            ("monitor", "~* +@read", true),
            ("monitor", "~* +@all", false),
        ] {
            for login in ["auth ads any", "hello 3 auth ads any"] {
                let mut bench = Bench::new();
                bench.run("hello 3");
                bench.run(&format!("acl setuser ads on nopass {rules}"));
                bench.run(line);
                bench.run(login);
                assert_eq!(bench.session.client().is_ended(), ends, "{line}, {rules}, {login}");
            }
        }
    }
}
