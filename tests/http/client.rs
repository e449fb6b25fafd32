//! Requests over HTTP, and their answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::server_support::{PATIENCE, Server};

/// An answer, wholly read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| format!("no whole head: {text}"))?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| format!("no status: {head}"))?;
        Ok(Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Where a server has said that it answers.
#[track_caller]
pub(crate) fn http_address(server: &Server) -> SocketAddr {
    let url = server.reported("http");
    let (_, rest) = url.split_once("://").expect("a URL");
    rest.split('/').next().and_then(|address| address.parse().ok()).expect("an address")
}

/// The request as it goes over the wire; its answer ends with the connection.
pub(crate) fn request(method: &str, path: &str, headers: &[&str]) -> Vec<u8> {
    let host = if headers.iter().any(|line| line.starts_with("Host:")) { "" } else { "Host: localhost\r\n" };
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{lines}\r\n").into_bytes()
}

pub(crate) fn try_ask(address: SocketAddr, method: &str, path: &str, headers: &[&str]) -> Result<Answer, String> {
    let told = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(address).map_err(told)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(told)?;
    stream.write_all(&request(method, path, headers)).map_err(told)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(told)?;
    Answer::read(&bytes)
}

#[track_caller]
pub(crate) fn get(server: &Server, path: &str) -> Answer {
    get_with(server, path, &[])
}

#[track_caller]
pub(crate) fn get_with(server: &Server, path: &str, headers: &[&str]) -> Answer {
    try_ask(http_address(server), "GET", path, headers).unwrap_or_else(|error| panic!("{path}: {error}"))
}
