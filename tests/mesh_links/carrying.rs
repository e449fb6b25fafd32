//! What a link carries, and what it does not take.

use crate::support::{Certificates, DEADLINE, linked_pair};
use bytes::Bytes;
use discnt::base::MAX_MESSAGE_BYTES;
use discnt::mesh::{DialError, DialId, MeshEvent, SendError};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[tokio::test]
async fn two_nodes_link_and_exchange_datagrams_and_messages() {
    let certificates = Certificates::new();
    let (mut one, mut two) = linked_pair(&certificates).await;
    one.exchange_datagram(&mut two, b"there").await;
    two.exchange_datagram(&mut one, b"and back").await;
    let ticket = one.mesh.send_message(two.id(), Bytes::from_static(b"a message")).expect("the queue is empty");
    one.wait_for(|event| match event {
        MeshEvent::Sent { to, ticket: sent } => {
            assert_eq!((to, sent), (two.mesh.id(), ticket));
            Some(())
        }
        _ => None,
    })
    .await;
    let (from, bytes) = two
        .wait_for(|event| match event {
            MeshEvent::Message { from, bytes } => Some((from, bytes)),
            _ => None,
        })
        .await;
    assert_eq!((from, &*bytes), (one.id(), b"a message".as_slice()));
    assert!(one.mesh.round_trip(two.id()).is_some_and(|time| time < DEADLINE));
    assert_eq!(one.mesh.peers(), [two.id()]);
}

#[tokio::test]
async fn messages_keep_their_order_and_a_slow_reader_holds_the_sender_back() {
    const MESSAGE_BYTES: usize = 64 << 10;
    let certificates = Certificates::new();
    let authority = certificates.authority("authority");
    let mut one = certificates.node("one", &authority, &[&authority]).start();
    let two = certificates.node("two", &authority, &[&authority]);
    let mut two = two.start_with_queue(4);
    one.dial(1, &two);
    one.wait_for_link().await;
    two.wait_for_link().await;
    let message = |number: u32| {
        let mut bytes = vec![0; MESSAGE_BYTES];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        Bytes::from(bytes)
    };
    // Nobody reads at the other side, so the queue must fill: far below what an endless one would take.
    let mut queued = 0;
    let deadline = Instant::now() + DEADLINE;
    let mut full_since = None;
    loop {
        assert!(Instant::now() < deadline && queued < 2000, "{queued} were taken");
        match one.mesh.send_message(two.id(), message(queued)) {
            Ok(_) => {
                queued += 1;
                full_since = None;
            }
            Err(error) => {
                assert_eq!(error, SendError::Full(two.id()));
                let since = *full_since.get_or_insert_with(Instant::now);
                if since.elapsed() > Duration::from_millis(300) {
                    break;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        while one.events.try_recv().is_ok() {}
    }
    for expected in 0..queued {
        let bytes = two
            .wait_for(|event| match event {
                MeshEvent::Message { bytes, .. } => Some(bytes),
                _ => None,
            })
            .await;
        assert_eq!(bytes.len(), MESSAGE_BYTES);
        assert_eq!(bytes[..4], expected.to_be_bytes());
        while one.events.try_recv().is_ok() {}
    }
}

#[tokio::test]
async fn what_is_too_long_is_refused_and_the_longest_arrives() {
    let certificates = Certificates::new();
    let (mut one, mut two) = linked_pair(&certificates).await;
    let limit = one.mesh.max_datagram_bytes(two.id()).expect("they are linked");
    assert!((1100..=1452).contains(&limit), "{limit}");
    let bytes = 1453;
    let error = one.mesh.send_datagram(two.id(), vec![0; bytes].into());
    assert!(matches!(error, Err(SendError::DatagramTooLong { bytes: 1453, limit: now }) if now >= limit), "{error:?}");
    let too_long = vec![0; MAX_MESSAGE_BYTES + 1].into();
    let error = one.mesh.send_message(two.id(), too_long);
    assert_eq!(error, Err(SendError::MessageTooLong(MAX_MESSAGE_BYTES + 1)));
    let longest = vec![7; MAX_MESSAGE_BYTES].into();
    one.mesh.send_message(two.id(), longest).expect("it is allowed");
    let length = two
        .wait_for(|event| match event {
            MeshEvent::Message { bytes, .. } => Some(bytes.len()),
            _ => None,
        })
        .await;
    assert_eq!(length, MAX_MESSAGE_BYTES);
    one.exchange_datagram(&mut two, b"still there").await;
}

#[tokio::test]
async fn datagrams_above_the_queue_are_refused_and_counted() {
    let certificates = Certificates::new();
    let (one, two) = linked_pair(&certificates).await;
    // Nothing is awaited in between, so nothing can leave the queue of 64 KiB.
    let refused = (0..100)
        .map(|_| one.mesh.send_datagram(two.id(), vec![0; 1000].into()))
        .filter(|result| *result == Err(SendError::Full(two.id())))
        .count();
    assert!((30..100).contains(&refused), "{refused}");
    let counted = &one.mesh.counts().datagrams_not_sent;
    let counted = counted.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(counted, refused as u64);
}

#[tokio::test]
async fn host_names_and_ipv6_are_dialled() {
    let certificates = Certificates::new();
    let authority = certificates.authority("authority");
    let mut one = certificates.node("one", &authority, &[&authority]);
    one.config.bind = "::".into();
    let mut one = one.start();
    let mut two = certificates.node("two", &authority, &[&authority]).start();
    one.mesh.dial(DialId(1), "localhost", two.address().port());
    assert_eq!(one.wait_for_link().await.0, two.id());
    two.wait_for_link().await;
    let mut three = certificates.node("three", &authority, &[&authority]);
    three.config.bind = "::1".into();
    let mut three = three.start();
    three.mesh.dial(DialId(2), "[::1]", one.address().port());
    let address = three
        .wait_for(|event| match event {
            MeshEvent::LinkUp { address, .. } => Some(address),
            _ => None,
        })
        .await;
    assert_eq!(address, SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], one.address().port())));
    two.mesh.dial(DialId(3), "::1", 1);
    let error = two.wait_for_failed_dial().await;
    assert!(matches!(error, DialError::AddressFamily { .. }), "{error}");
    two.mesh.dial(DialId(4), "no-such-host.invalid", 1);
    let error = two.wait_for_failed_dial().await;
    assert!(matches!(error, DialError::Resolve { .. }), "{error}");
}
