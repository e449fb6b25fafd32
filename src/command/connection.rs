//! Commands about the connection itself.

use super::call::{OK, bulk};
use super::clients::Mark;
use super::error::CommandError;
use super::keyspace::parse_integer;
use super::outcome::Outcome;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group};
use super::{monitor, subscribing, transactions};
use crate::resp::{Protocol, Reply};

const MESSAGE: Argument = Argument::new("message", ArgumentKind::Text);

const CONNECTION: CommandSpecification =
    CommandSpecification { flags: &[Flag::Loading, Flag::Stale, Flag::Fast], group: Group::Connection, ..BASE };

pub(super) const PING: CommandSpecification = CommandSpecification {
    name: "ping",
    summary: "Answers, to show that the node is there",
    arity: -1,
    arguments: &[MESSAGE.optional()],
    replies: "PONG, or the message as a bulk string; under RESP2, on a connection with subscriptions, a list of pong and the message.",
    handler: |call| match (call.arguments.len(), call.arguments.get(1)) {
        // Where only messages are expected, this looks like one.
        (1 | 2, message) if subscribing::is_bound(call.session) => {
            Ok(Reply::Array(vec![Reply::Text("pong"), bulk(message.unwrap_or_default())]).into())
        }
        (1, _) => Ok(Reply::Simple("PONG").into()),
        (2, Some(message)) => Ok(bulk(message).into()),
        _ => Err(CommandError::Arity("ping".to_owned())),
    },
    ..CONNECTION
};

pub(super) const ECHO: CommandSpecification = CommandSpecification {
    name: "echo",
    summary: "Answers what it is given",
    arguments: &[MESSAGE],
    replies: "The message as a bulk string.",
    handler: |call| Ok(bulk(call.argument(1)).into()),
    ..CONNECTION
};

pub(super) const SELECT: CommandSpecification = CommandSpecification {
    name: "select",
    summary: "Chooses a database, of which there is only number 0",
    arguments: &[Argument::new("index", ArgumentKind::Integer)],
    replies: "OK for 0.",
    handler: |call| match parse_integer(call.argument(1)) {
        Some(0) => Ok(OK.into()),
        Some(_) => Err(CommandError::Database),
        None => Err(CommandError::NotInteger),
    },
    ..CONNECTION
};

pub(super) const RESET: CommandSpecification = CommandSpecification {
    name: "reset",
    summary: "Takes the connection back to how it was when it was made: RESP2, no name, no subscriptions, no transaction, no MONITOR, all replies wanted, password not given",
    arity: 1,
    flags: &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::NoAuth],
    replies: "RESET.",
    handler: |call| {
        call.session.set_protocol(Protocol::Resp2);
        call.session.log_out(call.environment, call.now);
        call.session.client.change_labels(|labels| labels.name.clear());
        call.session.listening = None;
        subscribing::settle(call.session);
        call.session.transaction = None;
        transactions::settle(call.session);
        call.session.watched.clear();
        call.session.replies.turn(true);
        for mark in [Mark::NoEvict, Mark::NoTouch] {
            call.session.client.set(mark, false);
        }
        monitor::end(call.session);
        Ok(Reply::Simple("RESET").into())
    },
    ..CONNECTION
};

pub(super) const QUIT: CommandSpecification = CommandSpecification {
    name: "quit",
    summary: "Ends the connection once all replies before it are sent",
    arity: -1,
    flags: RESET.flags,
    replies: "OK.",
    handler: |_| Ok(Outcome::Close(OK)),
    ..CONNECTION
};

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;

    #[test]
    fn a_connection_is_asked_about() {
        let mut bench = Bench::new();
        for (line, reply) in [
            ("ping", "+PONG"),
            ("PING hello", "$5 hello"),
            ("ping a b", "-ERR wrong number of arguments for 'ping' command"),
            ("echo x", "$1 x"),
            ("echo", "-ERR wrong number of arguments for 'echo' command"),
            ("select 0", "+OK"),
            ("select 1", "-ERR DB index is out of range ('select' command)"),
            ("select x", "-ERR value is not an integer or out of range ('select' command)"),
            ("reset x", "-ERR wrong number of arguments for 'reset' command"),
        ] {
            assert_eq!(bench.run(line), reply, "{line}");
        }
        assert_eq!(bench.outcome(&[b"quit"]), Outcome::Close(OK));
    }

    #[test]
    fn reset_forgets_what_the_connection_was_told() {
        let mut bench = Bench::with_password("secret");
        bench.run("hello 3 auth default secret setname me");
        assert_eq!(bench.run("client getname"), "$2 me");
        assert_eq!(bench.run("reset"), "+RESET");
        assert_eq!(bench.protocol(), Protocol::Resp2);
        assert_eq!(bench.run("client getname"), "-NOAUTH Authentication required.");
        bench.run("auth secret");
        assert_eq!(bench.run("client getname"), "$-1");
        for line in ["client no-evict on", "client no-touch on", "client reply off"] {
            bench.run(line);
        }
        assert!(!bench.session.takes_reply());
        bench.run("reset");
        assert!(bench.session.takes_reply(), "its own one to begin with");
        bench.run("auth secret");
        assert!(bench.text("client info").contains(" flags=N "));
    }
}
