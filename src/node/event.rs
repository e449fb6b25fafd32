//! What an operator wants to read in the log.

use crate::base::{NodeId, ReplicaId};
use std::fmt;

/// A repair that takes longer is told of.
const LONG_REPAIR_MILLIS: u64 = 1000;

/// Something worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A peer is linked, and has said who it is.
    Linked {
        /// Who.
        peer: NodeId,
        /// Where.
        host: String,
        /// Its mesh port.
        port: u16,
    },
    /// A link is gone; it is dialled again.
    Unlinked {
        /// Who.
        peer: NodeId,
        /// Why.
        reason: String,
    },
    /// A member was heard of for the first time.
    Joined(NodeId),
    /// A member left the cluster for good; its counts stay.
    LeftCluster(NodeId),
    /// A member does not answer.
    Suspected(NodeId),
    /// A suspected or failed member is back.
    Recovered(NodeId),
    /// A member failed.
    Failed(NodeId),
    /// A member said goodbye and may be back.
    SaidGoodbye(NodeId),
    /// Everything that a peer had and this node lacked has arrived.
    Repaired {
        /// From whom.
        peer: NodeId,
        /// How many items.
        items: u64,
        /// In how many milliseconds.
        milliseconds: u64,
    },
    /// A repair has been going on for a while.
    Repairing {
        /// From whom.
        peer: NodeId,
        /// How many items so far.
        items: u64,
        /// How many there will be, about.
        estimated: u64,
    },
    /// A peer sent what this node does not understand; it was ignored.
    Refused {
        /// Who.
        peer: NodeId,
        /// What was wrong.
        reason: String,
    },
    /// A dial to a known member came to nothing; it is tried again.
    DialFailed {
        /// Who.
        peer: NodeId,
        /// Why.
        reason: String,
    },
    /// A CLUSTER MEET came to nothing.
    MeetFailed {
        /// Why, with the address.
        reason: String,
    },
    /// Where a member was, a node answered that is none.
    Stranger {
        /// Who answered.
        peer: NodeId,
        /// The member that was dialled, if it still is one.
        wanted: Option<NodeId>,
    },
    /// This node counts under a new replica from now on.
    NewReplica(ReplicaId),
    /// Two processes run as the same node.
    Twins {
        /// The node.
        peer: NodeId,
        /// Where one is: host and mesh port.
        here: (String, u16),
        /// Where the other is.
        there: (String, u16),
    },
    /// A node tried to link that is kept out until a new MEET.
    KeptOut(NodeId),
    /// The membership protocol had something to complain about.
    Membership(String),
    /// No room for one more replica.
    TooManyReplicas(ReplicaId),
}

/// How loud an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Of use when something is looked for.
    Debug,
    /// Part of the normal course.
    Info,
    /// An operator should know.
    Warning,
}

impl Event {
    /// How loud it is.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Linked { .. }
            | Self::Joined(_)
            | Self::LeftCluster(_)
            | Self::Recovered(_)
            | Self::SaidGoodbye(_)
            | Self::Repairing { .. }
            | Self::NewReplica(_) => Severity::Info,
            Self::Repaired { milliseconds, .. } if *milliseconds > LONG_REPAIR_MILLIS => Severity::Info,
            Self::Repaired { .. } | Self::DialFailed { .. } => Severity::Debug,
            Self::Unlinked { .. }
            | Self::Suspected(_)
            | Self::Failed(_)
            | Self::Refused { .. }
            | Self::MeetFailed { .. }
            | Self::Stranger { .. }
            | Self::Twins { .. }
            | Self::KeptOut(_)
            | Self::Membership(_)
            | Self::TooManyReplicas(_) => Severity::Warning,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linked { peer, host, port } => write!(f, "linked with {peer} at {host} port {port}"),
            Self::Unlinked { peer, reason } => write!(f, "lost the link to {peer}: {reason}; dialling again"),
            Self::Joined(peer) => write!(f, "{peer} is a member now"),
            Self::LeftCluster(peer) => write!(f, "{peer} left the cluster; its counts stay"),
            Self::Suspected(peer) => write!(f, "{peer} does not answer"),
            Self::Recovered(peer) => write!(f, "{peer} is back"),
            Self::Failed(peer) => write!(f, "{peer} failed"),
            Self::SaidGoodbye(peer) => write!(f, "{peer} said goodbye"),
            Self::Repaired { peer, items, milliseconds } => {
                write!(f, "caught up with {peer}: {items} items in {milliseconds} ms")
            }
            Self::Repairing { peer, items, estimated } => {
                write!(f, "catching up with {peer}: {items} of about {estimated} items")
            }
            Self::Refused { peer, reason } => write!(f, "ignored what {peer} sent: {reason}"),
            Self::DialFailed { peer, reason } => write!(f, "could not reach {peer}: {reason}; trying again"),
            Self::MeetFailed { reason } => write!(f, "CLUSTER MEET came to nothing: {reason}"),
            Self::Stranger { peer, wanted } => {
                let place = wanted.map_or_else(String::new, |wanted| format!(" where {wanted} was"));
                write!(f, "{peer} answered{place}: it is no member, and only CLUSTER MEET makes it one")
            }
            Self::NewReplica(replica) => write!(f, "counting as replica {replica} from now on"),
            Self::Twins { peer, here, there } => write!(
                f,
                "two servers run as node {peer}, at {} port {} and at {} port {}: what one of them counts is lost. \
                 Was a data directory copied? Stop one, and start it with an empty --data-dir or a key of its own",
                here.0, here.1, there.0, there.1
            ),
            Self::KeptOut(peer) => write!(f, "kept {peer} out: it is no member, and only CLUSTER MEET makes it one"),
            Self::Membership(text) => write!(f, "membership: {text}"),
            Self::TooManyReplicas(replica) => {
                write!(f, "no room for replica {replica}: what it counted is not taken in here")
            }
        }
    }
}
