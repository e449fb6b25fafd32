//! What hostile, damaged or confused nodes may send, and what must not come of it.

use std::time::Duration;

use foca::{Header, Member, Message};
use proptest::prelude::*;

use super::identity::Announced;
use super::packet::Packet;
use super::strategies::{anyone, few, packet};
use super::{Config, MAX_MEMBERS, MAX_PACKET_BYTES, MemberIdentity, MemberState, Membership, MembershipError, Output};
use crate::base::{Monotonic, NodeId};

fn id(number: u8) -> NodeId {
    NodeId::new([number; 20])
}

fn at(millis: u64) -> Monotonic {
    Monotonic::ZERO.after(Duration::from_millis(millis))
}

fn identity(node: NodeId, generation: u64) -> MemberIdentity {
    Announced::unknown(node).with_generation(generation).identity
}

/// Node 0 in its second life, linked with node 1, which has introduced itself.
fn with_a_peer() -> Membership {
    let me = identity(id(0), 2);
    let mut membership = Membership::new(me, Config::default(), 1).expect("all in range");
    membership.link_up(id(1), at(0));
    let result = membership.handle(id(1), &said(id(1), 1, vec![]), at(0));
    assert_eq!(result, Ok(()));
    assert_eq!(state(&membership, id(1)), Some(MemberState::Alive));
    drain(&mut membership);
    membership
}

/// Gossip to node 0 in the name of a node.
fn said(by: NodeId, generation: u64, members: Vec<Member<Announced>>) -> Vec<u8> {
    let header = Header {
        src: Announced::unknown(by).with_generation(generation),
        src_incarnation: 0,
        dst: Announced::unknown(id(0)).with_generation(2),
        message: Message::Gossip,
    };
    let packet = Packet::Protocol { header, members };
    packet.encode().expect("few members")
}

fn drain(membership: &mut Membership) -> Vec<Output> {
    let outputs: Vec<_> = std::iter::from_fn(|| membership.poll_output()).collect();
    for output in &outputs {
        if let Output::Send { bytes, .. } = output {
            assert!(bytes.len() <= MAX_PACKET_BYTES);
        }
    }
    outputs
}

fn state(membership: &Membership, node: NodeId) -> Option<MemberState> {
    let mut members = membership.members();
    let member = members.find(|member| member.identity.node == node)?;
    Some(member.state)
}

#[test]
fn a_packet_in_anothers_name_is_refused_and_changes_nothing() {
    let mut membership = with_a_peer();
    let result = membership.handle(id(1), &said(id(2), 1, vec![]), at(1));
    assert_eq!(result, Err(MembershipError::Impersonation { sender: id(1), claimed: id(2) }));
    assert_eq!(state(&membership, id(2)), None);
    assert_eq!(drain(&mut membership), []);
}

#[test]
fn a_packet_in_this_nodes_own_name_is_refused() {
    let mut membership = with_a_peer();
    let mine = said(id(0), 9, vec![]);
    let result = membership.handle(id(1), &mine, at(1));
    assert!(matches!(result, Err(MembershipError::Impersonation { .. })));
    assert_eq!(membership.handle(id(0), &mine, at(1)), Err(MembershipError::Myself));
    assert_eq!(membership.me().generation, 2);
}

#[test]
fn news_of_other_lives_of_this_node_is_not_taken_in() {
    let mut membership = with_a_peer();
    let lives = [1, 3].map(|life| Announced::unknown(id(0)).with_generation(life));
    let news = lives.map(Member::alive).to_vec();
    let result = membership.handle(id(1), &said(id(1), 1, news), at(1));
    assert_eq!(result, Ok(()));
    assert_eq!(membership.me().generation, 2);
    assert_eq!(state(&membership, id(0)), None);
}

#[test]
fn a_node_that_is_held_for_down_goes_on_in_its_next_life() {
    let mut membership = with_a_peer();
    let me = Announced::present(membership.me().clone());
    let news = vec![Member::down(me)];
    let result = membership.handle(id(1), &said(id(1), 1, news), at(1));
    assert_eq!(result, Ok(()));
    let renewed = Output::Renewed(identity(id(0), 3));
    assert!(drain(&mut membership).contains(&renewed));
    assert_eq!(membership.me().generation, 3);
}

#[test]
fn no_more_members_are_taken_in_than_can_be_known() {
    let mut membership = with_a_peer();
    let stranger = |number: usize| {
        let mut bytes = [9; 20];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Member::alive(Announced::unknown(NodeId::new(bytes)))
    };
    for first in (0..3 * MAX_MEMBERS).step_by(10) {
        let news = (first..first + 10).map(stranger).collect();
        let result = membership.handle(id(1), &said(id(1), 1, news), at(1));
        assert_eq!(result, Ok(()));
    }
    assert_eq!(membership.members().count(), MAX_MEMBERS);
    assert_eq!(membership.handle(id(200), &said(id(200), 1, vec![]), at(2)), Err(MembershipError::Full(id(200))));
    assert_eq!(membership.forget(id(1), at(3)), Ok(true));
    assert_eq!(membership.handle(id(200), &said(id(200), 1, vec![]), at(4)), Ok(()));
}

#[test]
fn who_has_left_takes_no_part() {
    let mut membership = with_a_peer();
    membership.leave(at(1));
    let goodbye = drain(&mut membership);
    assert!(matches!(goodbye[..], [Output::Send { to, .. }] if to == id(1)), "{goodbye:?}");
    assert_eq!(membership.handle(id(1), &said(id(1), 1, vec![]), at(2)), Err(MembershipError::Left));
    membership.tick(at(60_000));
    assert_eq!(drain(&mut membership), []);
    assert_eq!(membership.next_deadline(), Monotonic::NEVER);
}

#[test]
fn a_node_does_not_forget_or_bar_itself() {
    let mut membership = with_a_peer();
    assert_eq!(membership.forget(id(0), at(1)), Err(MembershipError::Myself));
    assert_eq!(membership.bar(id(0)), Err(MembershipError::Myself));
    assert_eq!(membership.forget(id(7), at(1)), Ok(false));
    assert_eq!(membership.barred().collect::<Vec<_>>(), [id(7)]);
}

#[test]
fn an_identity_or_a_setting_out_of_range_is_refused_at_the_start() {
    let mut me = identity(id(0), 1);
    me.host = "a b".into();
    let refused = Membership::new(me, Config::default(), 1).err();
    assert_eq!(refused, Some(MembershipError::Host("a b".into())));
    let config = Config { node_timeout_ms: 1, ..Config::default() };
    let refused = Membership::new(identity(id(0), 1), config, 1).err();
    assert!(matches!(refused, Some(MembershipError::Setting { .. })));
}

/// Sends these from node 1 and lets time pass in between; nothing may panic or grow without bound.
fn survives(packets: &[(Vec<u8>, u16)]) -> Membership {
    let mut membership = with_a_peer();
    let mut now = 0;
    for (bytes, pause) in packets {
        now += u64::from(*pause);
        membership.tick(at(now));
        let _ = membership.handle(id(1), bytes, at(now));
        assert!(drain(&mut membership).len() < 50 + 10 * MAX_MEMBERS);
        assert!(membership.members().count() <= MAX_MEMBERS);
    }
    for _ in 0..1000 {
        let due = membership.next_deadline();
        if due == Monotonic::NEVER {
            break;
        }
        now = now.max(due.since(Monotonic::ZERO).as_millis() as u64 + 1);
        membership.tick(at(now));
        drain(&mut membership);
    }
    membership
}

/// As if node 1 had sent it: what is in another's name is refused before it can do harm.
fn from_node_1(packet: Packet) -> Vec<u8> {
    let bytes = match packet {
        Packet::Protocol { mut header, members } => {
            header.src.identity.node = id(1);
            Packet::Protocol { header, members }.encode()
        }
        other => other.encode(),
    };
    // What is too long to be sent is left out.
    bytes.unwrap_or_default()
}

proptest! {
    #[test]
    fn no_bytes_do_harm(
        packets in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..1100), 0..2000_u16), 0..20),
    ) {
        survives(&packets);
    }

    #[test]
    fn no_damaged_packets_do_harm(
        packets in prop::collection::vec(
            (packet(few()).prop_map(from_node_1), any::<prop::sample::Index>(), any::<u8>(), 0..2000_u16),
            0..20,
        ),
    ) {
        let damaged = packets.into_iter().map(|(mut bytes, at, byte, pause)| {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            (bytes, pause)
        });
        survives(&damaged.collect::<Vec<_>>());
    }

    #[test]
    fn no_well_formed_lies_do_harm(
        packets in prop::collection::vec(
            (prop_oneof![packet(few()), packet(anyone())].prop_map(from_node_1), 0..2000_u16),
            0..40,
        ),
    ) {
        let membership = survives(&packets);
        prop_assert_eq!(membership.me().node, id(0));
    }

    #[test]
    fn outlived_is_believed_only_within_range(generation in any::<u64>()) {
        let mut membership = with_a_peer();
        let bytes = Packet::Outlived { generation }.encode().expect("short");
        prop_assert_eq!(membership.handle(id(1), &bytes, at(1)), Ok(()));
        let before = identity(id(0), 2).generation;
        let believed = (before..=super::MAX_GENERATION).contains(&generation);
        let after = if believed { generation } else { before };
        prop_assert_eq!(membership.me().generation, after);
    }
}
