use crate::base::{Amount, Incarnation, Name, NodeId, ReplicaId, ReplicaIndex, Total};
use crate::command::config::Config;
use crate::command::environment::{ReplyShape, Settings};
use crate::command::flushing::FlushRequest;
use crate::command::outcome::{Pending, StorageRequest};
use crate::command::testing::{Bench, member};
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
    let mut bench = Bench::with(Settings { shape: ReplyShape::Discnt, ..Settings::default() });
    assert_eq!(bench.pending("debug reload"), Pending::Storage(StorageRequest::Reload));
    assert_eq!(bench.pending("debug sleep 0"), Pending::Sleep(Duration::ZERO));
    assert!(bench.run("debug counter a").starts_with(refusal));
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
