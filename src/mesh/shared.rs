//! What the tasks of a mesh share.

use super::config::Config;
use super::event::{CloseReason, MeshEvent};
use super::introduction::Introduction;
use super::joining::Gate;
use super::links::Links;
use super::pairing::Greeting;
use super::transport::Configs;
use crate::base::NodeId;
use crate::wire::SOFTWARE_VERSION;
use parking_lot::Mutex;
use quinn::{Connection, Endpoint};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// Everything that more than one task of a mesh needs.
pub(super) struct Shared {
    pub(super) endpoint: Endpoint,
    pub(super) local: SocketAddr,
    pub(super) config: Config,
    pub(super) events: mpsc::Sender<MeshEvent>,
    pub(super) counts: MeshCounts,
    pub(super) gate: Arc<Gate>,
    /// Rung after a link came up or ended.
    pub(super) links_changed: Notify,
    /// Never held across an await.
    pub(super) state: Mutex<State>,
}

/// What changes.
pub(super) struct State {
    /// This node, under the present identity.
    pub(super) id: NodeId,
    /// Counts identities; a connection begun under an older one is dropped.
    pub(super) generation: u64,
    pub(super) configs: Configs,
    pub(super) links: Links,
    /// Why no connection is begun any more.
    pub(super) closing: Option<CloseReason>,
}

impl Shared {
    /// How long a connection may take from its first packet to a link.
    pub(super) const fn handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.config.handshake_timeout_ms)
    }

    /// What this node says first on a connection.
    pub(super) fn introduce(&self, greeting: Greeting) -> Introduction {
        Introduction { greeting, versions: self.config.versions, software: SOFTWARE_VERSION.to_owned() }
    }

    /// Where the peer is, in its own family also when the socket is of both.
    pub(super) fn address_of(&self, connection: &Connection) -> SocketAddr {
        canonical(connection.remote_address())
    }
}

/// An IPv4 address as such, not wrapped into IPv6.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// What has passed over one link since it stands, as the transport counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkFigures {
    /// UDP datagrams sent.
    pub datagrams_sent: u64,
    /// UDP datagrams received.
    pub datagrams_received: u64,
    /// Packets sent that are held for lost.
    pub packets_lost: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
}

/// Counts since the start, of all links.
#[derive(Debug, Default)]
pub struct MeshCounts {
    /// Datagrams given to the transport.
    pub datagrams_sent: AtomicU64,
    /// Datagrams that were not sent because the link's queue was full.
    pub datagrams_not_sent: AtomicU64,
    /// Datagrams handed to the owner.
    pub datagrams_received: AtomicU64,
    /// Datagrams dropped because the owner's event queue was full.
    pub datagrams_not_delivered: AtomicU64,
    /// Messages given to the transport.
    pub messages_sent: AtomicU64,
    /// Messages received.
    pub messages_received: AtomicU64,
    /// Connections that were refused, or turned away without a look for want of room.
    pub refused: AtomicU64,
}

/// One more. The counts are figures for people and order nothing.
pub(super) fn count(which: &AtomicU64) {
    which.fetch_add(1, Ordering::Relaxed);
}
