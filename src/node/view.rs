//! TEMPORARY stand-in for what the node shows of the cluster, with the contract's signatures.

use crate::base::{Incarnation, Monotonic, NodeId};
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// One member.
#[allow(missing_docs)]
#[derive(Clone, Debug)]
pub struct MemberView {
    pub id: NodeId,
    pub myself: bool,
    pub host: String,
    pub client_port: u16,
    pub mesh_port: u16,
    pub link: LinkView,
    pub suspected: bool,
    pub failed: bool,
    pub linked_since: Option<Monotonic>,
    pub last_heard: Option<Monotonic>,
    pub round_trip: Option<Duration>,
    pub incarnation: Option<Incarnation>,
}

/// How a member is reached.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkView {
    Myself,
    Linked,
    Handshake,
    Unlinked,
}

/// Who is there.
#[allow(missing_docs)]
#[derive(Clone, Debug, Default)]
pub struct ClusterView {
    pub members: Vec<MemberView>,
    pub replicas_known: usize,
    pub catching_up: bool,
}

/// What was sent and received.
#[allow(missing_docs)]
#[derive(Debug, Default)]
pub struct TrafficCounts {
    pub datagrams_sent: AtomicU64,
    pub datagrams_received: AtomicU64,
    pub records_sent: AtomicU64,
    pub records_received: AtomicU64,
    pub record_bytes_sent: AtomicU64,
    pub messages_sent: AtomicU64,
    pub messages_received: AtomicU64,
    pub datagrams_lost: AtomicU64,
}

/// The published view.
#[allow(missing_docs)]
#[derive(Debug, Default)]
pub struct ClusterState {
    view: RwLock<Arc<ClusterView>>,
    pub traffic: TrafficCounts,
}

#[allow(missing_docs)]
impl ClusterState {
    pub fn view(&self) -> Arc<ClusterView> {
        self.view.read().clone()
    }

    pub fn publish(&self, view: ClusterView) {
        *self.view.write() = Arc::new(view);
    }
}
