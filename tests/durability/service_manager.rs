//! What a service manager is told while a server starts, serves and stops.

use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;

use crate::server_support::{Ground, PATIENCE, Start};

const COUNTERS: usize = 400_000;
const COUNTERS_A_REQUEST: usize = 1000;

/// The socket of a service manager.
struct Manager {
    socket: UnixDatagram,
    variable: Vec<(String, std::ffi::OsString)>,
}

impl Manager {
    fn new(ground: &Ground) -> Self {
        let path = ground.path("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket that gives up");
        Self { socket, variable: vec![("NOTIFY_SOCKET".to_owned(), path.into())] }
    }

    fn watches(&self, start: Start) -> Start {
        start.variables(self.variable.clone())
    }

    /// All that comes until something that begins with this.
    fn hear_until(&self, last: &str) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            let mut bytes = [0; 4096];
            let length = self.socket.recv(&mut bytes).unwrap_or_else(|error| panic!("{error} after {heard:?}"));
            let text = String::from_utf8(bytes[..length].to_vec()).expect("text");
            let is_last = text.starts_with(last);
            heard.push(text);
            if is_last {
                return heard;
            }
        }
    }
}

#[test]
fn a_service_manager_is_told_how_far_loading_is_and_when_clients_are_served() {
    let ground = Ground::new();
    let manager = Manager::new(&ground);
    let server = manager.watches(ground.server()).run();
    let heard = manager.hear_until("READY=1");
    let says_so = |text: &String| text.starts_with("STATUS=there are no counters on disk");
    assert!(heard.iter().any(says_so), "{heard:?}");
    let mut client = server.client();
    for chunk in 0..COUNTERS / COUNTERS_A_REQUEST {
        let names: Vec<String> = (0..COUNTERS_A_REQUEST).map(|number| format!("counter:{chunk}:{number}")).collect();
        client.send(&format!("MINCRBY 1 {}", names.join(" "))).expect("sent");
        client.reply().expect("a reply");
    }
    let server = server.stop(Signal::TERM);
    let heard = manager.hear_until("STOPPING=1");
    assert_eq!(heard.last().map(String::as_str), Some("STOPPING=1\nSTATUS=stopping\n"));

    let server = server.run();
    let heard = manager.hear_until("READY=1");
    let progress = |text: &String| text.starts_with("STATUS=loading counters: ") && text.contains(" s left\n");
    assert!(heard.iter().any(progress), "{heard:?}");
    let ready = format!("READY=1\nSTATUS=serving; {COUNTERS} counters were loaded\n");
    assert_eq!(heard.last(), Some(&ready));
    server.stop(Signal::TERM);
    manager.hear_until("STOPPING=1");
}
