//! Many requests on one connection, without waiting for each reply before the next request.

use std::collections::VecDeque;

use super::error::TransferError;
use super::record::shown;
use crate::cli::connection::Connection;
use crate::cli::output::warn;
use crate::cli::protocol::write_request;
use crate::cli::quote::printable;
use crate::cli::reason::describe;
use crate::cli::settings::Settings;
use crate::cli::value::Value;

/// How much may be on its way to the server, in bytes. It fits the buffers of a connection: a server that reads nothing
/// before it got rid of its replies does not keep us from reading them.
const IN_FLIGHT_BYTES: usize = 48 << 10;

/// A connection with requests to send.
pub(super) struct Pipeline {
    connection: Connection,
    address: String,
    requests: Vec<u8>,
    /// Where each request ends.
    ends: Vec<usize>,
}

impl Pipeline {
    /// Connects and logs in.
    ///
    /// # Errors
    /// [`TransferError::Connect`].
    pub(super) fn open(settings: &Settings) -> Result<Self, TransferError> {
        let (connection, notices) = Connection::open(settings)?;
        notices.iter().for_each(warn);
        Ok(Self { connection, address: settings.address(), requests: Vec::new(), ends: Vec::new() })
    }

    /// Where it goes.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// One more request for the next [`Self::run`].
    pub(super) fn add<A: AsRef<[u8]>>(&mut self, words: &[A]) {
        write_request(words, &mut self.requests);
        self.ends.push(self.requests.len());
    }

    /// Sends the requests, and hands each reply over with its place among them, in their order. Stops at the first error.
    ///
    /// # Errors
    /// [`TransferError::Lost`], after which the connection is of no more use, and what `on_reply` answers. What was asked
    /// beyond the last reply that was handed over may have been carried out or not.
    pub(super) fn run(
        &mut self,
        on_reply: &mut dyn FnMut(usize, Value) -> Result<(), TransferError>,
    ) -> Result<(), TransferError> {
        let requests = std::mem::take(&mut self.requests);
        let ends = std::mem::take(&mut self.ends);
        let result = self.run_all(&requests, &ends, on_reply);
        (self.requests, self.ends) = (requests, ends);
        self.requests.clear();
        self.ends.clear();
        result
    }

    fn run_all(
        &mut self,
        requests: &[u8],
        ends: &[usize],
        on_reply: &mut dyn FnMut(usize, Value) -> Result<(), TransferError>,
    ) -> Result<(), TransferError> {
        let (mut sent, mut next) = (0, 0);
        let mut waiting = VecDeque::new();
        let mut answered_bytes = 0;
        for replies in 0..ends.len() {
            // Topped up when half of it is answered, so that writes are not many small ones.
            if sent - answered_bytes <= IN_FLIGHT_BYTES / 2 {
                let from = sent;
                while let Some(&end) = ends.get(next) {
                    if end - answered_bytes > IN_FLIGHT_BYTES && !waiting.is_empty() {
                        break;
                    }
                    waiting.push_back(end);
                    (sent, next) = (end, next + 1);
                }
                let portion = requests.get(from..sent).unwrap_or_default();
                self.connection.send(portion).map_err(|error| self.lost(describe(&error)))?;
            }
            let reply = self.connection.receive(&mut |_| ()).map_err(|error| self.lost(describe(&error)))?;
            answered_bytes = waiting.pop_front().unwrap_or(sent);
            if let Err(error) = on_reply(replies, reply) {
                // The other replies are read as well, so that the connection can be asked something else. Whether it is lost
                // meanwhile shows then.
                let _ = (0..waiting.len()).try_for_each(|_| self.connection.receive(&mut |_| ()).map(drop));
                return Err(error);
            }
        }
        Ok(())
    }

    /// The reply to one request; an error reply is an error.
    ///
    /// # Errors
    /// [`TransferError::Lost`] and [`TransferError::Refused`].
    pub(super) fn ask<A: AsRef<[u8]>>(&mut self, words: &[A]) -> Result<Value, TransferError> {
        self.add(words);
        let mut answer = Value::Null;
        self.run(&mut |_, reply| {
            answer = reply;
            Ok(())
        })?;
        match &answer {
            Value::Error(text) => Err(self.refused(&request_text(words), text)),
            _ => Ok(answer),
        }
    }

    fn lost(&self, reason: String) -> TransferError {
        TransferError::Lost { address: self.address.clone(), reason }
    }

    /// The error of a refused request.
    pub(super) fn refused(&self, request: &str, text: &[u8]) -> TransferError {
        refused(&self.address, request, text)
    }

    /// The error of an answer that makes no sense.
    pub(super) fn unexpected(&self, request: &str, answer: &Value) -> TransferError {
        unexpected(&self.address, request, answer)
    }
}

/// The error of a refused request.
pub(super) fn refused(address: &str, request: &str, text: &[u8]) -> TransferError {
    let reason = printable(text);
    TransferError::Refused { address: address.to_owned(), request: request.to_owned(), reason }
}

/// The error of an answer that makes no sense.
pub(super) fn unexpected(address: &str, request: &str, answer: &Value) -> TransferError {
    let answer = match answer {
        Value::Error(text) => return refused(address, request, text),
        other => other.bytes().map_or_else(|| shown(format!("{other:?}").as_bytes()), shown),
    };
    TransferError::Unexpected { address: address.to_owned(), request: request.to_owned(), answer }
}

fn request_text<A: AsRef<[u8]>>(words: &[A]) -> String {
    let words: Vec<String> = words.iter().map(|word| word.as_ref().escape_ascii().to_string()).collect();
    words.join(" ")
}
