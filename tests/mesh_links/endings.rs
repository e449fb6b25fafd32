//! How links end, and what comes after.

use crate::support::{Certificates, Node, linked_pair};
use bytes::Bytes;
use discnt::base::NodeId;
use discnt::mesh::{CloseReason, DialError, DialId, DownReason, MeshEvent, SendError};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[tokio::test]
async fn close_reasons_arrive() {
    let certificates = Certificates::new();
    let (mut one, mut two) = linked_pair(&certificates).await;
    one.mesh.close(two.id(), CloseReason::Forgotten);
    assert_eq!(one.wait_for_down().await, (two.id(), DownReason::Closed(CloseReason::Forgotten)));
    assert_eq!(two.wait_for_down().await, (one.id(), DownReason::ClosedByPeer(CloseReason::Forgotten)));
    two.dial(2, &one);
    two.wait_for_link().await;
    one.wait_for_link().await;
    // The message was queued before the goodbye and arrives before it.
    let last_words = Bytes::from_static(b"last words");
    one.mesh.send_message(two.id(), last_words).expect("it stands");
    one.mesh.shutdown(CloseReason::Shutdown).await;
    match two.next().await {
        MeshEvent::Message { bytes, .. } => assert_eq!(&*bytes, b"last words"),
        other => panic!("unexpected: {other:?}"),
    }
    assert_eq!(two.wait_for_down().await, (one.id(), DownReason::ClosedByPeer(CloseReason::Shutdown)));
    one.mesh.dial(DialId(3), &two.address().ip().to_string(), two.address().port());
    assert_eq!(one.wait_for_failed_dial().await, DialError::Closing);
    let nobody = one.mesh.send_datagram(two.id(), Bytes::from_static(b"x"));
    assert_eq!(nobody, Err(SendError::NotLinked(two.id())));
}

#[tokio::test]
async fn nobody_there_is_said_with_the_address() {
    let certificates = Certificates::new();
    let authority = certificates.authority("authority");
    let mut node = certificates.node("node", &authority, &[&authority]);
    node.config.handshake_timeout_ms = 200;
    let mut node = node.start();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let address = silent.local_addr().expect("it is bound");
    node.mesh.dial(DialId(1), "127.0.0.1", address.port());
    let error = node.wait_for_failed_dial().await;
    assert!(matches!(&error, DialError::NoAnswer { address: at, .. } if *at == address), "{error}");
}

#[tokio::test]
async fn a_peer_that_falls_silent_is_lost_after_the_idle_timeout() {
    let certificates = Certificates::new();
    let authority = certificates.authority("authority");
    let mut stays = certificates.node("stays", &authority, &[&authority]);
    stays.config.idle_timeout_ms = 600;
    stays.config.keepalive_interval_ms = 100;
    let mut stays = stays.start();
    let dies = certificates.node("dies", &authority, &[&authority]);
    let address = stays.address();
    let killed = tokio::task::spawn_blocking(move || kill_after_linking(dies, address));
    let (_, id, _) = killed.await.expect("the node links");
    let (peer, reason) = stays.wait_for_down().await;
    let expected = DownReason::Lost("nothing was heard for 600 ms".into());
    assert_eq!((peer, reason), (id, expected));
}

#[tokio::test]
async fn a_node_that_was_killed_and_is_back_gets_a_new_link_long_before_the_old_one_times_out() {
    let certificates = Certificates::new();
    let authority = certificates.authority("authority");
    let mut stays = certificates.node("stays", &authority, &[&authority]);
    stays.config.idle_timeout_ms = 60_000;
    stays.config.keepalive_interval_ms = 200;
    let mut stays = stays.start();
    let mut dies = certificates.node("dies", &authority, &[&authority]);
    dies.config.idle_timeout_ms = 60_000;
    let address = stays.address();
    let killed = tokio::task::spawn_blocking(move || kill_after_linking(dies, address));
    let (mut dies, id, port) = killed.await.expect("the node links");
    stays.wait_for_link().await;
    let begun = Instant::now();
    // Back at the same port with the same key: it answers what it does not know.
    dies.config.port = port;
    let mut back = dies.start();
    let (peer, reason) = stays.wait_for_down().await;
    assert_eq!((peer, reason), (id, DownReason::Lost("the peer restarted".into())));
    assert!(begun.elapsed() < Duration::from_secs(10));
    back.dial(1, &stays);
    back.wait_for_link().await;
    stays.wait_for_link().await;
    stays.exchange_datagram(&mut back, b"welcome").await;
}

/// Links a node to `address` from a runtime of its own, and drops that without a goodbye.
fn kill_after_linking(node: Node, address: SocketAddr) -> (Node, NodeId, u16) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let running = runtime.block_on(async {
        let mut running = node.start();
        running.mesh.dial(DialId(1), &address.ip().to_string(), address.port());
        running.wait_for_link().await;
        running
    });
    let (id, port) = (running.id(), running.address().port());
    // The tasks go with the runtime, before anything could tell them to close.
    drop(runtime);
    (node, id, port)
}

#[tokio::test]
async fn a_new_identity_ends_the_links_of_the_old_one() {
    let certificates = Certificates::new();
    let (mut one, mut two) = linked_pair(&certificates).await;
    let old = one.id();
    let authority = discnt::mesh::load_authority(&certificates.0.path().join("authority")).expect("it was made");
    let renewed = certificates.node("renewed", &authority, &[&authority]);
    one.mesh.replace_identity(&renewed.identity()).expect("the identity is good");
    assert_ne!(one.id(), old);
    assert_eq!(one.wait_for_down().await, (two.id(), DownReason::Closed(CloseReason::Left)));
    assert_eq!(two.wait_for_down().await, (old, DownReason::ClosedByPeer(CloseReason::Left)));
    two.dial(2, &one);
    assert_eq!(two.wait_for_link().await.0, one.id());
    one.wait_for_link().await;
    one.mesh.close(two.id(), CloseReason::Left);
    two.wait_for_down().await;
    one.wait_for_down().await;
    one.dial(3, &two);
    assert_eq!(two.wait_for_link().await.0, renewed.identity().id);
}
