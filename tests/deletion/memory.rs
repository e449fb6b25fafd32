//! The memory of servers, before, while and after they held many counters.

use std::thread;
use std::time::{Duration, Instant};

use crate::server_support::{Client, Ground, Server, eventually_answers, text_of};

/// Requests in one write.
const PIPELINE: usize = 1000;
/// Counters made and deleted before memory is looked at first: buffers, threads and the lists of the numbers said last
/// (`replication.backlog_numbers`) have grown by then to what they stay.
const WARM_UP: usize = 30_000;
/// What may stay in pages that are not quite empty: less, for each counter of this test, than what one place for a counter
/// takes. Measured: 7 to 10 MiB stay of 150,000 counters, and 25 when empty places are kept; 17 of a million, of 390.
const MAY_STAY_BYTES: u64 = 16 << 20;
/// The same for each counter there was: the tenth part of a place.
const MAY_STAY_BYTES_A_COUNTER: u64 = 12;

/// What the store keeps in memory before it becomes files has a bound of its own, and would hide what this is about.
const NO_STORE: &str = "storage.durability=memory";

fn may_stay() -> u64 {
    MAY_STAY_BYTES + MAY_STAY_BYTES_A_COUNTER * counters() as u64
}

fn counters() -> usize {
    let given = std::env::var("DISCNT_DELETION_COUNTERS").ok();
    given.map_or(150_000, |text| text.parse().expect("DISCNT_DELETION_COUNTERS is a number"))
}

/// Waits, for as long as so many counters may take.
#[track_caller]
fn soon<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let patience = Duration::from_secs(90 + counters() as u64 / 5000);
    let begin = Instant::now();
    loop {
        match attempt() {
            Ok(result) => return result,
            Err(last) if begin.elapsed() > patience => panic!("{what}: not so after {patience:?}, but: {last}"),
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn figure(node: &Server, section: &str, name: &str) -> u64 {
    let info = node.ask(&format!("INFO {section}"));
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|text| text.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in {info}"))
}

fn resident(nodes: &[Server]) -> Vec<u64> {
    nodes.iter().map(|node| figure(node, "memory", "used_memory_rss")).collect()
}

/// What the nodes take once they give back no more: the allocator keeps what is free for some ten seconds.
fn settled(nodes: &[Server]) -> Vec<u64> {
    let (mut lowest, mut since) = (resident(nodes), Instant::now());
    soon("memory is given back no more", || {
        let now = resident(nodes);
        if now.iter().zip(&lowest).any(|(now, lowest)| now + (256 << 10) < *lowest) {
            since = Instant::now();
        }
        lowest = lowest.iter().zip(&now).map(|(lowest, now)| *lowest.min(now)).collect();
        if since.elapsed() > Duration::from_secs(13) { Ok(()) } else { Err(format!("{now:?}")) }
    });
    lowest
}

/// Asks one thing of each of these counters, until it answers `expected`: too much at once is refused.
fn each(client: &mut Client, request: &str, names: &[String], expected: &str) {
    for chunk in names.chunks(PIPELINE) {
        let mut left: Vec<&String> = chunk.iter().collect();
        while !left.is_empty() {
            let lines: String = left.iter().map(|name| format!("{request} {name}\r\n")).collect();
            client.send_bytes(lines.as_bytes()).expect("the server reads");
            left.retain(|name| {
                let reply = text_of(&client.reply().expect("a reply"));
                assert!(reply == expected || reply.starts_with("-BUSY"), "{request} {name}: {reply}");
                reply != expected
            });
        }
    }
}

/// Makes counters, each node a part, and has each deleted by another node than the one that made it.
fn make_and_delete(nodes: &[Server], prefix: &str, counters: usize) {
    let part = |of: usize| -> Vec<String> {
        (0..counters).filter(|number| number % nodes.len() == of).map(|number| format!("{prefix}:{number}")).collect()
    };
    let together = |request: &str, shift: usize| {
        thread::scope(|scope| {
            for (index, node) in nodes.iter().enumerate() {
                let names = part((index + shift) % nodes.len());
                scope.spawn(move || each(&mut node.client(), request, &names, "1"));
            }
        });
    };
    let all_say = |expected: usize| {
        for node in nodes {
            soon(&format!("{} has {expected} counters", node.name()), || match node.ask("DBSIZE") {
                size if size == expected.to_string() => Ok(()),
                size => Err(size),
            });
        }
    };
    together("INCR", 0);
    all_say(counters);
    together("DEL", 1);
    all_say(0);
    for node in nodes {
        soon(&format!("{} has given up what was deleted", node.name()), || {
            match figure(node, "counters", "counters_held") {
                0 => Ok(()),
                held => Err(format!("it still holds {held}")),
            }
        });
    }
}

fn memory_comes_back(nodes: &[Server]) {
    make_and_delete(nodes, "first", WARM_UP);
    let before = settled(nodes);
    let begin = Instant::now();
    make_and_delete(nodes, "many", counters());
    let given_up = begin.elapsed();
    let (mut top, mut after) = (Vec::new(), Vec::new());
    for (index, node) in nodes.iter().enumerate() {
        let most = figure(node, "memory", "used_memory_peak");
        assert!(most > before[index] + may_stay(), "{}: nothing to give back: {before:?} {most}", node.name());
        top.push(most);
        after.push(soon(&format!("{} is back at {}", node.name(), before[index]), || {
            let now = figure(node, "memory", "used_memory_rss");
            if now <= before[index] + may_stay() { Ok(now) } else { Err(now.to_string()) }
        }));
    }
    eprintln!(
        "{} counters on {} nodes: resident bytes before {before:?}, at most {top:?}, after {after:?}; made, \
         deleted and given up in {given_up:.1?}, memory back in {:.1?}",
        counters(),
        nodes.len(),
        begin.elapsed()
    );
}

#[test]
fn the_memory_of_deleted_counters_comes_back_on_every_node_of_three() {
    let ground = Ground::new();
    memory_comes_back(&ground.three_with(&[NO_STORE]));
}

#[test]
fn the_memory_of_deleted_counters_comes_back_on_a_node_that_is_alone() {
    let ground = Ground::new();
    memory_comes_back(&[ground.server().set(NO_STORE).run()]);
}

#[test]
fn a_counter_born_again_counts_from_nothing_everywhere() {
    let ground = Ground::new();
    let nodes = ground.three();
    for life in 1..=3 {
        for node in &nodes {
            node.ask("INCRBY again 100");
        }
        for node in &nodes {
            eventually_answers(node, "GET again STATE", "[300 CONSISTENT]");
        }
        assert_eq!(nodes[life % 3].ask("DEL again"), "1");
        for node in &nodes {
            eventually_answers(node, "EXISTS again", "0");
            soon("it is given up", || match figure(node, "counters", "counters_held") {
                0 => Ok(()),
                held => Err(held.to_string()),
            });
        }
        assert_eq!(nodes[(life + 1) % 3].ask("INCRBY again 7"), "7", "life {life}");
        for node in &nodes {
            eventually_answers(node, "GET again STATE", "[7 CONSISTENT]");
        }
        assert_eq!(nodes[(life + 2) % 3].ask("DEL again"), "1");
    }
}
