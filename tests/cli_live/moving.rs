//! `watch` and `--top`: counters as they move.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::answering::{Server as Answering, bytes};
use crate::running::Running;
use crate::server_support::{Client, Ground, Server, eventually};
use crate::terminal::{CTRL_C, Terminal};

/// What takes the terminal, and what gives it back.
const ENTERED: &str = "\x1b[?1049h\x1b[?25l";
const LEFT: &str = "\x1b[?25h\x1b[?1049l";

/// Counts until the condition holds.
#[track_caller]
fn count_until(client: &mut Client, request: &str, what: &str, mut is_so: impl FnMut() -> bool) {
    eventually(what, || {
        client.ask(request);
        if is_so() { Ok(()) } else { Err("not yet".to_owned()) }
    });
}

fn terminal(server: &Server, words: &[&str]) -> Terminal {
    Terminal::start(&[&["-p", &server.port().to_string()], words].concat())
}

#[test]
fn watched_counters_are_printed_as_they_change() {
    let ground = Ground::new();
    let node = ground.start();
    let mut counter = node.client();
    counter.ask("SET a 10");
    let shown = Running::start(node.port(), &["watch", "-i", "0.1", "a", "late"]);
    assert_eq!(shown.line(), "a\t10\t0");
    counter.ask("INCRBY late 0.5");
    assert_eq!(shown.line(), "late\t0.5\t0");
    counter.ask("DECRBY a 4");
    let line = shown.line();
    let fields: Vec<&str> = line.split('\t').collect();
    assert_eq!(fields[..2], ["a", "6"]);
    assert!(fields[2].parse::<f64>().expect("a rate") < 0.0, "{line}");
    shown.interrupt();
    assert_eq!(shown.end().0, Some(130));
    let (code, lines, errors) = Running::start(node.port(), &["--json", "watch", "-r", "1", "a"]).end();
    assert_eq!((code, errors), (Some(0), vec![]));
    assert_eq!(lines, [r#"{"name":"a","value":"6","change_per_second":0}"#]);
}

#[test]
fn a_refused_watch_is_told() {
    let ground = Ground::new();
    let node = ground.start();
    let (code, _, errors) = Running::start(node.port(), &["watch", "-i", "0.001", "a"]).end();
    assert_eq!(code, Some(1));
    assert!(errors[0].contains("refused ISUBSCRIBE: ERR the interval"), "{errors:?}");
}

#[test]
fn a_watch_outlives_its_server() {
    let ground = Ground::new();
    let node = ground.start();
    node.ask("SET a 1");
    let shown = Running::start(node.port(), &["watch", "-i", "0.1", "a"]);
    assert_eq!(shown.line(), "a\t1\t0");
    let again = node.stop(Signal::TERM);
    assert!(shown.error().contains("it is tried again"));
    let node = again.run();
    let mut counter = node.client();
    counter.ask("SET a 100");
    eventually("the new value is shown", || match shown.line().split('\t').nth(1) {
        Some("100") => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn a_watch_is_drawn_in_place_and_the_terminal_given_back() {
    let ground = Ground::new();
    let node = ground.start();
    let mut counter = node.client();
    counter.ask("SET visits 41");
    for (leave, code) in [(CTRL_C, 0), ("q", 0), ("\x1c", 0)] {
        let mut shown = terminal(&node, &["watch", "-i", "0.1", "visits", "none"]);
        shown.wait_for(0, ENTERED);
        shown.wait_until(0, "the value", |drawn| drawn.contains("\x1b[H") && drawn.contains("visits"));
        assert!(!shown.is_as_a_shell_left_it(), "keys are not shown");
        let mark = shown.mark();
        count_until(&mut counter, "INCRBY visits 1000", "a plot", || shown.drawn()[mark..].contains('█'));
        // Made narrower, it is drawn again without waiting, and nothing is wider than that.
        shown.resize(30, 10);
        let mark = shown.mark();
        shown.wait_until(mark, "a narrow picture", |drawn| {
            let last = drawn.rsplit("\x1b[H").find(|picture| picture.ends_with("\x1b[J"));
            last.is_some_and(|picture| picture.contains("visits") && widest(picture) <= 30)
        });
        shown.press(leave);
        assert_eq!(shown.wait_for_end(), Some(code));
        shown.wait_for(0, LEFT);
        assert!(shown.is_as_a_shell_left_it());
        // What was seen last stays.
        let drawn = shown.drawn();
        let (_, rest) = drawn.rsplit_once(LEFT).expect("left");
        assert!(rest.contains("visits"), "{rest:?}");
    }
    let mut shown = terminal(&node, &["watch", "visits"]);
    shown.wait_for(0, ENTERED);
    shown.signal(Signal::TERM);
    shown.wait_for_end();
    assert!(shown.is_as_a_shell_left_it());
    shown.wait_for(0, LEFT);
}

/// The widest line of a picture, in characters, without what moves the cursor.
fn widest(picture: &str) -> usize {
    let mut text = String::new();
    let mut rest = picture;
    while let Some((before, after)) = rest.split_once('\x1b') {
        text.push_str(before);
        let end = after.find(|character: char| character.is_ascii_alphabetic()).map_or(after.len(), |at| at + 1);
        rest = &after[end..];
    }
    text.push_str(rest);
    text.lines().map(|line| line.trim_end_matches('\r').chars().count()).max().unwrap_or(0)
}

#[test]
fn the_busiest_are_found_among_many_and_printed_in_their_order() {
    let ground = Ground::new();
    let node = ground.start();
    let mut counter = node.client();
    let names: Vec<String> = (0..5_000).map(|number| format!("still:{number}")).collect();
    for some in names.chunks(500) {
        assert!(!counter.ask(&format!("MINCRBY 1 {}", some.join(" "))).starts_with("ERR"));
    }
    let shown = Running::start(node.port(), &["--top", "-i", "0.1", "--count", "2"]);
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (counting, is_stopped) = (node.client(), std::sync::Arc::clone(&stop));
    let worker = std::thread::spawn(move || {
        let mut client = counting;
        while !is_stopped.load(std::sync::atomic::Ordering::Relaxed) {
            client.ask("INCRBY fast 1000");
            client.ask("DECRBY falls 100");
            client.ask("INCR slow");
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let name_of = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
    eventually("the two fastest are printed first", || {
        let (first, second) = (name_of(&shown.line()), name_of(&shown.line()));
        if (first.as_str(), second.as_str()) == ("fast", "falls") { Ok(()) } else { Err(format!("{first} {second}")) }
    });
    let matching = Running::start(node.port(), &["--json", "--top", "-i", "0.1", "--pattern", "s*"]);
    eventually("of those that match, the only one that moves is found", || {
        let line = matching.line();
        if line.starts_with(r#"[{"name":"slow","value":""#) && line.matches("name").count() == 1 {
            Ok(())
        } else {
            Err(line)
        }
    });
    let (code, lines, errors) = Running::start(node.port(), &["--json", "--top", "-i", "0.1", "-r", "2"]).end();
    assert_eq!((code, errors, lines.len()), (Some(0), vec![], 2));
    let mut drawn = terminal(&node, &["--top", "-i", "0.1"]);
    drawn.wait_until(0, "a picture of the three", |text| {
        ["5,003 counters", "3 that change are followed", "fast", "falls", "slow", "█"]
            .iter()
            .all(|word| text.contains(word))
    });
    drawn.press(CTRL_C);
    assert_eq!(drawn.wait_for_end(), Some(0));
    assert!(drawn.is_as_a_shell_left_it());
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    worker.join().expect("it counted");
}

/// A server with one counter that grows, which has no counters yet when it is asked for the first time.
fn loads_at_first() -> Answering {
    let asked = AtomicU64::new(0);
    Answering::start(move |request| {
        let nth = |answer: &dyn Fn(u64) -> String| match asked.fetch_add(1, Ordering::Relaxed) {
            0 => bytes("-LOADING it has no counters yet\r\n"),
            number => bytes(&answer(number)),
        };
        match request.split(' ').next() {
            Some("SCAN") => bytes("*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"),
            Some("DBSIZE") => bytes(":1\r\n"),
            Some("MGET") => nth(&|number| format!("*1\r\n${}\r\n{number}\r\n", number.to_string().len())),
            Some("ISUBSCRIBE") => nth(&|_| "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n5\r\n".to_owned()),
            _ => bytes("+OK\r\n"),
        }
    })
}

#[test]
fn a_server_that_loads_its_counters_is_waited_for() {
    for mode in [&["--top", "-i", "0.1", "-r", "1"][..], &["watch", "-r", "1", "a"]] {
        let server = loads_at_first();
        let (code, lines, errors) = Running::start(server.port, mode).end();
        assert_eq!(code, Some(0), "{errors:?}");
        assert!(lines[0].starts_with("a\t"), "{lines:?}");
        assert!(errors[0].contains("LOADING it has no counters yet; it is tried again"), "{errors:?}");
    }
}

#[test]
fn a_signal_ends_what_nobody_takes_the_lines_of() {
    let lines = "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n5\r\n".repeat(50_000);
    let server = Answering::start(move |_| bytes(&lines));
    for second in [false, true] {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let mut client = Command::new(env!("CARGO_BIN_EXE_discnt-cli"))
            .args(["-p", &server.port.to_string(), "watch", "a"])
            .env_remove("DISCNT_AUTH")
            .env_remove("REDISCLI_AUTH")
            .env_remove("DISCNT_CLI_AUTH")
            .stdout(writer)
            .spawn()
            .expect("the client starts");
        // The pipe is full soon after its first line, and nobody reads on.
        std::io::Read::read_exact(&mut reader, &mut [0; 5]).expect("a line");
        std::thread::sleep(Duration::from_millis(300));
        let signals = if second { 2 } else { 1 };
        for _ in 0..signals {
            kill_process(Pid::from_child(&client), Signal::TERM).expect("an own child");
            std::thread::sleep(Duration::from_millis(50));
        }
        let status = eventually("it ends", || match client.try_wait() {
            Ok(Some(status)) => Ok(status),
            other => Err(format!("{other:?}")),
        });
        assert_eq!(status.code(), Some(130));
    }
}

#[test]
fn names_in_a_pipe_are_told_apart() {
    let server = Answering::start(|_| Some(b"*3\r\n$7\r\nmessage\r\n$7\r\nn\xff1\rd\xc3\xa9\r\n$1\r\n5\r\n".to_vec()));
    let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"n\xff1\rd\xc3\xa9");
    let output = Command::new(env!("CARGO_BIN_EXE_discnt-cli"))
        .args(["-p", &server.port.to_string(), "watch", "-r", "1"])
        .arg(name)
        .output()
        .expect("the client ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "n\\xff1\\rdé\t5\t0\n");
}
