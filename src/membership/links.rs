//! Which nodes are linked, and when to introduce this node again to those that are not active members yet.
//!
//! An introduction can get lost like any datagram, so it is repeated; that also heals a cut after which
//! both sides hold each other for down.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::{Monotonic, NodeId};

/// The linked nodes, each with the time of its next introduction; never for active members.
#[derive(Debug, Default)]
pub(super) struct Links {
    next: BTreeMap<NodeId, Monotonic>,
}

impl Links {
    pub(super) fn add(&mut self, node: NodeId) {
        self.next.insert(node, Monotonic::NEVER);
    }

    pub(super) fn remove(&mut self, node: NodeId) {
        self.next.remove(&node);
    }

    pub(super) fn contains(&self, node: NodeId) -> bool {
        self.next.contains_key(&node)
    }

    pub(super) fn nodes(&self) -> Vec<NodeId> {
        self.next.keys().copied().collect()
    }

    /// Those to introduce to now.
    pub(super) fn due(&self, now: Monotonic) -> Vec<NodeId> {
        let due = self.next.iter().filter(|(_, due)| **due <= now);
        due.map(|(node, _)| *node).collect()
    }

    /// Sets when to introduce again, should it not be active by then.
    pub(super) fn introduced(&mut self, node: NodeId, now: Monotonic, interval: Duration) {
        if let Some(due) = self.next.get_mut(&node) {
            *due = now.after(interval);
        }
    }

    /// Starts introductions to a node that is not an active member, ends them to one that is.
    pub(super) fn observe(&mut self, node: NodeId, active: bool, now: Monotonic) {
        if let Some(due) = self.next.get_mut(&node) {
            if active {
                *due = Monotonic::NEVER;
            } else if *due == Monotonic::NEVER {
                *due = now;
            }
        }
    }

    pub(super) fn next_due(&self) -> Option<Monotonic> {
        let due = self.next.values().copied().min()?;
        (due != Monotonic::NEVER).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn introductions_repeat_until_the_node_is_active_and_begin_again_when_it_is_not() {
        let node = NodeId::new([1; 20]);
        let interval = Duration::from_millis(500);
        let at = |millis| Monotonic::ZERO.after(Duration::from_millis(millis));
        let mut links = Links::default();
        links.add(node);
        assert_eq!(links.next_due(), None);
        links.introduced(node, at(0), interval);
        assert_eq!(links.due(at(499)), []);
        assert_eq!(links.due(at(500)), [node]);
        links.observe(node, true, at(501));
        assert_eq!(links.next_due(), None);
        links.observe(node, false, at(900));
        assert_eq!(links.next_due(), Some(at(900)));
        links.remove(node);
        assert_eq!(links.next_due(), None);
    }
}
