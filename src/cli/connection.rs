//! One connection to a server: opened, logged in, and used for one request after another.

use std::io::{self, BufReader, Write};
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::os::fd::AsFd;

use socket2::{SockRef, Socket};

use super::protocol::{ReplyError, read_reply, write_request};
use super::quote::printable;
use super::reason::{describe, plain_reason};
use super::settings::{Credentials, Settings, Version};
use super::tls::TlsError;
use super::transport::Stream;
use super::value::Value;

const READ_BUFFER_BYTES: usize = 64 << 10;

/// Why there is no connection. Nothing was asked of the server.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// The host name leads nowhere.
    #[error("could not find the address of '{host}': {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// No address of the host took the connection.
    #[error("could not connect to {address}: {reason}; is discnt-server running there?")]
    Refused {
        /// Host and port.
        address: String,
        /// What happened, for each address that was tried.
        reason: String,
    },
    /// The connection cannot be encrypted.
    #[error("no TLS with {address}: {source}")]
    Tls {
        /// Host and port.
        address: String,
        /// What is missing.
        source: TlsError,
    },
    /// The server took the connection and then failed to answer the log-in.
    #[error("{address} took the connection but did not answer: {reason}")]
    Silent {
        /// Host and port.
        address: String,
        /// What happened.
        reason: String,
    },
}

/// A connection to a server.
pub(super) struct Connection {
    reader: BufReader<Stream>,
    request: Vec<u8>,
}

impl Connection {
    /// Connects and logs in. Every address of the host is tried. The texts are what the user should know about a
    /// connection that was made nevertheless, such as that the server refused the password.
    ///
    /// # Errors
    /// [`ConnectError`] when no address answers, or TLS fails.
    pub(super) fn open(settings: &Settings) -> Result<(Self, Vec<String>), ConnectError> {
        let stream = Stream::open(settings)?;
        let mut connection = Self { reader: BufReader::with_capacity(READ_BUFFER_BYTES, stream), request: Vec::new() };
        let notices = connection
            .log_in(settings)
            .map_err(|error| ConnectError::Silent { address: settings.address(), reason: describe(&error) })?;
        connection
            .socket()
            .set_read_timeout(None)
            .map_err(|reason| ConnectError::Silent { address: settings.address(), reason: plain_reason(&reason) })?;
        Ok((connection, notices))
    }

    fn log_in(&mut self, settings: &Settings) -> Result<Vec<String>, ReplyError> {
        let mut notices = Vec::new();
        if let Some(Credentials { user, password }) = &settings.credentials {
            let mut request = vec!["AUTH"];
            request.extend(user.as_deref());
            request.push(password);
            if let Value::Error(text) = self.ask(&request, &mut |_| ())? {
                let text = printable(&text);
                notices.push(format!("the server did not take the password: {text}"));
            }
        }
        if settings.version != Version::Resp2 {
            let reply = self.ask(&["HELLO", "3"], &mut |_| ())?;
            if let (Value::Error(text), Version::Resp3) = (reply, settings.version) {
                let text = printable(&text);
                notices.push(format!("the server does not speak RESP3 with us, RESP2 is used: {text}"));
            }
        }
        Ok(notices)
    }

    /// Sends a request and waits for its reply, as long as that takes. Messages that come in between are handed to
    /// `on_push`.
    ///
    /// # Errors
    /// [`ReplyError`]; whether the server carried out the request is not known then.
    pub(super) fn ask<A: AsRef<[u8]>>(
        &mut self,
        arguments: &[A],
        on_push: &mut dyn FnMut(Value),
    ) -> Result<Value, ReplyError> {
        self.send_one(arguments)?;
        self.receive(on_push)
    }

    fn send_one<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Result<(), ReplyError> {
        let mut request = std::mem::take(&mut self.request);
        request.clear();
        write_request(arguments, &mut request);
        let sent = self.send(&request);
        self.request = request;
        sent
    }

    /// Sends a request that has several replies, which repeat its name and may be messages, and answers the last one.
    /// All else is handed to `on_push`. An error is the only reply.
    ///
    /// # Errors
    /// [`ReplyError`]; whether the server carried out the request is not known then.
    pub(super) fn ask_several<A: AsRef<[u8]>>(
        &mut self,
        arguments: &[A],
        count: usize,
        on_push: &mut dyn FnMut(Value),
    ) -> Result<Value, ReplyError> {
        let name = arguments.first().map_or(&[][..], AsRef::as_ref);
        let mut missing = count;
        self.converse(arguments, &mut |value| {
            let repeated = value.elements().and_then(|elements| elements.first()?.bytes());
            match (&value, repeated) {
                (Value::Push(_) | Value::Array(_), Some(word)) if word.eq_ignore_ascii_case(name) => missing -= 1,
                (Value::Push(_), _) => {}
                // A server that does it otherwise has said all.
                _ => missing = 0,
            }
            if missing == 0 {
                return ControlFlow::Break(value);
            }
            on_push(value);
            ControlFlow::Continue(())
        })
    }

    /// Sends a request and hands over all that comes from then on, messages too, until the other breaks it off.
    ///
    /// # Errors
    /// [`ReplyError`].
    pub(super) fn converse<A: AsRef<[u8]>, B>(
        &mut self,
        arguments: &[A],
        on_value: &mut dyn FnMut(Value) -> ControlFlow<B>,
    ) -> Result<B, ReplyError> {
        self.send_one(arguments)?;
        loop {
            if let ControlFlow::Break(result) = on_value(read_reply(&mut self.reader)?) {
                return Ok(result);
            }
        }
    }

    /// Its socket once more, for whoever ends the connection from outside.
    ///
    /// # Errors
    /// Where the process may have no further files.
    pub(super) fn clone_socket(&self) -> io::Result<Socket> {
        self.reader.get_ref().as_fd().try_clone_to_owned().map(Socket::from)
    }

    /// Sends requests, written by [`write_request`], without waiting for their replies.
    ///
    /// # Errors
    /// [`ReplyError`]; which of them the server carried out is not known then.
    pub(super) fn send(&mut self, requests: &[u8]) -> Result<(), ReplyError> {
        let stream = self.reader.get_mut();
        stream.write_all(requests)?;
        Ok(stream.flush()?)
    }

    /// Waits for the next reply, as long as that takes. Messages that come before it are handed to `on_push`.
    ///
    /// # Errors
    /// [`ReplyError`].
    pub(super) fn receive(&mut self, on_push: &mut dyn FnMut(Value)) -> Result<Value, ReplyError> {
        loop {
            match read_reply(&mut self.reader)? {
                push @ Value::Push(_) => on_push(push),
                reply => return Ok(reply),
            }
        }
    }

    /// Whether the server has closed the connection, as far as that can be told without asking it.
    pub(super) fn is_closed(&self) -> bool {
        if !self.reader.buffer().is_empty() {
            return false;
        }
        let socket = self.socket();
        if socket.set_nonblocking(true).is_err() {
            return true;
        }
        let closed = match socket.peek(&mut [MaybeUninit::uninit()]) {
            Ok(waiting) => waiting == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        };
        socket.set_nonblocking(false).is_err() || closed
    }

    /// What it runs on, and before it what was received and not read yet.
    pub(super) fn into_parts(self) -> (Vec<u8>, Stream) {
        (self.reader.buffer().to_vec(), self.reader.into_inner())
    }

    fn socket(&self) -> SockRef<'_> {
        self.reader.get_ref().socket()
    }
}
