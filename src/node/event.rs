//! What an operator wants to read in the log.

use crate::base::{Labels, NodeId, ReplicaId};
use crate::wire::LinkProtocol;
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
        /// What is spoken on the link.
        protocol: LinkProtocol,
        /// What its operator says of it.
        labels: Labels,
    },
    /// A link is gone; it is dialled again.
    Unlinked {
        /// Who.
        peer: NodeId,
        /// Why.
        reason: String,
    },
    /// The other side closed the link for it to be made once more, and nothing is wrong; it is dialled again.
    Relinking {
        /// Who.
        peer: NodeId,
        /// What for.
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
        /// Whether it is the first since the two were linked: a join, or the end of a parting.
        is_first: bool,
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
        /// How many more it sent since the last that was told of.
        untold: u64,
    },
    /// A node speaks no version of the protocol that this one does.
    Incompatible {
        /// Who.
        peer: NodeId,
        /// Which versions.
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
    /// This node holds all that anybody has heard of its replica, and goes on as it.
    Resumed {
        /// The replica.
        replica: ReplicaId,
        /// So long after the load.
        milliseconds: u64,
    },
    /// This node cannot find out in time what was heard of its replica.
    NotResumed {
        /// The replica.
        replica: ReplicaId,
        /// The members that were not reached or have not answered.
        missing: Vec<NodeId>,
    },
    /// What an earlier replica of this node had counted and told nobody counts again.
    CountedAgain {
        /// In so many counters.
        counters: u64,
    },
    /// Two processes run as the same node.
    Twins {
        /// The node.
        peer: NodeId,
        /// Where the one is that is taken in: host and mesh port.
        here: (String, u16),
        /// Where the one is that came later.
        there: (String, u16),
    },
    /// A node tried to link that is kept out until a new MEET.
    KeptOut(NodeId),
    /// A member was forgotten; its counts stay.
    Forgotten(NodeId),
    /// A node's key was banned; its counts stay.
    Banned(NodeId),
    /// A peer keeps this node out, because it was forgotten.
    ForgottenBy(NodeId),
    /// Another process with this node's key is linked with a peer.
    Twin {
        /// The peer.
        peer: NodeId,
        /// What it said.
        text: String,
    },
    /// Somebody has heard more of this node's present replica than it ever said.
    Outnumbered {
        /// The replica.
        replica: ReplicaId,
        /// What somebody has heard.
        heard: u64,
        /// What it has said.
        said: u64,
    },
    /// What was given up elsewhere while this node was parted from its cluster is given up here, too.
    Reconciled {
        /// By what this peer holds.
        peer: NodeId,
        /// How many shares, assignments, precisions and notes.
        dropped: u64,
    },
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
    /// An operator must do something.
    Error,
}

impl Event {
    /// Which kind of event it is, in a word that stays the same from version to version.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Linked { .. } => "linked",
            Self::Unlinked { .. } => "unlinked",
            Self::Relinking { .. } => "relinking",
            Self::Joined(_) => "joined",
            Self::LeftCluster(_) => "left",
            Self::Suspected(_) => "suspected",
            Self::Recovered(_) => "recovered",
            Self::Failed(_) => "failed",
            Self::SaidGoodbye(_) => "goodbye",
            Self::Repaired { .. } => "repaired",
            Self::Repairing { .. } => "repairing",
            Self::Refused { .. } => "ignored",
            Self::Incompatible { .. } => "incompatible",
            Self::DialFailed { .. } => "dial_failed",
            Self::MeetFailed { .. } => "meet_failed",
            Self::Stranger { .. } => "stranger",
            Self::NewReplica(_) => "new_replica",
            Self::Resumed { .. } => "resumed",
            Self::NotResumed { .. } => "not_resumed",
            Self::CountedAgain { .. } => "counted_again",
            Self::Twins { .. } => "twins",
            Self::KeptOut(_) => "kept_out",
            Self::Forgotten(_) => "forgotten",
            Self::Banned(_) => "banned",
            Self::ForgottenBy(_) => "forgotten_by",
            Self::Twin { .. } => "twin",
            Self::Outnumbered { .. } => "outnumbered",
            Self::Reconciled { .. } => "reconciled",
            Self::Membership(_) => "membership",
            Self::TooManyReplicas(_) => "too_many_replicas",
        }
    }

    /// The other node that it is about, where it is about one.
    pub const fn peer(&self) -> Option<NodeId> {
        match self {
            Self::Joined(peer)
            | Self::LeftCluster(peer)
            | Self::Suspected(peer)
            | Self::Recovered(peer)
            | Self::Failed(peer)
            | Self::SaidGoodbye(peer)
            | Self::KeptOut(peer)
            | Self::Forgotten(peer)
            | Self::Banned(peer)
            | Self::ForgottenBy(peer)
            | Self::Linked { peer, .. }
            | Self::Unlinked { peer, .. }
            | Self::Relinking { peer, .. }
            | Self::Repaired { peer, .. }
            | Self::Repairing { peer, .. }
            | Self::Refused { peer, .. }
            | Self::Incompatible { peer, .. }
            | Self::DialFailed { peer, .. }
            | Self::Stranger { peer, .. }
            | Self::Twins { peer, .. }
            | Self::Twin { peer, .. }
            | Self::Reconciled { peer, .. } => Some(*peer),
            Self::MeetFailed { .. }
            | Self::NewReplica(_)
            | Self::Resumed { .. }
            | Self::NotResumed { .. }
            | Self::CountedAgain { .. }
            | Self::Outnumbered { .. }
            | Self::Membership(_)
            | Self::TooManyReplicas(_) => None,
        }
    }

    /// How loud it is.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Linked { .. }
            | Self::Relinking { .. }
            | Self::Joined(_)
            | Self::LeftCluster(_)
            | Self::Recovered(_)
            | Self::SaidGoodbye(_)
            | Self::Repairing { .. }
            | Self::Forgotten(_)
            | Self::Reconciled { .. }
            | Self::Resumed { .. }
            | Self::CountedAgain { .. }
            | Self::NewReplica(_) => Severity::Info,
            Self::Repaired { items, milliseconds, is_first, .. }
                if *milliseconds > LONG_REPAIR_MILLIS || (*is_first && *items > 0) =>
            {
                Severity::Info
            }
            Self::Twin { .. } | Self::Twins { .. } => Severity::Error,
            Self::Repaired { .. } | Self::DialFailed { .. } => Severity::Debug,
            Self::Unlinked { .. }
            | Self::Suspected(_)
            | Self::Failed(_)
            | Self::Refused { .. }
            | Self::Incompatible { .. }
            | Self::MeetFailed { .. }
            | Self::Stranger { .. }
            | Self::ForgottenBy(_)
            | Self::Outnumbered { .. }
            | Self::NotResumed { .. }
            | Self::KeptOut(_)
            | Self::Banned(_)
            | Self::Membership(_)
            | Self::TooManyReplicas(_) => Severity::Warning,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linked { peer, host, port, protocol, labels } => {
                let labels = if labels.is_empty() { String::new() } else { format!(" ({labels})") };
                write!(f, "linked with {peer}{labels} at {host} port {port}, protocol version {}", protocol.version)?;
                match protocol.software.as_str() {
                    "" => Ok(()),
                    software => write!(f, ", discnt {software}"),
                }
            }
            Self::Incompatible { peer, reason } => {
                write!(f, "no link with {peer}: {reason}; trying again now and then")
            }
            Self::Unlinked { peer, reason } => write!(f, "lost the link to {peer}: {reason}; dialling again"),
            Self::Relinking { peer, reason } => write!(f, "{peer} has the link made anew: {reason}"),
            Self::Joined(peer) => write!(f, "{peer} is a member now"),
            Self::LeftCluster(peer) => write!(f, "{peer} left the cluster; its counts stay"),
            Self::Suspected(peer) => write!(f, "{peer} does not answer"),
            Self::Recovered(peer) => write!(f, "{peer} is back"),
            Self::Failed(peer) => write!(f, "{peer} failed"),
            Self::SaidGoodbye(peer) => write!(f, "{peer} said goodbye"),
            Self::Repaired { peer, items, milliseconds, .. } => {
                write!(f, "caught up with {peer}: {items} items in {milliseconds} ms")
            }
            Self::Repairing { peer, items, estimated } => {
                write!(f, "catching up with {peer}: {items} of about {estimated} items")
            }
            Self::Refused { peer, reason, untold: 0 } => write!(f, "ignored what {peer} sent: {reason}"),
            Self::Refused { peer, reason, untold } => {
                write!(f, "ignored what {peer} sent: {reason} (and {untold} times before that)")
            }
            Self::DialFailed { peer, reason } => write!(f, "could not reach {peer}: {reason}; trying again"),
            Self::MeetFailed { reason } => write!(f, "CLUSTER MEET came to nothing: {reason}"),
            Self::Stranger { peer, wanted } => {
                let place = wanted.map_or_else(String::new, |wanted| format!(" where {wanted} was"));
                write!(f, "{peer} answered{place}: it is no member, and only CLUSTER MEET makes it one")
            }
            Self::NewReplica(replica) => write!(f, "counting as replica {replica} from now on"),
            Self::Resumed { replica, milliseconds } => {
                write!(f, "holds all that was heard of replica {replica}, and goes on as it after {milliseconds} ms")
            }
            Self::NotResumed { replica, missing } => {
                write!(f, "what others have heard of replica {replica} is not known")?;
                for (at, node) in missing.iter().enumerate() {
                    write!(f, "{}{node}", if at == 0 { ", because these members are away: " } else { ", " })?;
                }
                write!(f, "; its counts stand, and this node goes on as a new replica")
            }
            Self::CountedAgain { counters } => {
                write!(f, "counted again what was on disk and nobody had been told, in {counters} counters")
            }
            Self::Twins { peer, here, there } => write!(
                f,
                "two servers run as node {peer}: at {} port {}, which is taken in, and at {} port {}, which came later and \
                 is refused. Was a data directory copied? Stop one, and start it with an empty --data-dir or a key of \
                 its own",
                here.0, here.1, there.0, there.1
            ),
            Self::KeptOut(peer) => write!(f, "kept {peer} out: it is no member, and only CLUSTER MEET makes it one"),
            Self::Forgotten(peer) => write!(
                f,
                "{peer} was forgotten or has left: it is kept out until somebody says CLUSTER MEET; its counts stay"
            ),
            Self::Banned(peer) => write!(
                f,
                "the key of {peer} was banned: no node takes it any more, and nothing takes that back; its counts stay"
            ),
            Self::ForgottenBy(peer) => write!(
                f,
                "{peer} keeps this node out: somebody said CLUSTER FORGET of it. It keeps its counts and goes on counting \
                 by itself. CLUSTER MEET with any member joins the cluster again and adds up what was counted apart, \
                 unless the key was banned (CLUSTER MEET then says that the key was barred): that key is out \
                 for good, and the machine can join as a new node with an empty data directory and a new token"
            ),
            Self::Twin { peer, text } => write!(f, "{peer} takes nothing from this server: {text}"),
            Self::Outnumbered { replica, heard, said } => write!(
                f,
                "somebody has heard {heard} announcements of replica {replica}, which has made {said}: another server \
                 runs or ran with a copy of this data directory, or it was restored from a backup; counting as a new \
                 replica, so that nothing counted from now on is lost"
            ),
            Self::Reconciled { peer, dropped } => {
                write!(
                    f,
                    "took over all that {peer} has; items dropped because they were given up meanwhile: {dropped}"
                )
            }
            Self::Membership(text) => write!(f, "membership: {text}"),
            Self::TooManyReplicas(replica) => {
                write!(f, "no room for replica {replica}: what it counted is not taken in here")
            }
        }
    }
}
