//! What session threads see of the cluster: a snapshot that the node replaces, and counts that only grow.

use super::event_log::EventLog;
use super::input::LinkCounts;
use super::traffic::KindTraffic;
use crate::base::{Incarnation, Labels, Monotonic, NodeId, ReplicaId, ReplicaIndex};
use crate::replication::{Digest, NodeRecord, NumberSet};
use crate::wire::LinkProtocol;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// One member, this node included.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// Who.
    pub id: NodeId,
    /// This node.
    pub myself: bool,
    /// Where others reach it; empty when nobody knows.
    pub host: String,
    /// Its TCP port for clients.
    pub client_port: u16,
    /// Its UDP port for nodes.
    pub mesh_port: u16,
    /// Whether it is linked with this node.
    pub link: LinkView,
    /// It does not answer, and has some seconds left to do so.
    pub suspected: bool,
    /// It is held for failed, or said goodbye.
    pub failed: bool,
    /// Since when the link stands.
    pub linked_since: Option<Monotonic>,
    /// When anything was last heard from it.
    pub last_heard: Option<Monotonic>,
    /// The link's round-trip time.
    pub round_trip: Option<Duration>,
    /// Which of its lives is present.
    pub incarnation: Option<Incarnation>,
    /// What is spoken on the link.
    pub protocol: Option<LinkProtocol>,
    /// It was reached last as a node that speaks no version of the protocol that this one does.
    pub is_incompatible: bool,
    /// What its operator says of it.
    pub labels: Labels,
    /// What passed over the link, its own overhead included.
    pub link_counts: Option<LinkCounts>,
    /// So many numbers it has drawn of which not everything is here.
    pub lag_records: Option<u64>,
}

impl MemberView {
    /// This node, as it is before it counts as any replica.
    pub fn myself(id: NodeId, host: String, client_port: u16, mesh_port: u16) -> Self {
        Self {
            id,
            myself: true,
            host,
            client_port,
            mesh_port,
            link: LinkView::Myself,
            suspected: false,
            failed: false,
            linked_since: None,
            last_heard: None,
            round_trip: None,
            incarnation: None,
            protocol: None,
            is_incompatible: false,
            labels: Labels::default(),
            link_counts: None,
            lag_records: None,
        }
    }
}

/// How a member is linked with this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkView {
    /// It is this node.
    Myself,
    /// A link stands, and it has greeted.
    Linked,
    /// A link stands, and it has not greeted yet.
    Handshake,
    /// No link; it is dialled again and again.
    Unlinked,
}

/// Who is there.
#[derive(Clone, Debug, Default)]
pub struct ClusterView {
    /// All members, this node first.
    pub members: Vec<MemberView>,
    /// How many replicas (nodes and their earlier lives) this node knows.
    pub replicas_known: usize,
    /// Some peer had more when it was linked than this node has by now, or a repair has been going on for a while: what is
    /// read here may be old.
    pub catching_up: bool,
    /// What each linked member has of every replica, as it said last.
    pub digests: Vec<(NodeId, Digest)>,
    /// The repair that is under way.
    pub repair: Option<RepairView>,
}

/// How far a repair has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepairView {
    /// From whom.
    pub from: NodeId,
    /// Items that have arrived.
    pub items_received: u64,
    /// Items that there will be, as far as the other can tell beforehand.
    pub items_estimated: u64,
}

/// What was sent and received since the start.
#[derive(Debug, Default)]
pub struct TrafficCounts {
    /// Datagrams handed to the mesh.
    pub datagrams_sent: AtomicU64,
    /// Datagrams taken from the mesh.
    pub datagrams_received: AtomicU64,
    /// Announcements sent, counted once a peer.
    pub records_sent: AtomicU64,
    /// Announcements received.
    pub records_received: AtomicU64,
    /// Bytes of what carried the announcements sent.
    pub record_bytes_sent: AtomicU64,
    /// Bytes of the digests sent.
    pub digest_bytes_sent: AtomicU64,
    /// Bytes of what was asked for and sent again for repair.
    pub repair_bytes_sent: AtomicU64,
    /// Items that came in answer to pulls: what was lost, or said while this node was away.
    pub repair_items_received: AtomicU64,
    /// Messages handed to the mesh.
    pub messages_sent: AtomicU64,
    /// Messages taken from the mesh.
    pub messages_received: AtomicU64,
    /// Datagrams that the mesh had no room for.
    pub datagrams_lost: AtomicU64,
    /// Datagrams and messages that were not understood, or not taken.
    pub messages_refused: AtomicU64,
    /// Parts of datagrams and messages that were of kinds which this version does not know.
    pub parts_passed_over: AtomicU64,
    /// Datagrams and messages together, by kind.
    pub kinds: KindTraffic,
}

/// How far a node has come since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its clients are served.
    Serving,
    /// What it has on disk is being read.
    Loading,
    /// It finds out what the others have heard of it, and what they have given up since.
    Rejoining,
}

/// What is known of the cluster, for any number of threads.
#[derive(Debug, Default)]
pub struct ClusterState {
    phase: AtomicU8,
    record: RwLock<Arc<NodeRecord>>,
    view: RwLock<Arc<ClusterView>>,
    replicas: RwLock<Arc<[ReplicaId]>>,
    /// What was sent and received.
    pub traffic: TrafficCounts,
    /// What happened lately.
    pub events: EventLog,
    /// When this node's certificate ends, in seconds since 1970; 0 where that is not known.
    pub certificate_ends: AtomicU64,
    /// When the last of the authorities that this node trusts ends, as above.
    pub authorities_end: AtomicU64,
}

impl ClusterState {
    /// How far the node has come. A state that no node ever spoke for is one that serves.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            1 => Phase::Loading,
            2 => Phase::Rejoining,
            _ => Phase::Serving,
        }
    }

    /// Says how far the node has come.
    pub fn set_phase(&self, phase: Phase) {
        let phase = match phase {
            Phase::Serving => 0,
            Phase::Loading => 1,
            Phase::Rejoining => 2,
        };
        self.phase.store(phase, Ordering::Release);
    }

    /// What is to be written beside the counters that changed. Whoever takes them takes this first: what it says to be
    /// held is in the table.
    pub fn record(&self) -> Arc<NodeRecord> {
        Arc::clone(&self.record.read())
    }

    /// The record with all replicas that counters taken meanwhile may refer to, for whoever has taken them: of what it
    /// lacked nothing is said to be held.
    pub fn complete_record(&self, record: &Arc<NodeRecord>) -> Arc<NodeRecord> {
        let replicas = Arc::clone(&self.replicas.read());
        let lacking = replicas.iter().skip(record.replicas.len());
        if lacking.len() == 0 {
            return Arc::clone(record);
        }
        let mut record = (**record).clone();
        record.replicas.extend(lacking.map(|replica| (*replica, NumberSet::default())));
        Arc::new(record)
    }

    /// Replaces the record.
    pub fn publish_record(&self, record: Arc<NodeRecord>) {
        *self.record.write() = record;
    }

    /// The present snapshot.
    pub fn view(&self) -> Arc<ClusterView> {
        Arc::clone(&self.view.read())
    }

    /// Replaces the snapshot.
    pub fn publish(&self, view: ClusterView) {
        *self.view.write() = Arc::new(view);
    }

    /// The replica behind an index of the table. Known before anything in the table has the index.
    pub fn replica(&self, index: ReplicaIndex) -> Option<ReplicaId> {
        self.replicas.read().get(index.as_usize()).copied()
    }

    /// Replaces the list of replicas, which are in the order of their indexes.
    pub fn publish_replicas(&self, replicas: Arc<[ReplicaId]>) {
        *self.replicas.write() = replicas;
    }
}
