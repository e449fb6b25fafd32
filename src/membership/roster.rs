//! The members as last reported, and what has changed since.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use foca::{Member, State};

use super::identity::Announced;
use super::{MemberIdentity, Output};
use crate::base::{MAX_PEERS, NodeId};

/// The most nodes that can be known at a time, those that are down included.
pub const MAX_MEMBERS: usize = 4 * MAX_PEERS;

/// What is known of whether a member is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemberState {
    /// It answers, to this node or to another.
    Alive,
    /// A probe failed; it has yet to speak up.
    Suspected,
    /// It failed.
    Down,
    /// It said goodbye.
    Left,
}

impl MemberState {
    /// Whether the member counts as being there.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Alive | Self::Suspected)
    }

    fn of(member: &Member<Announced>) -> Self {
        match member.state() {
            _ if member.id().leaving => Self::Left,
            State::Alive => Self::Alive,
            State::Suspect => Self::Suspected,
            State::Down => Self::Down,
        }
    }
}

/// One other member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberStatus {
    /// Who, as it last presented itself.
    pub identity: MemberIdentity,
    /// Whether it is there.
    pub state: MemberState,
}

/// The other members by node.
#[derive(Debug, Default)]
pub(super) struct Roster {
    members: BTreeMap<NodeId, MemberStatus>,
}

impl Roster {
    pub(super) fn iter(&self) -> impl Iterator<Item = &MemberStatus> {
        self.members.values()
    }

    pub(super) fn is_active(&self, node: NodeId) -> bool {
        let member = self.members.get(&node);
        member.is_some_and(|member| member.state.is_active())
    }

    pub(super) fn contains(&self, node: NodeId) -> bool {
        self.members.contains_key(&node)
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn remove(&mut self, node: NodeId) {
        self.members.remove(&node);
    }

    /// Takes over what the failure detector holds of a member; reports what is new.
    pub(super) fn observe(&mut self, member: &Member<Announced>, mut report: impl FnMut(Output)) {
        let state = MemberState::of(member);
        let identity = &member.id().identity;
        let node = identity.node;
        let before = match self.members.entry(node) {
            Entry::Vacant(entry) => {
                let identity = identity.clone();
                entry.insert(MemberStatus { identity, state });
                None
            }
            Entry::Occupied(mut entry) => {
                let status = entry.get_mut();
                let before = status.state;
                let changed = status.identity != *identity;
                if changed {
                    status.identity = identity.clone();
                }
                status.state = state;
                if changed && before.is_active() && state.is_active() {
                    report(Output::Changed(identity.clone()));
                }
                Some(before)
            }
        };
        if before == Some(state) {
            return;
        }
        let was_active = before.is_some_and(MemberState::is_active);
        if state.is_active() && !was_active {
            report(Output::Up(identity.clone()));
        }
        match state {
            MemberState::Alive if before == Some(MemberState::Suspected) => {
                report(Output::Cleared(node));
            }
            MemberState::Alive => {}
            MemberState::Suspected => report(Output::Suspected(node)),
            MemberState::Down => report(Output::Down(node)),
            MemberState::Left => report(Output::Left(node)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_reported_once_and_in_order() {
        let announced = |generation| Announced::unknown(NodeId::new([1; 20])).with_generation(generation);
        let (old, new) = (announced(1), announced(2));
        let node = old.node();
        let mut leaving = new.clone();
        leaving.leaving = true;
        let mut roster = Roster::default();
        let mut observe = |announced: &Announced, state| {
            let mut reported = Vec::new();
            let member = Member::new(announced.clone(), 0, state);
            roster.observe(&member, |output| reported.push(output));
            reported
        };
        let up = |announced: &Announced| Output::Up(announced.identity.clone());
        assert_eq!(observe(&old, State::Down), [Output::Down(node)]);
        assert_eq!(observe(&old, State::Down), []);
        assert_eq!(observe(&old, State::Suspect), [up(&old), Output::Suspected(node)]);
        assert_eq!(observe(&old, State::Alive), [Output::Cleared(node)]);
        assert_eq!(observe(&new, State::Alive), [Output::Changed(new.identity.clone())]);
        assert_eq!(observe(&leaving, State::Alive), [Output::Left(node)]);
        assert_eq!(observe(&leaving, State::Down), []);
        assert_eq!(observe(&announced(3), State::Alive), [up(&announced(3))]);
    }
}
