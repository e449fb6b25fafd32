//! The life of one link: up, carrying datagrams and messages both ways, down.

use super::error::DialError;
use super::event::{CloseReason, DialId, DownReason, MeshEvent};
use super::frame::{self, FrameError};
use super::introduction::Introduction;
use super::links::{Adopted, Link, QueuedMessage};
use super::refusal::Failure;
use super::shared::{Shared, count};
use crate::base::MAX_MESSAGE_BYTES;
use bytes::Bytes;
use quinn::{Connection, ConnectionError, RecvStream, SendStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// How often a datagram that finds the event queue full lets others run before it is dropped.
const FULL_QUEUE_YIELDS: usize = 8;

/// The two streams of a connection, one each way, past their greetings.
pub(super) struct Streams {
    pub(super) send: SendStream,
    pub(super) receive: RecvStream,
}

/// Runs a link from its coming up to its going down, and reports both.
///
/// `answer` is what the node that decides still has to say for the peer to take the link up, too.
pub(super) async fn run(
    shared: Arc<Shared>,
    adopted: Adopted,
    mut streams: Streams,
    answer: Option<Introduction>,
    dial: Option<DialId>,
) {
    let Adopted { link, predecessor, messages } = adopted;
    let answered = match answer {
        Some(answer) => frame::write(&mut streams.send, Bytes::from(answer.encode())).await.is_ok(),
        None => true,
    };
    if let Some(predecessor) = predecessor {
        predecessor.close(CloseReason::Duplicate);
        predecessor.wait_ended().await;
    }
    if !answered {
        abandon(&shared, &link, dial).await;
        return;
    }
    link.mark_open();
    tracing::debug!(peer = %link.peer, address = %shared.address_of(&link.connection), "a link is up");
    let (address, protocol) = (shared.address_of(&link.connection), link.protocol.clone());
    let up = MeshEvent::LinkUp { peer: link.peer, address, dial, protocol };
    if shared.events.send(up).await.is_err() {
        // Whoever owned the mesh is gone.
        link.close(CloseReason::Shutdown);
    }
    link.mark_up();
    shared.links_changed.notify_waiters();
    let datagrams = tokio::spawn(read_datagrams(Arc::clone(&shared), Arc::clone(&link)));
    let reader = tokio::spawn(read_messages(Arc::clone(&shared), Arc::clone(&link), streams.receive));
    let writer = tokio::spawn(write_messages(Arc::clone(&shared), Arc::clone(&link), streams.send, messages));
    let error = link.connection.closed().await;
    // What had arrived before the end is handed over before the end is reported.
    for task in [datagrams, reader, writer] {
        if let Err(error) = task.await {
            tracing::error!(peer = %link.peer, %error, "a task of the link failed");
        }
    }
    end(&shared, &link, &error).await;
}

/// Ends a link that never came up, because the peer could not be answered.
async fn abandon(shared: &Arc<Shared>, link: &Arc<Link>, dial: Option<DialId>) {
    link.close(CloseReason::Protocol("it takes no stream".into()));
    shared.state.lock().links.end(link);
    shared.links_changed.notify_waiters();
    if let Some(dial) = dial {
        let address = shared.address_of(&link.connection);
        let reason = "it broke before both sides took it up".into();
        let error = DialError::Lost { address, reason };
        let _ = shared.events.send(MeshEvent::DialFailed { dial, error }).await;
    }
}

async fn end(shared: &Arc<Shared>, link: &Arc<Link>, error: &ConnectionError) {
    let down = MeshEvent::LinkDown { peer: link.peer, reason: down_reason(shared, link, error) };
    tracing::debug!(peer = %link.peer, %error, "a link has ended");
    // Nobody listening is no error: the owner is gone.
    let _ = shared.events.send(down).await;
    shared.state.lock().links.end(link);
    shared.links_changed.notify_waiters();
}

fn down_reason(shared: &Shared, link: &Link, error: &ConnectionError) -> DownReason {
    match Failure::of(error) {
        Failure::ClosedByPeer(reason) => DownReason::ClosedByPeer(reason),
        Failure::ClosedHere => DownReason::Closed(link.closed_here().unwrap_or(CloseReason::Shutdown)),
        Failure::NoAnswer => DownReason::Lost(format!("nothing was heard for {} ms", shared.config.idle_timeout_ms)),
        Failure::NotAccepted(text) | Failure::Refused(text) | Failure::Lost(text) => DownReason::Lost(text),
    }
}

async fn read_datagrams(shared: Arc<Shared>, link: Arc<Link>) {
    while let Ok(bytes) = link.connection.read_datagram().await {
        let from = link.peer;
        deliver_datagram(&shared, MeshEvent::Datagram { from, bytes }).await;
    }
}

/// Hands a datagram over, or drops it when the owner does not keep up: late ones are worth less than none.
async fn deliver_datagram(shared: &Shared, mut event: MeshEvent) {
    for _ in 0..FULL_QUEUE_YIELDS {
        match shared.events.try_send(event) {
            Ok(()) => {
                count(&shared.counts.datagrams_received);
                return;
            }
            Err(TrySendError::Full(back)) => event = back,
            Err(TrySendError::Closed(_)) => return,
        }
        tokio::task::yield_now().await;
    }
    count(&shared.counts.datagrams_not_delivered);
}

/// A full event queue holds the reading back, and so in the end the peer's writer.
async fn read_messages(shared: Arc<Shared>, link: Arc<Link>, mut stream: RecvStream) {
    loop {
        match frame::read(&mut stream, MAX_MESSAGE_BYTES).await {
            Ok(bytes) => {
                count(&shared.counts.messages_received);
                let from = link.peer;
                if shared.events.send(MeshEvent::Message { from, bytes }).await.is_err() {
                    link.close(CloseReason::Shutdown);
                    return;
                }
            }
            // The peer has nothing more to say; it closes the link when it sees fit.
            Err(FrameError::Ended) => return,
            Err(error) => {
                // Does nothing where the cause is that the connection ended.
                link.close(CloseReason::Protocol(error.to_string()));
                return;
            }
        }
    }
}

async fn write_messages(
    shared: Arc<Shared>,
    link: Arc<Link>,
    mut stream: SendStream,
    mut messages: mpsc::Receiver<QueuedMessage>,
) {
    while let Some(QueuedMessage { ticket, bytes }) = next(&mut messages, &link.connection).await {
        let length = bytes.len();
        if frame::write(&mut stream, bytes).await.is_err() {
            break;
        }
        link.queued_bytes.fetch_sub(length, Ordering::Relaxed);
        count(&shared.counts.messages_sent);
        let to = link.peer;
        if shared.events.send(MeshEvent::Sent { to, ticket }).await.is_err() {
            break;
        }
    }
    // Both fail only where the connection ended, and then there is nobody to tell.
    let _ = stream.finish();
    let _ = stream.stopped().await;
    link.mark_written();
}

/// The next message to write; `None` when there will be none, or the connection ended.
async fn next(messages: &mut mpsc::Receiver<QueuedMessage>, connection: &Connection) -> Option<QueuedMessage> {
    tokio::select! {
        biased;
        _ = connection.closed() => None,
        message = messages.recv() => message,
    }
}
