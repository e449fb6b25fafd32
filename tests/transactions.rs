//! MULTI and EXEC over sockets: all or nothing for whoever reads on the node, and what else they promise.

#[path = "server_support/mod.rs"]
mod server_support;

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rustix::process::Signal;
use server_support::{Client, Ground, Server, eventually, eventually_answers, text_of};

/// Sends lines at once and answers their replies.
#[track_caller]
fn talk(client: &mut Client, lines: &[&str]) -> Vec<String> {
    let requests: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    client.send_bytes(requests.as_bytes()).expect("the server takes them");
    lines.iter().map(|line| text_of(&client.reply().unwrap_or_else(|error| panic!("{line}: {error}")))).collect()
}

#[test]
fn giving_up_what_is_left_of_a_deleted_counter_is_no_change_of_it() {
    let ground = Ground::new();
    let server = ground.start();
    let mut client = server.client();
    assert_eq!(talk(&mut client, &["INCR a", "DEL a", "WATCH a"]), ["1", "1", "OK"]);
    eventually("nothing is left of it", || {
        let info = server.client().try_ask("INFO counters")?;
        if info.contains("counters_held:0\r") { Ok(()) } else { Err(info) }
    });
    assert_eq!(talk(&mut client, &["MULTI", "INCR a", "EXEC"]), ["OK", "QUEUED", "[1]"]);
    assert_eq!(talk(&mut client, &["DEL a", "WATCH a", "INCR a", "MULTI", "EXEC"])[4], "(nil)");
}

#[test]
fn a_session_of_redis_cli_sees_what_it_knows_from_redis() {
    let ground = Ground::new();
    let server = ground.start();
    let mut command = Command::new("redis-cli");
    command.args(["--no-raw", "-p", &server.port().to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().expect("redis-cli runs");
    let lines = "multi\nincr a\nincrby b x\nget a\nexec\nmulti\nnosuch\nexec\nwatch a\nincr a\nmulti\nincr a\nexec\n";
    process.stdin.take().expect("it is piped").write_all(lines.as_bytes()).expect("it reads");
    let output = process.wait_with_output().expect("its output");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = "OK\nQUEUED\nQUEUED\nQUEUED\n1) (integer) 1\n2) (error) ERR value is not a valid decimal number \
                    ('incrby' command)\n3) \"1\"\nOK\n(error) ERR unknown command 'nosuch', with args beginning with: \n\n\
                    (error) EXECABORT Transaction discarded because of previous errors.\n\nOK\n(integer) 2\nOK\nQUEUED\n(nil)\n";
    let lines = |text: &str| text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&printed), lines(expected));
}

#[test]
fn nobody_sees_a_part_of_a_transaction() {
    const WRITERS: usize = 3;
    const ROUNDS: u64 = 300;
    let ground = Ground::new();
    let server = ground.server().set("resp.threads=4").run();
    let (done, readings) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(|| write_pairs(&server, ROUNDS))).collect();
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = server.client();
                while !done.load(Ordering::Relaxed) {
                    let read = client.ask("MGET pair:first pair:second pair:third");
                    let values: Vec<&str> = read.trim_matches(['[', ']']).split(' ').collect();
                    assert!(values.iter().all(|value| *value == values[0]), "a part of a transaction: {read}");
                    readings.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // A scan that takes its time must not keep transactions from others for ever.
        scope.spawn(|| {
            let mut client = server.client();
            while !done.load(Ordering::Relaxed) {
                client.ask("KEYS *");
            }
        });
        let results: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(results.iter().all(Result::is_ok));
    });
    assert!(readings.load(Ordering::Relaxed) > 100, "{readings:?} readings");
    assert_eq!(server.ask("GET pair:first"), (WRITERS as u64 * ROUNDS).to_string());
}

fn write_pairs(server: &Server, rounds: u64) {
    let mut client = server.client();
    for _ in 0..rounds {
        let lines = ["MULTI", "INCR pair:first", "INCR pair:second", "INCR pair:third", "EXEC"];
        let replies = talk(&mut client, &lines);
        let [first, second, third] = replies[4].trim_matches(['[', ']']).split(' ').collect::<Vec<_>>()[..] else {
            panic!("{replies:?}");
        };
        assert!(first == second && second == third, "{replies:?}");
    }
}

#[test]
fn an_answered_transaction_survives_a_crash_and_waits_for_the_disk_once() {
    const REQUESTS: usize = 100;
    let ground = Ground::new();
    let server = ground.server().set("storage.durability=always").run();
    let commits = |server: &Server| -> u64 {
        let info = server.ask("INFO persistence");
        let line = info.lines().find_map(|line| line.strip_prefix("commits:"));
        line.and_then(|count| count.trim().parse().ok()).unwrap_or_else(|| panic!("no commits in {info}"))
    };
    let mut client = server.client();
    client.ask("INCR first");
    let before = commits(&server);
    let mut lines = vec!["MULTI".to_owned()];
    lines.extend((0..REQUESTS).map(|number| format!("INCR counter:{number}")));
    lines.push("EXEC".to_owned());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let replies = talk(&mut client, &lines);
    assert_eq!(replies[REQUESTS + 1], format!("[{}]", vec!["1"; REQUESTS].join(" ")));
    // A commit may have been under way, and the node's own record changes, too.
    let taken = commits(&server) - before;
    assert!(taken < 10, "{taken} commits for one transaction");
    let server = server.kill().run();
    assert_eq!(server.ask("DBSIZE"), (REQUESTS + 1).to_string());
}

#[test]
fn a_watched_counter_that_somebody_else_changes_keeps_exec_from_running() {
    let ground = Ground::new();
    let server = ground.start();
    let (mut client, mut other) = (server.client(), server.client());
    assert_eq!(talk(&mut client, &["SET a 5", "WATCH a b", "MULTI", "INCR a"]), ["OK", "OK", "OK", "QUEUED"]);
    other.ask("INCR b");
    assert_eq!(talk(&mut client, &["EXEC", "GET a"]), ["(nil)", "5"]);
    assert_eq!(talk(&mut client, &["WATCH a", "MULTI", "INCR a"]), ["OK", "OK", "QUEUED"]);
    other.ask("INCR b");
    assert_eq!(talk(&mut client, &["EXEC", "GET a"]), ["[6]", "6"]);
}

#[test]
fn the_other_nodes_come_to_what_a_transaction_did() {
    let ground = Ground::new();
    let servers = ground.three();
    let replies = talk(&mut servers[0].client(), &["MULTI", "INCRBY a 0.5", "SET b 7", "DEL c", "EXEC"]);
    assert_eq!(replies[4], "[0.5 OK 0]");
    for server in &servers {
        eventually_answers(server, "MGET a b", "[0.5 7]");
    }
}

#[test]
fn a_client_that_leaves_within_a_transaction_has_changed_nothing() {
    let ground = Ground::new();
    let server = ground.start();
    let mut client = server.client();
    talk(&mut client, &["MULTI", "INCR a"]);
    drop(client);
    eventually("the client is gone", || match server.ask("CLIENT LIST").lines().count() {
        1 => Ok(()),
        count => Err(format!("{count} clients")),
    });
    assert_eq!(server.ask("EXISTS a"), "0");
    let mut client = server.client();
    assert_eq!(talk(&mut client, &["MULTI", "INCR a", "QUIT"]), ["OK", "QUEUED", "OK"]);
    assert_eq!(server.ask("EXISTS a"), "0");
    server.stop(Signal::TERM);
}
