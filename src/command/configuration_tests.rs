use super::*;
use crate::command::access::PasswordHash;
use crate::command::configured::{ChangeRefused, Configured};
use crate::command::environment::Settings;
use crate::command::testing::Bench;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Takes every change but those of the port.
#[derive(Debug)]
struct Settable(Mutex<Vec<(String, String)>>);

impl Configured for Settable {
    fn pairs(&self) -> Vec<(String, String)> {
        self.0.lock().clone()
    }

    fn change(&self, changes: &[(String, String)]) -> Result<(), ChangeRefused> {
        if let Some((key, _)) = changes.iter().find(|(key, _)| key == "resp.port") {
            let reason = format!("{key} cannot be changed");
            return Err(ChangeRefused { key: Some(key.clone()), reason });
        }
        let mut pairs = self.0.lock();
        for (key, value) in changes {
            pairs.retain(|(name, _)| name != key);
            pairs.push((key.clone(), value.clone()));
        }
        Ok(())
    }

    fn rewrite(&self) -> Result<(), String> {
        Ok(())
    }
}

fn bench() -> Bench {
    let pairs = [
        ("resp.bind", "127.0.0.1"),
        ("resp.max_clients", "77"),
        ("resp.password", "secret"),
        ("resp.protected_mode", "true"),
        ("resp.normal_output_hard_bytes", "0"),
        ("resp.normal_output_soft_bytes", "0"),
        ("resp.normal_output_soft_seconds", "0"),
        ("resp.pubsub_output_hard_bytes", "33554432"),
        ("resp.pubsub_output_soft_bytes", "8388608"),
        ("resp.pubsub_output_soft_seconds", "60"),
        ("counters.default_precision", "1"),
        ("log.level", "info"),
        ("storage.data_dir", "./discnt-data/7711"),
    ];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let bench = Bench::with(Settings { config: Arc::new(Settable(Mutex::new(pairs))), ..Settings::default() });
    bench.environment.process.tcp_port.store(7711, Ordering::Relaxed);
    bench
}

#[test]
fn settings_are_shown_by_our_names_and_those_of_redis() {
    let mut bench = bench();
    for (line, reply) in [
        ("config get save", "*2 $4 save $0"),
        ("CONFIG GET appendonly", "*2 $10 appendonly $3 yes"),
        ("CONFIG GET appendfsync", "*2 $11 appendfsync $8 everysec"),
        ("config get MaxClients", "*2 $10 maxclients $2 77"),
        ("config get port", "*2 $4 port $4 7711"),
        ("config get bind", "*2 $4 bind $9 127.0.0.1"),
        ("config get resp.b*", "*2 $9 resp.bind $9 127.0.0.1"),
        ("config get unixsocket", "*2 $10 unixsocket $0"),
        ("config get protected-mode", "*2 $14 protected-mode $3 yes"),
        ("config get default-precision dir", "*4 $17 default-precision $1 1 $3 dir $18 ./discnt-data/7711"),
        ("config get nosuch", "*0"),
        ("config get", "-ERR wrong number of arguments for 'config|get' command"),
    ] {
        assert_eq!(bench.run(line), reply, "{line}");
    }
    assert_eq!(
        bench.run("config get client-output*"),
        "*2 $26 client-output-buffer-limit $39 normal 0 0 0 pubsub 33554432 8388608 60"
    );
}

#[test]
fn a_secret_is_never_shown() {
    let mut bench = bench();
    let all = bench.run("config get * *");
    assert!(all.contains("$13 resp.password $8 ********"), "{all}");
    assert!(all.contains("$11 requirepass $0"), "{all}");
    assert!(!all.contains("secret"), "{all}");
    let mut bench = Bench::with_password("hunter2");
    bench.run("auth hunter2");
    assert_eq!(bench.run("config get requirepass"), "*2 $11 requirepass $8 ********");
    assert!(!bench.text("info everything").contains("hunter2"));
    assert!(!format!("{:?}", bench.environment.settings).contains("hunter2"));
}

#[test]
fn settings_are_set_by_either_name() {
    let mut bench = bench();
    for (line, name, value) in [
        ("config set maxclients 5", "resp.max_clients", "5"),
        ("config set resp.max_clients 6", "resp.max_clients", "6"),
        ("CONFIG SET RequirePass s", "resp.password", "********"),
        ("config set protected-mode no", "resp.protected_mode", "false"),
        ("config set loglevel notice", "log.level", "info"),
        ("config set loglevel warn", "log.level", "warn"),
        ("config set appendfsync no", "storage.durability", "memory"),
        ("config set maxmemory 100mb", "counters.max_memory", "100mb"),
    ] {
        assert_eq!(bench.run(line), "+OK", "{line}");
        let shown = format!("*2 ${} {name} ${} {value}", name.len(), value.len());
        assert_eq!(bench.run(&format!("config get {name}")), shown, "{line}");
    }
    assert_eq!(bench.run("config set maxclients 7 timeout 9"), "+OK");
    assert_eq!(bench.run("config get maxclients timeout"), "*4 $10 maxclients $1 7 $7 timeout $1 9");
    let limits: [&[u8]; 4] = [b"config", b"set", b"client-output-buffer-limit", b"normal 2mb 1mb 10 replica 0 0 0"];
    assert_eq!(bench.outcome(&limits), Outcome::Reply(OK));
    let shown = bench.run("config get client-output*");
    assert!(shown.ends_with("normal 2097152 1048576 10 pubsub 33554432 8388608 60"), "{shown}");
}

#[test]
fn what_is_so_already_may_be_set() {
    let mut bench = bench();
    for line in [
        "config set save ",
        "config set appendonly yes",
        "config set port 7711",
        "config set databases 1",
        "config set maxmemory-policy noeviction",
        "config set history-size 0",
    ] {
        assert_eq!(bench.run(line), "+OK", "{line}");
    }
}

#[test]
fn what_cannot_be_set_is_named_and_nothing_of_the_rest_is_set() {
    let mut bench = bench();
    let failed = |argument: &str, reason: &str| {
        format!("-ERR CONFIG SET failed (possibly related to argument '{argument}') - {reason}; nothing was changed")
    };
    for (line, error) in [
        ("config set maxclients 5 port 1", failed("port", "resp.port cannot be changed")),
        ("config set maxclients 5 resp.max_clients 6", failed("resp.max_clients", "duplicate parameter")),
        ("config set maxclients 5 save 60", failed("save", "it is always '' here")),
        ("config set maxclients 5 protected-mode maybe", failed("protected-mode", "argument must be 'yes' or 'no'")),
        (
            "config set maxclients 5 appendfsync soon",
            failed("appendfsync", "argument must be one of 'always', 'everysec' and 'no'"),
        ),
        (
            "config set maxclients 5 nosuch 1",
            "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'".to_owned(),
        ),
        ("config set maxclients", "-ERR wrong number of arguments for 'config|set' command".to_owned()),
        ("config set maxclients 5 timeout", "-ERR wrong number of arguments for 'config|set' command".to_owned()),
    ] {
        assert_eq!(bench.run(line), error, "{line}");
    }
    for limits in ["normal 1 1", "", "odd 1 1 1", "normal 1 1 x"] {
        let outcome = bench.outcome(&[b"config", b"set", b"client-output-buffer-limit", limits.as_bytes()]);
        assert!(matches!(outcome, Outcome::Reply(Reply::Error(_))), "{limits}");
    }
    assert_eq!(bench.run("config get maxclients"), "*2 $10 maxclients $2 77");
}

#[test]
fn a_password_that_is_set_while_running_is_asked_for_from_then_on() {
    let mut bench = bench();
    let before = Bench::connect(&bench.environment, bench.now);
    assert!(before.is_authenticated());
    let access = Arc::clone(&bench.environment.settings.access);
    access.set_default_password(Some(PasswordHash::of(b"new")));
    assert!(!Bench::connect(&bench.environment, bench.now).is_authenticated());
    assert!(before.is_authenticated());
    assert_eq!(bench.run("auth new"), "+OK");
    assert!(bench.run("auth old").starts_with("-WRONGPASS"));
    access.set_default_password(None);
    assert!(Bench::connect(&bench.environment, bench.now).is_authenticated());
}

#[test]
fn counts_begin_anew() {
    let mut bench = bench();
    for line in ["incr a", "get a", "get b", "nosuch"] {
        bench.run(line);
    }
    bench.environment.statistics.count_rejected_connection();
    bench.run_for("get a", 5);
    assert_ne!(bench.run("latency histogram"), "*0");
    assert_eq!(bench.run("config resetstat"), "+OK");
    assert_eq!(bench.run("latency histogram"), "*0");
    let info = bench.text("info all");
    for field in [
        "total_connections_received:0\r\n",
        // This one and LATENCY.
        "total_commands_processed:2\r\n",
        "keyspace_hits:0\r\n",
        "keyspace_misses:0\r\n",
        "total_error_replies:0\r\n",
        "rejected_connections:0\r\n",
    ] {
        assert!(info.contains(field), "{field}: {info}");
    }
    assert_eq!(bench.run("get a"), "$1 1", "counters are no counts");
}

#[test]
fn a_rewrite_waits_for_the_disk() {
    assert_eq!(bench().pending("config rewrite"), Pending::RewriteConfiguration);
}
