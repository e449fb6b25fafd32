//! SLOWLOG: the requests that took longest lately.

use super::call::{Call, OK, bulk};
use super::error::CommandError;
use super::help;
use super::outcome::Outcome;
use super::slow_log::SlowRequest;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group};
use crate::resp::Reply;

const SUBCOMMAND: CommandSpecification =
    CommandSpecification { flags: &[Flag::Admin, Flag::Loading, Flag::Stale], ..BASE };

/// How many are shown if the client does not say.
const SHOWN: usize = 10;

pub(super) const SLOWLOG: CommandSpecification = CommandSpecification {
    name: "slowlog",
    summary: "Shows the requests that took commands.slowlog_slower_than_micros or longer",
    arity: -2,
    complexity: "Depends on the subcommand",
    subcommands: &[
        CommandSpecification {
            name: "get",
            summary: "Shows the newest of them",
            arity: -2,
            complexity: "O(N) for N entries",
            arguments: &[Argument::new("count", ArgumentKind::Integer).optional()],
            replies: "A list of entries, the newest first: 10, or count of them, or all with -1. Each is a list: its number, when it was run in seconds since 1970, how long it took in microseconds, the request (32 arguments and 128 bytes of each at most, passwords left out), the client's address and the client's name. The time is that of the node's work, without waiting for the disk or for the client. Where a client sends many requests at once, of those that cost a constant time one in 32 is timed.",
            handler: get,
            ..SUBCOMMAND
        },
        help::specification(Group::Server),
        CommandSpecification {
            name: "len",
            summary: "Counts them",
            replies: "How many are kept, as an integer; commands.slowlog_max_len at most.",
            handler: |call| {
                let length = call.environment.observation.slow_log.len();
                Ok(Reply::Integer(i64::try_from(length).unwrap_or(i64::MAX)).into())
            },
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "reset",
            summary: "Forgets them",
            replies: "OK.",
            handler: |call| {
                call.environment.observation.slow_log.clear();
                Ok(OK.into())
            },
            ..SUBCOMMAND
        },
    ],
    ..SUBCOMMAND
};

fn get(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let count = match (call.arguments.get(2), call.arguments.len()) {
        (None, _) => SHOWN,
        (Some(b"-1"), 3) => usize::MAX,
        (Some(count), 3) => {
            let count = super::keyspace::parse_integer(count).ok_or(CommandError::SlowLogCount)?;
            usize::try_from(count).unwrap_or(usize::MAX)
        }
        _ => return Err(CommandError::Arity("slowlog|get".to_owned())),
    };
    let entries = call.environment.observation.slow_log.newest(count);
    Ok(Reply::Array(entries.into_iter().map(entry).collect()).into())
}

fn entry(request: SlowRequest) -> Reply {
    let integer = |value: u64| Reply::Integer(i64::try_from(value).unwrap_or(i64::MAX));
    Reply::Array(vec![
        integer(request.id),
        integer(request.at.0 / 1000),
        integer(request.micros),
        Reply::Array(request.arguments.into_iter().map(Reply::Bulk).collect()),
        bulk(request.client),
        bulk(request.client_name),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    #[test]
    fn slow_requests_are_kept_newest_first() {
        let mut bench = Bench::new();
        bench.run("client setname me");
        bench.run_for("get a", 9_999);
        bench.run_for("get b", 10_000);
        bench.run_for("mget c d", 123_456);
        let newest = "*6 :1 :1700000000 :123456 *3 $4 mget $1 c $1 d $15 127.0.0.1:40000 $2 me";
        let oldest = "*6 :0 :1700000000 :10000 *2 $3 get $1 b $15 127.0.0.1:40000 $2 me";
        for (line, reply) in [
            ("slowlog len", ":2"),
            ("slowlog get", &*format!("*2 {newest} {oldest}")),
            ("slowlog get 1", &format!("*1 {newest}")),
            ("slowlog get -1", &format!("*2 {newest} {oldest}")),
            ("slowlog get 0", "*0"),
            ("slowlog get x", "-ERR count should be greater than or equal to -1 ('slowlog|get' command)"),
            ("slowlog get -2", "-ERR count should be greater than or equal to -1 ('slowlog|get' command)"),
            ("slowlog get 1 2", "-ERR wrong number of arguments for 'slowlog|get' command"),
            ("slowlog reset", "+OK"),
            ("slowlog get", "*0"),
        ] {
            assert_eq!(bench.run(line), reply, "{line}");
        }
    }

    #[test]
    fn as_many_are_kept_as_the_limits_say() {
        let mut bench = Bench::new();
        let log = &bench.environment.observation.clone().slow_log;
        log.set_slower_than_micros(0);
        for _ in 0..200 {
            bench.run_for("ping", 0);
        }
        assert_eq!(bench.run("slowlog len"), ":128");
        log.set_max_len(3);
        assert_eq!(bench.run("slowlog len"), ":3");
        log.set_slower_than_micros(-1);
        bench.run_for("ping", 1_000_000_000);
        assert!(bench.run("slowlog get 1").starts_with("*1 *6 :199 "));
    }
}
