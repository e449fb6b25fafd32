use super::*;
use crate::base::{Amount, Durability};
use crate::command::persistence::{PersistenceFigures, Stage};
use crate::command::testing::Bench;
use crate::resp::encode;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[test]
fn an_unknown_command_is_shown_with_the_beginning_of_its_arguments() {
    let mut bench = Bench::new();
    for (line, reply) in [
        ("FOO", "-ERR unknown command 'FOO', with args beginning with:"),
        ("foo bar baz", "-ERR unknown command 'foo', with args beginning with: 'bar' 'baz'"),
        ("", "-ERR unknown command '', with args beginning with:"),
    ] {
        assert_eq!(bench.run(line), reply);
    }
    let many = format!("{} {}", "x".repeat(1000), "y ".repeat(10_000));
    assert!(bench.run(&many).len() < 500);
    let outcome = bench.outcome(&[b"foo", b"\r\n+OK\r\n\xff"]);
    let Outcome::Reply(reply) = outcome else {
        panic!("an error is a reply");
    };
    let mut bytes = Vec::new();
    encode(&reply, bench.protocol(), &mut bytes);
    assert_eq!(bytes.iter().filter(|b| **b == b'\n').count(), 1);
}

#[test]
fn a_request_of_a_browser_ends_the_connection_before_its_body_is_run() {
    let mut bench = Bench::new();
    let lines: [&[&[u8]]; 3] = [&[b"POST", b"/", b"HTTP/1.1"], &[b"Host:", b"127.0.0.1:5262"], &[b"host:"]];
    for line in lines {
        let Outcome::Close(Reply::Error(error)) = bench.outcome(line) else {
            panic!("the connection goes on after {line:?}");
        };
        assert!(format!("{error:?}").contains("ERR this is a line of HTTP"));
    }
    assert_eq!(bench.run("host"), "-ERR unknown command 'host', with args beginning with:");
}

#[test]
fn while_the_counters_are_loaded_only_what_needs_none_is_answered() {
    let mut bench = Bench::new();
    let figures = Arc::clone(&bench.environment.persistence);
    figures.set_stage(Stage::Loading);
    figures.counters_to_load.store(1000, Ordering::Relaxed);
    figures.counters_loaded.store(70, Ordering::Relaxed);
    for line in ["get a", "incr a", "dbsize", "keys *", "cluster meet 127.0.0.1 1", "save", "wait 0 0"] {
        assert_eq!(bench.run(line), "-LOADING Discnt is loading its counters: 70 of about 1000", "{line}");
    }
    for line in ["ping", "info", "cluster info", "client id", "hello", "config get port", "command count", "time"] {
        let reply = bench.run(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    assert!(matches!(bench.outcome(&[b"quit"]), Outcome::Close(_)));
    assert!(matches!(bench.outcome(&[b"shutdown"]), Outcome::Wait(_)));
    assert_eq!(bench.run("get"), "-ERR wrong number of arguments for 'get' command");
    figures.set_stage(Stage::Rejoining);
    assert!(bench.run("get a").starts_with("-LOADING Discnt is loading its counters: it asks the other nodes"));
    figures.set_stage(Stage::Serving);
    assert_eq!(bench.run("incr a"), ":1");
}

#[test]
fn changes_are_refused_and_reads_answered_while_nothing_can_be_written() {
    let mut bench = Bench::new();
    let figures = Arc::new(PersistenceFigures::new(Durability::Always, Some(Duration::ZERO)));
    bench.environment.persistence = Arc::clone(&figures);
    bench.run("set a 5");
    figures.commits_fail("No space left on device (os error 28)", bench.now.monotonic);
    for line in ["incr a", "set a 1", "del a", "mincrby 1 a b", "precision a 3"] {
        let error = bench.run(line);
        let expected = "-MISCONF Discnt cannot write to its disk: No space left on device (os error 28). With durability = \"always\" changes are refused until it can; nothing was changed, and reads go on.";
        assert_eq!(error, expected, "{line}");
    }
    for (line, reply) in [("get a", "$1 5"), ("dbsize", ":1"), ("exists a", ":1")] {
        assert_eq!(bench.run(line), reply);
    }
    figures.commit_succeeded(bench.now.wall);
    assert_eq!(bench.run("incr a"), ":6");
}

#[test]
fn only_replies_that_tell_of_changes_wait_for_the_disk_and_only_with_always() {
    let mut bench = Bench::new();
    bench.run("incr a");
    assert!(!bench.session.take_awaits_disk());
    bench.environment.persistence = Arc::new(PersistenceFigures::new(Durability::Always, Some(Duration::ZERO)));
    for (line, awaits) in [
        ("incr a", true),
        ("get a", false),
        ("incr a x", false),
        ("incrby a x", false),
        ("set a 1", true),
        ("del nothing", true),
        ("ping", false),
    ] {
        bench.run(line);
        assert_eq!(bench.session.take_awaits_disk(), awaits, "{line}");
    }
    bench.run("incr a");
    bench.run("get a");
    assert!(bench.session.take_awaits_disk(), "of one batch");
}

#[test]
fn a_request_without_arguments_is_refused() {
    let mut bench = Bench::new();
    let reply = bench.outcome(&[]);
    assert!(format!("{reply:?}").contains("ERR unknown command ''"));
}

/// Words that get requests past the first checks.
fn word() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<Vec<u8>> = [
        "a",
        "b",
        "0",
        "1",
        "-1",
        "0.5",
        "1e20",
        "-1e20",
        "1e19",
        "x",
        "",
        "2",
        "3",
        "65536",
        "AUTH",
        "SETNAME",
        "default",
        "MATCH",
        "COUNT",
        "TYPE",
        "STATE",
        "EX",
        "ID",
        "FILTERBY",
        "PATTERN",
        "ACLCAT",
        "lib-name",
        "*",
        "[",
        "HARD",
        "all",
        "get",
        "client|id",
        "|",
        "127.0.0.1",
        "[::1]",
        "99999999999999999999",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    prop_oneof![
        4 => prop::sample::select(known),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => Just(vec![b'n'; 600]),
    ]
}

fn request() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let names: Vec<String> = table::all().map(|found| found.full_name()).collect();
    let beginning = prop_oneof![
        9 => prop::sample::select(names).prop_map(|name| name.split('|').map(|part| part.as_bytes().to_vec()).collect()),
        1 => word().prop_map(|word| vec![word]),
    ];
    (beginning, prop::collection::vec(word(), 0..7)).prop_map(|(mut request, arguments): (Vec<Vec<u8>>, _)| {
        request.extend(arguments);
        request
    })
}

proptest! {
    #[test]
    fn no_request_panics_and_every_reply_is_sound(requests in prop::collection::vec(request(), 1..30), password: bool) {
        let mut bench = if password { Bench::with_password("1") } else { Bench::new() };
        for request in requests {
            let arguments: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
            if let Outcome::Reply(reply) | Outcome::Close(reply) = bench.outcome(&arguments) {
                let mut bytes = Vec::new();
                encode(&reply, bench.protocol(), &mut bytes);
                prop_assert!(bytes.ends_with(b"\r\n"));
                if bytes[0] == b'-' {
                    prop_assert_eq!(bytes.iter().filter(|b| matches!(b, b'\r' | b'\n')).count(), 2);
                }
            }
        }
    }

    #[test]
    fn an_error_changes_no_counter(requests in prop::collection::vec(request(), 1..30)) {
        let mut bench = Bench::new();
        bench.run("mincrby 1 a b");
        for request in requests {
            let before = everything(&mut bench);
            let arguments: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
            if let Outcome::Reply(Reply::Error(error)) = bench.outcome(&arguments) {
                prop_assert_eq!(before, everything(&mut bench), "{}", error);
            }
        }
    }

    #[test]
    fn increments_add_up_exactly(amounts in prop::collection::vec((-10_000_i64..10_000, 0_usize..3), 0..50)) {
        let mut bench = Bench::new();
        let mut sum = Amount::ZERO;
        for (thousandths, how) in amounts {
            let amount = format!("{thousandths}e-3");
            let parsed = Amount::parse(amount.as_bytes()).expect("an amount");
            let (line, change) = match how {
                0 => (format!("incrby a {amount}"), parsed),
                1 => (format!("decrby a {amount}"), -parsed),
                _ => (format!("incrbyfloat a {amount}"), parsed),
            };
            sum = sum.checked_add(change).expect("small");
            let reply = bench.run(&line);
            prop_assert!(reply.ends_with(&sum.to_string()), "{line}: {reply}, not {sum}");
        }
    }
}

fn everything(bench: &mut Bench) -> Vec<(Vec<u8>, Option<Amount>)> {
    let mut names = Vec::new();
    bench.environment.table.scan(0, usize::MAX, &mut |name| names.push(name.to_vec()));
    names.sort();
    let value = |name: &Vec<u8>| {
        let name = crate::base::Name::new(name).expect("a name of the table");
        bench.environment.table.read(name, bench.now.monotonic)
    };
    names.iter().map(|name| (name.clone(), value(name))).collect()
}
