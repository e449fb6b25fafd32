//! A client that keeps its connection: it connects again when the server was gone, and remembers what it was told to be.

use super::connection::{ConnectError, Connection};
use super::reason::describe;
use super::settings::{Credentials, Settings, Version};
use super::stream::Replies;
use super::value::Value;

/// Why a command has no reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// There is no connection; the command was not sent.
    #[error("{0}")]
    NotConnected(#[from] ConnectError),
    /// The connection was lost before the reply came.
    #[error(
        "the connection to {address} was lost before the answer came ({reason}); whether the command was carried out is not known"
    )]
    Lost {
        /// Host and port.
        address: String,
        /// What happened.
        reason: String,
    },
    /// The connection was lost while messages were read.
    #[error("the connection to {address} was lost, and no more messages come ({reason})")]
    Silenced {
        /// Host and port.
        address: String,
        /// What happened.
        reason: String,
    },
    /// The reply would not be a value.
    #[error("{0} answers with a stream of data, which discnt-cli cannot show; it was not sent")]
    Foreign(&'static str),
}

/// A client of one server at a time.
pub(super) struct Client {
    settings: Settings,
    connection: Option<Connection>,
}

/// What became of a command, beside its reply.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Notices {
    /// What the user should know.
    pub(super) texts: Vec<String>,
    /// Whether a connection was made for this command.
    pub(super) connected: bool,
}

impl Client {
    /// A client that connects with its first command.
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, connection: None }
    }

    /// Where it connects to.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether it has a connection that looks alive. Gives up one that does not.
    pub(super) fn is_connected(&mut self) -> bool {
        if self.connection.as_ref().is_some_and(Connection::is_closed) {
            self.connection = None;
        }
        self.connection.is_some()
    }

    /// Talks to another server from the next command on.
    pub(super) fn move_to(&mut self, host: String, port: u16) {
        self.settings.host = host;
        self.settings.port = port;
        self.settings.socket = None;
        self.connection = None;
    }

    /// Connects, if there is no connection. Answers what the user should know.
    ///
    /// # Errors
    /// [`ConnectError`]; there is no connection then.
    pub(super) fn connect(&mut self) -> Result<Notices, ConnectError> {
        if self.is_connected() {
            return Ok(Notices::default());
        }
        let (connection, texts) = Connection::open(&self.settings)?;
        self.connection = Some(connection);
        Ok(Notices { texts, connected: true })
    }

    /// Runs one command on the connection that there is; a command is never sent twice.
    ///
    /// # Errors
    /// [`ClientError`], which says whether the command may have been carried out.
    pub(super) fn run<A: AsRef<[u8]>>(
        &mut self,
        command: &[A],
        on_push: &mut dyn FnMut(Value),
    ) -> Result<Value, ClientError> {
        let replies = Replies::to(command);
        if let Replies::Foreign(name) = replies {
            return Err(ClientError::Foreign(name));
        }
        let Some(connection) = &mut self.connection else {
            return Err(self.lost("there is no connection".into()));
        };
        let reply = match replies {
            Replies::Several(count) => connection.ask_several(command, count, on_push),
            _ => connection.ask(command, on_push),
        };
        match reply {
            Ok(reply) => {
                self.remember(command, &reply);
                Ok(reply)
            }
            Err(error) => {
                self.connection = None;
                Err(self.lost(describe(&error)))
            }
        }
    }

    /// The connection, which is its own no more.
    pub(super) fn take_connection(&mut self) -> Option<Connection> {
        self.connection.take()
    }

    /// Goes on with a connection that was taken.
    pub(super) fn put_back(&mut self, connection: Connection) {
        self.connection = Some(connection);
    }

    /// The error of a command whose answer did not come.
    pub(super) fn lost(&self, reason: String) -> ClientError {
        ClientError::Lost { address: self.settings.address(), reason }
    }

    /// The error of messages that come no more.
    pub(super) fn silenced(&self, reason: String) -> ClientError {
        ClientError::Silenced { address: self.settings.address(), reason }
    }

    /// What was agreed on with the server is agreed on again after a new connection.
    fn remember<A: AsRef<[u8]>>(&mut self, command: &[A], reply: &Value) {
        if reply.is_error() {
            return;
        }
        let text = |at: usize| {
            let word = command.get(at)?.as_ref();
            std::str::from_utf8(word).ok()
        };
        let Some(name) = text(0) else { return };
        if name.eq_ignore_ascii_case("auth") {
            self.settings.credentials = match (text(1), text(2)) {
                (Some(password), None) => Some(Credentials { user: None, password: password.into() }),
                (user, Some(password)) => {
                    Some(Credentials { user: user.map(str::to_owned), password: password.into() })
                }
                (None, None) => return,
            };
        } else if name.eq_ignore_ascii_case("hello") {
            match text(1) {
                Some("2") => self.settings.version = Version::Resp2,
                Some("3") => self.settings.version = Version::Resp3,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::protocol::read_reply;
    use std::io::{BufReader, Write};
    use std::net::TcpListener;
    use std::sync::mpsc::{Receiver, channel};
    use std::thread;
    use std::time::{Duration, Instant};

    /// A server that answers everything with OK and closes the connection after `die`; what it is asked can be received.
    fn server() -> (Settings, Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (asked, requests) = channel();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
                while let Ok(Value::Array(words)) = read_reply(&mut reader) {
                    let words: Vec<&str> = words.iter().filter_map(Value::text).collect();
                    let line = words.join(" ");
                    let _ = asked.send(line.clone());
                    if line == "die" || stream.write_all(b"+OK\r\n").is_err() || line == "quit" {
                        break;
                    }
                }
            }
        });
        let settings = Settings {
            host: "127.0.0.1".into(),
            port,
            socket: None,
            credentials: None,
            tls: None,
            version: Version::Resp2,
            connect_timeout: Duration::from_secs(5),
        };
        (settings, requests)
    }

    fn ask(client: &mut Client, line: &str) -> Result<Value, ClientError> {
        let words: Vec<&str> = line.split(' ').collect();
        client.run(&words, &mut |_| ())
    }

    #[test]
    fn a_new_connection_is_logged_in_as_the_old_one_was() {
        let (settings, requests) = server();
        let mut client = Client::new(settings);
        assert!(client.connect().expect("a server").connected);
        for line in ["auth app secret", "hello 3", "quit"] {
            ask(&mut client, line).expect("an answer");
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while client.is_connected() {
            assert!(Instant::now() < deadline, "the closed connection is not noticed");
            thread::yield_now();
        }
        assert!(client.connect().expect("a server").connected);
        ask(&mut client, "get a").expect("an answer");
        assert!(!client.connect().expect("a server").connected);
        let asked: Vec<String> = requests.try_iter().collect();
        let (first, second) = asked.split_at(3);
        assert_eq!(first, ["auth app secret", "hello 3", "quit"]);
        assert_eq!(second, ["AUTH app secret", "HELLO 3", "get a"]);
    }

    #[test]
    fn a_command_is_sent_once_even_if_its_answer_is_lost() {
        let (settings, requests) = server();
        let mut client = Client::new(settings);
        client.connect().expect("a server");
        assert!(matches!(ask(&mut client, "die"), Err(ClientError::Lost { .. })));
        assert!(!client.is_connected());
        assert!(matches!(ask(&mut client, "get a"), Err(ClientError::Lost { .. })));
        assert_eq!(requests.try_iter().collect::<Vec<_>>(), ["die"]);
    }
}
