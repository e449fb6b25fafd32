//! Starting: what is refused, and with which words; passwords and logs.

use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use crate::server_support::{Ground, eventually, link};

#[test]
fn a_data_directory_has_one_server() {
    let ground = Ground::new();
    let node = ground.start();
    let refused = ground.server().data_directory(node.data_directory()).run_refused();
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""));
    let directory = node.data_directory();
    for words in ["data directory", &directory.display().to_string(), "in use by another discnt-server", "--data-dir"] {
        assert!(refused.errors.contains(words), "{words}: {}", refused.errors);
    }
    // The first goes on, and when it has ended the directory is free.
    assert_eq!(node.ask("PING"), "PONG");
    let id = node.id();
    assert_eq!(node.kill().run().id(), id);
}

#[test]
fn a_hang_up_does_not_end_it() {
    let ground = Ground::new();
    let node = ground.start();
    node.ask("INCR a");
    node.signal(Signal::HUP);
    eventually("it is told", || {
        let log = node.log();
        if log.contains("no setting was changed") { Ok(()) } else { Err(log) }
    });
    assert_eq!(node.ask("INCR a"), "2");
}

#[test]
fn a_taken_port_is_named() {
    let ground = Ground::new();
    let node = ground.start();
    let refused = ground.server().port(node.port()).run_refused();
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""));
    for words in [&format!("127.0.0.1:{}", node.port()), "in use", "--port"] {
        assert!(refused.errors.contains(words), "{words}: {}", refused.errors);
    }
}

#[test]
fn a_taken_mesh_port_is_named() {
    let ground = Ground::new();
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = taken.local_addr().expect("an address");
    let refused = ground.server().set(format!("mesh.port={}", address.port())).run_refused();
    assert_eq!(refused.code, Some(1));
    for words in [&address.to_string(), "in use", "mesh"] {
        assert!(refused.errors.contains(words), "{words}: {}", refused.errors);
    }
}

#[test]
fn why_it_did_not_start_is_told_even_with_the_log_off() {
    let ground = Ground::new();
    let node = ground.start();
    let refused = ground.server().port(node.port()).set("log.level=off").run_refused();
    assert_eq!(refused.code, Some(1));
    assert!(refused.errors.contains("in use"), "{}", refused.errors);
}

#[test]
fn a_damaged_file_of_members_is_told_and_left_alone() {
    let ground = Ground::new();
    let (first, second) = (ground.start(), ground.start());
    link(&[&first, &second]);
    let again = first.stop(Signal::TERM);
    let data = ground.path("server-1/data");
    let file = data.join("members");
    let mut bytes = std::fs::read(&file).expect("the members");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, &bytes).expect("written");
    let refused = again.run_refused();
    assert_eq!(refused.code, Some(1));
    assert!(refused.errors.contains(&file.display().to_string()), "{}", refused.errors);
    assert_eq!(std::fs::read(&file).expect("the members"), bytes);
}

#[test]
fn keys_are_their_owners_alone() {
    let ground = Ground::new();
    let node = ground.start();
    let key = node.data_directory().join("node.key");
    for file in [key, ground.path("certs/ca.key")] {
        let mode = std::fs::metadata(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(mode.permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
    node.eventually_logs(&["WARN", "newly made authority", "ca.key"]);
}

#[test]
fn a_password_is_asked_for_and_the_client_gives_it() {
    let ground = Ground::new();
    let node = ground.server().set("resp.password=open-sesame").run();
    assert!(node.reported("connect").ends_with("-a PASSWORD"), "{}", node.report());
    assert!(!node.report().contains("sesame") && !node.log().contains("sesame"));
    let port = node.port().to_string();
    let ran = ground.cli(&["-p", &port, "incr", "a"]);
    assert_eq!((ran.code, ran.errors.as_str()), (Some(1), "NOAUTH Authentication required.\n"));
    let ran = ground.cli(&["-p", &port, "-a", "open-sesame", "incr", "a"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "1\n"), "{ran:?}");
    let ran = ground.cli(&["-p", &port, "-a", "wrong", "incr", "a"]);
    assert_ne!(ran.code, Some(0));
    assert!(ran.errors.contains("WRONGPASS"), "{ran:?}");
    let mut client = node.client();
    assert_eq!(client.ask("GET a"), "-NOAUTH Authentication required.");
    assert_eq!(client.ask("AUTH open-sesame"), "OK");
    assert_eq!(client.ask("GET a"), "1");
    let configured = client.ask("CONFIG GET *");
    assert!(!configured.contains("sesame"), "{configured}");
}

#[test]
fn the_log_has_what_its_level_says() {
    let ground = Ground::new();
    let quiet = ground.server().set("log.level=error").run();
    let chatty = ground.server().set("log.level=info,discnt::mesh=debug").run();
    let usual = ground.start();
    link(&[&quiet, &chatty, &usual]);
    chatty.eventually_logs(&["DEBUG discnt::mesh", "a link is up", &usual.id()]);
    chatty.eventually_logs(&["INFO discnt::node", "linked with"]);
    usual.eventually_logs(&["INFO discnt::node", "linked with"]);
    assert!(!usual.log().contains("DEBUG"), "{}", usual.log());
    // What is audited is told at every level.
    let log = quiet.log();
    assert!(log.lines().all(|line| line.contains(" audit: ")), "{log}");
}
