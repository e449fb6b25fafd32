//! From whom this node was parted: what it holds may have been given up by them since, so that it must take over all
//! that one of them has, and drop what that one has not, before what it holds can be relied on.

use crate::base::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// Nodes remembered as parted from. Who is forgotten here first is only asked later, as anybody else.
const MAX_PARTED: usize = 1024;

/// The partings that were not made good yet.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// Each node with the parting it belongs to: nodes that were left together are one cluster still, as far as known.
    parted: BTreeMap<NodeId, u64>,
    parting: u64,
    /// Those that were asked though this node was never parted from them: they may belong to that cluster by now.
    asked: BTreeSet<NodeId>,
}

impl Doubt {
    /// This node was parted from another.
    pub(super) fn part_from(&mut self, node: NodeId) {
        self.parted.insert(node, self.parting);
        if self.parted.len() > MAX_PARTED {
            let oldest = self.parted.iter().min_by_key(|(_, parting)| **parting).map(|(node, _)| *node);
            oldest.map(|node| self.parted.remove(&node));
        }
    }

    /// This node has met somebody: whoever it is parted from after this may be of another cluster than those before.
    pub(super) fn met_somebody(&mut self) {
        self.parting += 1;
    }

    /// Those that this node was parted from.
    pub(super) fn parted(&self) -> impl Iterator<Item = NodeId> {
        self.parted.keys().copied()
    }

    /// Whether there is anything to make good.
    pub(super) fn is_open(&self) -> bool {
        !self.parted.is_empty()
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
        match self.parted.get(&node).copied() {
            Some(with) => self.parted.retain(|_, parting| *parting != with),
            None => drop(self.asked.insert(node)),
        }
        if self.parted.is_empty() {
            self.asked.clear();
        }
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
    fn what_is_remembered_is_bounded() {
        let mut doubt = Doubt::default();
        for number in 0..2 * MAX_PARTED {
            let mut bytes = [0; 20];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            doubt.part_from(NodeId::new(bytes));
            doubt.met_somebody();
        }
        assert_eq!(doubt.parted.len(), MAX_PARTED);
        assert!(doubt.parted.values().all(|parting| *parting >= MAX_PARTED as u64));
    }
}
