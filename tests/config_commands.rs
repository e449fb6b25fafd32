//! CONFIG on a running server: what is shown, what changes at once, and what is written back.

#[path = "server_support/mod.rs"]
mod server_support;

use std::fs;

use rustix::process::Signal;
use server_support::{Ground, Server, text_of};

fn with_file(ground: &Ground, text: &str) -> Server {
    let path = ground.path("discnt.toml");
    fs::write(&path, text).expect("written");
    ground.server().argument("--config").argument(path).run()
}

#[test]
fn settings_are_found_by_patterns_of_either_name() {
    let ground = Ground::new();
    let server = ground.start();
    let mut client = server.client();
    assert_eq!(client.ask("CONFIG GET maxclients"), "[maxclients 10000]");
    assert_eq!(client.ask("CONFIG GET port"), format!("[port {}]", server.port()));
    assert_eq!(client.ask("CONFIG GET save appendonly appendfsync"), "[appendfsync everysec appendonly yes save ]");
    assert_eq!(
        client.ask("CONFIG GET resp.pubsub* counters.max_m*"),
        "[counters.max_memory 0 resp.pubsub_output_hard_bytes 33554432 resp.pubsub_output_soft_bytes 8388608 resp.pubsub_output_soft_seconds 60]"
    );
    for name in [
        "bind",
        "dir",
        "timeout",
        "tcp-keepalive",
        "maxmemory",
        "loglevel",
        "requirepass",
        "default-precision",
        "history-size",
        "cluster-node-timeout",
        "protected-mode",
        "client-output-buffer-limit",
        "unixsocketperm",
    ] {
        assert!(client.ask(&format!("CONFIG GET {name}")).starts_with(&format!("[{name} ")), "{name}");
    }
}

#[test]
fn what_may_change_holds_at_once_and_what_may_not_is_named() {
    let ground = Ground::new();
    let server = ground.start();
    let mut client = server.client();
    for pair in [
        "maxclients 500",
        "timeout 100",
        "tcp-keepalive 60",
        "maxmemory 1gb",
        "loglevel debug",
        "latency-monitor-threshold 20",
        "slowlog-max-len 3",
        "slowlog-log-slower-than -1",
        "protected-mode no",
        "counters.max_counters 1000",
        "default-precision 0.1",
        "save ",
        "appendonly yes",
    ] {
        let mut words = pair.split(' ');
        let (name, value) = (words.next().expect("a name"), words.next().expect("a value"));
        let request =
            format!("*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n${}\r\n{name}\r\n${}\r\n{value}\r\n", name.len(), value.len());
        client.send_bytes(request.as_bytes()).expect("connected");
        assert_eq!(text_of(&client.reply().expect("a reply")), "OK", "{pair}");
    }
    assert_eq!(client.ask("CONFIG GET maxmemory"), "[maxmemory 1073741824]");
    for (name, value, key) in [
        ("port", "1", "resp.port"),
        ("bind", "0.0.0.0", "resp.bind"),
        ("dir", "/tmp", "storage.data_dir"),
        ("appendonly", "no", "storage.durability"),
        ("appendfsync", "always", "storage.durability"),
        ("cluster-node-timeout", "9000", "cluster.node_timeout_ms"),
    ] {
        let refusal = client.ask(&format!("CONFIG SET maxclients 7 {name} {value}"));
        let expected = format!(
            "-ERR CONFIG SET failed (possibly related to argument '{name}') - {key} cannot be changed while the node runs; set it in the configuration file and start the node again; nothing was changed"
        );
        assert_eq!(refusal, expected);
    }
    assert_eq!(client.ask("CONFIG GET maxclients"), "[maxclients 500]");
    let refusal = client.ask("CONFIG SET timeout 5 maxclients 0");
    assert!(refusal.contains("argument 'maxclients') - [resp] max_clients = 0: allowed is 1 to"), "{refusal}");
    let refusal = client.ask("CONFIG SET resp.max_client 5");
    assert!(refusal.contains("unknown key resp.max_client; did you mean resp.max_clients?"), "{refusal}");
}

#[test]
fn slow_requests_are_kept_as_was_set_last() {
    let ground = Ground::new();
    let server = ground.server().set("debug.enabled=true").run();
    let mut client = server.client();
    assert_eq!(client.ask("CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 2"), "OK");
    for request in ["CONFIG SET requirepass hidden", "CONFIG SET resp.password hidden", "CONFIG SET requirepass other"]
    {
        assert_eq!(client.ask(request), "OK");
    }
    let kept = client.ask("SLOWLOG GET");
    assert_eq!(kept.matches("(redacted)").count(), 2, "{kept}");
    assert!(!kept.contains("hidden") && !kept.contains("other"), "{kept}");
    assert_eq!(client.ask("CONFIG SET slowlog-log-slower-than -1"), "OK");
    assert_eq!(client.ask("SLOWLOG RESET"), "OK");
    assert_eq!(client.ask("PING"), "PONG");
    assert_eq!(client.ask("SLOWLOG LEN"), "0");
    assert_eq!(client.ask("LATENCY LATEST"), "[]");
    assert_eq!(client.ask("CONFIG SET latency-monitor-threshold 1"), "OK");
    assert_eq!(client.ask("DEBUG SLEEP 0.01"), "OK");
    let latest = client.ask("LATENCY LATEST");
    assert!(latest.starts_with("[[command "), "{latest}");
}

#[test]
fn the_log_tells_more_once_it_is_told_to() {
    let ground = Ground::new();
    let server = ground.server().set("log.level=error").run();
    let mut client = server.client();
    assert_eq!(client.ask("CONFIG SET timeout 100"), "OK");
    assert!(!server.log().contains("settings were changed"), "{}", server.log());
    assert_eq!(client.ask("CONFIG SET loglevel notice"), "OK");
    assert_eq!(client.ask("CONFIG SET tcp-keepalive 61"), "OK");
    server.eventually_logs(&["settings were changed by a client: resp.tcp_keepalive_secs"]);
}

#[test]
fn a_password_holds_for_those_who_come_after_it() {
    let ground = Ground::new();
    let server = ground.start();
    let mut early = server.client();
    assert_eq!(early.ask("CONFIG SET requirepass secret"), "OK");
    assert_eq!(early.ask("PING"), "PONG");
    let mut late = server.client();
    assert_eq!(late.ask("PING"), "-NOAUTH Authentication required.");
    assert_eq!(late.ask("AUTH secret"), "OK");
    assert_eq!(late.ask("CONFIG GET requirepass"), "[requirepass ********]");
    assert!(!server.log().contains("secret"));
    let request = b"*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$11\r\nrequirepass\r\n$0\r\n\r\n";
    late.send_bytes(request).expect("connected");
    assert_eq!(text_of(&late.reply().expect("a reply")), "OK");
    assert_eq!(server.ask("PING"), "PONG");
}

#[test]
fn changed_settings_are_written_into_the_file_and_hold_after_the_next_start() {
    let ground = Ground::new();
    let text = "# ours\n[resp] # clients\n\n# The most.\n# max_clients = 10000\n\ntimeout_seconds = 600 # ten minutes\n\n[log]\nlevel = 'info' # as usual\n";
    let server = with_file(&ground, text);
    let mut client = server.client();
    assert_eq!(client.ask("CONFIG REWRITE"), "OK");
    assert_eq!(fs::read_to_string(ground.path("discnt.toml")).expect("the file"), text);
    assert_eq!(client.ask("CONFIG SET maxclients 77 timeout 300 maxmemory 1gb requirepass s3"), "OK");
    assert_eq!(client.ask("CONFIG REWRITE"), "OK");
    let written = fs::read_to_string(ground.path("discnt.toml")).expect("the file");
    let expected = text
        .replace("10000\n", "10000\nmax_clients = 77\n")
        .replace("600 #", "300 #")
        .replace("# ten minutes\n", "# ten minutes\npassword = \"s3\"\n");
    assert_eq!(written, format!("{expected}\n[counters]\nmax_memory = 1073741824\n"));
    let server = server.stop(Signal::TERM).run();
    let mut client = server.client();
    assert_eq!(client.ask("AUTH s3"), "OK");
    assert_eq!(
        client.ask("CONFIG GET maxclients timeout maxmemory"),
        "[maxclients 77 maxmemory 1073741824 timeout 300]"
    );
}

#[test]
fn what_a_flag_will_take_back_at_the_next_start_is_named_when_it_is_written() {
    let ground = Ground::new();
    fs::write(ground.path("discnt.toml"), "[resp]\n").expect("the file");
    let file = ground.path("discnt.toml").display().to_string();
    let server = ground.server().argument("--config").argument(&file).set("resp.timeout_seconds=77").run();
    let mut client = server.client();
    assert_eq!(client.ask("CONFIG SET timeout 5 maxclients 50"), "OK");
    assert_eq!(client.ask("CONFIG REWRITE"), "OK");
    let log = server.log();
    assert!(log.contains("resp.timeout_seconds is in the configuration file now, and a variable or a flag"), "{log}");
    assert!(!log.contains("resp.max_clients is"), "{log}");
}

#[test]
fn rewrites_at_the_same_time_all_leave_a_whole_file() {
    let ground = Ground::new();
    let server = with_file(&ground, "[resp] # for clients\ntimeout_seconds = 1 # not long\n");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let mut client = server.client();
            scope.spawn(move || {
                for round in 0..30 {
                    assert_eq!(client.ask(&format!("CONFIG SET timeout {}", 1000 + 100 * writer + round)), "OK");
                    assert_eq!(client.ask("CONFIG REWRITE"), "OK");
                }
            });
        }
    });
    let timeout = server.ask("CONFIG GET timeout");
    let timeout = timeout.trim_matches(['[', ']']).replace("timeout ", "timeout_seconds = ");
    let text = fs::read_to_string(ground.path("discnt.toml")).expect("it is there");
    assert_eq!(text, format!("[resp] # for clients\n{timeout} # not long\n"));
}

#[test]
fn a_rewrite_that_cannot_be_says_why_and_leaves_the_file() {
    let ground = Ground::new();
    let server = ground.start();
    assert_eq!(server.ask("CONFIG REWRITE"), "-ERR The server is running without a config file");
    let server = with_file(&ground, "[resp]\nmax_clients = 5\n");
    let mut client = server.client();
    assert_eq!(client.ask("CONFIG SET maxclients 6"), "OK");
    // Somebody is at work on it.
    fs::write(ground.path("discnt.toml"), "[resp\nmax_clients = 5\n").expect("written");
    let refusal = client.ask("CONFIG REWRITE");
    assert!(refusal.contains("discnt.toml: this is not TOML"), "{refusal}");
    assert_eq!(fs::read_to_string(ground.path("discnt.toml")).expect("the file"), "[resp\nmax_clients = 5\n");
    fs::remove_file(ground.path("discnt.toml")).expect("removed");
    let refusal = client.ask("CONFIG REWRITE");
    assert!(refusal.contains("discnt.toml cannot be found"), "{refusal}");
    assert_eq!(client.ask("CONFIG GET maxclients"), "[maxclients 6]");
}

#[test]
fn counts_begin_anew_and_counters_stay() {
    let ground = Ground::new();
    let server = ground.start();
    let mut client = server.client();
    for request in ["INCR a", "GET a", "GET missing", "nosuch"] {
        client.ask(request);
    }
    assert_eq!(client.ask("CONFIG RESETSTAT"), "OK");
    let stats = client.ask("INFO stats");
    for field in ["total_commands_processed:1\r\n", "keyspace_hits:0\r\n", "total_error_replies:0\r\n"] {
        assert!(stats.contains(field), "{field}: {stats}");
    }
    assert_eq!(client.ask("GET a"), "1");
}
