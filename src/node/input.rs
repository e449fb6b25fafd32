//! What happens to a node, and what it wants done.

use super::event::Event;
use crate::base::{Incarnation, NodeId};
use crate::membership::Admission;
use crate::replication::NodeRecord;
use crate::wire::LinkProtocol;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// One attempt to link, numbered by the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialNumber(pub u64);

/// One request of an operator, numbered by the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestNumber(pub u64);

/// What passed over one link since it stands, the overhead of the transport included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
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

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A link stands; both sides have proven who they are.
    LinkUp {
        /// The other side.
        peer: NodeId,
        /// Where it is, as seen from here.
        address: IpAddr,
        /// The attempt that this came from; none when the peer dialled.
        dial: Option<DialNumber>,
        /// What is spoken on it.
        protocol: LinkProtocol,
    },
    /// A link is gone.
    LinkDown {
        /// The other side.
        peer: NodeId,
        /// How it ended.
        end: LinkEnd,
    },
    /// An attempt found a peer that is linked already.
    AlreadyLinked {
        /// The attempt.
        dial: DialNumber,
        /// Whom it found.
        peer: NodeId,
    },
    /// An attempt came to nothing.
    DialFailed {
        /// The attempt.
        dial: DialNumber,
        /// Why, in words for an operator.
        reason: String,
        /// The node there was reached, and speaks no version that this one does.
        is_incompatible: bool,
    },
    /// A node dialled that speaks no version that this one does.
    Incompatible {
        /// Who, as its certificate says.
        peer: NodeId,
        /// Which versions, in words for an operator.
        reason: String,
    },
    /// What the link to a peer is like at present.
    LinkFigures {
        /// The peer.
        peer: NodeId,
        /// The round-trip time.
        round_trip: Duration,
        /// The longest datagram, in bytes.
        max_datagram_bytes: usize,
        /// What passed over it.
        counts: LinkCounts,
    },
    /// A datagram arrived.
    Datagram {
        /// Who sent it, as the link's certificate says.
        from: NodeId,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// A message arrived, in the order of its link.
    Message {
        /// Who sent it, as the link's certificate says.
        from: NodeId,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// A message with `wants_sent` has left, so the next may follow.
    Sent {
        /// To whom.
        to: NodeId,
    },
    /// An operator wants this node to meet another.
    Meet {
        /// For the answer.
        request: RequestNumber,
        /// Host name or address.
        host: String,
        /// UDP port.
        port: u16,
    },
    /// An operator wants a node to be kept out of the cluster until it is met again.
    Forget {
        /// For the answer.
        request: RequestNumber,
        /// Who.
        node: NodeId,
        /// Whether its key is barred for good.
        ban: bool,
    },
    /// An operator wants this node to leave its cluster.
    Reset {
        /// For the answer.
        request: RequestNumber,
        /// With a new identity.
        hard: bool,
    },
    /// A client is about to copy what this node holds, and to have others hear of it some day.
    BeginBackup {
        /// For the answer.
        request: RequestNumber,
    },
    /// All that was kept is in the table. Not for a node that starts with nothing.
    Loaded,
    /// A commit cycle is on disk.
    Committed {
        /// Its number.
        cycle: u64,
        /// What was written beside the counters.
        record: Arc<NodeRecord>,
    },
    /// A client wants to know how many members have on disk what was counted here before.
    Confirm {
        /// For the answers.
        request: RequestNumber,
    },
    /// Nobody wants that answer any more.
    EndConfirm {
        /// The request.
        request: RequestNumber,
    },
    /// The node's id or incarnation is another, as [`Output::NewIdentity`] or [`Output::NewIncarnation`] asked.
    Reborn {
        /// The node's id.
        node: NodeId,
        /// Larger than every one that this id had.
        incarnation: Incarnation,
    },
    /// A new identity or incarnation could not be had. The node goes on under the one it has.
    NotReborn {
        /// Why, in words for an operator.
        reason: String,
    },
}

/// How a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEnd {
    /// The network, or the other side without a word.
    Lost(String),
    /// The other side said goodbye and may be back.
    Goodbye,
    /// The other side left the cluster.
    Left,
    /// The other side keeps this node out until they meet again.
    Forgotten,
    /// The other side is linked with another process that has this node's key; in its words.
    Twin(String),
    /// The other side wants the link to be made once more; in its words, what for.
    Anew(String),
    /// This side closed it.
    Closed,
}

/// Why a node closes a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseCause {
    /// This node has left the cluster.
    Left,
    /// The peer was forgotten.
    Forgotten,
    /// The peer is no member, and nobody asked for it to be met.
    Stranger,
    /// Another process with the peer's key is linked; in words for an operator.
    Twin(String),
    /// The link is to be made once more: what for, as the peer's operator reads it of this node.
    Anew(&'static str),
    /// This node has as many members as it may.
    Full,
}

/// A member as it is remembered across restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownMember {
    /// Who.
    pub id: NodeId,
    /// Where others reach it; empty when nobody knows.
    pub host: String,
    /// Its port for clients.
    pub client_port: u16,
    /// Its port for nodes.
    pub mesh_port: u16,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send a datagram; it may get lost.
    Datagram {
        /// To whom.
        to: NodeId,
        /// Shared by all that get the same.
        bytes: bytes::Bytes,
    },
    /// Send a message, in order.
    Message {
        /// To whom.
        to: NodeId,
        /// The message.
        bytes: bytes::Bytes,
        /// Tell the node with [`Input::Sent`] when it has left.
        wants_sent: bool,
    },
    /// Try to link.
    Dial {
        /// For the outcome.
        dial: DialNumber,
        /// Host name or address.
        host: String,
        /// UDP port.
        port: u16,
    },
    /// Close the link.
    Close {
        /// To whom.
        peer: NodeId,
        /// Why.
        cause: CloseCause,
    },
    /// These are the members now; keep them across restarts.
    Remember(Vec<KnownMember>),
    /// Who is kept out until a new MEET; keep that across restarts.
    KeepOut {
        /// Members of a cluster that this node is no longer in: kept out by this node alone.
        barred: Vec<NodeId>,
        /// Who was forgotten and who was met again, as the whole cluster has it.
        admissions: Vec<Admission>,
    },
    /// Answer an operator.
    Answer {
        /// The request.
        request: RequestNumber,
        /// What came of it, in words.
        result: Result<(), String>,
    },
    /// Begin a commit cycle as soon as there can be one.
    CommitNow,
    /// What has come of an [`Input::Confirm`] so far; comes again when it is more.
    Confirmed {
        /// The request.
        request: RequestNumber,
        /// It is on disk here.
        here: bool,
        /// So many other members have it on disk, or have it at all if they write nothing down.
        members: usize,
    },
    /// Make a new key and certificate, then tell [`Input::Reborn`].
    NewIdentity,
    /// Take an incarnation above this one, which somebody has heard of, then tell [`Input::Reborn`].
    NewIncarnation(Incarnation),
    /// Something for the log.
    Event(Event),
}
