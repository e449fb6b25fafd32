//! Packets as nodes send them, and as only a hostile node would.

use foca::{Header, Member, Message, State};
use proptest::prelude::*;

use super::identity::Announced;
use super::packet::Packet;
use super::{MAX_GENERATION, MemberIdentity};
use crate::base::NodeId;

/// Any identity that can be written down.
pub(super) fn anyone() -> BoxedStrategy<Announced> {
    let generation = 0..=MAX_GENERATION;
    identity(any::<[u8; 20]>().boxed(), generation.boxed(), "[a-z0-9.:-]{0,255}")
}

/// Few nodes in few lives, so that what is said of them conflicts. Node 0 is the one spoken to.
pub(super) fn few() -> BoxedStrategy<Announced> {
    let node = (0..4_u8).prop_map(|number| [number; 20]);
    let generation = prop_oneof![0..4_u64, MAX_GENERATION - 1..=MAX_GENERATION];
    identity(node.boxed(), generation.boxed(), "[ab]?")
}

fn identity(
    node: BoxedStrategy<[u8; 20]>,
    generation: BoxedStrategy<u64>,
    host: &'static str,
) -> BoxedStrategy<Announced> {
    (node, generation, host, any::<(u16, u16, bool)>())
        .prop_map(|(node, generation, host, (client_port, mesh_port, leaving))| {
            let identity = MemberIdentity { node: NodeId::new(node), generation, host, client_port, mesh_port };
            Announced { identity, leaving }
        })
        .boxed()
}

fn member(announced: BoxedStrategy<Announced>) -> impl Strategy<Value = Member<Announced>> {
    let state = prop_oneof![Just(State::Alive), Just(State::Suspect), Just(State::Down)];
    (announced, any::<u16>(), state)
        .prop_map(|(announced, incarnation, state)| Member::new(announced, incarnation, state))
}

fn message(announced: BoxedStrategy<Announced>) -> impl Strategy<Value = Message<Announced>> {
    (announced, any::<u8>(), 0..10).prop_map(|(other, probe_number, kind)| match kind {
        0 => Message::Ping(probe_number),
        1 => Message::Ack(probe_number),
        2 => Message::PingReq { target: other, probe_number },
        3 => Message::IndirectPing { origin: other, probe_number },
        4 => Message::IndirectAck { target: other, probe_number },
        5 => Message::ForwardedAck { origin: other, probe_number },
        6 => Message::Announce,
        7 => Message::Feed,
        8 => Message::Gossip,
        _ => Message::TurnUndead,
    })
}

/// A packet of the failure detector between any of these, with up to two members in it.
pub(super) fn packet(announced: BoxedStrategy<Announced>) -> impl Strategy<Value = Packet> {
    (
        announced.clone(),
        any::<u16>(),
        announced.clone(),
        message(announced.clone()),
        prop::collection::vec(member(announced), 0..3),
    )
        .prop_map(|(src, src_incarnation, dst, message, members)| {
            let header = Header { src, src_incarnation, dst, message };
            Packet::Protocol { header, members }
        })
}
