//! Having peers drop what this node dropped, and give up what it gave up without them: they take over what it has.
//!
//! Between members nothing is given up without all of them. What one drops as it makes a parting good, the others drop too,
//! or it would stay with those that never meet who knew better.

use super::machine::Node;
use crate::base::{NodeId, ReplicaIndex};
use crate::replication::Digest;
use crate::wire::Message;
use std::collections::BTreeSet;

/// Whether a peer takes over again what this node has, after something was dropped here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Following {
    /// It has done so, or need not.
    #[default]
    Done,
    /// It has to be told.
    Due,
    /// It was told on this link.
    Told,
}

impl Following {
    /// Perhaps the word did not arrive.
    pub(super) fn note_link_lost(&mut self) {
        if *self == Self::Told {
            *self = Self::Due;
        }
    }

    /// The peer takes over all that this node has.
    pub(super) fn note_followed(&mut self) {
        if *self == Self::Told {
            *self = Self::Done;
        }
    }
}

/// Whether a peer knew by itself that this node was parted: then it took nothing from here that was given up by then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum PartingKnown {
    #[default]
    Unknown,
    /// It was told in this node's greeting, and its own is to come.
    Greeted,
    /// What it says of it now it may have from here.
    Told,
    Knew,
}

impl PartingKnown {
    /// The peer is told of the parting.
    pub(super) fn note_told(&mut self, is_greeting: bool) {
        if *self == Self::Unknown {
            *self = if is_greeting { Self::Greeted } else { Self::Told };
        }
    }

    /// The peer has said what it knows of partings.
    pub(super) fn note_says(&mut self, knows: bool) {
        *self = match self {
            Self::Unknown | Self::Greeted if knows => Self::Knew,
            Self::Greeted => Self::Told,
            _ => *self,
        };
    }
}

impl Node {
    /// All that one of those had was taken, and what it had not was dropped here. Whoever else has that from here is to drop
    /// it, too, and may never meet the one that knew better.
    pub(super) fn made_good_with(&mut self, from: NodeId, dropped: u64) {
        let before: BTreeSet<NodeId> = self.doubt.parted().collect();
        self.doubt.made_good_with(from);
        self.doubt.gave_up &= self.doubt.is_open();
        if dropped == 0 || self.is_stale() {
            return;
        }
        for peer in self.peers.values_mut() {
            // Those with whom it was made good have none of what was dropped.
            let is_made_good = before.contains(&peer.id) && !self.doubt.is_parted_from(peer.id);
            if peer.id != from && !is_made_good && peer.parting_known != PartingKnown::Knew {
                peer.following = Following::Due;
            }
        }
        for peer in self.linked() {
            self.have_followed_by(peer);
        }
    }

    /// A peer has said on a new link what it has, before it had anything from here.
    pub(super) fn mind_lost_memory(&mut self, of: NodeId, digest: &Digest) {
        let has_lost = |replica: ReplicaIndex| {
            let held = self.sequences.get(replica.as_usize()).map_or(0, |sequence| sequence.held.contiguous());
            digest.entry(replica).received < held
        };
        if self.doubt.is_parted_from(of) && self.registry.of_node(of).any(has_lost) {
            self.doubt.set_apart(of);
        }
    }

    /// Something was given up here with the consent of all present members.
    pub(super) fn note_given_up(&mut self) {
        let is_member = |node: &NodeId| self.peers.contains_key(node);
        if self.doubt.clusters().iter().any(|cluster| !cluster.iter().any(is_member)) {
            self.doubt.gave_up = true;
            self.peers.values_mut().for_each(|peer| peer.has_consented = true);
        }
    }

    /// Tells a peer that something was dropped here since it may have taken it, or given up without it, if it was not told.
    pub(super) fn have_followed_by(&mut self, peer: NodeId) {
        let Some(due) = self.peers.get_mut(&peer) else { return };
        if self.doubt.gave_up && !std::mem::replace(&mut due.has_consented, true) {
            due.following = Following::Due;
        }
        if due.following == Following::Due {
            due.following = Following::Told;
            self.message(peer, Message::encode_partings(&[vec![self.own.node]]));
        }
    }

    /// A peer has dropped what this node may have from it. Answers whether that is news.
    pub(super) fn follow(&mut self, peer: NodeId) -> bool {
        if self.is_taking_over_from(peer) {
            self.doubt.again.insert(peer);
        }
        let is_new = !self.doubt.is_parted_from(peer);
        if is_new {
            self.doubt.share(&[peer]);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_may_be_lost_is_said_again_until_the_peer_follows() {
        let mut following = Following::Told;
        following.note_link_lost();
        assert_eq!(following, Following::Due);
        // What it takes over before it was told may be from before.
        following.note_followed();
        assert_eq!(following, Following::Due);
        following = Following::Told;
        following.note_followed();
        following.note_link_lost();
        assert_eq!(following, Following::Done);
    }

    #[test]
    fn only_who_says_so_unasked_knew_of_a_parting() {
        let said = |told: Option<bool>, says: &[bool]| {
            let mut known = PartingKnown::default();
            told.into_iter().for_each(|is_greeting| known.note_told(is_greeting));
            says.iter().for_each(|knows| known.note_says(*knows));
            known
        };
        assert_eq!(said(None, &[true]), PartingKnown::Knew);
        assert_eq!(said(Some(true), &[true]), PartingKnown::Knew);
        assert_eq!(said(Some(true), &[false, true]), PartingKnown::Told);
        assert_eq!(said(Some(false), &[true]), PartingKnown::Told);
    }
}
