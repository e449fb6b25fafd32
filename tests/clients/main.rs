//! Connections over real sockets: seen, named, ended, paused and limited; and the ways in, and who may come.

#[path = "../server_support/mod.rs"]
mod server_support;

mod limits;
mod reaching;
mod ways_in;

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use server_support::{Client, Server, eventually};

/// The value of a field of CLIENT INFO.
pub(crate) fn field(info: &str, name: &str) -> String {
    let found = info.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in {info}")).to_owned()
}

/// Waits until a connection is closed, whatever arrives before.
#[track_caller]
pub(crate) fn eventually_closed(client: &mut Client) {
    eventually("the connection is closed", || match client.reply() {
        Ok(reply) => Err(format!("{reply:?}")),
        Err(error) if error.contains("would block") || error.contains("timed out") => Err(error),
        Err(_) => Ok(()),
    });
}

/// Waits until CLIENT LIST shows a line with these words.
#[track_caller]
pub(crate) fn eventually_lists(client: &mut Client, words: &[&str]) -> String {
    eventually(&format!("CLIENT LIST shows {words:?}"), || {
        let list = client.try_ask("CLIENT LIST")?;
        let found = list.lines().find(|line| words.iter().all(|word| line.contains(word)));
        found.map(str::to_owned).ok_or(list)
    })
}

/// Asks for much and reads nothing, until the server takes no more.
pub(crate) fn leave_unread(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).expect("connected");
    stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let keys: String = (0..20_000).map(|_| "$3\r\nbig\r\n").collect();
    let request = format!("*20001\r\n$4\r\nMGET\r\n{keys}");
    for _ in 0..200 {
        if stream.write_all(request.as_bytes()).is_err() {
            break;
        }
    }
    stream
}
