//! Which version of the protocol is spoken on a link, and who is not let in for want of one.

use crate::refusals::rude_peer;
use crate::support::{Certificates, Running};
use discnt::mesh::{DialError, MeshEvent};
use discnt::wire::{LinkProtocol, ProtocolVersions, SOFTWARE_VERSION};

fn range(oldest: u16, newest: u16) -> ProtocolVersions {
    ProtocolVersions::new(oldest, newest).expect("a range")
}

/// Two nodes of one authority that speak these versions.
fn pair(certificates: &Certificates, ours: ProtocolVersions, theirs: ProtocolVersions) -> (Running, Running) {
    let authority = certificates.authority("authority");
    let start = |name: &str, versions| {
        let mut node = certificates.node(name, &authority, &[&authority]);
        node.config.versions = versions;
        node.start()
    };
    (start("ours", ours), start("theirs", theirs))
}

async fn wait_for_protocol(node: &mut Running) -> LinkProtocol {
    node.wait_for(|event| match event {
        MeshEvent::LinkUp { protocol, .. } => Some(protocol),
        MeshEvent::DialFailed { error, .. } => panic!("the dial failed: {error}"),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_link_speaks_the_newest_version_that_both_sides_know() {
    for (ours, theirs, common) in [
        (range(1, 2), range(1, 2), 2),
        (range(1, 1), range(1, 2), 1),
        (range(2, 3), range(1, 2), 2),
        (range(1, 9), range(4, 7), 7),
    ] {
        let certificates = Certificates::new();
        let (mut ours, mut theirs) = pair(&certificates, ours, theirs);
        ours.dial(1, &theirs);
        let (here, there) = (wait_for_protocol(&mut ours).await, wait_for_protocol(&mut theirs).await);
        assert_eq!(here, there);
        assert_eq!((here.version.0, here.software.as_str()), (common, SOFTWARE_VERSION));
        ours.exchange_datagram(&mut theirs, b"said").await;
    }
}

#[tokio::test]
async fn a_node_of_the_first_version_says_a_greeting_alone_and_is_linked() {
    let certificates = Certificates::new();
    let authority = certificates.authority("authority");
    let mut server = certificates.node("server", &authority, &[&authority]).start();
    let (_endpoint, connection) = rude_peer(&certificates, &authority, &server).await;
    let mut stream = connection.open_uni().await.expect("a stream is allowed");
    stream.write_all(&[&[0, 0, 0, 17][..], &[0; 17]].concat()).await.expect("it is taken");
    assert_eq!(wait_for_protocol(&mut server).await, LinkProtocol::unsaid());
    // The answer begins with such a greeting, too.
    let mut answer = connection.accept_uni().await.expect("a stream");
    let mut head = [0; 4];
    answer.read_exact(&mut head).await.expect("a length");
    assert!((17..=1024).contains(&u32::from_be_bytes(head)), "{head:?}");
}

/// What both sides say of a connection that came to nothing: the dialler's error, and what the other reports.
async fn both_say(dialler: &mut Running, dialled: &mut Running) -> (String, String) {
    dialler.dial(1, dialled);
    let error = dialler.wait_for_failed_dial().await;
    assert!(matches!(error, DialError::Incompatible { address, .. } if address == dialled.address()), "{error}");
    let from = dialler.id();
    let heard = dialled.wait_for(|event| match event {
        MeshEvent::Incompatible { peer, reason } => Some((peer, reason)),
        MeshEvent::LinkUp { .. } => panic!("a link came up"),
        _ => None,
    });
    let (peer, reason) = heard.await;
    assert_eq!(peer, from);
    (error.to_string(), reason)
}

#[tokio::test]
async fn nodes_without_a_version_in_common_are_told_so_on_both_sides_whoever_dials() {
    // Who of the two decides depends on their ids, which are random: several pairs meet both cases.
    for _ in 0..4 {
        let certificates = Certificates::new();
        let (mut old, mut new) = pair(&certificates, range(1, 2), range(3, 4));
        let of_dialler = both_say(&mut old, &mut new).await;
        let of_dialled = both_say(&mut new, &mut old).await;
        for text in [of_dialler.0, of_dialler.1, of_dialled.0, of_dialled.1] {
            for part in ["versions 1-2 of the protocol", "versions 3-4 of the protocol", "upgrade ", SOFTWARE_VERSION] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }
}
