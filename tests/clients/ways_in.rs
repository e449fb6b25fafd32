//! Where clients connect: several addresses, a unix socket, and who is let in.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::field;
use crate::server_support::{Client, Ground, PATIENCE, text_of};

fn ask_unix(path: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(path).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(request.as_bytes()).expect("connected");
    stream.write_all(b"\r\nQUIT\r\n").expect("connected");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("text");
    said
}

#[test]
fn a_unix_socket_serves_with_its_mode_and_goes_with_the_server() {
    let ground = Ground::new();
    let path = ground.path("s.sock");
    // What a crashed server leaves.
    drop(UnixListener::bind(&path).expect("bound"));
    let setting = format!("resp.unix_socket={}", path.display());
    let server = ground.server().set(&setting).set("resp.unix_socket_mode=750").run();
    assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o750);
    assert_eq!(ask_unix(&path, "INCR a"), ":1\r\n+OK\r\n");
    assert_eq!(server.ask("GET a"), "1");
    let info = ask_unix(&path, "CLIENT INFO");
    assert_eq!(field(&info, "addr"), format!("{}:0", path.display()));
    assert_eq!((field(&info, "flags"), field(&info, "laddr")), ("U".to_owned(), field(&info, "addr")));
    let second = ground.server().set(&setting).run_refused();
    assert_eq!(second.code, Some(1));
    assert!(second.errors.contains("another server listens there"), "{}", second.errors);
    assert_eq!(ask_unix(&path, "GET a"), "$1\r\n1\r\n+OK\r\n", "the first is unharmed");
    let output = Command::new("redis-cli").arg("-s").arg(&path).args(["INCR", "a"]).stdin(Stdio::null()).output();
    match output {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout), "2\n"),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => panic!("{error}"),
    }
    server.stop(Signal::TERM);
    assert!(!path.exists());
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let ground = Ground::new();
    let path = ground.path("precious");
    fs::write(&path, "text").expect("written");
    let refused = ground.server().set(format!("resp.unix_socket={}", path.display())).run_refused();
    assert!(refused.errors.contains("no socket; it was left alone"), "{}", refused.errors);
    assert_eq!(fs::read_to_string(&path).expect("there"), "text");
}

#[test]
fn several_addresses_are_listened_on_of_both_families() {
    let ground = Ground::new();
    let server = ground.server().set("resp.bind=127.0.0.1 127.0.0.2 ::1").run();
    let port = server.port();
    for address in [format!("127.0.0.1:{port}"), format!("127.0.0.2:{port}"), format!("[::1]:{port}")] {
        let address: SocketAddr = address.parse().expect("an address");
        let mut client = Client::connect(address).expect("it listens");
        assert_eq!(field(&client.ask("CLIENT INFO"), "laddr"), address.to_string());
    }
}

/// An address of this machine that is not its own alone. Nothing is sent.
fn outer_address() -> Option<SocketAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().filter(|address| !address.ip().is_loopback() && !address.ip().is_unspecified())
}

#[test]
fn clients_of_other_machines_are_denied_until_a_password_or_the_operator_says_otherwise() {
    let Some(mut outer) = outer_address() else {
        let _ = writeln!(std::io::stderr(), "NOT RUN: protected mode needs an address besides 127.0.0.1");
        return;
    };
    let ground = Ground::new();
    let server = ground.server().set("resp.bind=0.0.0.0").run();
    outer.set_port(server.port());
    let denied = || {
        let mut client = Client::connect(outer).expect("it listens");
        client.reply().map(|reply| text_of(&reply))
    };
    let refusal = denied().expect("a reply");
    assert!(refusal.starts_with("-DENIED Discnt is running in protected mode"), "{refusal}");
    assert!(refusal.contains("[resp] password") && refusal.contains("protected-mode no"), "{refusal}");
    let answers = |request: &str| Client::connect(outer).expect("it listens").ask(request);
    let mut local = server.client();
    assert_eq!(local.ask("CONFIG SET protected-mode no"), "OK");
    assert_eq!(answers("PING"), "PONG");
    assert_eq!(local.ask("CONFIG SET protected-mode yes"), "OK");
    assert!(denied().is_ok_and(|text| text.starts_with("-DENIED ")));
    assert_eq!(local.ask("CONFIG SET requirepass secret"), "OK");
    assert_eq!(answers("PING"), "-NOAUTH Authentication required.");
    assert_eq!(answers("AUTH secret"), "OK");
}
