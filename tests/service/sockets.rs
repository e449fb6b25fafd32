//! Sockets that were opened before the server and outlive it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::server_support::{Client, Ground, eventually, text_of};
use crate::tls_support::{Authority, TlsClient};

/// Passes on one socket as a service manager does: as the first descriptor after the standard ones, and says for whom.
const PASS_ON: &str = "LISTEN_PID=$$ LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS; exec \"$@\" 3<&0 </dev/null";
/// The same with a name for it.
const PASS_ON_FOR_TLS: &str = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=tls; export LISTEN_PID LISTEN_FDS LISTEN_FDNAMES; exec \"$@\" 3<&0 </dev/null";

/// A server with a socket that was passed on.
struct Heir(Child);

impl Heir {
    fn start(ground: &Ground, name: &str, socket: impl Into<OwnedFd>, settings: &[&str]) -> Self {
        Self::start_with(ground, name, PASS_ON, socket, settings)
    }

    fn start_with(ground: &Ground, name: &str, pass_on: &str, socket: impl Into<OwnedFd>, settings: &[&str]) -> Self {
        let directory = ground.path(name);
        std::fs::create_dir_all(&directory).expect("a directory");
        let log = std::fs::File::options().append(true).create(true).open(directory.join("log")).expect("a log");
        let mut command = Command::new("sh");
        command.args(["-c", pass_on, "sh", env!("CARGO_BIN_EXE_discnt-server")]);
        command.args(["--set", "mesh.port=0", "--data-dir"]).arg(directory.join("data"));
        command.arg("--certs-dir").arg(ground.path("certs"));
        command.args(settings.iter().flat_map(|setting| ["--set", setting]));
        command.stdin(Stdio::from(socket.into())).stdout(Stdio::null()).stderr(log).current_dir(&directory);
        Self(command.spawn().expect("a process"))
    }

    /// Ends it in good order.
    fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a signal to an own child");
        assert!(self.0.wait().expect("a child").success());
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn log_of(ground: &Ground, name: &str) -> String {
    std::fs::read_to_string(ground.path(name).join("log")).unwrap_or_default()
}

fn data(ground: &Ground) -> PathBuf {
    ground.path("heir").join("data")
}

#[test]
fn clients_that_come_between_two_runs_wait_and_are_served_by_the_next() {
    let ground = Ground::new();
    let socket = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    let pass_on = || socket.try_clone().expect("one more descriptor");
    // Not used: the socket is what it is.
    let other = ["resp.port=1"];
    let first = Heir::start(&ground, "heir", pass_on(), &other);
    let mut client = Client::connect(address).expect("somebody listens");
    assert_eq!(client.ask("INCRBY a 3"), "3");
    let shown = client.ask("INFO server");
    assert!(shown.contains(&format!("tcp_port:{}", address.port())), "{shown}");
    first.stop();
    // Nobody runs, and nobody is refused.
    let mut waiting = Client::connect(address).expect("the socket outlives its server");
    waiting.send("INCRBY a 4").expect("sent");
    let second = Heir::start(&ground, "heir", pass_on(), &other);
    let reply = waiting.reply().map(|frame| text_of(&frame));
    // Not that it is loading: who has waited so long waits until it serves.
    assert_eq!(reply.as_deref(), Ok("7"), "{}", log_of(&ground, "heir"));
    second.stop();
    assert!(data(&ground).exists());
    TcpStream::connect(address).expect("still there");
}

#[test]
fn a_unix_socket_is_taken_over_and_left_in_its_place() {
    let ground = Ground::new();
    let path = ground.path("discnt.sock");
    let socket = UnixListener::bind(&path).expect("a socket");
    let heir = Heir::start(&ground, "heir", socket.try_clone().expect("one more"), &["resp.port=0"]);
    eventually("it answers", || ask_at(&path, "PING").filter(|out| out == "PONG").ok_or(log_of(&ground, "heir")));
    heir.stop();
    assert!(path.exists(), "it belongs to whoever made it");
}

#[test]
fn a_socket_that_is_named_for_tls_serves_nobody_in_plain_text_whatever_its_port() {
    let ground = Ground::new();
    let authority = Authority::new(&ground.path(""), "ca");
    let files = authority.issue("server");
    let socket = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    let pass_on = || socket.try_clone().expect("one more descriptor");
    let settings = [
        "resp.port=0".to_owned(),
        "resp.tls_port=1".to_owned(),
        format!("resp.tls_cert={}", files.cert.display()),
        format!("resp.tls_key={}", files.key.display()),
    ];
    let settings = settings.each_ref().map(String::as_str);
    let first = Heir::start_with(&ground, "heir", PASS_ON_FOR_TLS, pass_on(), &settings);
    let ask = |request: &str| {
        let client = TlsClient::connect(address, &authority.file, None);
        client.and_then(|mut client| client.ask(request))
    };
    assert_eq!(eventually("it answers", || ask("INCR a")), ":1", "{}", log_of(&ground, "heir"));
    let mut plain = TcpStream::connect(address).expect("it listens");
    plain.write_all(b"PING\r\n").expect("sent");
    let mut told = Vec::new();
    let _ = plain.read_to_end(&mut told);
    assert!(!told.starts_with(b"+PONG"), "{told:?}");
    first.stop();
    // Nobody runs, and nobody is refused: the handshake waits for the next.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| ask("INCR a"));
        let second = Heir::start_with(&ground, "heir", PASS_ON_FOR_TLS, pass_on(), &settings);
        assert_eq!(waiting.join().expect("no panic"), Ok(":2".to_owned()), "{}", log_of(&ground, "heir"));
        second.stop();
    });
    // Where there is no port for TLS, it is for nobody.
    let mut heir = Heir::start_with(&ground, "heir", PASS_ON_FOR_TLS, pass_on(), &settings[..1]);
    assert_eq!(heir.0.wait().expect("it ends").code(), Some(1));
    assert!(log_of(&ground, "heir").contains("tls_port = not set"), "{}", log_of(&ground, "heir"));
}

#[test]
fn what_is_no_listening_socket_is_refused() {
    let ground = Ground::new();
    let file = std::fs::File::open("/dev/null").expect("there is one");
    let mut heir = Heir::start(&ground, "heir", file, &["resp.port=0"]);
    assert_eq!(heir.0.wait().expect("it ends").code(), Some(1));
    let log = log_of(&ground, "heir");
    assert!(log.contains("the service manager passed on what is no listening TCP or unix socket"), "{log}");
}

fn ask_at(path: &Path, request: &str) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_discnt-cli")).arg("-s").arg(path).arg(request).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
