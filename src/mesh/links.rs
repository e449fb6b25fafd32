//! The table of links: at most one a peer, and the connections that may become one.

use super::event::{CloseReason, MessageTicket};
use super::pairing::{Greeting, Verdict, decide, obey};
use crate::base::{MAX_PEERS, NodeId};
use crate::wire::LinkProtocol;
use bytes::Bytes;
use parking_lot::Mutex;
use quinn::{Connection, VarInt};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::{mpsc, watch};

/// A message on its way to a link's writer.
pub(super) struct QueuedMessage {
    pub(super) ticket: MessageTicket,
    pub(super) bytes: Bytes,
}

/// One connection that was chosen as the link to a peer.
pub(super) struct Link {
    pub(super) peer: NodeId,
    pub(super) connection: Connection,
    /// What the node that does not decide said on it, or what it was answered.
    greeting: Greeting,
    /// What is spoken on it.
    pub(super) protocol: LinkProtocol,
    /// Messages for the writer; taken away to let it finish.
    messages: Mutex<Option<mpsc::Sender<QueuedMessage>>>,
    /// The bytes of the messages in that queue and in the writer's hands.
    pub(super) queued_bytes: AtomicUsize,
    /// Why this node closed it, once it did.
    closed_here: Mutex<Option<CloseReason>>,
    /// Takes what is to be sent. A moment before it is up, as its owner may answer to that at once.
    is_open: AtomicBool,
    is_up: AtomicBool,
    /// The writer is done, and the peer has what it wrote if the link still stands.
    written: watch::Sender<bool>,
    ended: watch::Sender<bool>,
}

impl Link {
    /// Closes the connection; the first reason counts, also where that was the peer's.
    pub(super) fn close(&self, reason: CloseReason) {
        if self.is_alive() {
            close_connection(&self.connection, &reason);
            self.closed_here.lock().get_or_insert(reason);
        }
    }

    /// Notes why the connection is about to be closed by other means.
    pub(super) fn note_close(&self, reason: CloseReason) {
        self.closed_here.lock().get_or_insert(reason);
    }

    /// Why this node closed it.
    pub(super) fn closed_here(&self) -> Option<CloseReason> {
        self.closed_here.lock().clone()
    }

    /// Whether the connection still stands, as far as this node knows.
    pub(super) fn is_alive(&self) -> bool {
        self.connection.close_reason().is_none()
    }

    /// Whether its coming up was reported and it stands.
    pub(super) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Acquire) && self.is_alive()
    }

    /// Whether it takes datagrams and messages.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire) && self.is_alive()
    }

    pub(super) fn mark_open(&self) {
        self.is_open.store(true, Ordering::Release);
    }

    pub(super) fn mark_up(&self) {
        self.is_up.store(true, Ordering::Release);
    }

    /// The writer's queue, until it was told to finish.
    pub(super) fn messages(&self) -> Option<mpsc::Sender<QueuedMessage>> {
        self.messages.lock().clone()
    }

    /// Lets the writer send what is queued, and nothing after it.
    pub(super) fn finish_messages(&self) {
        self.messages.lock().take();
    }

    pub(super) fn mark_written(&self) {
        self.written.send_replace(true);
    }

    /// Waits until the writer is done; only after [`Self::finish_messages`] does it ever get there.
    pub(super) async fn wait_written(&self) {
        // The sender is in `self`, so waiting cannot fail.
        let _ = self.written.subscribe().wait_for(|written| *written).await;
    }

    fn mark_ended(&self) {
        self.ended.send_replace(true);
    }

    /// Waits until its going down was reported.
    pub(super) async fn wait_ended(&self) {
        // The sender is in `self`, so waiting cannot fail.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }
}

/// Closes a connection so that the peer hears why.
pub(super) fn close_connection(connection: &Connection, reason: &CloseReason) {
    let code = VarInt::from_u64(reason.code()).unwrap_or(VarInt::MAX);
    connection.close(code, reason.text().as_bytes());
}

/// A new link with what its task needs.
pub(super) struct Adopted {
    pub(super) link: Arc<Link>,
    /// The link that this one replaces and must wait for.
    pub(super) predecessor: Option<Arc<Link>>,
    pub(super) messages: mpsc::Receiver<QueuedMessage>,
}

/// Why a connection did not become a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotAdopted {
    /// The held one stays.
    Duplicate,
    /// There are as many links as there may be.
    TooManyLinks,
}

/// Who decides, on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// This node, having the smaller id.
    Decides,
    /// The peer.
    Obeys,
}

#[derive(Default)]
struct Peer {
    held: Option<Arc<Link>>,
    /// Connections past their TLS handshake that are neither link nor dropped yet.
    pending: Vec<Connection>,
}

/// All links of a node.
pub(super) struct Links {
    epoch: u64,
    last_number: u64,
    /// In the order of their ids, so that all is done in the same order each time.
    peers: BTreeMap<NodeId, Peer>,
}

impl Links {
    /// No links. The epoch is a random number of this process.
    pub(super) fn new(epoch: u64) -> Self {
        Self { epoch, last_number: 0, peers: BTreeMap::new() }
    }

    /// The link to a peer, if it stands.
    pub(super) fn get(&self, peer: NodeId) -> Option<&Arc<Link>> {
        self.peers.get(&peer)?.held.as_ref().filter(|link| link.is_alive())
    }

    /// Every link that stands.
    pub(super) fn alive(&self) -> impl Iterator<Item = &Arc<Link>> {
        let held = self.peers.values().filter_map(|peer| peer.held.as_ref());
        held.filter(|link| link.is_alive())
    }

    /// Notes a connection that may become a link.
    pub(super) fn add_pending(&mut self, peer: NodeId, connection: &Connection) {
        let peer = self.peers.entry(peer).or_default();
        peer.pending.push(connection.clone());
    }

    /// Forgets a connection that became a link or came to nothing.
    pub(super) fn remove_pending(&mut self, peer: NodeId, connection: &Connection) {
        let id = connection.stable_id();
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.pending.retain(|other| other.stable_id() != id);
        }
        self.prune(peer);
    }

    /// The greeting to say on a connection now.
    pub(super) fn greet(&mut self, peer: NodeId, connection: &Connection) -> Greeting {
        self.last_number += 1;
        let id = connection.stable_id();
        let busy = self.get(peer).is_some()
            || self.peers.get(&peer).is_some_and(|peer| {
                peer.pending.iter().any(|other| other.stable_id() != id && other.close_reason().is_none())
            });
        Greeting { epoch: self.epoch, number: self.last_number, busy }
    }

    /// Makes a connection the link to its peer, if that is the verdict on the greeting.
    pub(super) fn adopt(
        &mut self,
        peer: NodeId,
        connection: &Connection,
        greeting: Greeting,
        protocol: LinkProtocol,
        part: Part,
        queue_length: usize,
    ) -> Result<Adopted, NotAdopted> {
        let held = self.get(peer).map(|link| link.greeting);
        let verdict = match part {
            Part::Decides => decide(held, greeting),
            Part::Obeys => obey(held, greeting),
        };
        if verdict == Verdict::Duplicate {
            return Err(NotAdopted::Duplicate);
        }
        if held.is_none() && self.alive().count() >= MAX_PEERS {
            return Err(NotAdopted::TooManyLinks);
        }
        let (sender, messages) = mpsc::channel(queue_length);
        let link = Arc::new(Link {
            peer,
            connection: connection.clone(),
            greeting,
            protocol,
            messages: Mutex::new(Some(sender)),
            queued_bytes: AtomicUsize::new(0),
            closed_here: Mutex::new(None),
            is_open: AtomicBool::new(false),
            is_up: AtomicBool::new(false),
            written: watch::Sender::new(false),
            ended: watch::Sender::new(false),
        });
        let entry = self.peers.entry(peer).or_default();
        let predecessor = entry.held.replace(Arc::clone(&link));
        self.remove_pending(peer, connection);
        Ok(Adopted { link, predecessor, messages })
    }

    /// Takes a link out whose going down was reported.
    pub(super) fn end(&mut self, link: &Arc<Link>) {
        if let Some(entry) = self.peers.get_mut(&link.peer) {
            entry.held.take_if(|held| Arc::ptr_eq(held, link));
        }
        self.prune(link.peer);
        link.mark_ended();
    }

    /// Closes everything, also what is not a link yet.
    pub(super) fn close_all(&mut self, reason: &CloseReason) {
        for peer in self.peers.values() {
            for connection in &peer.pending {
                close_connection(connection, reason);
            }
            if let Some(link) = &peer.held {
                link.close(reason.clone());
            }
        }
    }

    fn prune(&mut self, id: NodeId) {
        let empty = |peer: &Peer| peer.held.is_none() && peer.pending.is_empty();
        if self.peers.get(&id).is_some_and(empty) {
            self.peers.remove(&id);
        }
    }
}
