//! Server-sent events as a client reads them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use serde_json::Value;

use crate::server_support::PATIENCE;

/// A stream of events.
pub(crate) struct Stream(BufReader<TcpStream>);

impl Stream {
    #[track_caller]
    pub(crate) fn open(address: SocketAddr, path: &str) -> Self {
        Self::try_open(address, path).expect("a stream")
    }

    pub(crate) fn try_open(address: SocketAddr, path: &str) -> Result<Self, String> {
        Self::try_open_with(address, path, "")
    }

    /// With these lines among the headers.
    pub(crate) fn try_open_with(address: SocketAddr, path: &str, headers: &str) -> Result<Self, String> {
        let told = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect(address).map_err(told)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(told)?;
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").as_bytes())
            .map_err(told)?;
        let mut stream = Self(BufReader::new(stream));
        let status = stream.line()?;
        while !stream.line()?.is_empty() {}
        if status.contains(" 200 ") { Ok(stream) } else { Err(status) }
    }

    /// The next event: its kind and its data.
    #[track_caller]
    pub(crate) fn next(&mut self) -> (String, Value) {
        let mut kind = String::new();
        loop {
            let line = self.line().expect("the stream goes on");
            if let Some(name) = line.strip_prefix("event: ") {
                kind = name.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                return (kind, serde_json::from_str(data).expect("JSON"));
            }
        }
    }

    /// Reads until the stream has ended.
    #[track_caller]
    pub(crate) fn ends(mut self) {
        let begin = Instant::now();
        while self.line().is_ok() {
            assert!(begin.elapsed() < PATIENCE, "the stream goes on");
        }
        assert!(begin.elapsed() < PATIENCE, "the stream is silent, and open");
    }

    /// The data of the next event of this kind that is as it should be.
    #[track_caller]
    pub(crate) fn until(&mut self, kind: &str, is_right: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        let mut last = Value::Null;
        while begin.elapsed() < PATIENCE {
            let (found, data) = self.next();
            if found == kind {
                if is_right(&data) {
                    return data;
                }
                last = data;
            }
        }
        panic!("no {kind} was as it should be; the last: {last}");
    }

    /// A line without its end. Lines with the lengths of chunks look like no field, and are passed over by whoever reads.
    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        let read = self.0.by_ref().take(1 << 20).read_line(&mut line).map_err(|error| error.to_string())?;
        if read == 0 { Err("the stream has ended".to_owned()) } else { Ok(line.trim_end().to_owned()) }
    }
}
