//! What a node tells of itself over a socket: INFO, SLOWLOG, LATENCY, MONITOR, and FLUSHALL, which asks for some care.

#[path = "server_support/mod.rs"]
mod server_support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use server_support::{Ground, Server, eventually, eventually_answers, text_of};

fn info(server: &Server, section: &str) -> String {
    server.ask(&format!("INFO {section}"))
}

/// The value of a field of INFO.
#[track_caller]
fn field(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in:\n{text}")).trim().to_owned()
}

#[test]
fn tools_find_the_fields_that_they_read() {
    let ground = Ground::new();
    let server = ground.start();
    for line in ["INCR a", "GET a", "GET missing", "GET", "AUTH x y z"] {
        server.ask(line);
    }
    let all = info(&server, "everything");
    for name in [
        "redis_version",
        "run_id",
        "os",
        "uptime_in_seconds",
        "connected_clients",
        "used_memory",
        "used_memory_peak_perc",
        "mem_fragmentation_ratio",
        "rdb_last_bgsave_status",
        "total_connections_received",
        "instantaneous_ops_per_sec",
        "instantaneous_input_kbps",
        "keyspace_hits",
        "role",
        "connected_slaves",
        "master_repl_offset",
        "used_cpu_user",
        "cmdstat_incr",
        "latency_percentiles_usec_incr",
        "errorstat_ERR",
        "db0",
        "cluster_enabled",
        "mesh_links",
        "prediction_hits",
        "prediction_bytes_per_record",
        "prediction_effective_precision",
    ] {
        assert!(!field(&all, name).is_empty(), "{name}");
    }
    assert_eq!([field(&all, "counters"), field(&all, "hits"), field(&all, "misses")], ["1", "1", "1"]);
    assert_eq!(field(&all, "errorstat_ERR"), "count=2");
    let default = server.ask("INFO");
    assert_eq!(info(&server, "default").lines().count(), default.lines().count());
    assert!(default.contains("# Replication") && !default.contains("# Commandstats"));
    let two = info(&server, "cpu counters");
    let headings: Vec<&str> = two.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(headings, ["# CPU", "# Counters"]);
}

#[test]
fn predictions_are_counted_where_there_is_somebody_to_predict_for() {
    let ground = Ground::new();
    let servers = ground.three();
    let mut client = servers[0].client();
    client.ask("PRECISION a 1000");
    eventually_answers(&servers[2], "PRECISION a", "1000");
    // A wider precision is kept to once all nodes have heard of it.
    eventually("some increments needed no telling", || {
        for _ in 0..20 {
            client.ask("INCR a");
        }
        let text = info(&servers[0], "predictions");
        let hits: u64 = field(&text, "prediction_hits").parse().expect("a number");
        let misses: u64 = field(&text, "prediction_misses").parse().expect("a number");
        if hits > 100 && misses > 0 && field(&text, "prediction_records_sent") != "0" { Ok(()) } else { Err(text) }
    });
}

#[test]
fn what_took_long_is_in_the_slow_log_and_among_the_latency_events() {
    let ground = Ground::new();
    let settings = ["debug.enabled=true", "commands.latency_threshold_ms=100"];
    let server = ground.server().set_all(&settings).run();
    let mut client = server.client();
    client.ask("CLIENT SETNAME me");
    let begin = Instant::now();
    assert_eq!(client.ask("DEBUG SLEEP 0.2"), "OK");
    assert!(begin.elapsed() >= Duration::from_millis(200));
    let entry = client.ask("SLOWLOG GET 1");
    assert!(entry.contains(" [DEBUG SLEEP 0.2] 127.0.0.1:") && entry.ends_with(" me]]"), "{entry}");
    let micros: u64 = entry.split(' ').nth(2).and_then(|word| word.parse().ok()).expect("a time");
    assert!((200_000..5_000_000).contains(&micros), "{entry}");
    let latest = client.ask("LATENCY LATEST");
    assert!(latest.starts_with("[[command 1"), "{latest}");
    assert!(client.ask("LATENCY GRAPH command").starts_with("command - high 2"));
    assert!(client.ask("LATENCY HISTOGRAM debug").starts_with("[debug|sleep [calls 1 histogram_usec [262144 1]]]"));
    assert_eq!(client.ask("LATENCY RESET"), "1");
    // Other clients are served meanwhile.
    client.send("DEBUG SLEEP 5").expect("it is taken");
    let begin = Instant::now();
    assert_eq!(server.ask("PING"), "PONG");
    assert!(begin.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_monitor_sees_what_others_ask_and_is_free_again_after_reset() {
    let ground = Ground::new();
    let server = ground.server().set("resp.threads=2").run();
    let mut monitor = server.client();
    assert_eq!(monitor.ask("MONITOR"), "OK");
    // On the other thread and on the same.
    let (mut one, mut other) = (server.client(), server.client());
    one.ask("SET foo 1");
    other.ask("GET foo");
    let mut next = || text_of(&monitor.reply().expect("a line"));
    let (first, second) = (next(), next());
    assert!(first.contains(" [0 127.0.0.1:") && first.ends_with("] \"SET\" \"foo\" \"1\""), "{first}");
    assert!(second.ends_with("] \"GET\" \"foo\""), "{second}");
    monitor.send("RESET").expect("it is taken");
    let mut replies = Vec::new();
    while replies.last().is_none_or(|reply| reply != "RESET") {
        replies.push(text_of(&monitor.reply().expect("a reply")));
    }
    one.ask("SET foo 2");
    assert_eq!(monitor.ask("GET foo"), "2");
}

#[test]
fn a_monitor_that_does_not_read_slows_nobody_and_is_cut_off() {
    let ground = Ground::new();
    let server = ground.start();
    let mut monitor = server.client();
    assert_eq!(monitor.ask("MONITOR"), "OK");
    let mut client = server.client();
    let text = "x".repeat(4000);
    // More than what may wait and what the sockets take.
    let requests = format!("ECHO {text}\r\n").repeat(250);
    for _ in 0..40 {
        client.send_bytes(requests.as_bytes()).expect("it is taken");
        for _ in 0..250 {
            client.reply().expect("a reply");
        }
    }
    // It reads what is left for it, until its end.
    let mut lines = 0;
    while monitor.reply().is_ok() {
        lines += 1;
    }
    assert!((1..10_000).contains(&lines), "{lines} lines");
    server.eventually_logs(&["closed a client: it asked for MONITOR and does not read"]);
}

#[test]
fn flushing_deletes_the_counters_of_the_whole_cluster_and_no_unseen_increment() {
    const COUNTERS: usize = 20_000;
    let ground = Ground::new();
    let servers = ground.three();
    let mut client = servers[0].client();
    let requests: String = (0..COUNTERS).map(|number| format!("INCR name:{number}\r\n")).collect();
    client.send_bytes(requests.as_bytes()).expect("they are taken");
    for _ in 0..COUNTERS {
        client.reply().expect("a reply");
    }
    for server in &servers {
        eventually_answers(server, "DBSIZE", &COUNTERS.to_string());
    }
    let done = AtomicBool::new(false);
    let longest = thread::scope(|scope| {
        let pinging = scope.spawn(|| {
            let mut client = servers[1].client();
            let mut longest = Duration::ZERO;
            while !done.load(Ordering::Relaxed) {
                let begin = Instant::now();
                client.ask("PING");
                longest = longest.max(begin.elapsed());
            }
            longest
        });
        assert_eq!(servers[1].ask("FLUSHALL"), "OK");
        assert_eq!(servers[1].ask("DBSIZE"), "0");
        for server in &servers {
            eventually_answers(server, "DBSIZE", "0");
        }
        done.store(true, Ordering::Relaxed);
        pinging.join().expect("it gets its replies")
    });
    // Steps are a tenth of a millisecond; the rest is the test machine's.
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    assert_eq!(client.ask("INCR name:7"), "1");
    for server in &servers {
        eventually_answers(server, "GET name:7", "1");
    }
    assert_eq!(servers[2].ask("FLUSHDB ASYNC"), "OK");
    for server in &servers {
        eventually_answers(server, "DBSIZE", "0");
    }
}

#[test]
fn flushing_is_refused_where_it_is_not_allowed() {
    let ground = Ground::new();
    let server = ground.server().set("commands.flush=false").set("debug.enabled=true").run();
    server.ask("INCR a");
    for line in ["FLUSHALL", "FLUSHDB ASYNC", "DEBUG FLUSHALL", "DEBUG RESET"] {
        let refused = server.ask(line);
        assert!(refused.starts_with("-ERR FLUSHALL and FLUSHDB are not allowed on this node"), "{line}: {refused}");
    }
    assert_eq!(server.ask("GET a"), "1");
}

#[test]
fn a_flush_with_durability_always_is_on_disk_when_it_is_answered() {
    let ground = Ground::new();
    let server = ground.server().set("storage.durability=always").run();
    for number in 0..50 {
        server.ask(&format!("INCR name:{number}"));
    }
    assert_eq!(server.ask("FLUSHALL"), "OK");
    let server = server.kill().run();
    assert_eq!(server.ask("DBSIZE"), "0");
}
