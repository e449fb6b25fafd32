//! Who has on disk what was counted here: digests that are asked for, and requests that wait for them.

use super::input::{Output, RequestNumber};
use super::machine::Node;
use super::view::Phase;
use crate::base::{Monotonic, NodeId, ReplicaIndex};
use crate::replication::Digest;
use crate::wire::Message;

/// Requests at a time; one more is answered once and not followed up.
const MOST: usize = 1024;
/// Requests of one peer that wait for a digest; one digest answers all.
const MOST_WANTED: usize = 64;

/// A client that wants to know who has what was counted here before.
#[derive(Debug)]
pub(super) struct Confirming {
    request: RequestNumber,
    /// All of it is in the numbers of this replica up to this one.
    replica: ReplicaIndex,
    number: u64,
    /// And on disk here with this cycle.
    ticket: u64,
    told: (bool, usize),
}

/// A digest that a peer has asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct WantedDigest {
    token: u64,
    /// Once everything of the peer up to this number is on disk.
    number: u64,
    /// The cycle that was asked for, so that it will be.
    ticket: Option<u64>,
}

impl Node {
    /// Tells all that has moved, has it written here, and asks the members to write it and to say so.
    pub(super) fn begin_confirming(&mut self, request: RequestNumber, now: Monotonic) {
        if self.state.phase() != Phase::Serving || self.confirming.len() >= MOST {
            self.outputs.push_back(Output::Confirmed { request, here: false, members: 0 });
            return;
        }
        self.table.queue_all_moved();
        // Members that come later may have all that is numbered, and not this.
        self.table.number_waiting();
        self.flush_all_by_datagram(now);
        let ticket = self.ask_commit(now);
        let number = self.table.last_number();
        // Its end, which says how much there is, goes before what asks for it.
        self.send_digests(now);
        let wanted = Message::encode_digest_wanted(number, number);
        let linked: Vec<NodeId> = self.peers.values().filter(|peer| peer.is_linked()).map(|peer| peer.id).collect();
        for peer in linked {
            self.message(peer, wanted.clone());
        }
        let told = (false, 0);
        self.outputs.push_back(Output::Confirmed { request, here: told.0, members: told.1 });
        self.confirming.push(Confirming { request, replica: self.own_index, number, ticket, told });
        self.confirm(now);
    }

    pub(super) fn end_confirming(&mut self, request: RequestNumber) {
        self.confirming.retain(|confirming| confirming.request != request);
    }

    /// Answers what has become more.
    pub(super) fn confirm(&mut self, _now: Monotonic) {
        if self.confirming.is_empty() {
            return;
        }
        let digests: Vec<&Digest> =
            self.peers.values().filter_map(|peer| peer.link.as_ref()?.digest.as_ref()).collect();
        // What was counted here under another identity, or another incarnation, was written before, too.
        let ended: Vec<(ReplicaIndex, u64)> = self
            .ended_here
            .iter()
            .map(|ended| (*ended, self.sequences.get(ended.as_usize()).map_or(0, |one| one.held.contiguous())))
            .collect();
        for confirming in &mut self.confirming {
            let has = |digest: &&&Digest| {
                let has_ended = ended.iter().all(|(replica, last)| digest.entry(*replica).durable >= *last);
                has_ended && digest.entry(confirming.replica).durable >= confirming.number
            };
            let here = confirming.ticket > 0 && self.table.commits().is_durable(confirming.ticket);
            let members = digests.iter().filter(has).count();
            if (here, members) != confirming.told {
                confirming.told = (here, members);
                self.outputs.push_back(Output::Confirmed { request: confirming.request, here, members });
            }
        }
    }

    /// A peer wants to hear as soon as what it said up to `number` is on disk here.
    pub(super) fn take_digest_wanted(&mut self, from: NodeId, token: u64, number: u64, now: Monotonic) {
        let Some(link) = self.peers.get_mut(&from).and_then(|peer| peer.link.as_mut()) else { return };
        if link.wanted_digests.len() >= MOST_WANTED {
            link.wanted_digests.remove(0);
        }
        link.wanted_digests.push(WantedDigest { token, number, ticket: None });
        self.answer_wanted_digests(now);
    }

    /// Sends the digests of which the time has come, and has written what others wait for.
    pub(super) fn answer_wanted_digests(&mut self, now: Monotonic) {
        let wanting = |peer: &&super::peer::Peer| {
            peer.link.as_ref().is_some_and(|link| link.replica.is_some() && !link.wanted_digests.is_empty())
        };
        let peers: Vec<NodeId> = self.peers.values().filter(wanting).map(|peer| peer.id).collect();
        for id in peers {
            let Some(link) = self.peers.get_mut(&id).and_then(|peer| peer.link.as_mut()) else { continue };
            let Some((replica, _)) = link.replica else { continue };
            let mut wanted = std::mem::take(&mut link.wanted_digests);
            let (received, durable) = (self.sequences[replica.as_usize()].held.contiguous(), self.durable(replica));
            for want in wanted.iter_mut().filter(|want| want.number > durable && want.number <= received) {
                if want.ticket.is_none() {
                    want.ticket = Some(self.ask_commit(now));
                }
            }
            let answered = wanted.iter().filter(|want| want.number <= durable).map(|want| want.token).max();
            wanted.retain(|want| want.number > durable);
            if let Some(link) = self.peers.get_mut(&id).and_then(|peer| peer.link.as_mut()) {
                link.wanted_digests = wanted;
            }
            if let Some(token) = answered {
                self.send_digest_to(vec![id], now);
                self.message(id, Message::encode_digest_given(token));
            }
        }
    }
}
