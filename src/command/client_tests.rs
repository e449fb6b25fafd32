use super::*;
use crate::base::Moment;
use crate::command::environment::{ReplyShape, Settings};
use crate::command::testing::Bench;
use crate::resp::Protocol;
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
        ("client maint_notifications on", "-ERR unknown subcommand 'maint_notifications'. Try CLIENT HELP.".to_owned()),
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
    let idle = "fd=8 name= age=7 idle=7 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=";
    let active = "age=7 idle=0 flags=N db=0 ";
    let ends = " events=r cmd=client|list user=default redir=-1 resp=2 lib-name= lib-ver=\n";
    assert!(list.contains(ends), "{list}");
    assert!(list.contains(" events=r cmd=NULL user=default redir=-1 resp=3 lib-name= lib-ver=\n"), "{list}");
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

/// A second connection of the same node.
fn other(bench: &Bench) -> crate::command::Session {
    Bench::connect(&bench.environment, bench.now)
}

#[test]
fn connections_are_killed_by_all_filters_together_and_ones_own_only_on_demand() {
    let mut bench = Bench::new();
    let [first, second] = [other(&bench), other(&bench)];
    first.client().set_subscriptions((1, 0));
    let id = second.client().id();
    assert_eq!(bench.run("client list type pubsub").matches("id=").count(), 1);
    assert_eq!(bench.run(&format!("client kill id {id} type pubsub")), ":0");
    assert!(!second.client().is_ended());
    assert_eq!(bench.run(&format!("client kill id {id} type normal user default maxage 1")), ":0", "it is younger");
    bench.now = Moment { monotonic: bench.now.monotonic.after(Duration::from_secs(7)), ..bench.now };
    assert_eq!(bench.run(&format!("client kill id {id} type normal user default maxage 1")), ":1");
    assert!(second.client().is_ended() && !first.client().is_ended());
    // It was killed already.
    assert_eq!(bench.run(&format!("client kill id {id}")), ":0");
    assert_eq!(bench.run("client kill laddr 127.0.0.1:5262 addr 127.0.0.1:40000"), ":1");
    assert!(first.client().is_ended());
    assert!(bench.text(&format!("client list id {id}")).contains(" flags=A "));
    let own = bench.outcome(&[b"client", b"kill", b"type", b"normal", b"skipme", b"no"]);
    assert_eq!(own, Outcome::Close(Reply::Integer(1)));
}

#[test]
fn a_connection_is_killed_by_its_address_as_before_there_were_filters() {
    let mut bench = Bench::new();
    assert_eq!(bench.run("client kill 127.0.0.1:1"), "-ERR No such client ('client|kill' command)");
    let own = bench.outcome(&[b"client", b"kill", b"127.0.0.1:40000"]);
    assert_eq!(own, Outcome::Close(OK));
}

#[test]
fn a_kill_that_cannot_be_understood_kills_nobody() {
    let mut bench = Bench::new();
    let stays = other(&bench);
    for (line, error) in [
        ("client kill id 0", "-ERR client-id should be greater than 0 ('client|kill' command)"),
        ("client kill id x", "-ERR client-id should be greater than 0 ('client|kill' command)"),
        ("client kill id 1 user bob", "-ERR No such user 'bob' ('client|kill' command)"),
        ("client kill type what", "-ERR Unknown client type 'what' ('client|kill' command)"),
        ("client kill skipme perhaps", "-ERR syntax error ('client|kill' command)"),
        ("client kill id 1 addr", "-ERR syntax error ('client|kill' command)"),
        ("client kill maxage 0", "-ERR maxage is not an integer or out of range ('client|kill' command)"),
        ("client kill what x", "-ERR syntax error ('client|kill' command)"),
        ("client kill", "-ERR wrong number of arguments for 'client|kill' command"),
    ] {
        assert_eq!(bench.run(line), error, "{line}");
    }
    assert!(!stays.client().is_ended());
}

#[test]
fn marks_are_set_and_shown() {
    let mut bench = Bench::new();
    assert_eq!(bench.run("client no-evict on"), "+OK");
    assert_eq!(bench.run("client no-touch ON"), "+OK");
    assert!(bench.text("client info").contains(" flags=eT "));
    assert_eq!(bench.run("client no-touch off"), "+OK");
    assert!(bench.text("client info").contains(" flags=e "));
    assert_eq!(bench.run("client no-evict maybe"), "-ERR syntax error ('client|no-evict' command)");
}

#[test]
fn tracking_is_off_and_says_so() {
    let mut bench = Bench::new();
    assert_eq!(bench.run("client tracking off"), "+OK");
    assert!(bench.run("client tracking on bcast").starts_with("-ERR client-side caching is not offered"));
    assert_eq!(bench.run("client trackinginfo"), "*6 $5 flags *1 $3 off $8 redirect :-1 $8 prefixes *0");
    assert_eq!(bench.run("client getredir"), ":-1");
    assert!(bench.run("client caching yes").starts_with("-ERR CLIENT CACHING can be called only when"));
}

#[test]
fn replies_are_turned_off_or_skipped() {
    let mut bench = Bench::new();
    let sent = |bench: &mut Bench, line: &str| {
        let reply = bench.run(line);
        bench.session.takes_reply().then_some(reply)
    };
    assert_eq!(sent(&mut bench, "client reply skip"), None);
    assert_eq!(sent(&mut bench, "incr a"), None);
    assert_eq!(sent(&mut bench, "incr a").as_deref(), Some(":2"));
    assert_eq!(sent(&mut bench, "client reply off"), None);
    assert_eq!(sent(&mut bench, "client reply skip"), None);
    assert_eq!(sent(&mut bench, "incr a"), None);
    assert_eq!(sent(&mut bench, "nosuch"), None);
    assert_eq!(sent(&mut bench, "client reply ON").as_deref(), Some("+OK"));
    assert_eq!(sent(&mut bench, "get a").as_deref(), Some("$1 3"));
    assert_eq!(sent(&mut bench, "client reply what").as_deref(), Some("-ERR syntax error ('client|reply' command)"));
}

#[test]
fn a_pause_has_requests_wait_and_counts_them_only_when_they_run() {
    let mut bench = Bench::new();
    bench.run("incr a");
    assert_eq!(bench.run("client pause 1000 write"), "+OK");
    assert_eq!(bench.outcome(&[b"incr", b"a"]), Outcome::Paused);
    assert_eq!(bench.run("get a"), "$1 1");
    assert_eq!(bench.run("client pause 500"), "+OK");
    for request in [&[&b"get"[..], b"a"][..], &[b"ping"], &[b"client", b"pause", b"1"]] {
        assert_eq!(bench.outcome(request), Outcome::Paused);
    }
    // What is wrong is said at once.
    assert!(bench.run("get").starts_with("-ERR wrong number"));
    bench.now = Moment { monotonic: bench.now.monotonic.after(Duration::from_millis(1000)), ..bench.now };
    assert_eq!(bench.run("incr a"), ":2");
    assert_eq!(bench.run("client pause 1000"), "+OK");
    assert_eq!(bench.run("client unpause"), "+OK");
    assert_eq!(bench.run("incr a"), ":3");
    let stats = bench.text("info commandstats");
    assert!(stats.contains("cmdstat_incr:calls=3,"), "{stats}");
    for (line, error) in [
        ("client pause x", "-ERR timeout is not an integer or out of range ('client|pause' command)"),
        ("client pause 1 some", "-ERR syntax error ('client|pause' command)"),
        ("client pause 1 all all", "-ERR syntax error ('client|pause' command)"),
    ] {
        assert_eq!(bench.run(line), error, "{line}");
    }
}

#[test]
fn only_a_connection_that_waits_is_unblocked() {
    let mut bench = Bench::new();
    for (line, reply) in [
        ("client unblock 1", ":0"),
        ("client unblock 99 error", ":0"),
        ("client unblock x", "-ERR value is not an integer or out of range ('client|unblock' command)"),
        ("client unblock 1 what", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR ('client|unblock' command)"),
    ] {
        assert_eq!(bench.run(line), reply, "{line}");
    }
}

#[test]
fn connections_have_the_fields_of_the_c_program_where_replies_have_its_shape() {
    let mut bench = Bench::with(Settings { shape: ReplyShape::Discnt, ..Settings::default() });
    let list = bench.text("client list");
    let expected = " addr=127.0.0.1:40000 fd=8 name= age=0 idle=0 flags=N sub=0 qbuf=0 qbuf-free=0 obl=0 oll=0 omem=0 events=r cmd=client\n";
    assert!(list.starts_with("id=") && list.ends_with(expected), "{list}");
    assert_eq!(bench.text("client info"), list);
    bench.run("client no-evict on");
    assert!(bench.text("client list").contains(" flags=e sub=0 "));
}
