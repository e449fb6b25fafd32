//! SUBSCRIBE and its relatives: counters that tell by themselves what they stand at.

use super::call::{Call, bulk};
use super::error::CommandError;
use super::help;
use super::outcome::Outcome;
use super::session::Session;
use super::specification::{
    Argument, ArgumentKind, BASE, ChannelUse, CommandSpecification, Flag, Group, KeyAccess, KeyPositions,
};
use super::subscriptions::{DEFAULT_INTERVAL, LEAST_INTERVAL, Listening, MOST_INTERVAL, TooMany};
use crate::base::{Amount, Glob};
use crate::resp::{Protocol, Reply};
use std::sync::Arc;
use std::time::Duration;

/// The longest pattern, in bytes: what matches a name, with room for every byte of it to be a class of its own.
const MAX_PATTERN_BYTES: usize = 2048;

const NAMES: Argument = Argument::new("name", ArgumentKind::Text).multiple();
const PATTERNS: Argument = Argument::new("pattern", ArgumentKind::Pattern).multiple();

const SUBSCRIBING: CommandSpecification = CommandSpecification {
    arity: -2,
    // Its replies are not one each, and so do not fit into the list that EXEC answers.
    flags: &[Flag::PubSub, Flag::NoScript, Flag::NoMulti, Flag::Loading, Flag::Stale],
    group: Group::Subscription,
    ..BASE
};

const UNSUBSCRIBING: CommandSpecification = CommandSpecification { arity: -1, ..SUBSCRIBING };

pub(super) const SUBSCRIBE: CommandSpecification = CommandSpecification {
    name: "subscribe",
    summary: "Has the values of counters sent, at once and then at most once a second, as they change",
    complexity: "O(N log M) for N names and M subscriptions, and one reading a second for each",
    channels: KeyPositions::ALL,
    channel_use: ChannelUse::Name,
    arguments: &[NAMES],
    replies: "For each name three things: subscribe, the name, and how many subscriptions the connection has. After that \
              the messages come by themselves: message, the name, and the value that GET would answer. The first \
              tells what the counter stands at; one that does not exist is silent until it does, and one that is deleted is \
              told of with 0. While the node loads its counters nothing is told, and then at once. Counts of other nodes, \
              expected ones included, are told as own ones are. Where messages wait because the client does not read, only \
              the latest of each counter is kept.",
    handler: |call| subscribe(call, 1, DEFAULT_INTERVAL),
    ..SUBSCRIBING
};

pub(super) const ISUBSCRIBE: CommandSpecification = CommandSpecification {
    name: "isubscribe",
    summary: "Subscribes to counters, whose values are sent at most once in so many seconds",
    arity: -3,
    channels: KeyPositions::new(2, -1, 1),
    channel_use: ChannelUse::Name,
    complexity: "O(N log M) for N names and M subscriptions, and one reading an interval for each",
    arguments: &[Argument::new("seconds", ArgumentKind::Decimal), NAMES],
    replies: "As SUBSCRIBE. The interval is a number of seconds from 0.1 to 86400; a name that the connection is subscribed \
              to already takes the new one.",
    handler: |call| {
        let interval = interval(call.argument(1)).ok_or(CommandError::Interval)?;
        subscribe(call, 2, interval)
    },
    ..SUBSCRIBING
};

pub(super) const UNSUBSCRIBE: CommandSpecification = CommandSpecification {
    name: "unsubscribe",
    summary: "Ends subscriptions to counters, all of them if none is named",
    complexity: "O(N log M) for N names and M subscriptions",
    arguments: &[NAMES.optional()],
    replies: "For each name three things: unsubscribe, the name (null if there was none), and how many subscriptions the \
              connection still has. No message of such a counter comes after that.",
    handler: |call| {
        let given: Vec<&[u8]> = call.arguments_from(1).collect();
        Ok(end(call, "unsubscribe", &given, Listening::names, Listening::unsubscribe))
    },
    ..UNSUBSCRIBING
};

pub(super) const PSUBSCRIBE: CommandSpecification = CommandSpecification {
    name: "psubscribe",
    summary: "Has the values of all counters whose names match a pattern sent as they change, at most once a second each",
    complexity: "O(N log M) for N patterns and M subscriptions; a new pattern is held once against all counters, and once \
                 against each that is made. After that it costs as much as counters change that it takes in",
    channels: KeyPositions::ALL,
    channel_use: ChannelUse::Pattern,
    arguments: &[PATTERNS],
    replies: "For each pattern three things: psubscribe, the pattern, and how many subscriptions the connection has. After \
              that the messages come by themselves: pmessage, the pattern, the name, and the value. Only changes after the \
              subscription are told, not what the counters stood at; a counter that is deleted is told of with 0. A \
              connection that leaves more than [resp] max_unsent_messages of them unread is closed. A pattern may take 2048 \
              bytes.",
    handler: |call| {
        let patterns: Vec<&[u8]> = call.arguments_from(1).collect();
        if patterns.iter().any(|pattern| pattern.len() > MAX_PATTERN_BYTES) {
            return Err(CommandError::PatternTooLong { most: MAX_PATTERN_BYTES });
        }
        let table = Arc::clone(&call.environment.table);
        begin(call, "psubscribe", &patterns, |listening| listening.subscribe_to_patterns(&patterns, &table))
    },
    ..SUBSCRIBING
};

pub(super) const PUNSUBSCRIBE: CommandSpecification = CommandSpecification {
    name: "punsubscribe",
    summary: "Ends subscriptions to patterns, all of them if none is given",
    complexity: "O(N log M) for N patterns and M subscriptions",
    arguments: &[PATTERNS.optional()],
    replies: "As UNSUBSCRIBE, with punsubscribe and the pattern.",
    handler: |call| {
        let given: Vec<&[u8]> = call.arguments_from(1).collect();
        Ok(end(call, "punsubscribe", &given, Listening::patterns, Listening::unsubscribe_from_patterns))
    },
    ..UNSUBSCRIBING
};

pub(super) const PUBLISH: CommandSpecification = CommandSpecification {
    name: "publish",
    summary: "Refuses: counters publish themselves",
    arity: 3,
    channels: KeyPositions::FIRST,
    channel_use: ChannelUse::Publish,
    flags: &[Flag::PubSub, Flag::Loading, Flag::Stale, Flag::Fast],
    arguments: &[Argument::new("channel", ArgumentKind::Text), Argument::new("message", ArgumentKind::Text)],
    replies: "An error that says so. Whoever is subscribed to a counter is told of every change by INCR, DECR or SET.",
    handler: |_| Err(CommandError::CountersPublish),
    ..SUBSCRIBING
};

const SUBCOMMAND: CommandSpecification =
    CommandSpecification { flags: &[Flag::PubSub, Flag::Loading, Flag::Stale], group: Group::Subscription, ..BASE };

pub(super) const PUBSUB: CommandSpecification = CommandSpecification {
    name: "pubsub",
    summary: "Shows what the clients of this node are subscribed to",
    arity: -2,
    flags: &[],
    complexity: "Depends on the subcommand",
    subcommands: &[
        CommandSpecification {
            name: "channels",
            summary: "Lists the counters that somebody is subscribed to by name",
            arity: -2,
            complexity: "O(N) for N such names",
            arguments: &[Argument::new("pattern", ArgumentKind::Pattern).optional()],
            replies: "The names, or those that match the pattern; of a user that may not read all counters, those that it may read.",
            handler: |call| {
                if call.arguments.len() > 3 {
                    return Err(CommandError::Arity("pubsub|channels".to_owned()));
                }
                let glob = call.arguments.get(2).map(Glob::new);
                let rights = call.session.rights.limits();
                let may_see = |name: &[u8]| rights.is_none_or(|user| user.may(name, KeyAccess::READ));
                let wanted = |name: &[u8]| glob.is_none_or(|glob| glob.matches(name)) && may_see(name);
                let names = call.environment.subscriptions.names_where(wanted);
                Ok(Reply::Array(names.iter().map(|name| bulk(&**name)).collect()).into())
            },
            ..SUBCOMMAND
        },
        help::specification(Group::Subscription),
        CommandSpecification {
            name: "numpat",
            summary: "Counts the patterns that somebody is subscribed to",
            replies: "How many different ones there are, as an integer.",
            handler: |call| Ok(count(call.environment.subscriptions.patterns()).into()),
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "numsub",
            summary: "Counts the clients that are subscribed to each of these counters by name",
            arity: -2,
            complexity: "O(N) for N names",
            arguments: &[NAMES.optional()],
            replies: "Each name, followed by how many, as an integer.",
            handler: |call| {
                let subscriptions = &call.environment.subscriptions;
                let pairs =
                    call.arguments_from(2).flat_map(|name| [bulk(name), count(subscriptions.subscribers_of(name))]);
                Ok(Reply::Array(pairs.collect()).into())
            },
            ..SUBCOMMAND
        },
    ],
    ..SUBCOMMAND
};

/// What a connection that speaks RESP2 may say while it has subscriptions: replies to anything else could not be told
/// from messages.
const ALLOWED: &[&str] =
    &["subscribe", "isubscribe", "unsubscribe", "psubscribe", "punsubscribe", "ping", "quit", "reset"];

/// Whether the connection's subscriptions let this command pass.
pub(super) fn admit(session: &Session, command: &CommandSpecification) -> bool {
    !is_bound(session) || ALLOWED.contains(&command.name)
}

/// Whether the connection is one for messages alone.
pub(super) fn is_bound(session: &Session) -> bool {
    session.listening.is_some() && session.protocol() == Protocol::Resp2
}

fn subscribe(call: &mut Call<'_>, from: usize, interval: Duration) -> Result<Outcome, CommandError> {
    let names: Vec<&[u8]> = call.names_from(from)?.map(|name| name.as_bytes()).collect();
    let now = call.now.monotonic;
    begin(call, "subscribe", &names, |listening| listening.subscribe(&names, interval, now))
}

fn begin(
    call: &mut Call<'_>,
    kind: &'static str,
    topics: &[&[u8]],
    subscribe: impl FnOnce(&Listening) -> Result<Vec<usize>, TooMany>,
) -> Result<Outcome, CommandError> {
    let client = Arc::clone(&call.session.client);
    let subscriptions = &call.environment.subscriptions;
    let listening = call.session.listening.get_or_insert_with(|| subscriptions.listen(&client));
    let counts = subscribe(listening);
    settle(call.session);
    let counts = counts?;
    Ok(confirmations(kind, topics.iter().map(|topic| bulk(*topic)).zip(counts)))
}

fn end(
    call: &mut Call<'_>,
    kind: &'static str,
    given: &[&[u8]],
    all: impl FnOnce(&Listening) -> Vec<Arc<[u8]>>,
    unsubscribe: impl FnOnce(&Listening, &[&[u8]]) -> Vec<usize>,
) -> Outcome {
    let Some(listening) = &call.session.listening else {
        // Each is confirmed all the same.
        let topics = given.iter().map(|topic| (bulk(*topic), 0));
        return if given.is_empty() { nothing_ended(kind, 0) } else { confirmations(kind, topics) };
    };
    let everything = if given.is_empty() { all(listening) } else { Vec::new() };
    let everything: Vec<&[u8]> = everything.iter().map(|topic| &**topic).collect();
    let topics = if given.is_empty() { &everything } else { given };
    let outcome = if topics.is_empty() {
        let (names, patterns) = listening.counts();
        nothing_ended(kind, names + patterns)
    } else {
        let counts = unsubscribe(listening, topics);
        confirmations(kind, topics.iter().map(|topic| bulk(*topic)).zip(counts))
    };
    settle(call.session);
    outcome
}

/// Brings what the session and others know of its subscriptions up to date.
pub(super) fn settle(session: &mut Session) {
    let counts = session.listening.as_ref().map_or((0, 0), Listening::counts);
    if counts == (0, 0) {
        session.listening = None;
    }
    session.client.set_subscriptions(counts);
}

fn confirmations(kind: &'static str, topics: impl Iterator<Item = (Reply, usize)>) -> Outcome {
    let each = topics.map(|(topic, left)| Reply::Push(vec![Reply::Text(kind), topic, count(left)]));
    Reply::Many(each.collect()).into()
}

fn nothing_ended(kind: &'static str, left: usize) -> Outcome {
    confirmations(kind, std::iter::once((Reply::Null, left)))
}

fn count(number: usize) -> Reply {
    Reply::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// An interval within the bounds, exact to a nanosecond.
fn interval(text: &[u8]) -> Option<Duration> {
    const UNITS_PER_NANO: i128 = Amount::ONE.units() / 1_000_000_000;
    let nanos = Amount::parse(text).ok()?.units() / UNITS_PER_NANO;
    let interval = Duration::from_nanos(u64::try_from(nanos).ok()?);
    (LEAST_INTERVAL..=MOST_INTERVAL).contains(&interval).then_some(interval)
}

#[cfg(test)]
#[path = "subscribing_tests.rs"]
mod tests;
