//! What of another node's word is taken in: only its own in its own name, nothing of who is barred,
//! nothing about this node but its present life, and no more nodes than can be known.

use foca::{Header, Identity, Member, State, Timer};

use super::identity::Announced;
use super::packet::Packet;
use super::{MAX_MEMBERS, Membership, MembershipError};
use crate::base::{Monotonic, NodeId};

impl Membership {
    pub(super) fn handle_protocol(
        &mut self,
        from: NodeId,
        bytes: &[u8],
        header: Header<Announced>,
        mut members: Vec<Member<Announced>>,
        now: Monotonic,
    ) -> Result<(), MembershipError> {
        let sender = header.src.node();
        if sender != from {
            return Err(MembershipError::Impersonation { sender: from, claimed: sender });
        }
        if !self.roster.contains(from) && self.roster.len() >= MAX_MEMBERS {
            return Err(MembershipError::Full(from));
        }
        if let Some(generation) = self.outlived(&header.src) {
            self.send_packet(from, &Packet::Outlived { generation });
            return Ok(());
        }
        let given = members.len();
        self.keep_acceptable(from, &mut members);
        let kept;
        let accepted = if members.len() == given {
            bytes
        } else {
            let packet = Packet::Protocol { header, members };
            kept = packet.encode().map_err(|error| MembershipError::Malformed(error.to_string()))?;
            &kept
        };
        let (_, protocol) = accepted.split_first().ok_or_else(|| MembershipError::Malformed("empty".into()))?;
        self.detect(now, |detector, collected| detector.handle_data(protocol, collected))
    }

    /// The generation that a sender needs to be heard, if a later life of it than it speaks as is known.
    fn outlived(&self, sender: &Announced) -> Option<u64> {
        let known = self.known(sender.node())?;
        let later = known.id().win_addr_conflict(sender);
        // Where the later life is active, this may just be a packet that was overtaken: no cause to go beyond.
        let beyond =
            !self.roster.is_active(sender.node()) || known.id().identity.generation == sender.identity.generation;
        later.then(|| known.id().identity.generation + u64::from(beyond))
    }

    /// Drops news of who is barred, of earlier or false lives of this node, and of more nodes than can be known.
    fn keep_acceptable(&self, sender: NodeId, members: &mut Vec<Member<Announced>>) {
        let me = self.detector.identity();
        let mut known = self.roster.len() + usize::from(!self.roster.contains(sender));
        members.retain(|member| {
            let node = member.id().node();
            if node == me.node() {
                return member.id() == me;
            }
            if self.barred.contains(&node) {
                return false;
            }
            if node == sender || self.roster.contains(node) {
                return true;
            }
            known += 1;
            known <= MAX_MEMBERS
        });
    }

    /// Whether the timer is about a suspicion that its member has answered. The detector would tell such a member
    /// that it is down, though it holds it for alive, and make it renew itself for nothing.
    pub(super) fn is_settled_suspicion(&self, timer: &Timer<Announced>) -> bool {
        let Timer::ChangeSuspectToDown { member_id, incarnation, token: _ } = timer else {
            return false;
        };
        let suspect = Member::new(member_id.clone(), *incarnation, State::Suspect);
        self.known(member_id.node()) != Some(&suspect)
    }
}
