//! A blocking RESP2 client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;

use super::PATIENCE;
use super::network::Host;

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// One node as HELLO without arguments lists it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone)]
pub(crate) struct ListedNode {
    pub(crate) id: String,
    pub(crate) host: String,
    pub(crate) port: String,
    pub(crate) priority: i64,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self, String> {
        Self::over(TcpStream::connect(address), address, PATIENCE)
    }

    /// A connection within a host, which no fault of its network reaches. Gives up a reply after `patience`.
    pub(crate) fn connect_on(host: &Host, address: SocketAddr, patience: Duration) -> Result<Self, String> {
        Self::over(host.within(|| TcpStream::connect_timeout(&address, patience)), address, patience)
    }

    fn over(stream: std::io::Result<TcpStream>, address: SocketAddr, patience: Duration) -> Result<Self, String> {
        let stream = stream.map_err(|error| format!("no connection to {address}: {error}"))?;
        let prepared = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(patience)));
        prepared.map_err(|error| error.to_string())?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// The reply to words that are separated by blanks, as [`text_of`] shows it.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: &str) -> String {
        self.try_ask(request).unwrap_or_else(|error| panic!("{request}: {error}"))
    }

    pub(crate) fn try_ask(&mut self, request: &str) -> Result<String, String> {
        self.send(request)?;
        Ok(text_of(&self.reply()?))
    }

    /// The first `len` bytes of the reply to words that are separated by blanks.
    #[track_caller]
    pub(crate) fn ask_raw(&mut self, request: &str, len: usize) -> String {
        self.send(request).expect("connected");
        let mut bytes = std::mem::take(&mut self.received);
        let mut chunk = [0; 4096];
        while bytes.len() < len {
            match self.stream.read(&mut chunk) {
                Ok(read @ 1..) => bytes.extend_from_slice(&chunk[..read]),
                other => panic!("{request}: {other:?} after {:?}", String::from_utf8_lossy(&bytes)),
            }
        }
        self.received = bytes.split_off(len.min(bytes.len()));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends without waiting for the reply.
    pub(crate) fn send(&mut self, request: &str) -> Result<(), String> {
        let words: Vec<&str> = request.split_whitespace().collect();
        let mut bytes = format!("*{}\r\n", words.len());
        for word in words {
            bytes += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.send_bytes(bytes.as_bytes())
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.write_all(bytes).map_err(|error| format!("could not write: {error}"))
    }

    /// The next reply.
    pub(crate) fn reply(&mut self) -> Result<OwnedFrame, String> {
        let mut chunk = [0; 16 << 10];
        loop {
            match decode(&self.received) {
                Ok(Some((frame, len))) => {
                    self.received.drain(..len);
                    return Ok(frame);
                }
                Ok(None) => {}
                Err(error) => return Err(format!("no RESP2: {error}")),
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err("the server closed the connection".to_owned()),
                Ok(len) => self.received.extend_from_slice(&chunk[..len]),
                // A process that was stopped and goes on is told so by an error.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("could not read: {error}")),
            }
        }
    }

    /// What HELLO without arguments lists, this node first.
    pub(crate) fn try_hello(&mut self) -> Result<Vec<ListedNode>, String> {
        self.send("HELLO")?;
        let reply = self.reply()?;
        let shape = || format!("not what HELLO answers: {reply:?}");
        let OwnedFrame::Array(parts) = &reply else { return Err(shape()) };
        let [version, own, nodes @ ..] = parts.as_slice() else { return Err(shape()) };
        if text_of(version) != "1" {
            return Err(shape());
        }
        let mut listed = Vec::new();
        for node in nodes {
            let OwnedFrame::Array(fields) = node else { return Err(shape()) };
            let [id, host, port, priority] = fields.as_slice() else { return Err(shape()) };
            let priority = text_of(priority).parse().map_err(|_| shape())?;
            listed.push(ListedNode { id: text_of(id), host: text_of(host), port: text_of(port), priority });
        }
        match listed.first() {
            Some(first) if first.id == text_of(own) => Ok(listed),
            _ => Err(shape()),
        }
    }
}

/// A reply as text: errors with their dash, what is missing as `(nil)`, arrays in brackets.
pub(crate) fn text_of(frame: &OwnedFrame) -> String {
    match frame {
        OwnedFrame::SimpleString(bytes) | OwnedFrame::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        OwnedFrame::Error(text) => format!("-{text}"),
        OwnedFrame::Integer(number) => number.to_string(),
        OwnedFrame::Array(items) => format!("[{}]", items.iter().map(text_of).collect::<Vec<_>>().join(" ")),
        OwnedFrame::Null => "(nil)".to_owned(),
    }
}
