//! From a connection whose TLS handshake is done to a link: greetings and the verdict on them.

use super::certificate::node_id_of;
use super::error::DialError;
use super::event::{CloseReason, DialId};
use super::frame;
use super::introduction::Introduction;
use super::link::{self, Streams};
use super::links::{Adopted, NotAdopted, Part, close_connection};
use super::refusal::Failure;
use super::shared::Shared;
use crate::base::{MAX_PEERS, NodeId};
use crate::wire::SOFTWARE_VERSION;
use bytes::Bytes;
use quinn::{Connection, RecvStream};
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::sync::Arc;

/// Room for what later versions append to a greeting.
const MAX_GREETING_BYTES: usize = 1024;

/// Why a connection did not become a link.
#[derive(Debug)]
pub(super) enum NoLink {
    /// The peer has this node's own id.
    SelfConnection,
    /// Another connection with this peer is the link, or becomes it.
    Duplicate(NodeId),
    /// The peer speaks no version of the protocol that this node does.
    Incompatible { peer: NodeId, reason: String },
    /// There are as many links as there may be.
    TooManyLinks,
    /// It ended, or nothing or nonsense came.
    Failed(Failure),
}

impl NoLink {
    /// The words for a log when it was the other who dialled, unless it is everyday business.
    pub(super) fn refusal(&self) -> Option<String> {
        match self {
            Self::SelfConnection => Some("it is this node itself, or another that runs with a copy of its key".into()),
            Self::Duplicate(_) => None,
            Self::Incompatible { reason, .. } => Some(reason.clone()),
            Self::TooManyLinks => Some(format!("this node has {MAX_PEERS} links, the most it may")),
            Self::Failed(failure) => failure.refusal(),
        }
    }

    /// The error of the dial that came to this. A duplicate is one only if no link came of the other.
    pub(super) fn into_dial_error(self, address: SocketAddr) -> DialError {
        match self {
            Self::SelfConnection => DialError::SelfConnection { address },
            Self::Duplicate(_) => DialError::Lost {
                address,
                reason: "another connection with the same node was preferred and broke".into(),
            },
            Self::Incompatible { reason, .. } => DialError::Incompatible { address, reason },
            Self::TooManyLinks => DialError::TooManyLinks(MAX_PEERS),
            Self::Failed(failure) => failure.into_dial_error(address, ": it did not take the connection up in time"),
        }
    }
}

/// Makes a connection the link to its peer and starts the link's task, or closes the connection.
///
/// `generation` is that of the identity with which the connection was begun.
pub(super) async fn establish(
    shared: &Arc<Shared>,
    connection: Connection,
    generation: u64,
    dial: Option<DialId>,
) -> Result<(), NoLink> {
    let (peer, part) = begin(shared, &connection, generation)?;
    let _pending = Pending { shared, peer, connection: &connection };
    let negotiated = negotiate(shared, &connection, peer, part, generation, dial);
    match tokio::time::timeout(shared.handshake_timeout(), negotiated).await {
        // Both sides may find the duplicate first.
        Ok(Err(NoLink::Failed(Failure::ClosedByPeer(CloseReason::Duplicate)))) => Err(NoLink::Duplicate(peer)),
        Ok(Err(NoLink::Failed(Failure::ClosedByPeer(CloseReason::Incompatible(reason))))) => {
            Err(NoLink::Incompatible { peer, reason })
        }
        Ok(result) => result,
        Err(_) => {
            let reason = CloseReason::Protocol("no greeting came in time".into());
            close_connection(&connection, &reason);
            Err(NoLink::Failed(Failure::NoAnswer))
        }
    }
}

/// Forgets a connection as a candidate, however its handshake ends.
struct Pending<'a> {
    shared: &'a Shared,
    peer: NodeId,
    connection: &'a Connection,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.links.remove_pending(self.peer, self.connection);
    }
}

/// Learns who it is and enters the connection as a candidate.
fn begin(shared: &Shared, connection: &Connection, generation: u64) -> Result<(NodeId, Part), NoLink> {
    let Some(peer) = peer_of(connection) else {
        let reason = CloseReason::Protocol("the certificate cannot be read".into());
        close_connection(connection, &reason);
        let text = "its certificate cannot be read".into();
        return Err(NoLink::Failed(Failure::NotAccepted(text)));
    };
    let mut state = shared.state.lock();
    if state.closing.is_some() || state.generation != generation {
        let reason = state.closing.clone().unwrap_or(CloseReason::Left);
        close_connection(connection, &reason);
        return Err(NoLink::Failed(Failure::ClosedHere));
    }
    if peer == state.id {
        close_connection(connection, &CloseReason::SelfConnection);
        return Err(NoLink::SelfConnection);
    }
    if shared.gate.is_banned(peer) {
        // It was, while the handshake went on.
        close_connection(connection, &CloseReason::Forgotten);
        return Err(NoLink::Failed(Failure::NotAccepted("its key was banned".into())));
    }
    check_not_joining(shared, connection)?;
    state.links.add_pending(peer, connection);
    let part = if state.id < peer { Part::Decides } else { Part::Obeys };
    Ok((peer, part))
}

/// A node that joins a cluster is in none before.
fn check_not_joining(shared: &Shared, connection: &Connection) -> Result<(), NoLink> {
    if !shared.gate.is_joining() {
        return Ok(());
    }
    close_connection(connection, &CloseReason::Joining);
    Err(NoLink::Failed(Failure::ClosedHere))
}

/// Who the connection's certificate says the peer is.
fn peer_of(connection: &Connection) -> Option<NodeId> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    node_id_of(chain.first()?)
}

async fn negotiate(
    shared: &Arc<Shared>,
    connection: &Connection,
    peer: NodeId,
    part: Part,
    generation: u64,
    dial: Option<DialId>,
) -> Result<(), NoLink> {
    let broken = |_| ended(connection);
    match part {
        Part::Decides => {
            let receive = connection.accept_uni().await.map_err(broken)?;
            let (receive, introduction) = read_introduction(connection, receive).await?;
            let send = connection.open_uni().await.map_err(broken)?;
            let (adopted, answer) = adopt(shared, connection, introduction, peer, part, generation)?;
            let streams = Streams { send, receive };
            // Nothing may be awaited between adopting and this, or a cancelled handshake would leave a link
            // without a task.
            tokio::spawn(link::run(Arc::clone(shared), adopted, streams, Some(answer), dial));
        }
        Part::Obeys => {
            let mut send = connection.open_uni().await.map_err(broken)?;
            let greeting = shared.state.lock().links.greet(peer, connection);
            let bytes = shared.introduce(greeting).encode();
            frame::write(&mut send, Bytes::from(bytes)).await.map_err(|_| ended(connection))?;
            let receive = connection.accept_uni().await.map_err(broken)?;
            let (receive, answer) = read_introduction(connection, receive).await?;
            let (adopted, _) = adopt(shared, connection, answer, peer, part, generation)?;
            let streams = Streams { send, receive };
            tokio::spawn(link::run(Arc::clone(shared), adopted, streams, None, dial));
        }
    }
    Ok(())
}

/// Enters the connection as the link and says what to answer, or closes it.
fn adopt(
    shared: &Shared,
    connection: &Connection,
    introduction: Introduction,
    peer: NodeId,
    part: Part,
    generation: u64,
) -> Result<(Adopted, Introduction), NoLink> {
    let agreed = introduction.agree(shared.config.versions, SOFTWARE_VERSION).map_err(|apart| {
        close_connection(connection, &CloseReason::Incompatible(apart.there));
        NoLink::Incompatible { peer, reason: apart.here }
    })?;
    let mut state = shared.state.lock();
    if state.closing.is_some() || state.generation != generation {
        let reason = state.closing.clone().unwrap_or(CloseReason::Left);
        close_connection(connection, &reason);
        return Err(NoLink::Failed(Failure::ClosedHere));
    }
    // With the state locked: who begins to join looks for links after saying so.
    check_not_joining(shared, connection)?;
    let queue_length = shared.config.message_queue_length;
    let adopted = state.links.adopt(peer, connection, introduction.greeting, agreed, part, queue_length);
    match adopted {
        Ok(adopted) => {
            shared.gate.settled(peer);
            let answer = state.links.greet(peer, connection);
            Ok((adopted, shared.introduce(answer)))
        }
        Err(NotAdopted::Duplicate) => {
            close_connection(connection, &CloseReason::Duplicate);
            Err(NoLink::Duplicate(peer))
        }
        Err(NotAdopted::TooManyLinks) => {
            close_connection(connection, &CloseReason::TooManyLinks);
            Err(NoLink::TooManyLinks)
        }
    }
}

async fn read_introduction(
    connection: &Connection,
    mut receive: RecvStream,
) -> Result<(RecvStream, Introduction), NoLink> {
    let read = frame::read(&mut receive, MAX_GREETING_BYTES).await;
    match read.as_deref().map(Introduction::decode) {
        Ok(Some(introduction)) => Ok((receive, introduction)),
        Ok(None) | Err(_) => Err(ended(connection)),
    }
}

/// Why the greetings broke off: the end of the connection, or else nonsense on it.
fn ended(connection: &Connection) -> NoLink {
    let failure = match connection.close_reason() {
        Some(error) => Failure::of(&error),
        None => {
            let reason = CloseReason::Protocol("the greeting cannot be read".into());
            close_connection(connection, &reason);
            Failure::NotAccepted("its greeting cannot be read".into())
        }
    };
    NoLink::Failed(failure)
}
