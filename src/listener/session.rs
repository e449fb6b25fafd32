//! One client's connection, from its first byte to its last.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::buffers::{BufferPool, Input};
use super::holds::Holds;
use super::serve::StopSignal;
use super::service::{Response, Service};
use crate::resp::{Decoder, ErrorReply, Limits, Reply, encode};

/// How long, and for how many bytes, a connection that this side closes is read on. Closing with bytes unread
/// resets the connection, and the client would lose the reply that tells it why.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: u64 = 4 << 20;

/// What sessions are told when they begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionSettings {
    pub(super) limits: Limits,
    pub(super) output_buffer_bytes: usize,
}

/// A connection and what it has in its hands.
pub(super) struct Session<'a, S: Service, T> {
    service: &'a S,
    state: S::Session,
    stream: T,
    pool: Arc<BufferPool>,
    holds: Arc<Holds<S::Hold>>,
    decoder: Decoder,
    input: Input,
    output: Vec<u8>,
    output_buffer_bytes: usize,
}

/// Why a batch of requests ended.
enum Batch<W> {
    /// There is no further complete request.
    Drained,
    /// The client must read before more is run for it.
    OutputFull,
    /// The last request's answer takes time.
    Wait(W),
    /// Nothing more will be answered.
    Close,
}

/// What ended waiting for the client.
enum Event {
    Bytes,
    Messages,
    End,
    Stop,
}

impl<'a, S: Service, T: AsyncRead + AsyncWrite + Unpin> Session<'a, S, T> {
    pub(super) fn new(
        service: &'a S,
        state: S::Session,
        stream: T,
        (pool, holds): (Arc<BufferPool>, Arc<Holds<S::Hold>>),
        settings: SessionSettings,
    ) -> Self {
        let mut decoder = Decoder::new(settings.limits);
        decoder.set_unauthenticated(service.is_unauthenticated(&state));
        Self {
            service,
            state,
            stream,
            pool,
            holds,
            decoder,
            input: Input::default(),
            output: Vec::new(),
            output_buffer_bytes: settings.output_buffer_bytes,
        }
    }

    /// Serves the client until it leaves, is sent away, or the server stops.
    ///
    /// # Errors
    /// The connection broke. There is nobody to tell.
    pub(super) async fn run(mut self, stop: StopSignal) -> io::Result<()> {
        let mut stopping = pin!(stop.clone().stopped());
        loop {
            let event = poll_fn(|cx| {
                if let Poll::Ready(read) = self.poll_read(cx) {
                    return Poll::Ready(read);
                }
                if self.service.poll_messages(&self.state, cx).is_ready() {
                    return Poll::Ready(Ok(Event::Messages));
                }
                stopping.as_mut().poll(cx).map(|()| Ok(Event::Stop))
            })
            .await?;
            let goes_on = match event {
                Event::Bytes => self.answer().await?,
                Event::Messages => {
                    self.take_output_buffer();
                    true
                }
                // A client that has only closed its sending half still gets its replies: they are written before
                // the next read.
                Event::End | Event::Stop => return self.stream.shutdown().await,
            };
            // Also after each batch of requests: a client that goes on asking is told all the same.
            if !goes_on || !self.send_messages().await? {
                return linger(&mut self.stream).await;
            }
            if stop.is_stopping() {
                // More requests may be on their way; closing on them unread could take the last replies along.
                return linger(&mut self.stream).await;
            }
        }
    }

    /// Reads once. While there is nothing to read, no buffer is held.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Event>> {
        let mut unfilled = ReadBuf::new(self.input.room(&self.pool));
        match Pin::new(&mut self.stream).poll_read(cx, &mut unfilled) {
            Poll::Ready(Ok(())) => {
                let length = unfilled.filled().len();
                self.input.filled(length);
                self.service.transferred(&self.state, length, 0);
                Poll::Ready(Ok(if length == 0 { Event::End } else { Event::Bytes }))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.release_memory();
                Poll::Pending
            }
        }
    }

    fn take_output_buffer(&mut self) {
        if self.output.capacity() == 0 {
            self.output = self.pool.take_output();
        }
    }

    fn release_memory(&mut self) {
        self.input.release(&self.pool);
        if self.output.capacity() > 0 {
            self.pool.give_output(std::mem::take(&mut self.output));
        }
        self.decoder.release_memory();
    }

    /// Sends what has come by itself, a buffer's worth; whether the connection goes on.
    async fn send_messages(&mut self) -> io::Result<bool> {
        let goes_on = self.service.take_messages(&self.state, self.output_buffer_bytes, &mut self.output);
        if goes_on && !self.output.is_empty() {
            self.stream.write_all(&self.output).await?;
            self.service.transferred(&self.state, 0, self.output.len());
            self.output.clear();
        }
        Ok(goes_on)
    }

    /// Runs and answers every complete request that has arrived; whether the connection goes on.
    async fn answer(&mut self) -> io::Result<bool> {
        self.take_output_buffer();
        loop {
            let batch = self.run_batch();
            if let Some(hold) = self.service.take_hold(&mut self.state) {
                // Only this connection waits; its thread serves the others meanwhile.
                self.holds.released(self.service, hold).await;
            }
            self.stream.write_all(&self.output).await?;
            self.service.transferred(&self.state, 0, self.output.len());
            self.output.clear();
            match batch {
                Batch::Drained => return Ok(true),
                Batch::OutputFull => {}
                Batch::Wait(pending) => {
                    let Some(reply) = self.service.wait(pending).await else { return Ok(false) };
                    self.encode(&reply);
                }
                Batch::Close => return Ok(false),
            }
        }
    }

    /// Runs requests until one of the reasons to stop; the replies are in `output`.
    fn run_batch(&mut self) -> Batch<S::Pending> {
        let service = self.service;
        let _entry = service.enter(&self.state);
        let now = service.now();
        while self.output.len() <= self.output_buffer_bytes {
            let pending = self.input.pending();
            let length = match self.decoder.decode(pending) {
                Ok(Some(length)) => length,
                Ok(None) => return Batch::Drained,
                Err(error) => {
                    self.encode(&Reply::Error(error.into()));
                    return Batch::Close;
                }
            };
            let arguments = self.decoder.arguments(pending);
            if arguments.is_empty() {
                self.input.consume(length);
                continue;
            }
            let response = self.service.execute(&mut self.state, arguments, now);
            self.input.consume(length);
            let unauthenticated = self.service.is_unauthenticated(&self.state);
            self.decoder.set_unauthenticated(unauthenticated);
            match response {
                Response::Reply(reply) => self.encode(&reply),
                Response::Close(reply) => {
                    self.encode(&reply);
                    return Batch::Close;
                }
                Response::Wait(pending) => return Batch::Wait(pending),
            }
        }
        Batch::OutputFull
    }

    #[inline]
    fn encode(&mut self, reply: &Reply) {
        encode(reply, self.service.protocol(&self.state), &mut self.output);
    }
}

/// Tells a client why it is not served, and closes.
pub(super) async fn refuse<T: AsyncRead + AsyncWrite + Unpin>(mut stream: T, reason: &'static str) -> io::Result<()> {
    let mut bytes = Vec::new();
    let reply = Reply::Error(ErrorReply::new(reason));
    encode(&reply, crate::resp::Protocol::Resp2, &mut bytes);
    stream.write_all(&bytes).await?;
    linger(&mut stream).await
}

/// Closes this side and reads on until the client has closed its own, within bounds.
async fn linger<T: AsyncRead + AsyncWrite + Unpin>(stream: &mut T) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = stream.take(LINGER_BYTES);
    let mut sink = tokio::io::sink();
    let drain = tokio::io::copy(&mut rest, &mut sink);
    match tokio::time::timeout(LINGER, drain).await {
        Ok(drained) => drained.map(|_| ()),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
