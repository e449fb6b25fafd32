//! WATCH: EXEC runs only if these counters are still what they were.

use super::call::{Call, OK};
use super::error::CommandError;
use super::outcome::Outcome;
use super::session::Session;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group, KeyAccess, KeyPositions};
use super::table;
use crate::base::Name;
use crate::counter::{Seen, Table};
use crate::resp::{OwnedArguments, Reply};

/// The most counters that one connection watches.
const MAX_WATCHED: usize = 10_000;

const WATCHING: CommandSpecification = CommandSpecification {
    flags: &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast],
    group: Group::Transactions,
    ..BASE
};

pub(super) const WATCH: CommandSpecification = CommandSpecification {
    name: "watch",
    summary: "Has the next EXEC run nothing if one of these counters has changed on this node",
    arity: -2,
    flags: &[Flag::NoScript, Flag::Stale, Flag::Fast],
    keys: KeyPositions::ALL,
    access: KeyAccess::READ,
    complexity: "O(N) for N names",
    arguments: &[Argument::new("name", ArgumentKind::Key).multiple()],
    replies: "OK. A counter has changed when it was counted or set on this node, or when this node has heard that it was elsewhere; a value that a prediction moves has not, and one that was counted up and down again by as much may have or not. Nothing keeps the other nodes from changing it before they hear of the transaction.",
    handler: watch,
    ..WATCHING
};

pub(super) const UNWATCH: CommandSpecification = CommandSpecification {
    name: "unwatch",
    summary: "Forgets what WATCH was told",
    arity: 1,
    replies: "OK.",
    handler: |call| {
        call.session.watched.clear();
        Ok(OK.into())
    },
    ..WATCHING
};

/// A counter as it was when it began to be watched.
#[derive(Debug)]
pub(super) struct Watched {
    name: Box<[u8]>,
    /// None if it did not exist.
    seen: Option<Seen>,
}

impl Watched {
    fn new(table: &Table, name: Name<'_>) -> Self {
        Self { name: name.as_bytes().into(), seen: table.seen(name) }
    }

    /// Whether it is as it was.
    pub(super) fn is_unchanged(&self, table: &Table) -> bool {
        Name::new(&self.name).is_ok_and(|name| table.seen(name) == self.seen)
    }
}

fn watch(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    if call.session.transaction.is_some() {
        return Err(CommandError::WatchInsideMulti);
    }
    let names = call.names_from(1)?;
    if call.session.watched.len() + call.arguments.len() - 1 > MAX_WATCHED {
        return Err(CommandError::TooManyWatched { most: MAX_WATCHED });
    }
    let table = &call.environment.table;
    call.session.watched.extend(names.map(|name| Watched::new(table, name)));
    Ok(Reply::Simple("OK").into())
}

/// What is watched was allowed when it was said; the connection may be another user's since, or that one's rights less. Then
/// EXEC must not tell whether it has changed.
pub(super) fn check(session: &Session, watched: &[Watched]) -> Result<(), CommandError> {
    let account = session.rights.account();
    if watched.is_empty() || account.is_unrestricted() {
        return Ok(());
    }
    let user = account.user();
    let request: Vec<&[u8]> = std::iter::once(&b"watch"[..]).chain(watched.iter().map(|one| &*one.name)).collect();
    let request = OwnedArguments::of(&request);
    let is_allowed = table::find(b"watch").is_some_and(|found| user.check(found, request.arguments()).is_ok());
    if is_allowed { Ok(()) } else { Err(CommandError::NoLongerAllowed("no permission to touch the specified keys")) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    #[test]
    fn a_watched_counter_that_changes_keeps_exec_from_running() {
        for (change, exec) in [
            ("get a", "*1 :6"),
            ("incr other", "*1 :6"),
            ("precision a 3", "*1 :6"),
            ("incr a", "*-1"),
            ("set a 5", "*-1"),
            ("del a", "*-1"),
            ("unwatch", "*1 :6"),
            ("mincrby 1 a a", "*-1"),
            ("mincrbyeach a 2 a -2", "*1 :6"),
        ] {
            let mut bench = Bench::new();
            bench.run("set a 5");
            assert_eq!(bench.run("watch b a"), "+OK");
            let mut flushed = Vec::new();
            bench.environment.table.drain(usize::MAX, bench.now.monotonic, &mut flushed);
            bench.run(change);
            bench.run("multi");
            bench.run("incr a");
            assert_eq!(bench.run("exec"), exec, "{change}");
            // What was watched is forgotten.
            bench.run("incr b");
            bench.run("multi");
            assert_eq!(bench.run("exec"), "*0");
        }
    }

    #[test]
    fn what_is_refused_watches_nothing() {
        let mut bench = Bench::new();
        assert_eq!(bench.run("watch"), "-ERR wrong number of arguments for 'watch' command");
        assert_eq!(bench.run("watch a "), "-ERR a counter name must not be empty ('watch' command)");
        let many = format!("watch{}", " a".repeat(10_001));
        assert_eq!(bench.run(&many), "-ERR a connection watches 10000 counters at most ('watch' command)");
        assert!(bench.session.watched.is_empty());
    }

    #[test]
    fn who_may_not_know_a_counter_is_not_told_that_it_changed_while_another_user_watched_it() {
        for change in ["get secret", "incr secret"] {
            let mut bench = Bench::new();
            assert_eq!(bench.run("acl setuser low on nopass ~low:* +@all"), "+OK");
            assert_eq!(bench.run("watch secret low:1"), "+OK");
            bench.run(change);
            assert_eq!(bench.run("auth low x"), "+OK");
            bench.run("multi");
            bench.run("incr low:1");
            let told = bench.run("exec");
            assert!(told.contains("no permission to touch the specified keys"), "{change}: {told}");
            bench.run("watch low:1");
            bench.run("multi");
            bench.run("incr low:1");
            assert_eq!(bench.run("exec"), "*1 :1", "{change}");
        }
    }
}
