//! The side of the service manager.

use std::ffi::OsString;
use std::os::unix::net::UnixDatagram;

use crate::server_support::{Ground, PATIENCE, Start};

/// The socket at which a service manager is told things.
pub(crate) struct Manager {
    socket: UnixDatagram,
    variables: Vec<(String, OsString)>,
}

impl Manager {
    pub(crate) fn new(ground: &Ground) -> Self {
        let path = ground.path("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket that gives up");
        Self { socket, variables: vec![("NOTIFY_SOCKET".to_owned(), path.into())] }
    }

    /// A server that tells this one, with one more variable.
    pub(crate) fn watches(&self, start: Start, variables: &[(&str, &str)]) -> Start {
        let more = variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value)));
        start.variables(self.variables.iter().cloned().chain(more).collect())
    }

    /// The next that is told.
    #[track_caller]
    pub(crate) fn hear(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).expect("something is told in time");
        String::from_utf8(bytes[..length].to_vec()).expect("text")
    }

    /// The next that is told with these words in it.
    #[track_caller]
    pub(crate) fn hear_until(&self, words: &str) -> String {
        let mut heard = self.hear();
        while !heard.contains(words) {
            heard = self.hear();
        }
        heard
    }
}
