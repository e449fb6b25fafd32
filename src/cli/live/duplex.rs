//! A connection on which reading never waits for writing, nor writing for reading.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::SockRef;

use crate::cli::connection::Connection;
use crate::cli::tls::TlsStream;
use crate::cli::transport::Stream;

/// The two ways of a connection, neither of which blocks.
pub(super) struct Duplex {
    stream: Stream,
    /// What had been received before.
    received: Vec<u8>,
}

impl Duplex {
    /// A connection that was logged in.
    ///
    /// # Errors
    /// That of the system.
    pub(super) fn new(connection: Connection) -> io::Result<Self> {
        let (received, stream) = connection.into_parts();
        SockRef::from(&stream).set_nonblocking(true)?;
        Ok(Self { stream, received })
    }

    /// What to wait on.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Whether something that it took is still to be sent.
    pub(super) fn holds_back(&self) -> bool {
        match &self.stream {
            Stream::Tls(tls) => tls.conn.wants_write(),
            _ => false,
        }
    }

    /// What has come: so many bytes, 0 at the end, or nothing yet.
    ///
    /// # Errors
    /// That of the connection.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        if !self.received.is_empty() {
            let count = self.received.len().min(buffer.len());
            buffer[..count].copy_from_slice(&self.received[..count]);
            self.received.drain(..count);
            return Ok(Some(count));
        }
        match &mut self.stream {
            Stream::Tls(tls) => read_tls(tls, buffer),
            plain => unless_waiting(plain.read(buffer)),
        }
    }

    /// Sends what can be sent of these bytes now, and answers how many it took.
    ///
    /// # Errors
    /// That of the connection.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Tls(tls) => {
                // It takes up to a limit, however slow the socket is.
                let count = tls.conn.writer().write(bytes)?;
                while tls.conn.wants_write() && unless_waiting(tls.conn.write_tls(&mut tls.sock))?.is_some() {}
                Ok(count)
            }
            _ if bytes.is_empty() => Ok(0),
            plain => Ok(unless_waiting(plain.write(bytes))?.unwrap_or(0)),
        }
    }

    /// Tells the server that nothing more comes.
    pub(super) fn finish(&mut self) {
        // Where that cannot be told, the connection is lost, which reading finds out.
        let _ = match &mut self.stream {
            Stream::Tls(tls) => {
                tls.conn.send_close_notify();
                tls.conn.write_tls(&mut tls.sock).map(drop)
            }
            plain => SockRef::from(&*plain).shutdown(Shutdown::Write),
        };
    }
}

fn read_tls(tls: &mut TlsStream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        if let Some(count) = unless_waiting(tls.conn.reader().read(buffer))? {
            return Ok(Some(count));
        }
        // Not the stream's own read: that one would insist on sending first.
        match unless_waiting(tls.conn.read_tls(&mut tls.sock))? {
            None => return Ok(None),
            Some(0) => return Ok(Some(0)),
            Some(_) => {
                tls.conn.process_new_packets().map_err(io::Error::other)?;
            }
        }
    }
}

fn unless_waiting<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
        Err(error) => Err(error),
    }
}
