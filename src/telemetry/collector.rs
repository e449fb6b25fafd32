//! Sending to a collector: one request over HTTP, one connection for each.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::config::Endpoint;

/// All of a request.
const MAY_TAKE: Duration = Duration::from_secs(5);
/// As much of an answer as its first line needs.
const ANSWER_BYTES: usize = 256;

impl Endpoint {
    /// Sends JSON, and waits until it is taken.
    ///
    /// # Errors
    /// What the system said, or what the collector did.
    pub(super) async fn send(&self, body: &[u8]) -> io::Result<()> {
        match tokio::time::timeout(MAY_TAKE, self.converse(body)).await {
            Ok(result) => result,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    async fn converse(&self, body: &[u8]) -> io::Result<()> {
        let mut stream = TcpStream::connect(&self.authority).await?;
        let Self { authority, path } = self;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body).await?;
        let mut answer = Vec::new();
        while !answer.contains(&b'\n') && answer.len() < ANSWER_BYTES {
            if stream.read_buf(&mut answer).await? == 0 {
                break;
            }
        }
        let line = String::from_utf8_lossy(&answer);
        let line = line.lines().next().unwrap_or_default();
        match line.split(' ').nth(1) {
            Some(status) if status.starts_with('2') => Ok(()),
            _ => Err(io::Error::other(format!("the collector answered: {line}"))),
        }
    }
}
