//! What a node knows of one other member.

use super::clock_offset::ClockOffset;
use super::confirming::WantedDigest;
use super::following::{Following, PartingKnown};
use super::input::{DialNumber, KnownMember, LinkCounts, RequestNumber};
use super::refusing::Refusals;
use super::standing::Vouching;
use super::twins::Twins;
use crate::base::{Incarnation, Labels, Monotonic, NodeId, ReplicaIndex};
use crate::counter::Precision;
use crate::membership::MemberIdentity;
use crate::replication::{Digest, Voice};
use crate::wire::{Hello, LinkProtocol};
use std::net::IpAddr;
use std::time::Duration;

/// The first pause before a lost peer is dialled again; doubles up to the longest. An attempt takes seconds itself.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A node that speaks another version does so until somebody replaces its program, and then it dials by itself.
const PAUSE_OF_INCOMPATIBLE: Duration = Duration::from_secs(60);

/// One other member.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: NodeId,
    /// Where it says others reach it; empty for "where you see me".
    pub(super) host: String,
    /// Where it was seen.
    pub(super) seen_at: Option<IpAddr>,
    pub(super) client_port: u16,
    pub(super) mesh_port: u16,
    pub(super) link: Option<Link>,
    pub(super) suspected: bool,
    pub(super) failed: bool,
    pub(super) last_heard: Option<Monotonic>,
    /// The attempt that is under way.
    pub(super) dialling: Option<DialNumber>,
    pub(super) redial_at: Monotonic,
    pub(super) twins: Twins,
    pub(super) refusals: Refusals,
    /// It was reached last as a node that speaks no version that this one does.
    pub(super) is_incompatible: bool,
    pub(super) incompatibilities: Refusals,
    /// The replica that it counts as, since it greeted first.
    pub(super) present: Option<(ReplicaIndex, Incarnation)>,
    /// Its process, as against another life of the node.
    pub(super) instance: Option<u64>,
    pub(super) default_precision: Precision,
    pub(super) labels: Labels,
    /// How that process' clock stands to this one's.
    pub(super) offset: ClockOffset,
    /// This node has had all that it spoke of on some link.
    pub(super) was_caught_up_with: bool,
    pub(super) following: Following,
    pub(super) parting_known: PartingKnown,
    /// It was a member when something was given up here that others may have heard of.
    pub(super) has_consented: bool,
    /// The newest of its digests of which it is known to go by what is in it.
    pub(super) confirmed: Option<Digest>,
    /// The process that has said since this node's start how its shares move.
    pub(super) predictions_of: Option<u64>,
    pause: Duration,
}

/// A link that stands.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) since: Monotonic,
    /// What is spoken on it.
    pub(super) protocol: LinkProtocol,
    /// The request that this link was dialled for, until it is answered.
    pub(super) meeting: Option<RequestNumber>,
    /// Whether an operator here asked for this link.
    pub(super) met: bool,
    /// It was asked for only after this node had greeted.
    pub(super) met_late: bool,
    /// Whether this node has greeted. The one that was dialled does so when it takes the other in.
    pub(super) greeted: bool,
    /// Its present replica, once it has greeted.
    pub(super) replica: Option<(ReplicaIndex, Incarnation)>,
    pub(super) round_trip: Duration,
    pub(super) counts: Option<LinkCounts>,
    pub(super) max_datagram_bytes: usize,
    /// Since when the peer waits for the first digest of this node, which has much to number before that.
    pub(super) owes_digest_since: Option<Monotonic>,
    /// The newest digest.
    pub(super) digest: Option<Digest>,
    /// When it came.
    pub(super) digest_at: Monotonic,
    /// The first digest, for as long as this node does not have all that it spoke of.
    pub(super) goal: Option<Digest>,
    /// Nobody had been told anything by the present replica when the peer greeted.
    pub(super) was_untold: bool,
    /// A pull on this link was given up: its end may come late, and must not be taken for that of another.
    pub(super) pull_given_up: bool,
    /// When to see whether the digest has news: a little later than it came, for datagrams are faster and on their way.
    pub(super) compare_at: Monotonic,
    pub(super) vouching: Vouching,
    /// The last round in which a pull over this link began, in which the peer has answered, and in which all that it had
    /// was here.
    pub(super) pulled: Option<u64>,
    pub(super) answered: u64,
    pub(super) reconciled: u64,
    /// The peer is to say again how its shares move.
    pub(super) awaits_predictions: bool,
    /// The part of the table from which on this node has still to say that.
    pub(super) telling_from: Option<u16>,
    /// The digests that the peer has asked for.
    pub(super) wanted_digests: Vec<WantedDigest>,
    /// The peer was told that this node leaves, and is to close the link.
    pub(super) told_leaving: bool,
}

impl Link {
    pub(super) fn new(since: Monotonic, max_datagram_bytes: usize) -> Self {
        Self {
            since,
            protocol: LinkProtocol::unsaid(),
            meeting: None,
            met: false,
            met_late: false,
            greeted: false,
            replica: None,
            round_trip: Duration::ZERO,
            counts: None,
            max_datagram_bytes,
            owes_digest_since: None,
            digest: None,
            digest_at: Monotonic::ZERO,
            goal: None,
            was_untold: false,
            pull_given_up: false,
            compare_at: Monotonic::NEVER,
            vouching: Vouching::default(),
            pulled: None,
            answered: 0,
            reconciled: 0,
            awaits_predictions: false,
            telling_from: None,
            wanted_digests: Vec::new(),
            told_leaving: false,
        }
    }
}

impl Link {
    /// How the peer stands to a replica, where the owners of `voices` can be asked.
    pub(super) fn voice<'a>(&self, voices: &'a [ReplicaIndex]) -> impl Fn(ReplicaIndex) -> Voice + use<'a> {
        let own = self.replica.map(|(index, _)| index);
        move |replica| match replica {
            _ if Some(replica) == own => Voice::Owner,
            _ if voices.contains(&replica) => Voice::Hearsay,
            _ => Voice::Relay,
        }
    }
}

impl Peer {
    pub(super) fn new(id: NodeId, now: Monotonic) -> Self {
        Self {
            id,
            host: String::new(),
            seen_at: None,
            client_port: 0,
            mesh_port: 0,
            link: None,
            suspected: false,
            failed: false,
            last_heard: None,
            dialling: None,
            redial_at: now,
            twins: Twins::default(),
            refusals: Refusals::default(),
            is_incompatible: false,
            incompatibilities: Refusals::default(),
            present: None,
            instance: None,
            default_precision: Precision::default(),
            labels: Labels::default(),
            offset: ClockOffset::default(),
            was_caught_up_with: false,
            following: Following::default(),
            parting_known: PartingKnown::default(),
            has_consented: false,
            confirmed: None,
            predictions_of: None,
            pause: FIRST_PAUSE,
        }
    }

    /// Takes out a link on which it has not greeted, as that of a stranger: the greeting decides what becomes of it.
    pub(super) fn take_greeting(&mut self, now: Monotonic) -> Option<Self> {
        let link = self.link.take_if(|link| link.replica.is_none())?;
        Some(Self { link: Some(link), seen_at: self.seen_at, last_heard: self.last_heard, ..Self::new(self.id, now) })
    }

    pub(super) fn remembered(member: &KnownMember, now: Monotonic) -> Self {
        let mut peer = Self::new(member.id, now);
        peer.set_address(&member.host, member.client_port, member.mesh_port);
        peer
    }

    /// It has greeted. What is known of an earlier process of the node says nothing of this one. Answers whether that is
    /// another than before.
    pub(super) fn greeted(&mut self, replica: ReplicaIndex, hello: &Hello) -> bool {
        let is_another = self.instance != Some(hello.instance);
        if is_another {
            self.offset = ClockOffset::default();
            self.confirmed = None;
        }
        self.instance = Some(hello.instance);
        self.present = Some((replica, hello.incarnation));
        self.default_precision = hello.default_precision;
        self.labels = hello.labels.clone();
        is_another
    }

    /// Answers whether anything is another than before.
    pub(super) fn set_address(&mut self, host: &str, client_port: u16, mesh_port: u16) -> bool {
        let before = (self.address(), self.client_port, self.mesh_port);
        host.clone_into(&mut self.host);
        (self.client_port, self.mesh_port) = (client_port, mesh_port);
        before != (self.address(), self.client_port, self.mesh_port)
    }

    pub(super) fn set_identity(&mut self, identity: &MemberIdentity) -> bool {
        self.set_address(&identity.host, identity.client_port, identity.mesh_port)
    }

    /// Where to reach it: what it says, else where it was seen; empty when neither is known.
    pub(super) fn address(&self) -> String {
        match self.seen_at {
            Some(seen) if self.host.is_empty() => seen.to_string(),
            _ => self.host.clone(),
        }
    }

    /// Whether it is a member: it has greeted at some time, or others say where it is.
    pub(super) fn has_greeted(&self) -> bool {
        self.mesh_port != 0
    }

    pub(super) fn is_linked(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.replica.is_some())
    }

    pub(super) fn to_known(&self) -> KnownMember {
        KnownMember { id: self.id, host: self.address(), client_port: self.client_port, mesh_port: self.mesh_port }
    }

    /// An attempt came to nothing or a link was lost: wait before the next, longer each time, and not all at once.
    pub(super) fn back_off(&mut self, now: Monotonic, spread: f64) {
        let pause = if self.is_incompatible { PAUSE_OF_INCOMPATIBLE } else { self.pause };
        self.redial_at = now.after(pause.mul_f64(0.5 + spread / 2.0));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// A link stands: the next loss starts from the first pause.
    pub(super) fn reset_pause(&mut self) {
        self.pause = FIRST_PAUSE;
    }
}
