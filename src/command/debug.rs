//! DEBUG: what a node holds, for those who look for a fault. Refused unless the configuration allows it.

use super::call::{Call, bulk};
use super::counter_report::CounterReport;
use super::error::CommandError;
use super::flushing;
use super::help;
use super::outcome::{Outcome, Pending, StorageRequest};
use super::prediction_report;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group, KeyPositions};
use std::time::Duration;

const FLUSHING: &[Flag] = &[Flag::Admin, Flag::Write, Flag::NoScript, Flag::NoMulti];

const SUBCOMMAND: CommandSpecification =
    CommandSpecification { flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale], ..BASE };

pub(super) const DEBUG: CommandSpecification = CommandSpecification {
    name: "debug",
    summary: "Shows what the node holds, where debug.enabled = true allows it",
    arity: -2,
    complexity: "Depends on the subcommand",
    subcommands: &[
        CommandSpecification {
            name: "counter",
            summary: "Shows all that the node holds of a counter, and what of it the other nodes have said they have",
            arity: 3,
            keys: KeyPositions::new(2, 2, 1),
            complexity: "O(N) for N nodes",
            arguments: &[Argument::new("name", ArgumentKind::Key)],
            replies: "A map: exists; value as GET reads it, and value-as-told without predictions; precision and who set it; own-share and other-shares, of each the replica (node id/which of its lives), born and revision (numbers of its sequence), total, what of that the assignment's cut covers, and its prediction: rate in amount a second, told how long ago; assignment, the last SET or DEL, with its cut, and with its context: up to which number its writer had everything; given-up, the shares that are no more; members, with what each has of this node's share, the assignment and the precision: durable, received, not yet, or not linked (as of its last digest, a second or two ago). Of a counter that was deleted there is something to show until all nodes have given it up.",
            handler: counter,
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "digest",
            summary: "Shows one hash of all counters, which is the same on all nodes that agree",
            complexity: "O(N) for N counters, up to a few seconds for a million; other clients of the same thread wait",
            replies: "40 hexadecimal digits. They cover, for each counter, its name, each replica's share (birth and exact total), the last SET or DEL (time, writer, number, value) and the PRECISION that was set. They do not cover predictions, nor what is left of counters that do not exist: that is given up at another time on each node. An increment counts from when it was made, on the other nodes from when they heard of it. Of counters that change while it runs, the states before and after may be mixed.",
            handler: digest,
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "flushall",
            summary: "Deletes all counters in the whole cluster, exactly as FLUSHALL does",
            flags: FLUSHING,
            complexity: "As FLUSHALL",
            replies: "As FLUSHALL.",
            handler: |call| {
                check_allowed(call)?;
                flushing::flush_for_debugging(call)
            },
            ..SUBCOMMAND
        },
        help::specification(Group::Server),
        CommandSpecification {
            name: "prediction",
            summary: "Shows what the node knows of how a counter moves",
            arity: 3,
            keys: KeyPositions::new(2, 2, 1),
            complexity: "O(N) for N nodes",
            arguments: &[Argument::new("name", ArgumentKind::Key)],
            replies: "A map: precision; band, how far the own share may be from what the others believe; own-share, nothing (null) while it is at rest or no other node is there to be told, otherwise its total, what the others believe of it, the rate they were told in amount a second and how long ago, the estimated rate and the seconds of observation behind it, the increments since it was told with the longest gap between two of them, how long ago the last was, whether arrivals deviated lately more than chance does, and when it is looked at again; other-shares, those that move by a prediction: replica, total and rate as told, how long ago, and what that is read as now.",
            handler: |call| {
                check_allowed(call)?;
                Ok(prediction_report::report(call)?.into())
            },
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "reload",
            summary: "Writes all that changed to disk, reads all of it back as a start does, and holds it against memory",
            flags: &[Flag::Admin, Flag::NoScript, Flag::NoMulti],
            complexity: "O(N) for N counters: as long as a start takes to load them. Other clients are served meanwhile, but nothing else is written: with durability always, replies to changes wait, and with everysec a crash before it is done may lose all that was counted since it began, not just the last second",
            replies: "OK once all is on disk, every file there has been checked, and every counter read back is what is in memory. Memory is not replaced by what was read: where both agree that would change nothing, and where they do not, memory is what clients were told. Of a counter that was changed meanwhile, nothing on disk may be newer than what is in memory. An error says that it could not be written or read, or names the first counter, by name, that differs; memory is as it was then, and discnt-cli backup keeps what is in it.",
            handler: |call| {
                check_allowed(call)?;
                Ok(StorageRequest::Reload.into())
            },
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "reset",
            summary: "Deletes all counters in the whole cluster, exactly as FLUSHALL does",
            flags: FLUSHING,
            complexity: "As FLUSHALL",
            replies: "As FLUSHALL.",
            handler: |call| {
                check_allowed(call)?;
                flushing::flush_for_debugging(call)
            },
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "sleep",
            summary: "Answers after a time; other clients are served meanwhile",
            arity: 3,
            flags: &[Flag::Admin, Flag::NoScript, Flag::NoMulti, Flag::Loading, Flag::Stale],
            complexity: "As long as it is asked to take",
            arguments: &[Argument::new("seconds", ArgumentKind::Decimal)],
            replies: "OK after so many seconds, at most a day.",
            handler: sleep,
            ..SUBCOMMAND
        },
    ],
    ..SUBCOMMAND
};

fn sleep(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    check_allowed(call)?;
    let seconds = std::str::from_utf8(call.argument(2)).ok().and_then(|text| text.parse().ok());
    let seconds: f64 = seconds.filter(|seconds| (0.0..=86_400.0).contains(seconds)).ok_or(CommandError::NotFloat)?;
    Ok(Outcome::Wait(Pending::Sleep(Duration::from_secs_f64(seconds))))
}

/// Refuses what the configuration does not allow.
fn check_allowed(call: &Call<'_>) -> Result<(), CommandError> {
    if call.environment.settings.debug.enabled { Ok(()) } else { Err(CommandError::DebugNotAllowed) }
}

fn counter(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    check_allowed(call)?;
    let found = call.environment.table.examine(call.name(2)?, call.now.monotonic);
    let found = found.ok_or(CommandError::NoSuchKey)?;
    Ok(CounterReport::new(call, &found).reply().into())
}

fn digest(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    check_allowed(call)?;
    let cluster = &call.environment.cluster;
    let fingerprint = call.environment.table.fingerprint(&|index| cluster.replica(index));
    let fingerprint = fingerprint.ok_or(CommandError::Starting)?;
    Ok(bulk(fingerprint.to_string()).into())
}

#[cfg(test)]
mod tests {
    use super::super::config::Config;
    use super::super::environment::Settings;
    use super::super::flushing::FlushRequest;
    use super::super::outcome::{Pending, StorageRequest};
    use super::super::testing::{Bench, member};
    use crate::base::{Amount, Incarnation, Name, NodeId, ReplicaId, ReplicaIndex, Total};
    use crate::counter::{Announcement, Forecast, IncomingShare, Share};
    use crate::node::ClusterView;
    use crate::replication::{Digest, DigestEntry};
    use crate::resp::Reply;
    use std::time::Duration;

    const OTHER: ReplicaIndex = ReplicaIndex(1);

    /// A bench on which DEBUG is allowed, with this replica and one of another node, which is a member.
    fn bench() -> Bench {
        let bench = Bench::with(Settings { debug: Config { enabled: true }, ..Settings::default() });
        let replica = |node, incarnation| ReplicaId { node: NodeId::new([node; 20]), incarnation };
        let replicas = [replica(7, Incarnation(1)), replica(2, Incarnation(3))];
        bench.environment.cluster.publish_replicas(replicas.into());
        bench.environment.table.set_members(2);
        bench
    }

    fn share(bench: &Bench, name: &str, units: i64, rate: f32) {
        let total = Total::from_units(Amount::from(units).units());
        let since = bench.now.monotonic.before(Duration::from_millis(500));
        let forecast = (rate != 0.0).then_some(Forecast { total, rate, whole: true, since });
        let incoming =
            IncomingShare { replica: OTHER, share: Share { born: 4, revision: 9, total }, forecast, in_order_at: None };
        bench.environment.table.progress().set_heard_at(OTHER, bench.now.monotonic);
        bench.environment.table.take_share(Name::new(name.as_bytes()).expect("a name"), incoming);
    }

    fn flush(bench: &Bench) -> Vec<Announcement> {
        let mut out = Vec::new();
        bench.environment.table.drain(usize::MAX, bench.now.monotonic, &mut out);
        out
    }

    /// A value below maps, by the keys on the way; lists are entered by position.
    fn at<'a>(reply: &'a Reply, path: &str) -> &'a Reply {
        path.split('.').fold(reply, |inner, step| match inner {
            Reply::Map(pairs) => {
                let found = pairs.iter().find(|(key, _)| text(key) == step);
                &found.unwrap_or_else(|| panic!("no {step} of {path} in {inner:?}")).1
            }
            Reply::Array(items) => &items[step.parse::<usize>().expect("a position")],
            other => panic!("{step} of {path} in {other:?}"),
        })
    }

    fn text(reply: &Reply) -> String {
        match reply {
            Reply::Text(text) => (*text).to_owned(),
            Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Reply::Amount(amount) => amount.to_string(),
            Reply::Integer(number) => number.to_string(),
            Reply::Boolean(value) => value.to_string(),
            Reply::Double(value) => value.to_string(),
            Reply::Null => "nil".to_owned(),
            Reply::Array(items) => format!("{} items", items.len()),
            other => format!("{other:?}"),
        }
    }

    #[track_caller]
    fn shows(reply: &Reply, expected: &[(&str, &str)]) {
        for (path, value) in expected {
            assert_eq!(text(at(reply, path)), *value, "{path}");
        }
    }

    #[test]
    fn nothing_but_help_is_answered_unless_the_configuration_allows_it() {
        let mut bench = Bench::new();
        let refusal = "-ERR DEBUG command not allowed. To allow it, set enabled = true in the section [debug]";
        for line in
            ["debug digest", "DEBUG COUNTER a", "debug reload", "debug sleep 0", "debug prediction a", "debug reset"]
        {
            assert!(bench.run(line).starts_with(refusal), "{}", bench.run(line));
        }
        assert!(bench.run("debug help").contains("COUNTER name"));
        assert_eq!(bench.run("debug"), "-ERR wrong number of arguments for 'debug' command");
        assert_eq!(bench.run("debug segfault"), "-ERR unknown subcommand 'segfault'. Try DEBUG HELP.");
        assert_eq!(bench.run("debug counter"), "-ERR wrong number of arguments for 'debug|counter' command");
        let mut bench = self::bench();
        assert_eq!(bench.pending("debug reload"), Pending::Storage(StorageRequest::Reload));
        assert_eq!(bench.run("debug counter nothing"), "-ERR no such key ('debug|counter' command)");
        assert!(bench.run("debug counter ").starts_with("-ERR a counter name must not be empty"));
    }

    #[test]
    fn sleeping_and_flushing_are_asked_for() {
        let mut bench = self::bench();
        assert_eq!(bench.pending("debug sleep 0.25"), Pending::Sleep(Duration::from_millis(250)));
        for line in ["debug sleep x", "debug sleep -1", "debug sleep nan", "debug sleep 1e9"] {
            assert_eq!(bench.run(line), "-ERR value is not a valid float ('debug|sleep' command)");
        }
        let request = FlushRequest { in_background: false, thread: 0 };
        assert_eq!(bench.pending("debug flushall"), Pending::Flush(request));
        assert_eq!(bench.pending("debug reset"), Pending::Flush(request));
    }

    #[test]
    fn what_the_predictor_knows_is_shown() {
        let mut bench = bench();
        bench.run("precision a 20");
        bench.environment.table.settle_precisions(bench.now.monotonic);
        flush(&bench);
        for _ in 0..300 {
            bench.now.monotonic = bench.now.monotonic.after(Duration::from_millis(10));
            bench.run("incr a");
            flush(&bench);
        }
        share(&bench, "a", 100, 20.0);
        let reply = bench.reply("debug prediction a");
        shows(
            &reply,
            &[
                ("precision", "20"),
                ("band", "10"),
                ("own-share.total", "300"),
                ("own-share.last-increment-ms-ago", "0"),
                ("own-share.suspicious", "false"),
                ("other-shares", "1 items"),
                ("other-shares.0.told", "100"),
                ("other-shares.0.rate", "20"),
                ("other-shares.0.told-ms-ago", "500"),
                ("other-shares.0.read-as", "110"),
            ],
        );
        let Reply::Double(rate) = at(&reply, "own-share.estimated-rate") else { panic!("no rate in {reply:?}") };
        assert!((90.0..110.0).contains(rate), "{rate}");
        bench.run("set quiet 1");
        assert_eq!(at(&bench.reply("debug prediction quiet"), "own-share"), &Reply::Null);
        assert_eq!(bench.run("debug prediction none"), "-ERR no such key ('debug|prediction' command)");
    }

    #[test]
    fn the_digest_is_another_after_every_change() {
        let mut bench = bench();
        let mut seen = vec![bench.text("debug digest")];
        for line in ["incr a", "incrby a 0.5", "set a 1.5", "set a 1.5", "precision a 3", "precision b 3", "decr a"] {
            bench.run(line);
            let digest = bench.text("debug digest");
            assert_eq!((digest.len(), digest.chars().all(|c| c.is_ascii_hexdigit())), (40, true), "{digest}");
            assert!(!seen.contains(&digest), "{line}");
            seen.push(digest);
        }
        bench.run("get a");
        assert_eq!(Some(&bench.text("debug digest")), seen.last());
    }

    #[test]
    fn a_digest_waits_for_the_node_to_know_its_replicas() {
        let mut bench = Bench::with(Settings { debug: Config { enabled: true }, ..Settings::default() });
        bench.run("incr a");
        assert_eq!(
            bench.run("debug digest"),
            "-ERR the node is still starting; nothing was changed ('debug|digest' command)"
        );
    }

    #[test]
    fn a_counter_is_shown_with_all_its_shares() {
        let mut bench = bench();
        bench.run("precision a 100");
        bench.environment.table.settle_precisions(bench.now.monotonic);
        bench.run("incrby a 5");
        flush(&bench);
        bench.run("incr a");
        share(&bench, "a", 100, 20.0);
        let (own, other) = (format!("{}/1", NodeId::new([7; 20])), format!("{}/3", NodeId::new([2; 20])));
        shows(
            &bench.reply("debug counter a"),
            &[
                ("exists", "true"),
                ("value", "116"),
                ("value-as-told", "106"),
                ("precision.value", "100"),
                ("precision.set-by", &own),
                ("own-share.replica", &own),
                ("own-share.born", "2"),
                ("own-share.revision", "2"),
                ("own-share.total", "6"),
                ("own-share.covered-by-cut", "0"),
                ("own-share.believed-by-peers", "5"),
                ("own-share.band", "50"),
                ("own-share.waits-to-be-told", "false"),
                ("own-share.looked-at-in-ms", "1000"),
                ("own-share.told-ms-ago", "0"),
                ("other-shares", "1 items"),
                ("other-shares.0.replica", &other),
                ("other-shares.0.address", "nil"),
                ("other-shares.0.born", "4"),
                ("other-shares.0.revision", "9"),
                ("other-shares.0.total", "100"),
                ("other-shares.0.read-as", "110"),
                ("other-shares.0.rate", "20"),
                ("other-shares.0.told-ms-ago", "500"),
                ("assignment", "nil"),
                ("given-up", "0 items"),
                ("members", "0 items"),
            ],
        );
    }

    #[test]
    fn an_assignment_is_shown_with_what_it_had_seen() {
        let mut bench = bench();
        share(&bench, "a", 100, 20.0);
        bench.run("incrby a 5");
        bench.run("set a 7.5");
        bench.run("precision a 12");
        flush(&bench);
        bench.run("incr a");
        let own = format!("{}/1", NodeId::new([7; 20]));
        let reply = bench.reply("debug counter a");
        shows(
            &reply,
            &[
                ("value", "8.5"),
                ("precision.value", "12"),
                ("precision.set-by", &own),
                ("precision.number", "3"),
                ("own-share.total", "6"),
                ("own-share.covered-by-cut", "5"),
                ("other-shares.0.covered-by-cut", "100"),
                ("other-shares.0.rate", "0"),
                ("other-shares.0.told-ms-ago", "nil"),
                ("assignment.base", "7.5"),
                ("assignment.deletes", "false"),
                ("assignment.set-by", &own),
                ("assignment.number", "2"),
                ("assignment.time-ms", "1700000000123"),
                ("assignment.time-logical", "0"),
                ("assignment.cut", "2 items"),
                ("assignment.cut.0.replica", &own),
                ("assignment.cut.0.total", "5"),
                ("assignment.cut.1.revision", "9"),
                (&format!("assignment.context.{own}"), "2"),
            ],
        );
        assert!(bench.run("debug counter a").starts_with("*18 $6 exists :1 $5 value $3 8.5 "));
        bench.run("hello 3");
        assert!(bench.run("debug counter a").starts_with("%9 $6 exists #t $5 value $3 8.5 "));
    }

    #[test]
    fn what_members_have_is_taken_from_what_they_said() {
        let mut bench = bench();
        bench.run("incr a");
        bench.run("set a 1");
        flush(&bench);
        // The share is 1, the assignment 2.
        let digest = |received, durable| {
            let mut digest = Digest::default();
            digest.set(ReplicaIndex(0), DigestEntry { received, durable, beyond: 0 });
            digest
        };
        let mut members = [1, 2, 3, 4].map(member).to_vec();
        members[1].incarnation = Some(Incarnation(3));
        let digests = vec![(members[1].id, digest(2, 1)), (members[2].id, digest(0, 0))];
        bench.environment.cluster.publish(ClusterView { members, digests, ..ClusterView::default() });
        share(&bench, "a", 100, 0.0);
        let reply = bench.reply("debug counter a");
        shows(
            &reply,
            &[
                ("other-shares.0.address", "10.0.0.2:7712"),
                ("members", "3 items"),
                ("members.0.node", &NodeId::new([2; 20]).to_string()),
                ("members.0.own-share", "durable"),
                ("members.0.assignment", "received"),
                ("members.0.precision", "nil"),
                ("members.1.own-share", "not yet"),
                ("members.1.assignment", "not yet"),
                ("members.2.own-share", "not linked"),
            ],
        );
    }

    #[test]
    fn what_a_deletion_left_is_shown_until_it_is_given_up() {
        let mut bench = bench();
        bench.run("incr a");
        bench.run("del a");
        let reply = bench.reply("debug counter a");
        let expected =
            [("exists", "false"), ("value", "0"), ("own-share.covered-by-cut", "1"), ("assignment.deletes", "true")];
        shows(&reply, &expected);
    }
}
