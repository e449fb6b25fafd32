//! One link between two nodes, however often they dial.

use crate::support::{Certificates, Running, linked_pair};
use bytes::Bytes;
use discnt::base::NodeId;
use discnt::mesh::{CloseReason, DialError, DialId, MeshEvent};

#[tokio::test]
async fn two_nodes_that_dial_each_other_at_once_get_one_link() {
    let certificates = Certificates::new();
    let authority = certificates.authority("authority");
    let one = certificates.node("one", &authority, &[&authority]);
    let two = certificates.node("two", &authority, &[&authority]);
    for round in 0..50 {
        let (mut one, mut two) = (one.start(), two.start());
        one.dial(1, &two);
        two.dial(2, &one);
        let (first, second) = tokio::join!(link_and_dial(&mut one), link_and_dial(&mut two));
        assert_eq!((first, second), (two.id(), one.id()), "round {round}");
        // Whatever still happens must not touch the link: a message each way crosses it.
        for (from, to) in [(&one, &two), (&two, &one)] {
            let message = Bytes::from_static(b"still there");
            from.mesh.send_message(to.id(), message).expect("it stands");
        }
        tokio::join!(quiet_message(&mut one), quiet_message(&mut two));
        one.mesh.shutdown(CloseReason::Shutdown).await;
        two.mesh.shutdown(CloseReason::Shutdown).await;
    }
}

/// Waits for the one link and for the outcome of the dial.
async fn link_and_dial(node: &mut Running) -> NodeId {
    let mut linked = None;
    let mut dialled = false;
    while linked.is_none() || !dialled {
        match node.next().await {
            MeshEvent::LinkUp { peer, dial, .. } => {
                assert_eq!(linked.replace(peer), None, "a second link came up");
                dialled |= dial.is_some();
            }
            MeshEvent::AlreadyLinked { peer, .. } => {
                assert_eq!(linked, Some(peer), "said before the link came up");
                dialled = true;
            }
            other => panic!("unexpected: {other:?}"),
        }
    }
    linked.expect("the loop ends with it")
}

/// Waits for a message, and for nothing else but word that the own one was sent.
async fn quiet_message(node: &mut Running) {
    loop {
        match node.next().await {
            MeshEvent::Message { bytes, .. } => {
                assert_eq!(&*bytes, b"still there");
                return;
            }
            MeshEvent::Sent { .. } => {}
            other => panic!("unexpected: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_second_dial_finds_the_link_and_leaves_it_alone() {
    let certificates = Certificates::new();
    let (mut one, mut two) = linked_pair(&certificates).await;
    one.dial(7, &two);
    two.dial(8, &one);
    let (first, second) = (one.id(), two.id());
    for (node, other, number) in [(&mut one, second, 7), (&mut two, first, 8)] {
        match node.next().await {
            MeshEvent::AlreadyLinked { dial, peer } => {
                assert_eq!((dial, peer), (DialId(number), other));
            }
            event => panic!("unexpected: {event:?}"),
        }
    }
    one.exchange_datagram(&mut two, b"still there").await;
}

#[tokio::test]
async fn many_dials_at_once_end_in_one_link() {
    let certificates = Certificates::new();
    let authority = certificates.authority("authority");
    let one = certificates.node("one", &authority, &[&authority]);
    let two = certificates.node("two", &authority, &[&authority]);
    let (mut one, mut two) = (one.start(), two.start());
    for number in 0..5 {
        one.dial(number, &two);
        two.dial(number, &one);
    }
    for node in [&mut one, &mut two] {
        let (mut links, mut outcomes) = (0, 0);
        while outcomes < 5 || links == 0 {
            match node.next().await {
                MeshEvent::LinkUp { dial, .. } => {
                    links += 1;
                    outcomes += usize::from(dial.is_some());
                }
                MeshEvent::AlreadyLinked { .. } => outcomes += 1,
                other => panic!("unexpected: {other:?}"),
            }
        }
        assert_eq!((links, outcomes), (1, 5));
    }
    one.exchange_datagram(&mut two, b"still there").await;
}

#[tokio::test]
async fn a_node_that_dials_itself_is_told_so() {
    let certificates = Certificates::new();
    let authority = certificates.authority("authority");
    let mut node = certificates.node("node", &authority, &[&authority]).start();
    let address = node.address();
    node.mesh.dial(DialId(1), &address.ip().to_string(), address.port());
    assert_eq!(node.wait_for_failed_dial().await, DialError::SelfConnection { address });
}
