//! MULTI and EXEC: several requests in one go, of which the other clients of this node see all or nothing.

use super::call::{Call, OK, shown};
use super::clients::Queued;
use super::dispatch;
use super::environment::Environment;
use super::error::CommandError;
use super::outcome::Outcome;
use super::session::Session;
use super::specification::{BASE, CommandSpecification, Flag, Group};
use super::table::Found;
use super::watching::{self, Watched};
use crate::base::Moment;
use crate::resp::{Arguments, OwnedArguments, Reply};

/// What a connection has asked for since MULTI.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    requests: Vec<(Found, OwnedArguments)>,
    bytes: usize,
    /// One of the requests may change counters.
    writes: bool,
    /// A request was refused, so none of them will be run.
    is_refused: bool,
}

impl Transaction {
    /// Takes note that a request was refused.
    pub(super) fn refuse(&mut self) {
        // The requests will not be needed.
        *self = Self { is_refused: true, ..Self::default() };
    }
}

const TRANSACTION: CommandSpecification = CommandSpecification {
    arity: 1,
    flags: &[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast],
    group: Group::Transactions,
    ..BASE
};

pub(super) const MULTI: CommandSpecification = CommandSpecification {
    name: "multi",
    summary: "Begins a transaction: what follows is queued until EXEC",
    replies: "OK. Every request until EXEC is then answered QUEUED, or with the error for which EXEC will run none of them: an unknown command, a wrong number of arguments, one that has to wait for something (as SAVE and CLUSTER MEET do), one that begins or ends subscriptions or MONITOR, or more than commands.max_transaction_bytes.",
    handler: |call| {
        if call.session.transaction.is_some() {
            return Err(CommandError::NestedMulti);
        }
        call.session.transaction = Some(Box::default());
        settle(call.session);
        Ok(OK.into())
    },
    ..TRANSACTION
};

pub(super) const EXEC: CommandSpecification = CommandSpecification {
    name: "exec",
    summary: "Runs what was queued since MULTI; other clients of this node see all of it or nothing",
    flags: &[Flag::NoScript, Flag::Loading, Flag::Stale],
    complexity: "As the queued requests; all threads of the node wait for it",
    replies: "The replies in the order of the requests, nothing (null) if a counter of WATCH has changed, or EXECABORT if a request was refused when it was queued. A request that fails when it is run does not keep the others from running, and nothing is taken back, as in Redis. Once the replies take more than commands.max_transaction_bytes, requests that change no counter are answered with an error instead of being run. Nobody who reads on this node sees a part of it. What is not promised: a message of a subscription may tell what a counter stands at between two of the requests; the other nodes hear of each counter by itself and may show some of the changes before the others; what they count meanwhile may arrive here between two of the requests; and after a crash a part may be on disk, unless EXEC was answered with durability always, which waits for the disk once for all requests.",
    handler: |call| {
        let outcome = execute(call);
        settle(call.session);
        outcome
    },
    ..TRANSACTION
};

pub(super) const DISCARD: CommandSpecification = CommandSpecification {
    name: "discard",
    summary: "Forgets what was queued since MULTI, and what WATCH was told",
    replies: "OK.",
    handler: |call| {
        call.session.transaction.take().ok_or(CommandError::DiscardWithoutMulti)?;
        settle(call.session);
        call.session.watched.clear();
        Ok(OK.into())
    },
    ..TRANSACTION
};

/// Brings what others know of the connection's transaction up to date.
pub(super) fn settle(session: &mut Session) {
    let queued = session.transaction.as_ref();
    session.client.set_queued(queued.map(|queued| Queued { requests: queued.requests.len(), bytes: queued.bytes }));
}

/// Whether a command is run at once within a transaction.
pub(super) fn runs_at_once(found: Found) -> bool {
    // Subcommands have names of their own: CLUSTER RESET is no RESET.
    found.container.is_none()
        && matches!(found.specification.name, "exec" | "discard" | "multi" | "watch" | "quit" | "reset")
}

/// Whether the command is an EXEC that may change counters.
pub(super) fn would_write(session: &Session, found: Found) -> bool {
    found.container.is_none()
        && found.specification.name == EXEC.name
        && session.transaction.as_ref().is_some_and(|transaction| transaction.writes)
}

/// Keeps a request for EXEC.
pub(super) fn queue(
    environment: &Environment,
    session: &mut Session,
    found: Found,
    arguments: Arguments<'_>,
) -> Result<Reply, CommandError> {
    if found.specification.has(Flag::NoMulti) {
        return Err(CommandError::NotInTransaction);
    }
    let Some(transaction) = session.transaction.as_mut().filter(|transaction| !transaction.is_refused) else {
        return Ok(Reply::Simple("QUEUED"));
    };
    let request = OwnedArguments::new(arguments);
    let most = environment.settings.commands.max_transaction_bytes;
    transaction.bytes += request.memory();
    if transaction.bytes as u64 > most {
        return Err(CommandError::TransactionTooLarge { most });
    }
    transaction.writes |= found.specification.has(Flag::Write);
    transaction.requests.push((found, request));
    settle(session);
    Ok(Reply::Simple("QUEUED"))
}

fn execute(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let transaction = call.session.transaction.take().ok_or(CommandError::ExecWithoutMulti)?;
    let watched = std::mem::take(&mut call.session.watched);
    if transaction.is_refused {
        return Err(CommandError::Discarded);
    }
    watching::check(call.session, &watched)?;
    let Call { environment, session, now, .. } = call;
    let (environment, now): (&Environment, Moment) = (environment, *now);
    admit(environment, &transaction)?;
    let replies = environment.exclusion.alone(session.thread(), || {
        let unchanged = |watched: &Watched| watched.is_unchanged(&environment.table);
        watched.iter().all(unchanged).then(|| run_all(environment, session, &transaction, now))
    });
    Ok(match replies {
        None => Reply::NullArray.into(),
        Some((replies, false)) => Reply::Array(replies).into(),
        Some((replies, true)) => Outcome::Close(Reply::Array(replies)),
    })
}

/// Refuses all where one would be refused: the disk may have failed since the requests were queued.
fn admit(environment: &Environment, transaction: &Transaction) -> Result<(), CommandError> {
    let gate = environment.persistence.gate();
    if gate.is_open() {
        return Ok(());
    }
    for (found, _) in &transaction.requests {
        let admitted = environment.persistence.admit(gate, found.specification);
        admitted.map_err(|error| CommandError::DiscardedBecause(error.reply("").to_string()))?;
    }
    Ok(())
}

/// The replies, and whether the connection is to be closed after them.
fn run_all(
    environment: &Environment,
    session: &mut Session,
    transaction: &Transaction,
    now: Moment,
) -> (Vec<Reply>, bool) {
    let most = environment.settings.commands.max_transaction_bytes;
    let (mut closes, mut bytes) = (false, 0);
    let run = |(found, request): &(Found, OwnedArguments)| {
        // What changes counters is run in any case: all of it or nothing. What it answers is not longer than what it is.
        if bytes > most && !found.specification.has(Flag::Write) {
            let error = CommandError::TransactionRepliesTooLarge { most };
            return Reply::Error(error.reply(&shown(found.full_name().as_bytes())));
        }
        let reply = match dispatch::execute_queued(environment, session, request.arguments(), now) {
            Outcome::Reply(reply) => reply,
            Outcome::Close(reply) => {
                closes = true;
                reply
            }
            // Nothing is begun before it is waited for.
            _ => {
                let name = shown(found.full_name().as_bytes());
                Reply::Error(CommandError::NotInTransaction.reply(&name))
            }
        };
        bytes += reply.memory() as u64;
        reply
    };
    let replies = transaction.requests.iter().map(run).collect();
    (replies, closes)
}

#[cfg(test)]
mod tests {
    use super::super::call::OK;
    use super::super::clients::Client;
    use super::super::config::CommandsConfig;
    use super::super::environment::Settings;
    use super::super::outcome::Outcome;
    use super::super::persistence::PersistenceFigures;
    use super::super::testing::Bench;
    use crate::base::Durability;
    use crate::resp::Reply;
    use std::sync::Arc;
    use std::time::Duration;

    /// Runs lines and holds what they are answered against the replies.
    #[track_caller]
    fn talk(bench: &mut Bench, lines: &[(&str, &str)]) {
        for (line, reply) in lines {
            assert_eq!(bench.run(line), *reply, "{line}");
        }
    }

    #[test]
    fn queued_requests_are_run_in_order_by_exec() {
        let mut bench = Bench::new();
        talk(
            &mut bench,
            &[
                ("multi", "+OK"),
                ("incrby a 2", "+QUEUED"),
                ("get a", "+QUEUED"),
                ("incrby a x", "+QUEUED"),
                ("mincrbyeach a 1 b 2", "+QUEUED"),
                ("slowlog reset", "+QUEUED"),
            ],
        );
        assert_eq!(bench.environment.table.len(), 0, "nothing is run before EXEC");
        let (client, queued) =
            (bench.session.client().clone(), |client: &Client| client.queued().map(|it| it.requests));
        assert_eq!(queued(&client), Some(5));
        let error = "-ERR value is not a valid decimal number ('incrby' command)";
        talk(
            &mut bench,
            &[
                ("exec", &format!("*5 :2 $1 2 {error} *2 :3 :2 +OK")),
                ("get a", "$1 3"),
                ("exec", "-ERR EXEC without MULTI"),
            ],
        );
        assert_eq!(queued(&client), None);
        talk(&mut bench, &[("multi", "+OK"), ("exec", "*0")]);
    }

    #[test]
    fn what_is_discarded_is_not_run() {
        let mut bench = Bench::new();
        talk(
            &mut bench,
            &[
                ("discard", "-ERR DISCARD without MULTI"),
                ("multi", "+OK"),
                ("incr a", "+QUEUED"),
                ("multi", "-ERR MULTI calls can not be nested"),
                ("watch a", "-ERR WATCH inside MULTI is not allowed"),
                ("discard", "+OK"),
                ("exec", "-ERR EXEC without MULTI"),
                ("multi", "+OK"),
                ("incr a", "+QUEUED"),
                ("reset", "+RESET"),
                ("exec", "-ERR EXEC without MULTI"),
                ("get a", "$1 0"),
            ],
        );
    }

    #[test]
    fn a_refused_request_makes_exec_run_none() {
        for (line, error) in [
            ("nosuch", "-ERR unknown command 'nosuch', with args beginning with:"),
            ("incr", "-ERR wrong number of arguments for 'incr' command"),
            ("client nosuch", "-ERR unknown subcommand 'nosuch'. Try CLIENT HELP."),
            ("save", "-ERR Command not allowed inside a transaction"),
            ("cluster meet 127.0.0.1 1", "-ERR Command not allowed inside a transaction"),
            ("cluster reset", "-ERR Command not allowed inside a transaction"),
            ("flushall", "-ERR Command not allowed inside a transaction"),
            ("subscribe a", "-ERR Command not allowed inside a transaction"),
            ("punsubscribe", "-ERR Command not allowed inside a transaction"),
            ("monitor", "-ERR Command not allowed inside a transaction"),
            ("config rewrite", "-ERR Command not allowed inside a transaction"),
        ] {
            let mut bench = Bench::new();
            talk(
                &mut bench,
                &[
                    ("multi", "+OK"),
                    ("incr a", "+QUEUED"),
                    (line, error),
                    ("incr a", "+QUEUED"),
                    ("exec", "-EXECABORT Transaction discarded because of previous errors."),
                    ("get a", "$1 0"),
                    ("exec", "-ERR EXEC without MULTI"),
                ],
            );
        }
    }

    #[test]
    fn a_transaction_takes_no_more_memory_than_allowed() {
        let commands = CommandsConfig { max_transaction_bytes: 1024, ..CommandsConfig::default() };
        let mut bench = Bench::with(Settings { commands, ..Settings::default() });
        bench.run("multi");
        let refused = (0..1000).find_map(|_| {
            let reply = bench.run("incr a");
            (reply != "+QUEUED").then_some(reply)
        });
        let error = "-ERR a transaction may take 1024 bytes at most (commands.max_transaction_bytes); it will be discarded ('incr' command)";
        assert_eq!(refused.as_deref(), Some(error));
        assert_eq!(bench.run("exec"), "-EXECABORT Transaction discarded because of previous errors.");
        assert_eq!(bench.run("get a"), "$1 0");
    }

    #[test]
    fn the_replies_take_no_more_memory_than_allowed_and_nothing_that_changes_counters_is_left_out() {
        let commands = CommandsConfig { max_transaction_bytes: 100_000, ..CommandsConfig::default() };
        let mut bench = Bench::with(Settings { commands, ..Settings::default() });
        for counter in 0..100 {
            bench.run(&format!("incr {counter}{}", "x".repeat(500)));
        }
        bench.run("multi");
        for _ in 0..100 {
            bench.run("keys *");
            bench.run("incr a");
        }
        let Reply::Array(replies) = bench.reply("exec") else { panic!("no list") };
        assert_eq!(replies.len(), 200);
        let error = "ERR the replies of this transaction take more than 100000 bytes (commands.max_transaction_bytes); this request was not run ('keys' command)";
        let refused = replies.iter().filter(|reply| matches!(reply, Reply::Error(text) if text.as_str() == error));
        assert_eq!(refused.count(), 98, "the second is the one that is too much");
        assert_eq!(bench.run("get a"), "$3 100");
    }

    #[test]
    fn a_disk_that_fails_before_exec_refuses_all() {
        let mut bench = Bench::new();
        let figures = Arc::new(PersistenceFigures::new(Durability::Always, Some(Duration::ZERO)));
        bench.environment.persistence = Arc::clone(&figures);
        talk(&mut bench, &[("multi", "+OK"), ("get a", "+QUEUED"), ("incr a", "+QUEUED")]);
        figures.commits_fail("No space left on device", bench.now.monotonic);
        let reply = bench.run("exec");
        assert!(
            reply.starts_with("-EXECABORT Transaction discarded because of: MISCONF Discnt cannot write"),
            "{reply}"
        );
        figures.commit_succeeded(bench.now.wall);
        assert!(!bench.session.take_awaits_disk());
        talk(&mut bench, &[("multi", "+OK"), ("incr a", "+QUEUED"), ("exec", "*1 :1")]);
        assert!(bench.session.take_awaits_disk(), "once for all");
    }

    #[test]
    fn a_pause_holds_requests_back_before_they_are_queued_and_exec_if_it_would_write() {
        let mut bench = Bench::new();
        let pause = |mode| [&b"client"[..], b"pause", b"1000", mode];
        let mut operator = Bench { session: Bench::connect(&bench.environment, bench.now), ..Bench::new() };
        operator.environment = bench.environment.clone();
        talk(&mut bench, &[("multi", "+OK"), ("incr a", "+QUEUED")]);
        assert_eq!(operator.outcome(&pause(b"write")), OK.into());
        assert_eq!(bench.outcome(&[b"incr", b"a"]), Outcome::Paused);
        assert_eq!(bench.outcome(&[b"exec"]), Outcome::Paused);
        talk(&mut bench, &[("get a", "+QUEUED"), ("discard", "+OK"), ("multi", "+OK"), ("get a", "+QUEUED")]);
        assert_eq!(bench.run("exec"), "*1 $1 0");
        assert_eq!(operator.outcome(&pause(b"all")), OK.into());
        assert_eq!(bench.outcome(&[b"multi"]), Outcome::Paused);
        operator.run("client unpause");
        talk(&mut bench, &[("multi", "+OK"), ("client pause 1000", "+QUEUED"), ("incr a", "+QUEUED")]);
        assert_eq!(bench.run("exec"), "*2 +OK :1", "what has begun is not held back");
        assert_eq!(bench.outcome(&[b"ping"]), Outcome::Paused);
    }

    #[test]
    fn the_password_is_asked_for_within_a_transaction_too() {
        let mut bench = Bench::with_password("secret");
        assert_eq!(bench.run("multi"), "-NOAUTH Authentication required.");
        bench.run("auth secret");
        talk(&mut bench, &[("multi", "+OK"), ("hello 3", "+QUEUED")]);
        assert!(bench.run("exec").starts_with("*1 %"), "the last request says how it is answered");
        talk(&mut bench, &[("multi", "+OK"), ("incr a", "+QUEUED")]);
        assert!(matches!(bench.outcome(&[b"quit"]), Outcome::Close(_)));
    }

    #[test]
    fn a_connection_that_ends_itself_in_a_transaction_is_answered_first() {
        let mut bench = Bench::new();
        talk(&mut bench, &[("multi", "+OK"), ("client kill skipme no", "+QUEUED"), ("incr a", "+QUEUED")]);
        let replies = Reply::Array(vec![Reply::Integer(1), Reply::Integer(1)]);
        assert_eq!(bench.outcome(&[b"exec"]), Outcome::Close(replies));
    }
}
