//! Passwords: where they come from, where they never turn up, and guesses.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use socket2::{Domain, Socket, Type};

use crate::server_support::{Ground, Server, eventually, run, text_of};

const PASSWORD: &str = "correct-horse-battery";

/// Nothing that the server shows to anybody has the password in it.
fn assert_hidden(server: &Server) {
    let mut client = server.client();
    assert_eq!(client.ask("MULTI"), "-NOAUTH Authentication required.");
    assert_eq!(client.ask(&format!("AUTH {PASSWORD}")), "OK");
    client.ask("CONFIG SET slowlog-log-slower-than 0");
    let mut monitor = server.client();
    monitor.ask(&format!("AUTH {PASSWORD}"));
    assert_eq!(monitor.ask("MONITOR"), "OK");
    let mut other = server.client();
    other.ask(&format!("AUTH default {PASSWORD}"));
    other.ask(&format!("HELLO 2 AUTH default {PASSWORD} SETNAME me"));
    other.ask(&format!("ACL SETUSER somebody on >{PASSWORD} ~* +@all"));
    assert_eq!(other.ask(&format!("AUTH somebody {PASSWORD}")), "OK");
    let shown: Vec<String> =
        ["CONFIG GET *", "SLOWLOG GET -1", "CLIENT LIST", "INFO everything", "ACL LOG", "ACL LIST"]
            .into_iter()
            .map(|request| client.ask(request))
            .collect();
    assert!(shown[1].contains("(redacted)"), "{}", shown[1]);
    client.ask("PING");
    // All that was told up to the PING.
    let told = eventually("the monitor is told", || {
        let mut told = Vec::new();
        while let Ok(frame) = monitor.reply() {
            told.push(text_of(&frame));
            if told.last().is_some_and(|line| line.contains("PING")) {
                return Ok(told.join("\n"));
            }
        }
        Err(told.join("\n"))
    });
    for text in shown.iter().chain([&told, &server.log(), &server.report().to_owned()]) {
        assert!(!text.contains(PASSWORD), "{text}");
    }
}

#[test]
fn a_password_from_a_file_is_asked_for_and_never_shown() {
    let ground = Ground::new();
    let file = ground.path("password");
    fs::write(&file, format!("{PASSWORD}\n")).expect("written");
    let server = ground.server().set(format!("resp.password_file={}", file.display())).run();
    assert_eq!(server.ask("PING"), "-NOAUTH Authentication required.");
    assert_eq!(server.ask("AUTH wrong"), "-WRONGPASS invalid username-password pair or user is disabled.");
    assert_hidden(&server);
}

#[test]
fn a_credential_of_the_service_manager_is_the_password_by_itself() {
    let ground = Ground::new();
    fs::create_dir(ground.path("credentials")).expect("a directory");
    fs::write(ground.path("credentials/discnt-resp-password"), PASSWORD).expect("written");
    let directory: OsString = ground.path("credentials").into();
    let server = ground.server().variables(vec![("CREDENTIALS_DIRECTORY".to_owned(), directory)]).run();
    assert_hidden(&server);
    let missing = ground.server().set("resp.password_file=credential:other").run_refused();
    assert!(missing.errors.contains("CREDENTIALS_DIRECTORY is not set"), "{}", missing.errors);
}

#[test]
fn a_password_file_that_cannot_be_read_keeps_the_server_from_starting() {
    let ground = Ground::new();
    for (text, reason) in [(None, "No such file"), (Some(""), "its first line is empty")] {
        let file = ground.path("bad-password");
        if let Some(text) = text {
            fs::write(&file, text).expect("written");
        }
        let setting = format!("resp.password_file={}", file.display());
        let refused = ground.server().set(&setting).run_refused();
        assert!(refused.errors.contains("password_file") && refused.errors.contains(reason), "{}", refused.errors);
        let checked = ground.server().set(&setting).argument("--check-config").run_refused();
        assert_eq!(checked.code, Some(1), "{}", checked.errors);
        assert!(checked.errors.contains(reason), "{}", checked.errors);
    }
    // What only the service is given can be looked at nowhere else.
    let setting = "resp.password_file=credential:secret";
    let checked = ground.server().set(setting).argument("--check-config").run_refused();
    assert_eq!(checked.code, Some(0), "{}", checked.errors);
    assert!(checked.errors.contains("credential:secret is not looked at"), "{}", checked.errors);
}

#[test]
fn a_password_on_the_command_line_is_warned_of() {
    let ground = Ground::new();
    let server = ground.server().set(format!("resp.password={PASSWORD}")).run();
    let line = server.eventually_logs(&["WARN", "command line"]);
    assert!(line.contains("password_file"), "{line}");
    assert_hidden(&server);
}

#[test]
fn a_password_that_is_set_while_it_runs_takes_the_place_of_the_file() {
    let ground = Ground::new();
    let file = ground.path("password");
    fs::write(&file, "first").expect("written");
    let server = ground.server().set(format!("resp.password_file={}", file.display())).run();
    let mut client = server.client();
    assert_eq!(client.ask("AUTH first"), "OK");
    fs::write(&file, "second").expect("written");
    assert_eq!(client.ask(&format!("CONFIG SET resp.password_file {}", file.display())), "OK", "it is read again");
    assert!(client.ask("AUTH first").starts_with("-WRONGPASS"));
    assert_eq!(server.ask("AUTH second"), "OK");
    let bad = client.ask("CONFIG SET resp.password_file /nowhere/at/all");
    assert!(bad.contains("No such file") && bad.contains("nothing was changed"), "{bad}");
    assert_eq!(server.ask("AUTH second"), "OK");
    fs::write(&file, "third").expect("written");
    server.signal(rustix::process::Signal::HUP);
    server.eventually_logs(&["event=\"reloaded\""]);
    assert_eq!(server.ask("AUTH third"), "OK");
    assert!(server.ask("AUTH second").starts_with("-WRONGPASS"));
}

#[test]
fn guesses_are_throttled_and_told_how_long_and_noted() {
    let ground = Ground::new();
    let server = ground.server().set(format!("resp.password={PASSWORD}")).run();
    let mut inside = server.client();
    assert_eq!(inside.ask(&format!("AUTH {PASSWORD}")), "OK");
    let refused = eventually("guesses are throttled", || {
        let reply = server.ask("AUTH guess");
        if reply.starts_with("-WRONGPASS") { Err(reply) } else { Ok(reply) }
    });
    assert!(refused.starts_with("-ERR too many failed logins from your address; try again in "), "{refused}");
    assert!(server.ask(&format!("AUTH {PASSWORD}")).starts_with("-ERR too many"), "the right one neither");
    assert_eq!(inside.ask("INCR a"), "1", "who is in stays in");
    let log = inside.ask("ACL LOG");
    assert!(log.contains("auth") && log.contains("AUTH") && log.contains("default"), "{log}");
    server.eventually_logs(&["audit", "event=\"login_refused\"", "user=\"default\"", "peer=\"127.0.0.1:"]);
    server.eventually_logs(&["audit", "event=\"login_throttled\""]);
    assert!(!server.log().contains("guess"), "{}", server.log());
    // It is forgotten by and by.
    eventually("the right one is taken again", || {
        let reply = server.ask(&format!("AUTH {PASSWORD}"));
        if reply == "OK" { Ok(()) } else { Err(reply) }
    });
}

/// What a login is answered that comes from one of this machine's own addresses.
fn log_in_from(host: u8, server: &Server, password: &str) -> String {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, host], 0)).into()).expect("an address of this machine");
    socket.connect(&server.address().into()).expect("it listens");
    let mut stream = TcpStream::from(socket);
    stream.write_all(format!("AUTH {password}\r\n").as_bytes()).expect("sent");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("an answer");
    line.trim().to_owned()
}

#[test]
fn many_addresses_that_guess_are_held_up_and_the_one_of_the_user_is_not() {
    let ground = Ground::new();
    let server = ground.server().set(format!("resp.password={PASSWORD}")).set("resp.max_login_failures=1").run();
    let is_held_up = |answer: &str| answer.starts_with("-ERR too many failed logins as this user");
    assert_eq!(log_in_from(1, &server, PASSWORD), "+OK");
    for stranger in 10..20 {
        let answer = log_in_from(stranger, &server, "a-guess");
        assert!(answer.starts_with("-WRONGPASS"), "{stranger}: {answer}");
    }
    for stranger in 20..23 {
        let answer = log_in_from(stranger, &server, PASSWORD);
        assert!(is_held_up(&answer), "{stranger}: {answer}");
    }
    assert_eq!(log_in_from(1, &server, PASSWORD), "+OK", "it has logged in from there");
    server.eventually_logs(&["audit", "event=\"login_throttled\"", "user=\"default\"", "subject=\"user\""]);
    eventually("strangers may try again", || {
        let answer = log_in_from(30, &server, PASSWORD);
        if is_held_up(&answer) { Err(answer) } else { Ok(()) }
    });
}

#[test]
fn printing_the_configuration_shows_where_passwords_are_and_none_of_them() {
    let ground = Ground::new();
    let hash = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";
    let text = format!(
        "[resp]\npassword_file = \"/run/secret\"\n[users.ann]\npasswords = [\"#{hash}\"]\ncommands = [\"+@read\"]\n"
    );
    fs::write(ground.path("a.toml"), text).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_discnt-server"));
    let ran = run(command.arg("--print-config").arg("--config").arg(ground.path("a.toml")));
    assert_eq!(ran.code, Some(0), "{}", ran.errors);
    for line in ["password_file = \"/run/secret\"", "[users.ann]", "# passwords: 1", "commands = [\"+@read\"]"] {
        assert!(ran.out.contains(line), "{line}: {}", ran.out);
    }
    assert!(!ran.out.contains(hash), "{}", ran.out);
}
