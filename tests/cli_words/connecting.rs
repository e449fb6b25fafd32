//! Addresses and passwords from the command line and the environment.

use std::process::Command;

use crate::server_support::{Ground, Ran, run};

/// Runs the client with nothing in the environment but these variables.
fn client(ground: &Ground, variables: &[(&str, &str)], words: &[&str]) -> Ran {
    let mut client = Command::new(env!("CARGO_BIN_EXE_discnt-cli"));
    run(client.args(words).env_clear().envs(variables.iter().copied()).current_dir(ground.path("")))
}

fn assert_counted(ran: &Ran, expected: &str) {
    assert_eq!((ran.code, ran.out.as_str(), ran.errors.as_str()), (Some(0), expected, ""));
}

#[test]
fn the_environment_says_where_the_server_is_and_the_password() {
    let ground = Ground::new();
    let server = ground.server().set("resp.password=secret").run();
    let port = server.port().to_string();
    let url = format!("discnt://127.0.0.1:{port}");
    let with_password = format!("discnt://:secret@127.0.0.1:{port}");
    let wrong = [("DISCNT_CLI_AUTH", "wrong"), ("REDISCLI_AUTH", "wrong")];
    assert_counted(&client(&ground, &[("DISCNT_URL", &with_password)], &["incr", "a"]), "1\n");
    let variables = [("DISCNT_URL", url.as_str()), ("DISCNT_AUTH", "secret"), wrong[0], wrong[1]];
    assert_counted(&client(&ground, &variables, &["incr", "a"]), "2\n");
    let elsewhere = [("DISCNT_URL", "discnt://127.0.0.1:1"), ("DISCNT_AUTH", "secret")];
    assert_counted(&client(&ground, &elsewhere, &["-p", &port, "incr", "a"]), "3\n");
    let nonsense = client(&ground, &[("DISCNT_URL", "http://:secret@h")], &["incr", "a"]);
    assert_eq!(nonsense.code, Some(2));
    assert!(nonsense.errors.contains("DISCNT_URL is no address of a server"), "{nonsense:?}");
    assert!(!nonsense.errors.contains("secret"), "{nonsense:?}");
}

#[test]
fn a_password_on_the_command_line_is_taken_with_a_warning() {
    let ground = Ground::new();
    let server = ground.server().set("resp.password=secret").run();
    let port = server.port().to_string();
    let url = format!("redis://:secret@127.0.0.1:{port}");
    for words in [vec!["-p", &port, "-a", "secret"], vec!["-u", &url]] {
        let warned = client(&ground, &[], &[&words[..], &["ping"]].concat());
        assert_eq!((warned.code, warned.out.as_str()), (Some(0), "PONG\n"));
        assert!(warned.errors.contains("may not be safe"), "{warned:?}");
        assert!(!warned.errors.contains("secret"), "{warned:?}");
        assert_counted(&client(&ground, &[], &[&words[..], &["--no-auth-warning", "ping"]].concat()), "PONG\n");
    }
}

#[test]
fn a_unix_socket_is_as_good_as_a_port() {
    let ground = Ground::new();
    let path = ground.path("clients.sock");
    let path = path.to_str().expect("UTF-8");
    let _server = ground.server().set(format!("resp.unix_socket={path}")).set("resp.password=secret").run();
    let password = [("DISCNT_AUTH", "secret")];
    assert_counted(&client(&ground, &password, &["-s", path, "incr", "a"]), "1\n");
    let url = format!("unix://{path}");
    assert_counted(&client(&ground, &password, &["-u", &url, "-r", "2", "incr", "a"]), "2\n3\n");
    let variables = [("DISCNT_URL", url.as_str()), ("DISCNT_AUTH", "secret")];
    assert_counted(&client(&ground, &variables, &["--json", "get", "a"]), "\"3\"\n");
    let missing = client(&ground, &[], &["-s", "missing.sock", "incr", "a"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.errors.contains("could not connect to missing.sock: No such file"), "{missing:?}");
}

#[test]
fn variables_that_are_no_text_are_refused_where_they_count() {
    let no_text = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xffsecret");
    let ground = Ground::new();
    for (name, words, code) in [
        ("DISCNT_URL", &["ping"][..], 2),
        ("DISCNT_AUTH", &["ping"], 2),
        ("REDISCLI_AUTH", &["ping"], 2),
        ("DISCNT_AUTH", &["--version"], 0),
    ] {
        let mut client = Command::new(env!("CARGO_BIN_EXE_discnt-cli"));
        let ran = run(client.args(words).env_clear().env(name, no_text).current_dir(ground.path("")));
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(code == 0 || ran.errors.contains(name) && ran.errors.contains("it is not UTF-8"), "{ran:?}");
        assert!(!ran.errors.contains("secret"), "{ran:?}");
    }
}
