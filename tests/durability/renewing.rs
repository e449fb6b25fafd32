//! Files of a running node are damaged: what is in memory is written anew, and a restart finds all of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::damage::{flip_a_bit, repair};
use crate::disks::SmallDisk;
use crate::killing::rounds;
use crate::random::Random;
use crate::server_support::{Client, Ground, Server, eventually, eventually_linked, link};

/// Kills while the store is written anew; more with DISCNT_DURABILITY_ROUNDS.
const KILLS_A_ROUND: u64 = 2;
const COUNTERS: usize = 60_000;
const AT_ONCE: usize = 2000;
const DISK_MEBIBYTES: u32 = 128;

fn log(server: &Server) -> PathBuf {
    server.data_directory().join("store").join("redo-0")
}

fn info(server: &Server, field: &str) -> String {
    let info = server.ask("INFO persistence");
    let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no field {field}: {info}")).to_owned()
}

fn eventually_renewed(server: &Server, times: u32) {
    eventually("the store is written anew", || match info(server, "store_renewals") {
        found if found == times.to_string() => Ok(()),
        other => Err(other),
    });
}

fn count_many(server: &Server, amount: u32) {
    let mut client = server.client();
    for first in (0..COUNTERS).step_by(AT_ONCE) {
        let names: Vec<String> = (first..first + AT_ONCE).map(|number| format!("many:{number}")).collect();
        let reply = client.ask(&format!("MINCRBY {amount} {}", names.join(" ")));
        assert!(reply.starts_with('['), "{reply}");
    }
}

fn is_one_replica(server: &Server) {
    let cluster = server.ask("CLUSTER INFO");
    assert!(cluster.contains("cluster_known_replicas:1\r\n"), "it goes on as it was: {cluster}");
}

#[test]
fn a_log_that_is_removed_from_under_a_node_costs_nothing_and_is_told() {
    for mode in ["always", "everysec"] {
        let ground = Ground::new();
        let server = ground.server().set(format!("storage.durability={mode}")).run();
        for request in ["INCRBY a 5", "SET b 2.5", "SAVE"] {
            server.ask(request);
        }
        fs::remove_file(log(&server)).expect("removed");
        assert_eq!(server.ask("INCR a"), "6");
        assert_eq!(server.ask("WAITAOF 1 0 20000"), "[1 0]");
        server.eventually_logs(&["ERROR", "redo-0", "from which the store is to be written anew"]);
        let aside = server.data_directory().join("damaged-1");
        server.eventually_logs(&["WARN", "written anew from memory", "2 counters", &aside.display().to_string()]);
        assert!(aside.join("store").is_dir() && aside.join("commits").is_file());
        eventually_renewed(&server, 1);
        assert!(info(&server, "store_damage").contains("redo-0"));
        assert_eq!((info(&server, "commit_failures"), info(&server, "commit_failure")), ("0".into(), String::new()));
        let backup = ground.path("backup");
        let ran = ground.cli(&["-p", &server.port().to_string(), "backup", &backup.display().to_string()]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(server.ask("INCR a"), "7");
        assert_eq!(server.ask("WAITAOF 1 0 20000"), "[1 0]");
        let server = server.kill().run();
        assert_eq!(server.ask("MGET a b"), "[7 2.5]", "{mode}");
        if mode == "always" {
            is_one_replica(&server);
        }
    }
}

#[test]
fn a_flipped_bit_that_the_stop_finds_costs_nothing() {
    for mode in ["always", "everysec"] {
        let ground = Ground::new();
        let server = ground.server().set(format!("storage.durability={mode}")).run();
        for _ in 0..20 {
            server.ask("INCR a");
            server.ask("WAITAOF 1 0 20000");
        }
        flip_a_bit(&log(&server));
        let start = server.stop(Signal::TERM);
        let server = start.run();
        assert_eq!(server.ask("GET a"), "20", "{mode}");
        server.eventually_logs(&["ERROR", "redo-0", "damaged on disk, and whole in memory"]);
        assert!(server.data_directory().join("damaged-1").join("store").join("redo-0").is_file());
        is_one_replica(&server);
    }
}

#[test]
fn with_memory_damage_that_a_save_or_a_reload_finds_costs_nothing() {
    let ground = Ground::new();
    let start = ground.server().set("storage.durability=memory").set("debug.enabled=true");
    let server = start.run();
    for request in ["INCRBY a 5", "SAVE"] {
        server.ask(request);
    }
    flip_a_bit(&server.data_directory().join("store").join("0.jnl"));
    let reply = server.ask("DEBUG RELOAD");
    assert!(reply.starts_with("-ERR ") && reply.contains("cannot be read back"), "{reply}");
    eventually_renewed(&server, 1);
    assert_eq!(server.ask("DEBUG RELOAD"), "OK");
    server.ask("INCR a");
    fs::remove_dir_all(server.data_directory().join("store")).expect("removed");
    let server = server.stop(Signal::TERM).run();
    assert_eq!(server.ask("GET a"), "6");
}

#[test]
fn members_find_the_same_replica_after_a_damaged_log_and_a_kill() {
    let ground = Ground::new();
    let servers = [(); 2].map(|()| ground.server().set("storage.durability=always").run());
    link(&[&servers[0], &servers[1]]);
    let [first, second] = servers;
    assert_eq!(second.ask("INCRBY a 7"), "7");
    fs::remove_file(log(&second)).expect("removed");
    assert_eq!(second.ask("INCRBY a 70"), "77");
    assert_eq!(second.ask("WAIT 1 20000"), "1");
    let second = second.kill().run();
    eventually_linked(&[&first, &second]);
    assert_eq!(second.ask("GET a"), "77");
    for server in [&first, &second] {
        let cluster = server.ask("CLUSTER INFO");
        assert!(cluster.contains("cluster_known_replicas:2\r\n"), "{cluster}");
    }
}

/// A data directory with many counters that a clean stop has left.
fn with_many(ground: &Ground) -> PathBuf {
    let server = ground.server().set("storage.durability=always").run();
    count_many(&server, 3);
    let directory = server.data_directory();
    drop(server.stop(Signal::TERM));
    directory
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
    assert!(copied.success());
}

fn check_many(server: &Server) {
    let mut client = server.client();
    assert_eq!(client.ask("GET many:0"), "3");
    assert_eq!(client.ask("GET many:59999"), "3");
    assert_eq!(client.ask(&format!("GET many:{}", COUNTERS / 2)), "3");
    let size: usize = client.ask("DBSIZE").parse().expect("a number");
    assert!((COUNTERS..=COUNTERS + 1).contains(&size), "{size}");
}

/// Removes the log, counts, and kills the server after `pause`, or once the count is answered when there is none. Answers
/// how long that took and whether the count was answered.
fn remove_and_kill(server: &Server, pause: Option<Duration>) -> (Duration, bool) {
    assert_eq!(server.ask("INCRBY late 5"), "5");
    fs::remove_file(log(server)).expect("removed");
    let mut client: Client = server.client();
    let begun = Instant::now();
    client.send("INCRBY late 6").expect("sent");
    if let Some(pause) = pause {
        thread::sleep(pause);
        server.signal(Signal::KILL);
    }
    let answer = client.reply();
    (begun.elapsed(), answer.is_ok())
}

#[test]
fn a_kill_while_the_store_is_written_anew_leaves_the_damaged_store_or_a_whole_one() {
    let ground = Ground::new();
    let original = with_many(&ground);
    let start = ground.server().set("storage.durability=always");
    let mut random = Random::new(u64::from(std::process::id()));
    let mut longest = None;
    let (mut refused, mut unanswered_and_whole) = (0, 0);
    let kills = rounds() * KILLS_A_ROUND;
    for kill in 0..=kills {
        let directory = ground.path(format!("data-{kill}"));
        copy(&original, &directory);
        let server = start.clone().data_directory(directory.clone()).run();
        // The first kill is in time also where all others are not, as the machine was busier when the longest was measured.
        let most = if kill == 1 { 0 } else { 1100 };
        let pause = longest.map(|longest: Duration| longest.mul_f64(f64::from(random.between(0, most) as u32) / 1e3));
        let (took, is_answered) = remove_and_kill(&server, pause);
        longest = longest.or(Some(took));
        drop(server);
        match start.clone().data_directory(directory.clone()).try_run() {
            Ok(server) => {
                check_many(&server);
                assert_eq!(server.ask("GET late"), "11", "kill {kill}: what was in memory is there as a whole");
                is_one_replica(&server);
                unanswered_and_whole += u32::from(!is_answered);
            }
            Err(refusal) => {
                assert!(!is_answered, "kill {kill}: it was answered, and is lost: {refusal}");
                assert!(refusal.contains("--repair"), "kill {kill}: {refusal}");
                let repaired = repair(&directory, &ground);
                assert_eq!(repaired.code, Some(0), "{repaired:?}");
                let server = start.clone().data_directory(directory.clone()).run();
                check_many(&server);
                assert_eq!(server.ask("GET late"), "0", "kill {kill}: its log was removed, and nothing written");
                refused += 1;
            }
        }
        fs::remove_dir_all(directory).expect("removed");
    }
    eprintln!("{refused} of {kills} were refused, {unanswered_and_whole} were whole and had not been answered");
    assert!(refused > 0, "no kill came in time");
}

#[test]
fn without_space_for_a_new_store_changes_are_refused_until_there_is() {
    let ground = Ground::new();
    let name = "damage on a full disk";
    let Some(disk) = SmallDisk::mount(ground.path("disk"), DISK_MEBIBYTES, name) else { return };
    let start = ground.server().data_directory(disk.path().join("data")).set("storage.durability=always");
    let server = start.run();
    count_many(&server, 3);
    fs::remove_file(log(&server)).expect("removed");
    disk.fill();
    let mut held = server.client();
    held.send("INCR a").expect("sent");
    eventually("changes are refused", || {
        disk.fill();
        match info(&server, "refusing_writes").as_str() {
            "1" => Ok(()),
            _ => Err(server.ask("INFO persistence")),
        }
    });
    let failure = info(&server, "commit_failure");
    for words in ["redo-0", "memory holds all of it, and the store cannot be written anew", "No space left"] {
        assert!(failure.contains(words), "{words}: {failure}");
    }
    assert!(server.ask("INCR b").starts_with("-MISCONF "));
    assert_eq!(server.ask("GET many:7"), "3");
    disk.free();
    // It is tried again by itself, and at once when somebody saves.
    assert_eq!(server.ask("SAVE"), "OK");
    assert_eq!(crate::server_support::text_of(&held.reply().expect("it is on disk now")), "1");
    assert_eq!(server.ask("INCR a"), "2");
    let server = server.kill().run();
    assert_eq!(server.ask("MGET a b many:7"), "[2 0 3]");
    is_one_replica(&server);
}
