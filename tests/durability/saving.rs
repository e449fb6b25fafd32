//! SAVE, BGSAVE, LASTSAVE, SHUTDOWN, and what a clean stop writes.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use crate::server_support::{Ground, Server, eventually};

fn in_memory(ground: &Ground) -> Server {
    ground.server().set("storage.durability=memory").run()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}

fn field(server: &Server, name: &str) -> String {
    let info = server.ask("INFO persistence");
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no field {name}: {info}")).to_owned()
}

#[test]
fn a_background_save_is_seen_to_be_done() {
    let ground = Ground::new();
    let begin = now();
    let server = in_memory(&ground);
    for number in 0..100 {
        server.ask(&format!("INCR counter:{number}"));
    }
    assert_eq!(field(&server, "rdb_changes_since_last_save"), "100");
    assert_eq!((field(&server, "durability"), field(&server, "aof_enabled")), ("memory".to_owned(), "0".to_owned()));
    assert_eq!(server.ask("BGSAVE"), "Background saving started");
    eventually("it is saved", || match field(&server, "rdb_bgsave_in_progress").as_str() {
        "0" => Ok(()),
        other => Err(other.to_owned()),
    });
    assert_eq!(field(&server, "rdb_changes_since_last_save"), "0");
    assert_eq!(field(&server, "rdb_last_bgsave_status"), "ok");
    let last: u64 = server.ask("LASTSAVE").parse().expect("seconds");
    assert!((begin..=now()).contains(&last), "{last}");
    let server = server.kill().run();
    assert_eq!(server.ask("DBSIZE"), "100");
    assert_eq!(field(&server, "rdb_last_load_keys_loaded"), "100");
}

#[test]
fn a_clean_stop_saves_in_every_mode() {
    for mode in ["memory", "everysec", "always"] {
        for stop in ["SIGTERM", "SHUTDOWN", "SHUTDOWN SAVE"] {
            let ground = Ground::new();
            let mut server = ground.server().set(format!("storage.durability={mode}")).run();
            server.ask("INCRBY a 42");
            let start = if stop == "SIGTERM" {
                server.stop(Signal::TERM)
            } else {
                let error = server.client().try_ask(stop).expect_err("no reply");
                assert!(error.contains("closed the connection"), "{error}");
                assert_eq!(server.wait().code(), Some(0), "{}", server.log());
                server.kill()
            };
            let server = start.run();
            assert_eq!(server.ask("GET a"), "42", "{mode}, {stop}");
            assert_eq!(server.reported("counters").split(' ').next(), Some("1"), "{}", server.report());
            assert!(server.ask("CLUSTER INFO").contains("cluster_known_replicas:1\r\n"), "{mode}, {stop}");
        }
    }
}

#[test]
fn nosave_leaves_what_was_saved_before_and_means_memory_alone() {
    for (mode, expected) in [("memory", "[5 0]"), ("everysec", "[6 1]"), ("always", "[6 1]")] {
        let ground = Ground::new();
        let mut server = ground.server().set(format!("storage.durability={mode}")).run();
        for request in ["INCRBY a 5", "SAVE", "INCR a", "INCR b"] {
            server.ask(request);
        }
        server.client().try_ask("SHUTDOWN NOSAVE").expect_err("no reply");
        assert_eq!(server.wait().code(), Some(0));
        let words = match mode {
            "memory" => ["WARN", "what changed in 2 counters was not saved, as SHUTDOWN NOSAVE said"],
            _ => ["INFO", "2 counters are saved in "],
        };
        let line = server.eventually_logs(&words);
        let leaves_nothing_out = line.contains(&format!("NOSAVE leaves nothing out with durability = \"{mode}\""));
        assert_eq!(leaves_nothing_out, mode != "memory", "{line}");
        let server = server.kill().run();
        assert_eq!(server.ask("MGET a b"), expected, "{mode}");
    }
}

#[test]
fn a_deleted_counter_is_not_back_after_a_crash() {
    let ground = Ground::new();
    let server = in_memory(&ground);
    for request in ["INCRBY a 5", "INCRBY b 6", "SAVE", "DEL a", "SET b 1", "SAVE"] {
        server.ask(request);
    }
    let server = server.kill().run();
    assert_eq!(server.ask("MGET a b"), "[0 1]");
    assert_eq!(server.ask("KEYS *"), "[b]");
}

#[test]
fn a_new_identity_keeps_the_counters_across_a_crash() {
    for mode in ["memory", "everysec", "always"] {
        let ground = Ground::new();
        let server = ground.server().set(format!("storage.durability={mode}")).run();
        let id = server.id();
        for request in ["INCRBY a 5", "CLUSTER RESET HARD", "INCR a", "SAVE"] {
            assert!(!server.ask(request).starts_with('-'), "{request}");
        }
        let new_id = server.ask("CLUSTER MYID");
        assert_ne!(id, new_id);
        let server = server.kill().run();
        assert_eq!((server.id(), server.ask("GET a")), (new_id, "6".to_owned()), "{mode}");
        server.ask("INCR a");
        let server = server.stop(Signal::TERM).run();
        assert_eq!(server.ask("GET a"), "7", "{mode}");
    }
}

#[test]
fn the_configuration_is_told_in_the_words_of_redis() {
    let ground = Ground::new();
    for (mode, only, sync) in [("memory", "no", "no"), ("everysec", "yes", "everysec"), ("always", "yes", "always")] {
        let server = ground.server().set(format!("storage.durability={mode}")).run();
        let expected = format!("[appendfsync {sync} appendonly {only}]");
        assert_eq!(server.ask("CONFIG GET append*"), expected);
        assert_eq!(server.ask("CONFIG GET storage.durability"), format!("[storage.durability {mode}]"));
    }
}

#[test]
fn the_client_takes_the_end_of_a_server_for_the_answer_to_shutdown() {
    let ground = Ground::new();
    let mut server = ground.start();
    let ran = ground.cli(&["-p", &server.port().to_string(), "shutdown"]);
    assert_eq!((ran.code, ran.errors.as_str()), (Some(0), ""), "{}", ran.out);
    assert_eq!(server.wait().code(), Some(0));
}
