use super::*;
use crate::base::{Moment, Name};
use crate::command::testing::Bench;
use crate::command::{Publisher, Settings, SubscriptionLimits, Subscriptions};

/// What the publisher finds after this time, as the session would send it.
fn messages(bench: &mut Bench, publisher: &mut Publisher, seconds: u64) -> String {
    let now = bench.now.monotonic.after(Duration::from_secs(seconds));
    bench.now = Moment { monotonic: now, ..bench.now };
    while publisher.turn(&bench.environment.table, now) {}
    let mut out = Vec::new();
    bench.session.take_messages(usize::MAX, &mut out).expect("not too slow");
    String::from_utf8_lossy(&out).replace("\r\n", " ").trim_end().to_owned()
}

fn publisher(bench: &Bench) -> Publisher {
    Publisher::new(Arc::clone(&bench.environment.subscriptions), bench.now.monotonic)
}

/// An increment by somebody else.
fn count(bench: &Bench, name: &str) {
    let name = Name::new(name.as_bytes()).expect("a name");
    bench.environment.table.increment(name, Amount::ONE, bench.now.monotonic).expect("in range");
}

#[test]
fn every_subscription_is_confirmed_with_how_many_there_are() {
    let mut bench = Bench::new();
    for (line, reply) in [
        ("subscribe a b a", "*3 $9 subscribe $1 a :1 *3 $9 subscribe $1 b :2 *3 $9 subscribe $1 a :2"),
        ("isubscribe 0.5 c", "*3 $9 subscribe $1 c :3"),
        ("PSUBSCRIBE x* [yz]", "*3 $10 psubscribe $2 x* :4 *3 $10 psubscribe $4 [yz] :5"),
        ("unsubscribe a nothing", "*3 $11 unsubscribe $1 a :4 *3 $11 unsubscribe $7 nothing :4"),
        ("unsubscribe", "*3 $11 unsubscribe $1 b :3 *3 $11 unsubscribe $1 c :2"),
        ("unsubscribe", "*3 $11 unsubscribe $-1 :2"),
        ("punsubscribe x*", "*3 $12 punsubscribe $2 x* :1"),
        ("punsubscribe", "*3 $12 punsubscribe $4 [yz] :0"),
        ("punsubscribe", "*3 $12 punsubscribe $-1 :0"),
        ("unsubscribe a b", "*3 $11 unsubscribe $1 a :0 *3 $11 unsubscribe $1 b :0"),
        ("get a", "$1 0"),
    ] {
        assert_eq!(bench.run(line), reply, "{line}");
    }
    bench.run("hello 3");
    assert_eq!(bench.run("subscribe a"), ">3 $9 subscribe $1 a :1");
    assert_eq!(bench.run("punsubscribe"), ">3 $12 punsubscribe _ :1");
}

#[test]
fn a_pattern_longer_than_any_that_can_match_is_refused() {
    let mut bench = Bench::new();
    let (longest, longer) = ("[ab]".repeat(512), "*".repeat(2049));
    let error = "-ERR a pattern may take 2048 bytes at most; nothing was subscribed ('psubscribe' command)";
    assert_eq!(bench.run(&format!("psubscribe a* {longer}")), error);
    assert_eq!((bench.environment.subscriptions.patterns(), bench.environment.subscriptions.clients()), (0, 0));
    assert!(bench.run(&format!("psubscribe {longest}")).ends_with(":1"));
}

#[test]
fn an_interval_has_bounds() {
    let mut bench = Bench::new();
    for seconds in ["0", "0.09", "86401", "-1", "x", "1e30", "nan"] {
        let error = "-ERR the interval must be a number of seconds from 0.1 to 86400; nothing was subscribed ('isubscribe' command)";
        assert_eq!(bench.run(&format!("isubscribe {seconds} a")), error, "{seconds}");
    }
    for seconds in ["0.1", "86400", "1e1", "2.5"] {
        assert_eq!(bench.run(&format!("isubscribe {seconds} a")), "*3 $9 subscribe $1 a :1", "{seconds}");
    }
    assert!(bench.run("isubscribe 1").starts_with("-ERR"));
}

#[test]
fn a_connection_with_subscriptions_is_for_messages_under_resp2_alone() {
    let mut bench = Bench::new();
    bench.run("subscribe a");
    for (line, name) in [("get a", "get"), ("client id", "client|id"), ("hello 3", "hello"), ("publish a b", "publish")]
    {
        let error = format!(
            "-ERR Can't execute '{name}': only (P|I)SUBSCRIBE / (P)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
        );
        assert_eq!(bench.run(line), error);
    }
    assert_eq!(bench.run("get"), "-ERR wrong number of arguments for 'get' command");
    assert_eq!(bench.run("ping"), "*2 $4 pong $0");
    assert_eq!(bench.run("ping hi"), "*2 $4 pong $2 hi");
    assert!(matches!(bench.outcome(&[b"quit"]), Outcome::Close(_)));
    assert_eq!(bench.run("unsubscribe a"), "*3 $11 unsubscribe $1 a :0");
    assert_eq!(bench.run("ping"), "+PONG");
    bench.run("hello 3");
    bench.run("subscribe a");
    assert_eq!(bench.run("incr a"), ":1");
    assert_eq!(bench.run("ping"), "+PONG");
}

#[test]
fn a_counter_is_told_of_at_once_and_then_when_it_changed() {
    let mut bench = Bench::new();
    let mut publisher = publisher(&bench);
    count(&bench, "a");
    bench.run("subscribe a b");
    assert_eq!(messages(&mut bench, &mut publisher, 0), "*3 $7 message $1 a $1 1", "b does not exist");
    count(&bench, "a");
    count(&bench, "b");
    assert_eq!(messages(&mut bench, &mut publisher, 0), "", "not a second has passed");
    let both = messages(&mut bench, &mut publisher, 1);
    assert_eq!(both, "*3 $7 message $1 a $1 2 *3 $7 message $1 b $1 1");
    assert_eq!(messages(&mut bench, &mut publisher, 1), "", "unchanged is silent");
    let name = Name::new(b"a").expect("a name");
    bench.environment.table.delete(name, bench.now).expect("room");
    assert_eq!(messages(&mut bench, &mut publisher, 1), "*3 $7 message $1 a $1 0");
    assert_eq!(messages(&mut bench, &mut publisher, 1), "");
    // Only the latest of what was not sent.
    let now = bench.now.monotonic;
    for seconds in 1..5 {
        count(&bench, "a");
        while publisher.turn(&bench.environment.table, now.after(Duration::from_secs(seconds))) {}
    }
    assert_eq!(messages(&mut bench, &mut publisher, 5), "*3 $7 message $1 a $1 4");
    // And nothing after the end.
    count(&bench, "a");
    let later = bench.now.monotonic.after(Duration::from_secs(1));
    while publisher.turn(&bench.environment.table, later) {}
    bench.run("unsubscribe a");
    assert_eq!(messages(&mut bench, &mut publisher, 1), "");
}

#[test]
fn an_interval_is_kept_and_can_be_changed() {
    let mut bench = Bench::new();
    let mut publisher = publisher(&bench);
    bench.run("isubscribe 3 a");
    let mut heard = Vec::new();
    for second in 0..10 {
        count(&bench, "a");
        if !messages(&mut bench, &mut publisher, u64::from(second > 0)).is_empty() {
            heard.push(second);
        }
    }
    assert_eq!(heard, [0, 3, 6, 9]);
    bench.run("subscribe a");
    assert_eq!(messages(&mut bench, &mut publisher, 0), "", "told already");
    count(&bench, "a");
    assert_eq!(messages(&mut bench, &mut publisher, 1), "*3 $7 message $1 a $2 11");
}

#[test]
fn patterns_tell_of_changes_alone_and_each_pattern_for_itself() {
    let mut bench = Bench::new();
    let mut publisher = publisher(&bench);
    for name in ["user:1", "user:2", "other"] {
        count(&bench, name);
    }
    bench.run("psubscribe user:* *1");
    assert_eq!(messages(&mut bench, &mut publisher, 2), "");
    for name in ["user:1", "other", "user:3"] {
        count(&bench, name);
    }
    let told = messages(&mut bench, &mut publisher, 2);
    for message in [
        "*4 $8 pmessage $6 user:* $6 user:1 $1 2",
        "*4 $8 pmessage $2 *1 $6 user:1 $1 2",
        "*4 $8 pmessage $6 user:* $6 user:3 $1 1",
    ] {
        assert!(told.contains(message), "{message} in {told}");
    }
    assert_eq!(told.matches("pmessage").count(), 3, "{told}");
    bench.run("punsubscribe user:*");
    count(&bench, "user:1");
    assert_eq!(messages(&mut bench, &mut publisher, 2), "*4 $8 pmessage $2 *1 $6 user:1 $1 3");
    bench.run("punsubscribe");
    count(&bench, "user:1");
    assert_eq!(messages(&mut bench, &mut publisher, 2), "");
    assert!(!publisher.is_cleaning());
}

#[test]
fn a_client_that_reads_nothing_of_what_its_patterns_take_in_is_given_up() {
    let mut bench = Bench::new();
    let limits = SubscriptionLimits { unsent_messages: 10, ..SubscriptionLimits::default() };
    bench.environment.subscriptions = Arc::new(Subscriptions::new(limits));
    let mut publisher = publisher(&bench);
    bench.run("psubscribe *");
    for counter in 0..11 {
        count(&bench, &format!("a{counter}"));
    }
    let now = bench.now.monotonic.after(Duration::from_secs(1));
    while publisher.turn(&bench.environment.table, now) {}
    assert!(bench.session.take_messages(usize::MAX, &mut Vec::new()).is_err());
}

#[test]
fn there_are_only_so_many_subscriptions() {
    let mut bench = Bench::with(Settings::default());
    let limits = SubscriptionLimits { per_client: 3, in_all: 4, ..SubscriptionLimits::default() };
    bench.environment.subscriptions = Arc::new(Subscriptions::new(limits));
    let of_client = "-ERR this client would have more than 3 subscriptions, the most that [resp] max_subscriptions allows; nothing was subscribed";
    for line in ["subscribe a b c d", "psubscribe a b c d"] {
        assert!(bench.run(line).starts_with(of_client), "{line}");
        assert_eq!(bench.run("ping"), "+PONG", "it has none");
    }
    bench.run("subscribe a a b");
    bench.run("psubscribe p");
    assert!(bench.run("subscribe c").starts_with(of_client));
    assert_eq!(bench.run("subscribe a b"), "*3 $9 subscribe $1 a :3 *3 $9 subscribe $1 b :3", "no more than before");
    let other = Bench::connect(&bench.environment, bench.now);
    let first = std::mem::replace(&mut bench.session, other);
    assert_eq!(bench.run("subscribe a"), "*3 $9 subscribe $1 a :1");
    assert!(bench.run("subscribe b").starts_with("-ERR this node would have more than 4 subscriptions of all clients"));
    drop(first);
    assert_eq!(bench.run("subscribe b"), "*3 $9 subscribe $1 b :2");
}

#[test]
fn what_is_subscribed_to_can_be_asked_for_and_ends_with_the_connection() {
    let mut bench = Bench::new();
    let other = Bench::connect(&bench.environment, bench.now);
    let mut first = std::mem::replace(&mut bench.session, other);
    std::mem::swap(&mut bench.session, &mut first);
    bench.run("subscribe a:1 a:2");
    bench.run("psubscribe x* y*");
    std::mem::swap(&mut bench.session, &mut first);
    bench.run("hello 3");
    bench.run("subscribe a:1");
    bench.run("psubscribe x*");
    for (line, reply) in [
        ("pubsub channels", "*2 $3 a:1 $3 a:2"),
        ("pubsub channels *2", "*1 $3 a:2"),
        ("pubsub numsub a:1 a:2 none", "*6 $3 a:1 :2 $3 a:2 :1 $4 none :0"),
        ("pubsub numsub", "*0"),
        ("PUBSUB NUMPAT", ":2"),
        ("pubsub channels a b", "-ERR wrong number of arguments for 'pubsub|channels' command"),
        ("pubsub what", "-ERR unknown subcommand 'what'. Try PUBSUB HELP."),
    ] {
        assert_eq!(bench.run(line), reply, "{line}");
    }
    let info = bench.text("info");
    for field in ["pubsub_clients:2\r\n", "pubsub_channels:2\r\n", "pubsub_patterns:2\r\n"] {
        assert!(info.contains(field), "{field}");
    }
    let list = bench.text("client list type pubsub");
    assert!(list.contains("flags=P db=0 sub=2 psub=2") && list.contains("flags=P db=0 sub=1 psub=1"), "{list}");
    drop(first);
    assert_eq!(bench.run("pubsub numsub a:1 a:2"), "*4 $3 a:1 :1 $3 a:2 :0");
    assert_eq!(bench.run("reset"), "+RESET");
    let info = bench.text("info");
    for field in ["pubsub_clients:0\r\n", "pubsub_channels:0\r\n", "pubsub_patterns:0\r\n"] {
        assert!(info.contains(field), "{field}");
    }
    assert_eq!(bench.text("client list type pubsub"), "");
}

#[test]
fn counters_publish_themselves() {
    let mut bench = Bench::new();
    assert!(bench.run("publish a 1").starts_with("-ERR counters publish themselves"));
    assert_eq!(bench.run("exists a"), ":0");
}
