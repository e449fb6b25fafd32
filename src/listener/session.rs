//! One client's connection, from its first byte to its last.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::buffers::{BufferPool, Input};
use super::coalescing::{Activity, LastServed};
use super::holds::Holds;
use super::serve::StopSignal;
use super::service::{Holding, Response, Service};
use crate::resp::{Decoder, ErrorReply, Limits, Reply, encode, names};

/// How long, and for how many bytes, a connection that this side closes is read on. Closing with bytes unread
/// resets the connection, and the client would lose the reply that tells it why.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: u64 = 4 << 20;
/// The names of so many requests are looked for at a time: enough for their counters to be on their way from memory at once.
const LOOK_AHEAD: usize = 32;
/// Less than this has arrived of a client that waits for its replies; nothing is gained by looking ahead.
const FEW_REQUESTS_BYTES: usize = 128;

/// What sessions are told when they begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionSettings {
    pub(super) limits: Limits,
    pub(super) output_buffer_bytes: usize,
    /// After so many requests it is others' turn.
    pub(super) requests_per_turn: u32,
}

/// What the sessions of one thread share.
pub(super) type Shared<S> = (Arc<BufferPool>, Arc<Holds<<S as Service>::Hold>>, Arc<Activity>);

/// A connection and what it has in its hands.
pub(super) struct Session<'a, S: Service, T> {
    service: &'a S,
    state: S::Session,
    stream: T,
    pool: Arc<BufferPool>,
    holds: Arc<Holds<S::Hold>>,
    activity: Arc<Activity>,
    last_served: LastServed,
    decoder: Decoder,
    input: Input,
    output: Vec<u8>,
    settings: SessionSettings,
    /// Requests run since others had their turn.
    run: u32,
}

/// Why a batch of requests ended.
enum Batch<W> {
    /// There is no further complete request.
    Drained,
    /// The client must read before more is run for it.
    OutputFull,
    /// Others are to have their turn.
    TurnOver,
    /// The next request is to be tried again when requests may go on.
    Paused,
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
        (pool, holds, activity): Shared<S>,
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
            activity,
            last_served: LastServed::default(),
            decoder,
            input: Input::default(),
            output: Vec::new(),
            settings,
            run: 0,
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
            self.end_turn_if_due().await;
        }
    }

    /// Lets the thread's other clients run once this one has run its share: a pipeline without an end must not keep them out.
    async fn end_turn_if_due(&mut self) {
        if self.run >= self.settings.requests_per_turn {
            self.run = 0;
            tokio::task::yield_now().await;
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
                self.activity.served(&mut self.last_served);
                Poll::Ready(Ok(if length == 0 { Event::End } else { Event::Bytes }))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.release_memory();
                self.tell_holding();
                // Whoever has nothing to run has left the others their turn.
                self.run = 0;
                Poll::Pending
            }
        }
    }

    fn take_output_buffer(&mut self) {
        if self.output.capacity() == 0 {
            self.output = self.pool.take_output();
        }
    }

    fn tell_holding(&self) {
        let (query, query_capacity) = self.input.held();
        let holding = Holding { query, query_capacity, output: self.output.len() };
        self.service.holds(&self.state, holding);
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
        let most = self.settings.output_buffer_bytes;
        Ok(self.service.take_messages(&self.state, most, &mut self.output) && self.write_output().await?)
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
            if !self.write_output().await? {
                return Ok(false);
            }
            match batch {
                Batch::Drained => return Ok(true),
                Batch::OutputFull => {}
                Batch::TurnOver => self.end_turn_if_due().await,
                Batch::Paused => {
                    if !self.service.resumed(&self.state).await {
                        return Ok(false);
                    }
                }
                Batch::Wait(pending) => {
                    let Some(reply) = self.service.wait(&self.state, pending).await else { return Ok(false) };
                    self.encode(&reply);
                }
                Batch::Close => return Ok(false),
            }
        }
    }

    /// Writes all replies; whether they were not more than the client may have waiting.
    async fn write_output(&mut self) -> io::Result<bool> {
        let limit = self.service.output_limit(&self.state);
        if limit > 0 && self.output.len() as u64 > limit {
            tracing::warn!(
                bytes = self.output.len(),
                limit,
                "a client is cut off: its replies are more than it may have waiting"
            );
            return Ok(false);
        }
        let Self { service, state, stream, input, output, .. } = self;
        let (mut written, mut waited) = (0, false);
        while written < output.len() {
            let length = poll_fn(|context| {
                let polled = Pin::new(&mut *stream).poll_write(context, &output[written..]);
                if polled.is_pending() {
                    waited = true;
                    let (query, query_capacity) = input.held();
                    service.holds(state, Holding { query, query_capacity, output: output.len() - written });
                }
                polled
            });
            let length = length.await?;
            if length == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            written += length;
            service.transferred(state, 0, length);
        }
        // Nothing to be done but with TLS, which keeps what the socket would not take.
        poll_fn(|context| Pin::new(&mut *stream).poll_flush(context)).await?;
        if waited {
            let (query, query_capacity) = input.held();
            service.holds(state, Holding { query, query_capacity, output: 0 });
        }
        self.output.clear();
        Ok(true)
    }

    /// Runs requests until one of the reasons to stop; the replies are in `output`.
    fn run_batch(&mut self) -> Batch<S::Pending> {
        let service = self.service;
        let _entry = service.enter(&self.state);
        let now = service.now();
        let mut foreseen = 0;
        while self.output.len() <= self.settings.output_buffer_bytes {
            if self.run >= self.settings.requests_per_turn {
                return Batch::TurnOver;
            }
            let pending = self.input.pending();
            if foreseen == 0 && pending.len() >= FEW_REQUESTS_BYTES {
                service.expect(names(pending).take(LOOK_AHEAD));
                foreseen = LOOK_AHEAD;
            }
            foreseen = foreseen.saturating_sub(1);
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
                self.run += 1;
                self.input.consume(length);
                continue;
            }
            let response = self.service.execute(&mut self.state, arguments, now);
            if !matches!(response, Response::Paused) {
                self.input.consume(length);
            }
            self.run += 1;
            let unauthenticated = self.service.is_unauthenticated(&self.state);
            self.decoder.set_unauthenticated(unauthenticated);
            match response {
                Response::Reply(reply) => self.encode(&reply),
                Response::Close(reply) => {
                    self.encode(&reply);
                    return Batch::Close;
                }
                Response::Wait(pending) => return Batch::Wait(pending),
                // It is decoded once more then.
                Response::Paused => return Batch::Paused,
            }
        }
        Batch::OutputFull
    }

    #[inline]
    fn encode(&mut self, reply: &Reply) {
        // Asked for each, as some are left out by their number.
        let is_wanted = self.service.takes_reply(&mut self.state);
        if !is_wanted && !reply.is_push() {
            return;
        }
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
