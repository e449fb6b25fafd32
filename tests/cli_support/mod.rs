//! A server that answers as a test says, and the client run against it.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;

/// A request as the server received it.
pub(crate) type Request = Vec<Vec<u8>>;
/// What to answer; nothing closes the connection.
pub(crate) type Answer = Option<Vec<u8>>;

/// A server on a port that the system chose.
pub(crate) struct Server {
    /// Its port.
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers every request as `answer` says.
    pub(crate) fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_on(Ok, answer)
    }

    /// The same, on streams that `wrap` makes of the connections.
    pub(crate) fn start_on<S: Read + Write>(
        wrap: impl Fn(TcpStream) -> std::io::Result<S> + Send + Sync + 'static,
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let shared = Arc::new((wrap, answer));
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let (seen, shared) = (Arc::clone(&seen), Arc::clone(&shared));
                thread::spawn(move || {
                    if let Ok(stream) = shared.0(connection) {
                        serve(stream, &seen, &shared.1);
                    }
                });
            }
        });
        Self { port, requests }
    }

    /// All requests so far, words separated by spaces, bytes escaped.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }

    /// The client with these words after `-p PORT`, fed with `input`.
    pub(crate) fn run(&self, words: &[&str], input: &[u8]) -> Ran {
        let port = self.port.to_string();
        let words = ["-p", &port].into_iter().chain(words.iter().copied());
        run(&words.collect::<Vec<_>>(), &[], input)
    }
}

fn serve(mut stream: impl Read + Write, seen: &Mutex<Vec<String>>, answer: &impl Fn(&str) -> Answer) {
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        // Another decoder than the client's own encoder was written with.
        while let Ok(Some((frame, used))) = decode(&received) {
            received.drain(..used);
            let words: Vec<String> = request(frame).iter().map(|word| word.escape_ascii().to_string()).collect();
            let line = words.join(" ");
            seen.lock().expect("no panic").push(line.clone());
            let Some(reply) = answer(&line) else { return };
            if stream.write_all(&reply).and_then(|()| stream.flush()).is_err() {
                return;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => received.extend_from_slice(&buffer[..count]),
        }
    }
}

fn request(frame: OwnedFrame) -> Request {
    let OwnedFrame::Array(words) = frame else {
        panic!("a request is an array, not {frame:?}");
    };
    words
        .into_iter()
        .map(|word| match word {
            OwnedFrame::BulkString(bytes) => bytes,
            other => panic!("a word is a bulk string, not {other:?}"),
        })
        .collect()
}

/// What a run of the client left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    /// The exit status.
    pub(crate) code: i32,
    /// What was printed.
    pub(crate) out: String,
    /// What was printed to the error output.
    pub(crate) errors: String,
}

/// Runs the client. Neither the environment nor the home directory of whoever runs the tests matters.
pub(crate) fn run(words: &[&str], environment: &[(&str, &str)], input: &[u8]) -> Ran {
    let mut client = Command::new(env!("CARGO_BIN_EXE_discnt-cli"))
        .args(words)
        .env_remove("DISCNT_URL")
        .env_remove("DISCNT_AUTH")
        .env_remove("DISCNT_CLI_AUTH")
        .env_remove("REDISCLI_AUTH")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the client starts");
    let mut stdin = client.stdin.take().expect("a pipe");
    // A client that does not read its input has closed it.
    let _ = stdin.write_all(input);
    drop(stdin);
    let Output { status, stdout, stderr } = client.wait_with_output().expect("the client ends");
    Ran {
        code: status.code().expect("no signal"),
        out: String::from_utf8(stdout).expect("UTF-8"),
        errors: String::from_utf8(stderr).expect("UTF-8"),
    }
}

/// A port that nobody listens on.
pub(crate) fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port().to_string()
}

/// An answer of these bytes.
pub(crate) fn bytes(reply: &str) -> Answer {
    Some(reply.into())
}
