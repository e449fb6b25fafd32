//! Who belongs to the cluster by an operator's word: who was forgotten, who was met again after that, and whose key was
//! banned, which nothing takes back.
//!
//! Three registers a node, each of which only grows, so that all nodes come to the same whatever reaches them in which order.
//! It does not know who is there: a node without an admission is a member as soon as it is linked.

use crate::base::{HybridTime, NodeId};
use std::collections::BTreeMap;

/// The most admissions that are kept: far more than the nodes that a cluster ever had.
pub const MAX_ADMISSIONS: usize = 1024;

/// The most keys that are banned: half of that, so that there is room for those who were only forgotten.
pub const MAX_BANNED: usize = MAX_ADMISSIONS / 2;

/// What was last said of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Of whom.
    pub node: NodeId,
    /// When it was last forgotten, or left; zero for never.
    pub forgotten: HybridTime,
    /// When it was last met; zero for never.
    pub met: HybridTime,
    /// Whether its key is barred for good, whoever meets it.
    pub banned: bool,
}

impl Admission {
    /// That a node's key is banned, and nothing else.
    pub const fn ban(node: NodeId) -> Self {
        Self { node, forgotten: HybridTime(0), met: HybridTime(0), banned: true }
    }

    /// Whether the node is kept out: until it is met again, or for good.
    pub fn is_out(&self) -> bool {
        self.banned || self.forgotten > HybridTime(0) && self.forgotten >= self.met
    }

    /// The later of the two times.
    pub fn latest(&self) -> HybridTime {
        self.forgotten.max(self.met)
    }

    fn merge(self, other: Self) -> Self {
        Self {
            node: self.node,
            forgotten: self.forgotten.max(other.forgotten),
            met: self.met.max(other.met),
            banned: self.banned || other.banned,
        }
    }
}

/// What was last said of every node that anything was said of. Bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admissions(BTreeMap<NodeId, Admission>);

impl Admissions {
    /// Takes what somebody has heard. Answers whether it was news that is kept.
    pub fn take(&mut self, admission: Admission) -> bool {
        let before = self.0.get(&admission.node).copied();
        let merged = before.map_or(admission, |before| before.merge(admission));
        if before == Some(merged) || (merged.latest() == HybridTime(0) && !merged.banned) {
            return false;
        }
        let is_new_ban = merged.banned && !before.is_some_and(|before| before.banned);
        if is_new_ban && self.banned().count() >= MAX_BANNED {
            return self.take(Admission { banned: false, ..admission });
        }
        self.0.insert(admission.node, merged);
        if self.0.len() > MAX_ADMISSIONS {
            // Whoever was let in is a member without an admission, too; the word of who is out is needed for longer.
            let oldest = self
                .0
                .values()
                .min_by_key(|admission| (admission.banned, admission.is_out(), admission.latest(), admission.node));
            if let Some(oldest) = oldest.map(|admission| admission.node) {
                self.0.remove(&oldest);
            }
        }
        self.0.contains_key(&admission.node)
    }

    /// Whether the node is kept out until it is met again.
    pub fn is_out(&self, node: NodeId) -> bool {
        self.0.get(&node).is_some_and(Admission::is_out)
    }

    /// What was said of a node.
    pub fn of(&self, node: NodeId) -> Option<Admission> {
        self.0.get(&node).copied()
    }

    /// The nodes whose keys are banned.
    pub fn banned(&self) -> impl Iterator<Item = NodeId> {
        self.0.values().filter(|admission| admission.banned).map(|admission| admission.node)
    }

    /// All of them, by node.
    pub fn iter(&self) -> impl Iterator<Item = &Admission> {
        self.0.values()
    }

    /// Keeps only what was said of this node.
    pub fn keep_only(&mut self, node: NodeId) {
        self.0.retain(|of, _| *of == node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn admission(node: usize, forgotten: u64, met: u64) -> Admission {
        let mut id = [0; 20];
        id[..8].copy_from_slice(&node.to_be_bytes());
        Admission { node: NodeId::new(id), forgotten: HybridTime(forgotten), met: HybridTime(met), banned: false }
    }

    #[test]
    fn a_ban_outlasts_every_meeting_and_makes_room_for_nobody() {
        let node = admission(1, 0, 0).node;
        let mut admissions = Admissions::default();
        assert!(admissions.take(Admission::ban(node)) && admissions.is_out(node));
        assert!(!admissions.take(Admission::ban(node)), "it is known");
        assert!(admissions.take(admission(1, 5, 9)) && admissions.is_out(node));
        for other in 2..MAX_ADMISSIONS + 10 {
            admissions.take(admission(other, 10, 0));
        }
        assert!(admissions.is_out(node));
        for other in 2..=MAX_BANNED {
            assert!(admissions.take(Admission::ban(admission(other, 0, 0).node)), "{other}");
        }
        assert_eq!(admissions.banned().count(), MAX_BANNED);
        let late = admission(5000, 0, 0).node;
        assert!(!admissions.take(Admission::ban(late)) && !admissions.is_out(late));
    }

    #[test]
    fn the_later_word_holds_and_of_two_at_once_the_one_that_keeps_out() {
        let node = admission(1, 0, 0).node;
        let mut admissions = Admissions::default();
        assert!(!admissions.is_out(node) && !admissions.take(admission(1, 0, 0)));
        assert!(admissions.take(admission(1, 5, 0)) && admissions.is_out(node));
        assert!(!admissions.take(admission(1, 4, 0)), "it is old");
        assert!(admissions.take(admission(1, 0, 5)) && admissions.is_out(node));
        assert!(admissions.take(admission(1, 0, 6)) && !admissions.is_out(node));
        assert!(admissions.take(admission(1, 7, 0)) && admissions.is_out(node));
    }

    #[test]
    fn what_is_too_much_goes_first_where_it_is_least_needed() {
        let mut admissions = Admissions::default();
        for node in 0..MAX_ADMISSIONS {
            assert!(admissions.take(admission(node, 1 + node as u64 % 2, 2)));
        }
        let out = (0..MAX_ADMISSIONS).filter(|node| admissions.is_out(admission(*node, 0, 0).node)).count();
        assert_eq!(out, MAX_ADMISSIONS / 2);
        for node in 0..MAX_ADMISSIONS / 2 {
            assert!(admissions.take(admission(MAX_ADMISSIONS + node, 9, 0)));
        }
        assert!(admissions.iter().all(Admission::is_out));
        assert_eq!(admissions.iter().count(), MAX_ADMISSIONS);
        assert!(!admissions.take(admission(5000, 0, 1)), "there is no room for one that may come in anyway");
        assert!(admissions.take(admission(5001, 10, 0)));
        assert_eq!(admissions.iter().count(), MAX_ADMISSIONS);
    }

    proptest! {
        #[test]
        fn the_order_of_what_is_heard_does_not_matter(
            words in proptest::collection::vec((0_usize..4, 0_u64..6, 0_u64..6, prop::bool::weighted(0.1)), 0..20),
            turn in any::<prop::sample::Index>(),
        ) {
            let take = |words: &[(usize, u64, u64, bool)]| {
                let mut admissions = Admissions::default();
                for (node, forgotten, met, banned) in words {
                    let admission = Admission { banned: *banned, ..admission(*node, *forgotten, *met) };
                    admissions.take(admission);
                    admissions.take(admission);
                }
                admissions
            };
            let mut turned = words.clone();
            turned.rotate_left(turn.index(words.len().max(1)));
            prop_assert_eq!(take(&words), take(&turned));
        }
    }
}
