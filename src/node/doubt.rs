//! From whom this node was parted: what it holds may have been given up by them since, so that it must take over all
//! that one of them has, and drop what that one has not, before what it holds can be relied on.

use super::machine::Node;
use crate::base::{HybridTime, MAX_PARTED, NodeId};
use crate::wire::Message;
use std::collections::{BTreeMap, BTreeSet};

/// A parting from one node.
#[derive(Clone, Copy, Debug)]
struct Parting {
    /// Nodes that were left together are one cluster still, as far as known.
    number: u64,
    /// It was this node that was parted, as against one that it has taken things over from.
    is_own: bool,
}

/// The partings that were not made good yet.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    parted: BTreeMap<NodeId, Parting>,
    /// The number of the next parting.
    parting: u64,
    /// Those that were asked though this node was never parted from them: they may belong to that cluster by now. Or that
    /// know no better.
    asked: BTreeSet<NodeId>,
    /// Those whose state is to be taken once more: they have dropped something since they were asked.
    pub(super) again: BTreeSet<NodeId>,
    /// Something was given up here of which those in question may have heard, and not that it was.
    pub(super) gave_up: bool,
}

impl Doubt {
    /// This node was parted from another.
    pub(super) fn part_from(&mut self, node: NodeId) {
        self.note(node, Parting { number: self.parting, is_own: true });
    }

    /// Somebody whom this node meets was parted from this cluster.
    pub(super) fn share(&mut self, cluster: &[NodeId]) {
        self.parting += 1;
        for node in cluster {
            self.note(*node, Parting { number: self.parting, is_own: false });
        }
        self.parting += 1;
    }

    /// A node was itself parted from these, or knows no better of them: it makes good nothing of theirs, though they were
    /// left together.
    fn tell_apart(&mut self, from: NodeId, clusters: &[Vec<NodeId>]) {
        let Some(together) = self.parted.get(&from).map(|parting| parting.number) else { return };
        for cluster in clusters {
            self.parting += 1;
            for node in cluster.iter().filter(|node| **node != from) {
                if let Some(parting) = self.parted.get_mut(node).filter(|parting| parting.number == together) {
                    parting.number = self.parting;
                }
            }
        }
        self.parting += 1;
    }

    /// A node has lost its memory: it makes good nothing of the others that it was left together with.
    pub(super) fn set_apart(&mut self, node: NodeId) {
        self.parting += 1;
        if let Some(parting) = self.parted.get_mut(&node) {
            parting.number = self.parting;
        }
        self.parting += 1;
    }

    fn note(&mut self, node: NodeId, parting: Parting) {
        self.parted.insert(node, parting);
        if self.parted.len() > MAX_PARTED {
            let oldest = self.parted.iter().min_by_key(|(_, parting)| parting.number).map(|(node, _)| *node);
            oldest.map(|node| self.parted.remove(&node));
        }
    }

    /// The clusters in question, each by its nodes.
    pub(super) fn clusters(&self) -> Vec<Vec<NodeId>> {
        let mut clusters = BTreeMap::<u64, Vec<NodeId>>::new();
        for (node, parting) in &self.parted {
            clusters.entry(parting.number).or_default().push(*node);
        }
        clusters.into_values().collect()
    }

    /// This node has met somebody: whoever it is parted from after this may be of another cluster than those before.
    pub(super) fn met_somebody(&mut self) {
        self.parting += 1;
    }

    /// Those that this node was parted from.
    pub(super) fn parted(&self) -> impl Iterator<Item = NodeId> {
        self.parted.keys().copied()
    }

    pub(super) fn is_parted_from(&self, node: NodeId) -> bool {
        self.parted.contains_key(&node)
    }

    /// Whether there is anything to make good.
    pub(super) fn is_open(&self) -> bool {
        !self.parted.is_empty()
    }

    /// Whether some of it came of this node's own partings: what it deletes those others must hear of.
    pub(super) fn is_own(&self) -> bool {
        self.parted.values().any(|parting| parting.is_own)
    }

    /// Whether all that this node has is to be taken.
    pub(super) fn wants(&self, node: NodeId) -> bool {
        self.parted.contains_key(&node) || (self.is_open() && !self.asked.contains(&node))
    }

    /// Whom of these to ask first.
    pub(super) fn choose(&self, nodes: impl Iterator<Item = NodeId>) -> Option<NodeId> {
        nodes.filter(|node| self.wants(*node)).max_by_key(|node| self.parted.contains_key(node))
    }

    /// All that a node had was taken, and what it had not was dropped.
    pub(super) fn made_good_with(&mut self, node: NodeId) {
        if self.again.remove(&node) {
            return;
        }
        if let Some(with) = self.parted.get(&node).copied() {
            self.parted.retain(|_, parting| parting.number != with.number);
        }
        self.asked.insert(node);
        if self.parted.is_empty() {
            self.asked.clear();
        }
    }
}

impl Node {
    /// Tells peers from whom this node was parted: what it has they will have, too.
    pub(super) fn send_partings_to(&mut self, peers: &[NodeId]) {
        // While it is stale nobody takes anything from here.
        if self.is_stale() {
            return;
        }
        let bytes = self.doubt.is_open().then(|| Message::encode_partings(&self.doubt.clusters()));
        for peer in peers {
            if let Some(bytes) = &bytes {
                self.message(*peer, bytes.clone());
            }
            self.have_followed_by(*peer);
        }
    }

    /// A peer was heard of as forgotten by somebody with whom this node was not so far: they may have given up since what
    /// came to this node from the forgotten one.
    pub(super) fn doubt_stranger(&mut self, from: NodeId) {
        let is_stranger = self.peers.get(&from).is_some_and(|peer| !peer.was_caught_up_with);
        if is_stranger && !self.doubt.parted.contains_key(&from) {
            if !self.doubt.is_open() {
                self.doubt.asked.extend(self.peers.keys());
            }
            self.doubt.share(&[from]);
            self.send_partings_to(&self.linked());
            self.members_changed();
        }
    }

    pub(super) fn linked(&self) -> Vec<NodeId> {
        self.peers.values().filter(|peer| peer.is_linked()).map(|peer| peer.id).collect()
    }

    /// A peer may have what these clusters have given up since it was parted from them.
    pub(super) fn take_partings(&mut self, from: NodeId, clusters: &[Vec<NodeId>]) {
        self.doubt.tell_apart(from, clusters);
        let was_open = self.doubt.is_open();
        let (mut is_news, mut follows) = (false, false);
        for cluster in clusters {
            if cluster.contains(&from) {
                follows |= self.follow(from);
                continue;
            }
            // One of those that know better is this node, unless it has lost its memory: then others are.
            let instead = if cluster.contains(&self.own.node) { self.unheard_members(from) } else { Vec::new() };
            if instead.is_empty() && self.knows_what_was_given_up_by(cluster) {
                continue;
            }
            let is_new = |node: &&NodeId| **node != self.own.node && !self.doubt.parted.contains_key(node);
            let new: Vec<NodeId> = cluster.iter().chain(&instead).filter(is_new).copied().collect();
            if !new.is_empty() {
                self.doubt.share(&new);
                is_news = true;
            }
        }
        if (is_news || follows) && !was_open {
            // Those that were with this node so far had nothing of it.
            self.doubt.asked.extend(self.peers.keys());
        }
        let knows_no_better = |node: &NodeId| clusters.iter().any(|cluster| cluster.contains(node));
        if self.doubt.is_open() && self.doubt.parted.keys().all(knows_no_better) {
            self.doubt.asked.insert(from);
        }
        if is_news {
            // Also whoever said so: it may have taken this node for one that knows better.
            self.send_partings_to(&self.linked());
        }
        self.members_changed();
    }

    /// Those that this node remembers as members, while it has heard of none of them again what it had before it fell.
    fn unheard_members(&self, but: NodeId) -> Vec<NodeId> {
        let others = self.peers.values().filter(|peer| peer.id != but);
        if self.is_restored || others.clone().any(|peer| peer.was_caught_up_with) {
            return Vec::new();
        }
        others.map(|peer| peer.id).collect()
    }

    /// Whether this node is of that cluster, and no longer catching up with it.
    fn knows_what_was_given_up_by(&self, cluster: &[NodeId]) -> bool {
        let mut members = cluster.iter().filter_map(|node| self.peers.get(node)).peekable();
        if members.peek().is_none() {
            // If it is, nobody else is there any more; unless it has forgotten that it was parted from them.
            return cluster.contains(&self.own.node) && self.parted_at() == HybridTime(0);
        }
        members.all(|peer| peer.was_caught_up_with && !self.doubt.parted.contains_key(&peer.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> NodeId {
        NodeId::new([number; 20])
    }

    #[test]
    fn one_of_those_that_were_left_together_makes_it_good_with_all() {
        let mut doubt = Doubt::default();
        assert!(!doubt.is_open() && !doubt.wants(id(1)));
        doubt.part_from(id(1));
        doubt.part_from(id(2));
        assert!(doubt.is_open() && doubt.wants(id(2)));
        doubt.made_good_with(id(2));
        assert!(!doubt.is_open() && !doubt.wants(id(1)));
    }

    #[test]
    fn strangers_are_asked_once_and_make_good_nothing() {
        let mut doubt = Doubt::default();
        doubt.part_from(id(1));
        doubt.met_somebody();
        assert!(doubt.choose([id(8), id(9)].into_iter()).is_some());
        assert_eq!(doubt.choose([id(8), id(1), id(9)].into_iter()), Some(id(1)));
        doubt.made_good_with(id(9));
        assert!(doubt.is_open() && !doubt.wants(id(9)) && doubt.wants(id(8)));
        // Parted from the stranger, too: that is another cluster.
        doubt.part_from(id(9));
        doubt.made_good_with(id(9));
        assert!(doubt.is_open() && doubt.wants(id(1)));
        doubt.made_good_with(id(1));
        assert!(!doubt.is_open() && !doubt.wants(id(9)));
    }

    #[test]
    fn what_another_was_parted_from_is_in_question_but_no_parting_of_this_node() {
        let mut doubt = Doubt::default();
        doubt.share(&[id(1), id(2)]);
        assert!(doubt.is_open() && !doubt.is_own() && doubt.wants(id(2)));
        doubt.part_from(id(3));
        assert!(doubt.is_own());
        assert_eq!(doubt.clusters(), [vec![id(1), id(2)], vec![id(3)]]);
        doubt.made_good_with(id(3));
        assert!(doubt.is_open() && !doubt.is_own());
        doubt.part_from(id(1));
        doubt.made_good_with(id(2));
        assert!(doubt.is_own() && doubt.clusters() == [vec![id(1)]]);
    }

    #[test]
    fn one_that_was_parted_later_makes_good_nothing_of_those_that_it_was_parted_from() {
        let mut doubt = Doubt::default();
        for number in 1..=4 {
            doubt.part_from(id(number));
        }
        doubt.met_somebody();
        doubt.tell_apart(id(2), &[vec![id(3)], vec![id(1), id(9)]]);
        doubt.made_good_with(id(2));
        assert_eq!(doubt.clusters(), [vec![id(3)], vec![id(1)]]);
        assert!(doubt.is_own() && !doubt.wants(id(2)) && doubt.wants(id(1)));
        // What a stranger was parted from says nothing of those that this node was parted from.
        doubt.tell_apart(id(9), &[vec![id(1)]]);
        doubt.made_good_with(id(3));
        doubt.made_good_with(id(1));
        assert!(!doubt.is_open());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut doubt = Doubt::default();
        for number in 0..2 * MAX_PARTED {
            let mut bytes = [0; 20];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            doubt.part_from(NodeId::new(bytes));
            doubt.met_somebody();
        }
        assert_eq!(doubt.parted.len(), MAX_PARTED);
        assert!(doubt.parted.values().all(|parting| parting.number >= MAX_PARTED as u64));
    }
}
