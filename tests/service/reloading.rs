//! SIGHUP: the configuration is read again, wholly or not at all.

use std::fs;

use rustix::process::Signal;

use crate::manager::Manager;
use crate::server_support::Ground;

#[test]
fn what_can_change_changes_and_what_cannot_is_named() {
    let ground = Ground::new();
    let manager = Manager::new(&ground);
    let file = ground.path("discnt.toml");
    fs::write(&file, "[resp]\nmax_clients = 500\n").expect("written");
    let server = manager.watches(ground.server().argument("--config").argument(&file), &[]).run();
    manager.hear_until("READY=1");
    let process = server.process_id();
    let mut client = server.client();
    client.ask("INCR a");
    fs::write(&file, "[resp]\nmax_clients = 400\npassword = \"hunter2\"\n[counters]\nsettle_ms = 500\n")
        .expect("written");
    server.signal(Signal::HUP);
    let reloading = manager.hear_until("RELOADING=1");
    let since = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).expect("when it began");
    assert!(since.parse::<u64>().expect("a number") > 0, "{reloading}");
    let ready = manager.hear_until("READY=1");
    assert!(ready.contains("STATUS=serving 1 counters; no other members\n"), "{ready}");
    // Whoever is connected stays so, and the rest goes by what was read.
    assert_eq!(client.ask("INCR a"), "2");
    assert_eq!(client.ask("CONFIG GET maxclients"), "[maxclients 400]");
    let refused = server.ask("INCR a");
    assert!(refused.contains("NOAUTH"), "{refused}");
    server.eventually_logs(&["read again", "resp.password", "resp.max_clients"]);
    server.eventually_logs(&["takes effect after a restart: counters.settle_ms"]);
    assert!(!server.log().contains("hunter2"));
    assert_eq!(server.process_id(), process);
}

#[test]
fn a_file_with_a_mistake_is_refused_as_a_whole_and_the_server_goes_on() {
    let ground = Ground::new();
    let manager = Manager::new(&ground);
    let file = ground.path("discnt.toml");
    fs::write(&file, "[resp]\nmax_clients = 500\n").expect("written");
    let server = manager.watches(ground.server().argument("--config").argument(&file), &[]).run();
    manager.hear_until("READY=1");
    for (text, why) in [
        ("[resp]\nmax_clients = 400\ntimeout_seconds = \"soon\"\n", "discnt.toml, line 3: resp.timeout_seconds"),
        ("[resp]\nmax_clients = 400\nmax_client = 4\n", "did you mean resp.max_clients?"),
        ("[resp\n", "this is not TOML"),
    ] {
        fs::write(&file, text).expect("written");
        server.signal(Signal::HUP);
        manager.hear_until("RELOADING=1");
        let ready = manager.hear_until("READY=1");
        assert!(ready.contains("; NOT RELOADED: the configuration is not valid:") && ready.contains(why), "{ready}");
        server.eventually_logs(&[why]);
        assert_eq!(server.ask("CONFIG GET maxclients"), "[maxclients 500]");
    }
    fs::remove_file(&file).expect("removed");
    server.signal(Signal::HUP);
    manager.hear_until("RELOADING=1");
    assert!(manager.hear_until("READY=1").contains("the file cannot be read"));
    // A good one ends it.
    fs::write(&file, "[resp]\nmax_clients = 400\n").expect("written");
    server.signal(Signal::HUP);
    manager.hear_until("RELOADING=1");
    let ready = manager.hear_until("READY=1");
    assert!(!ready.contains("NOT RELOADED"), "{ready}");
    assert_eq!(server.ask("CONFIG GET maxclients"), "[maxclients 400]");
}

#[test]
fn what_a_client_has_set_stays() {
    let ground = Ground::new();
    let file = ground.path("discnt.toml");
    fs::write(&file, "[resp]\nmax_clients = 500\n").expect("written");
    let server = ground.server().argument("--config").argument(&file).run();
    let mut client = server.client();
    assert_eq!(client.ask("CONFIG SET requirepass hunter2"), "OK");
    fs::write(&file, "[resp]\nmax_clients = 400\n").expect("written");
    server.signal(Signal::HUP);
    server.eventually_logs(&["stays as CONFIG SET has it", "resp.password"]);
    let refused = server.ask("INCR a");
    assert!(refused.contains("NOAUTH"), "{refused}");
    assert_eq!(client.ask("CONFIG GET maxclients"), "[maxclients 400]");
}
