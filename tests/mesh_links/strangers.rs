//! Whoever has no right to be a node sees alerts of TLS, and nothing of the protocol: no greeting, no stream, no event.

use crate::refusals::endpoint;
use crate::support::{Certificates, DEADLINE, Running};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use discnt::base::NodeId;
use discnt::mesh::{Authority, Config, Identity, Invitation, Mesh, MeshEvent, bind_socket};
use quinn::ConnectionError;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use ring::digest::{SHA256, digest};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::collections::BTreeSet;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::mpsc;

const PROTOCOL_BROKEN: u64 = 5;

type Shown = (CertificateDer<'static>, PrivateKeyDer<'static>);

/// A certificate of an authority that ended so many days ago, or ends in so many.
fn issued(authority: &Authority, days: i64) -> (Shown, NodeId) {
    let read = |name: &str| std::fs::read_to_string(authority.directory().join(name)).expect("it was made");
    let issuer = KeyPair::from_pem(&read("ca.key")).expect("a key");
    let issuer = Issuer::from_ca_cert_pem(&read("ca.crt"), issuer).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    let now = OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::days(100);
    params.not_after = now + time::Duration::days(days);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, &issuer).expect("signed");
    let mut id = [0; 20];
    id.copy_from_slice(&digest(&SHA256, &rcgen::PublicKeyData::subject_public_key_info(&key)).as_ref()[..20]);
    ((certificate.der().clone(), PrivateKeyDer::Pkcs8(key.serialize_der().into())), NodeId::new(id))
}

/// What a stranger that talks all the same gets to see until the end.
async fn knock(server: &Running, shown: Option<Shown>, protocol: &[u8]) -> ConnectionError {
    let client = endpoint(shown, protocol);
    let connecting = client.connect(server.address(), "discnt").expect("the address is good");
    let connection = match tokio::time::timeout(DEADLINE, connecting).await.expect("it is answered") {
        // TLS 1.3 is done for the client before the server has seen its certificate.
        Ok(connection) => connection,
        Err(error) => return error,
    };
    if let Ok(mut stream) = connection.open_uni().await {
        let _ = stream.write_all(b"\0\0\0\x05hello").await;
    }
    let _ = connection.send_datagram(b"hello".as_slice().into());
    tokio::select! {
        error = connection.closed() => error,
        stream = connection.accept_uni() => stream.map(|_| ()).expect_err("nothing is said to a stranger"),
        datagram = connection.read_datagram() => datagram.map(|_| ()).expect_err("nothing is said to a stranger"),
        () = tokio::time::sleep(DEADLINE) => panic!("it is still connected"),
    }
}

/// The alert of TLS that ended a connection.
fn alert(error: &ConnectionError) -> u64 {
    match error {
        ConnectionError::ConnectionClosed(close) => match u64::from(close.error_code) {
            code @ 0x100..=0x1ff => code - 0x100,
            code => panic!("no alert: {code:#x}"),
        },
        other => panic!("no alert: {other:?}"),
    }
}

/// That the server told its owner of a refusal, and of nothing else.
async fn only_refused(server: &mut Running, reason: &str) {
    match server.next().await {
        MeshEvent::Refused { reason: told, .. } => assert!(told.contains(reason), "{told}"),
        other => panic!("{other:?}"),
    }
    assert!(server.events.try_recv().is_err() && server.mesh.peers().is_empty());
}

#[tokio::test]
async fn who_is_no_node_of_the_authority_never_reaches_the_protocol() {
    let certificates = Certificates::new();
    let (ours, theirs) = (certificates.authority("ours"), certificates.authority("theirs"));
    let mut server = certificates.node("server", &ours, &[&ours]).start();
    let (banned, id) = issued(&ours, 10);
    server.mesh.set_banned(BTreeSet::from([id]));
    for (shown, expected, reason) in [
        (None, 116, "presented no certificate"),
        (Some(issued(&ours, -1).0), 45, "has expired"),
        (Some(issued(&theirs, 10).0), 48, "of another authority"),
        (Some(banned), 44, "was barred"),
    ] {
        for protocol in [b"discnt/1".as_slice(), b"discnt-certify/1"] {
            let error =
                knock(&server, shown.as_ref().map(|(cert, key)| (cert.clone(), key.clone_key())), protocol).await;
            assert_eq!(alert(&error), expected, "{reason}");
        }
        only_refused(&mut server, reason).await;
    }
    // One of those who have a right to it gets in, as soon as it is not banned.
    let (node, id) = issued(&ours, 10);
    let client = endpoint(Some((node.0.clone(), node.1.clone_key())), b"discnt/1");
    let connection = client.connect(server.address(), "discnt").expect("good").await.expect("its certificate is good");
    let open = tokio::time::timeout(Duration::from_millis(300), connection.closed()).await;
    assert!(open.is_err(), "the server waits for a greeting, or greets: {open:?}");
    drop(connection);
    server.mesh.set_banned(BTreeSet::from([id]));
    assert_eq!(alert(&knock(&server, Some(node), b"discnt/1").await), 44);
}

/// A node that holds its authority's key, with an office.
fn member(certificates: &Certificates) -> Running {
    let (certs_dir, data) = (certificates.0.path().join("ca"), certificates.0.path().join("data"));
    std::fs::create_dir_all(&data).expect("a directory");
    let config = Config { certs_dir, port: 0, ..Config::default() };
    let identity = Identity::open(&config, &data).expect("it is made").identity;
    let (sender, events) = mpsc::channel(64);
    let socket = bind_socket(&config).expect("the socket is free");
    let mesh = Mesh::bind(config, socket, &identity, sender).expect("the mesh starts");
    mesh.open_office(&data).expect("there are no invitations yet");
    Running { mesh, events }
}

/// The key that the secret of a token stands for, with a certificate signed by itself.
fn key_of(token: &str) -> Shown {
    let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix("discnt1-").expect("a token")).expect("base64");
    let seed = digest(&SHA256, &[b"discnt invitation key 1".as_slice(), &bytes[41..57]].concat());
    let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let der = [&head[..], seed.as_ref()].concat();
    let key = KeyPair::try_from(&PrivatePkcs8KeyDer::from(der)).expect("a key");
    let certificate = CertificateParams::default().self_signed(&key).expect("signed");
    (certificate.der().clone(), PrivateKeyDer::Pkcs8(key.serialize_der().into()))
}

#[tokio::test]
async fn an_invitation_leads_to_a_certificate_and_not_to_the_mesh() {
    let certificates = Certificates::new();
    let mut server = member(&certificates);
    let addresses = vec![("127.0.0.1".to_owned(), server.address().port())];
    let invitation = Invitation { uses: 1, lifetime: Duration::from_secs(60), addresses };
    let token = server.mesh.invite(&invitation).expect("it holds the key");
    let error = knock(&server, Some(key_of(&token.text())), b"discnt/1").await;
    match &error {
        ConnectionError::ApplicationClosed(close) => {
            assert_eq!(close.error_code.into_inner(), PROTOCOL_BROKEN);
        }
        other => panic!("{other:?}"),
    }
    only_refused(&mut server, "an invitation and no certificate").await;
    // The same key on the protocol that it is for.
    let data = certificates.0.path().join("joiner");
    std::fs::create_dir_all(&data).expect("a directory");
    let config = Config { certs_dir: data.join("none"), ..Config::default() };
    let joined = Identity::join(&config, &data, &token, false).await.expect("the token is good");
    assert_eq!(joined.member.1, server.address().port());
    // And the other way round: no more than one, and what it was given leads into the mesh.
    let error = knock(&server, Some(key_of(&token.text())), b"discnt-certify/1").await;
    assert_eq!(alert(&error), 44);
    let (sender, events) = mpsc::channel(64);
    let socket = bind_socket(&Config { port: 0, ..config.clone() }).expect("the socket is free");
    let mesh = Mesh::bind(Config { port: 0, ..config }, socket, &joined.opened.identity, sender).expect("it starts");
    let mut node = Running { mesh, events };
    node.dial(1, &server);
    assert_eq!(node.wait_for_link().await.0, server.id());
}

#[tokio::test]
async fn a_certificate_is_replaced_without_closing_a_link_and_only_by_one_of_the_same_node() {
    let certificates = Certificates::new();
    let authority = certificates.authority("authority");
    let first = certificates.node("one", &authority, &[&authority]);
    let mut one = first.start();
    let mut two = certificates.node("two", &authority, &[&authority]).start();
    one.dial(1, &two);
    one.wait_for_link().await;
    two.wait_for_link().await;
    // Issued anew for the same key.
    let again = certificates.node("one", &authority, &[&authority]);
    one.mesh.replace_certificate(&again.identity()).expect("it is the same node");
    one.exchange_datagram(&mut two, b"still linked").await;
    let other = certificates.node("other", &authority, &[&authority]);
    assert!(one.mesh.replace_certificate(&other.identity()).is_err());
    assert_eq!(one.id(), first.identity().id);
    one.exchange_datagram(&mut two, b"and still").await;
}
