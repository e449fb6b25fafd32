//! The goodbyes of others, as their links tell them.

use std::iter;
use std::time::Duration;

use foca::{Member, Timer};

use super::{Membership, Output};
use crate::base::{Monotonic, NodeId};

/// For how long a node that left for good is known to have left: by then nobody speaks of its life any more.
const LEFT_KNOWN_FOR: Duration = Duration::from_secs(60);

impl Membership {
    /// Takes in that a node said goodbye as it closed its link; its own packet that says so may be lost, or was never
    /// sent because it did not know this node yet. Answers whether it was known.
    pub fn said_goodbye(&mut self, node: NodeId, now: Monotonic) -> bool {
        let now = self.clock(now);
        let Some(mut member) = self.known(node).map(|member| member.id().clone()) else { return false };
        member.leaving = true;
        // It is passed on, and so replaces the word of its life that may still wait to be.
        let result = self.detect(now, |detector, collected| {
            detector.apply_many(iter::once(Member::down(member)), true, &mut *collected)
        });
        if let Err(error) = result {
            self.outputs.push_back(Output::Trouble(error));
        }
        self.settle(now);
        true
    }

    /// Takes in that a node left for good. What others still say of its life until then is not believed, so that
    /// nothing brings it back but its own next life; after some time nothing is known of it.
    pub fn left_for_good(&mut self, node: NodeId, now: Monotonic) {
        self.said_goodbye(node, now);
        let now = self.clock(now);
        if let Some(member) = self.known(node).map(|member| member.id().clone()) {
            self.timers.set(now.after(LEFT_KNOWN_FOR), Timer::RemoveDown(member));
        }
    }
}

#[cfg(test)]
mod tests {
    use foca::{Header, Message};

    use super::super::packet::Packet;
    use super::super::{Config, MemberIdentity, MemberState};
    use super::*;

    const ME: NodeId = NodeId::new([0; 20]);
    const PEER: NodeId = NodeId::new([1; 20]);
    const OTHER: NodeId = NodeId::new([2; 20]);

    fn announced(node: NodeId, generation: u64) -> super::super::identity::Announced {
        super::super::identity::Announced::unknown(node).with_generation(generation)
    }

    fn at(millis: u64) -> Monotonic {
        Monotonic::ZERO.after(Duration::from_millis(millis))
    }

    /// What `by` says: that this node is alive in this generation.
    fn hear(membership: &mut Membership, by: NodeId, alive: NodeId, generation: u64, now: Monotonic) {
        let header = Header {
            src: announced(by, generation),
            src_incarnation: 0,
            dst: announced(ME, 1),
            message: Message::Gossip,
        };
        let members = if alive == by { vec![] } else { vec![Member::alive(announced(alive, generation))] };
        let packet = Packet::Protocol { header, members }.encode().expect("few members");
        assert_eq!(membership.handle(by, &packet, now), Ok(()));
    }

    fn with_two_peers() -> Membership {
        let me: MemberIdentity = announced(ME, 1).identity;
        let mut membership = Membership::new(me, Config::default(), 1).expect("all in range");
        for peer in [PEER, OTHER] {
            membership.link_up(peer, at(0));
            hear(&mut membership, peer, peer, 1, at(0));
        }
        membership
    }

    fn state(membership: &Membership, node: NodeId) -> Option<MemberState> {
        membership.members().find(|member| member.identity.node == node).map(|member| member.state)
    }

    fn reported(membership: &mut Membership) -> Vec<Output> {
        let outputs = std::iter::from_fn(|| membership.poll_output());
        outputs.filter(|output| !matches!(output, Output::Send { .. })).collect()
    }

    /// Lets the time pass until nobody has to know any more of who left; a jump would be taken for a pause.
    fn wait_long(membership: &mut Membership) {
        for step in 0..=LEFT_KNOWN_FOR.as_millis() as u64 / 50 {
            membership.tick(at(2 + step * 50));
        }
        membership.tick(at(2).after(LEFT_KNOWN_FOR));
    }

    #[test]
    fn a_goodbye_is_reported_once_and_ends_with_the_next_life() {
        let mut membership = with_two_peers();
        reported(&mut membership);
        assert!(membership.said_goodbye(PEER, at(1)));
        assert!(membership.said_goodbye(PEER, at(2)));
        assert_eq!(reported(&mut membership), [Output::Left(PEER)]);
        hear(&mut membership, OTHER, PEER, 1, at(3));
        assert_eq!(state(&membership, PEER), Some(MemberState::Left));
        hear(&mut membership, PEER, PEER, 2, at(4));
        assert_eq!(state(&membership, PEER), Some(MemberState::Alive));
    }

    #[test]
    fn the_goodbye_of_a_stranger_is_not_known() {
        assert!(!with_two_peers().said_goodbye(NodeId::new([9; 20]), at(1)));
    }

    #[test]
    fn old_news_do_not_bring_back_who_left_for_good() {
        let mut membership = with_two_peers();
        membership.left_for_good(PEER, at(1));
        hear(&mut membership, OTHER, PEER, 1, at(2));
        assert_eq!(state(&membership, PEER), Some(MemberState::Left));
        wait_long(&mut membership);
        assert_eq!(state(&membership, PEER), None);
    }

    #[test]
    fn who_left_for_good_and_met_again_stays() {
        let mut membership = with_two_peers();
        membership.left_for_good(PEER, at(1));
        hear(&mut membership, PEER, PEER, 2, at(2));
        assert_eq!(state(&membership, PEER), Some(MemberState::Alive));
        wait_long(&mut membership);
        assert!(state(&membership, PEER).is_some());
    }
}
