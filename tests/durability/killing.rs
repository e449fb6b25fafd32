//! kill -9 in each of the modes.

use std::thread;
use std::time::{Duration, Instant};

use crate::counting::{count_until, value};
use crate::random::Random;
use crate::server_support::{Ground, Server, eventually_answers, link};

const CLIENTS: usize = 8;
/// Rounds in each mode; more with DISCNT_DURABILITY_ROUNDS.
const ROUNDS: u64 = 4;

pub(crate) fn rounds() -> u64 {
    let given = std::env::var("DISCNT_DURABILITY_ROUNDS").ok();
    given.map_or(ROUNDS, |given| given.parse().expect("DISCNT_DURABILITY_ROUNDS is a whole number"))
}

/// Kills a node under load some times; after each start every counter has at least what was answered until `kept` before
/// the moment that `disturb` answers, and at most what was asked for. `disturb` kills the process, after this long.
fn kill_under_load(mode: &str, kept: Duration, disturb: impl Fn(&Server, Duration) -> Instant) {
    let ground = Ground::new();
    let mut random = Random::new(u64::from(std::process::id()));
    let mut server = ground.server().set(format!("storage.durability={mode}")).run();
    let mut values = [0; CLIENTS];
    let mut answered = 0;
    for round in 1..=rounds() {
        let length = Duration::from_millis(random.between(300, 1800));
        let (told, moment) = count_until(&server, CLIENTS, || disturb(&server, length));
        server = server.kill().run();
        for (told, earlier) in told.iter().zip(&mut values) {
            let now = value(&server, &told.name);
            let lowest = *earlier + told.answered_before(moment, kept);
            let range = lowest..=*earlier + told.asked;
            assert!(range.contains(&now), "round {round}, {}: {now} is not within {range:?} with {mode}", told.name);
            answered += told.answered.len() as u64;
            *earlier = now;
        }
        let replicas = server.ask("CLUSTER INFO");
        let is_whole = replicas.contains("cluster_known_replicas:1\r\n");
        assert!(is_whole || mode == "memory", "alone, it goes on as it was: {replicas}");
    }
    assert!(answered > 20 * rounds(), "only {answered} increments were answered in {} rounds", rounds());
    eprintln!("{mode}: {answered} increments answered in {} rounds", rounds());
}

fn kill(server: &Server, after: Duration) -> Instant {
    thread::sleep(after);
    rustix::process::kill_process(server.process_id(), rustix::process::Signal::KILL)
        .expect("a signal to an own child");
    Instant::now()
}

#[test]
fn with_always_a_killed_node_has_everything_that_it_answered() {
    kill_under_load("always", Duration::ZERO, kill);
}

#[test]
fn with_everysec_a_killed_node_has_all_but_the_last_second() {
    kill_under_load("everysec", Duration::from_secs(1), kill);
}

#[test]
fn with_memory_a_node_killed_under_load_has_what_was_saved() {
    kill_under_load("memory", Duration::ZERO, |server, length| {
        thread::sleep(length / 2);
        let saved = Instant::now();
        assert_eq!(server.ask("SAVE"), "OK");
        kill(server, length / 2);
        saved
    });
}

#[test]
fn with_memory_a_killed_node_has_what_was_saved() {
    let ground = Ground::new();
    let server = ground.server().set("storage.durability=memory").run();
    for request in ["INCRBY saved 5", "SET set 2.5", "PRECISION saved 3", "SAVE"] {
        server.ask(request);
    }
    server.ask("INCRBY saved 1");
    server.ask("INCRBY unsaved 1");
    let server = server.kill().run();
    assert_eq!(server.ask("MGET saved set unsaved"), "[5 2.5 0]");
    assert_eq!(server.ask("PRECISION saved"), "3");
    // What it counts from now on is not taken for what it had counted before.
    server.ask("INCRBY saved 10");
    let server = server.kill().run();
    assert_eq!(server.ask("GET saved"), "5");
}

#[test]
fn with_memory_a_killed_node_gets_back_what_others_heard() {
    let ground = Ground::new();
    let servers: [Server; 2] = [(); 2].map(|()| ground.server().set("storage.durability=memory").run());
    link(&[&servers[0], &servers[1]]);
    let [first, second] = servers;
    second.ask("INCRBY a 7");
    second.ask("SAVE");
    second.ask("INCRBY a 70");
    eventually_answers(&first, "GET a", "77");
    let second = second.kill().run();
    eventually_answers(&second, "GET a STATE", "[77 CONSISTENT]");
    second.ask("INCRBY a 700");
    eventually_answers(&first, "GET a STATE", "[777 CONSISTENT]");
}

#[test]
fn a_cluster_that_is_killed_as_a_whole_has_its_counts() {
    for mode in ["always", "everysec"] {
        let ground = Ground::new();
        let servers = ground.three_with(&[&format!("storage.durability={mode}")]);
        for (server, amount) in servers.iter().zip(["1", "10", "100"]) {
            server.ask(&format!("INCRBY total {amount}"));
            server.ask(&format!("SET set:{amount} {amount}"));
        }
        // What it has not heard of it could not delete.
        eventually_answers(&servers[0], "GET set:10", "10");
        assert_eq!(servers[0].ask("DEL set:10"), "1");
        for server in &servers {
            eventually_answers(server, "MGET total set:1 set:10 set:100", "[111 1 0 100]");
            assert_eq!(server.ask("WAITAOF 1 2 20000"), "[1 2]");
        }
        let again = servers.map(Server::kill);
        let servers = again.map(|start| start.run());
        for server in &servers {
            eventually_answers(server, "MGET total set:1 set:10 set:100", "[111 1 0 100]");
            eventually_answers(server, "GET total STATE", "[111 CONSISTENT]");
        }
        for server in &servers {
            server.ask("INCRBY total 1000");
        }
        for server in &servers {
            eventually_answers(server, "GET total STATE", "[3111 CONSISTENT]");
        }
    }
}
