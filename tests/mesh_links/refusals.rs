//! Who is not let in, and what is said about it.

use crate::support::{Certificates, DEADLINE, Node, Running};
use discnt::base::MAX_MESSAGE_BYTES;
use discnt::mesh::{Authority, CloseReason, DialError, DownReason};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::path::PathBuf;

#[tokio::test]
async fn nodes_of_different_authorities_refuse_each_other_with_reasons_on_both_sides() {
    let certificates = Certificates::new();
    let (first, second) = (certificates.authority("first"), certificates.authority("second"));
    let mut one = certificates.node("one", &first, &[&first]).start();
    let mut two = certificates.node("two", &second, &[&second]).start();
    one.dial(1, &two);
    let error = one.wait_for_failed_dial().await;
    let address = two.address();
    let reason = "its certificate is of another authority".to_owned();
    assert_eq!(error, DialError::NotAccepted { address, reason });
    let (from, reason) = two.wait_for_refused().await;
    assert_eq!(from, one.address());
    assert_eq!(reason, "it refused this node: this node's certificate is of another authority");
    two.dial(2, &one);
    let error = two.wait_for_failed_dial().await;
    assert!(error.to_string().contains("its certificate is of another authority"), "{error}");
    one.wait_for_refused().await;
}

#[tokio::test]
async fn a_dialler_that_the_other_side_does_not_accept_gets_no_link() {
    let certificates = Certificates::new();
    let (ours, foreign) = (certificates.authority("ours"), certificates.authority("foreign"));
    // The dialler accepts everybody, so that only the server can refuse, after TLS is done for the dialler.
    let mut dialler = certificates.node("dialler", &foreign, &[&ours, &foreign]).start();
    let mut server = certificates.node("server", &ours, &[&ours]).start();
    dialler.dial(1, &server);
    let error = dialler.wait_for_failed_dial().await;
    let address = server.address();
    let reason = "this node's certificate is of another authority".to_owned();
    assert_eq!(error, DialError::Refused { address, reason });
    let (from, reason) = server.wait_for_refused().await;
    assert_eq!(from, dialler.address());
    assert_eq!(reason, "its certificate is of another authority");
}

/// A client of QUIC that keeps no rules, with the certificate of a node or with none.
fn stranger(node: Option<&Node>, protocol: &[u8]) -> quinn::Endpoint {
    let shown = node.map(|node| {
        let path = |path: &Option<PathBuf>| path.clone().expect("it is set");
        let cert = CertificateDer::from_pem_file(path(&node.config.cert)).expect("it was made");
        (cert, PrivateKeyDer::from_pem_file(path(&node.config.key)).expect("it was made"))
    });
    endpoint(shown, protocol)
}

/// The same with any certificate.
pub(crate) fn endpoint(
    shown: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    protocol: &[u8],
) -> quinn::Endpoint {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider knows it")
        .dangerous()
        .with_custom_certificate_verifier(std::sync::Arc::new(AcceptAnybody));
    let mut config = match shown {
        None => config.with_no_client_auth(),
        Some((cert, key)) => config.with_client_auth_cert(vec![cert], key).expect("they belong together"),
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    let config = quinn::crypto::rustls::QuicClientConfig::try_from(config).expect("TLS 1.3");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut endpoint = quinn::Endpoint::client(any).expect("a port is free");
    endpoint.set_default_client_config(quinn::ClientConfig::new(std::sync::Arc::new(config)));
    endpoint
}

#[derive(Debug)]
struct AcceptAnybody;

impl rustls::client::danger::ServerCertVerifier for AcceptAnybody {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

#[tokio::test]
async fn strangers_without_a_certificate_or_the_protocol_are_refused() {
    let certificates = Certificates::new();
    let authority = certificates.authority("authority");
    let mut server = certificates.node("server", &authority, &[&authority]).start();
    for (protocol, expected) in
        [(b"discnt/1".as_slice(), "it presented no certificate"), (b"h3".as_slice(), "it does not speak discnt/1")]
    {
        let client = stranger(None, protocol);
        let connecting = client.connect(server.address(), "discnt").expect("the address is good");
        if let Ok(connection) = connecting.await {
            let _ = tokio::time::timeout(DEADLINE, connection.closed()).await.expect("the server closes it");
        }
        let (from, reason) = server.wait_for_refused().await;
        let port = client.local_addr().expect("it is bound").port();
        assert_eq!((from.port(), reason.as_str()), (port, expected));
    }
}

/// A node that keeps no rules, connected to `server`, with the larger id, which greets first. The server's own id is random,
/// too: one of a thousand is larger than nearly all.
pub(crate) async fn rude_peer(
    certificates: &Certificates,
    authority: &Authority,
    server: &Running,
) -> (quinn::Endpoint, quinn::Connection) {
    for attempt in 0..20_000 {
        let node = certificates.node(&format!("rude{attempt}"), authority, &[authority]);
        if node.identity().id < server.id() {
            continue;
        }
        let endpoint = stranger(Some(&node), b"discnt/1");
        let connecting = endpoint.connect(server.address(), "discnt").expect("the address is good");
        let connection = connecting.await.expect("the certificate is good");
        return (endpoint, connection);
    }
    panic!("of 20,000 random ids none was larger");
}

/// Waits until the other side closes the connection, and says with which code.
async fn close_code(connection: &quinn::Connection) -> u64 {
    let closed = tokio::time::timeout(DEADLINE, connection.closed());
    match closed.await.expect("the other side closes it") {
        quinn::ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
        other => panic!("unexpected: {other}"),
    }
}

const PROTOCOL_BROKEN: u64 = 5;

#[tokio::test]
async fn a_greeting_of_nonsense_is_refused() {
    let certificates = Certificates::new();
    let authority = certificates.authority("authority");
    let mut server = certificates.node("server", &authority, &[&authority]).start();
    for nonsense in [b"\0\0\0\x03abc".as_slice(), b"\xff\xff\xff\xff", b"\0"] {
        let (_endpoint, connection) = rude_peer(&certificates, &authority, &server).await;
        let mut stream = connection.open_uni().await.expect("a stream is allowed");
        stream.write_all(nonsense).await.expect("it is taken");
        stream.finish().expect("it is open");
        assert_eq!(close_code(&connection).await, PROTOCOL_BROKEN);
        let (_, reason) = server.wait_for_refused().await;
        assert_eq!(reason, "its greeting cannot be read");
    }
}

#[tokio::test]
async fn a_message_that_is_announced_too_long_closes_the_link() {
    let certificates = Certificates::new();
    let authority = certificates.authority("authority");
    let mut server = certificates.node("server", &authority, &[&authority]).start();
    let (_endpoint, connection) = rude_peer(&certificates, &authority, &server).await;
    let mut stream = connection.open_uni().await.expect("a stream is allowed");
    let greeting = [&[0, 0, 0, 17][..], &[0; 17]].concat();
    stream.write_all(&greeting).await.expect("it is taken");
    server.wait_for_link().await;
    let length = (MAX_MESSAGE_BYTES as u32 + 1).to_be_bytes();
    stream.write_all(&length).await.expect("it is taken");
    assert_eq!(close_code(&connection).await, PROTOCOL_BROKEN);
    let (_, reason) = server.wait_for_down().await;
    assert!(matches!(&reason, DownReason::Closed(CloseReason::Protocol(text)) if text.contains("1048577")), "{reason}");
}

#[tokio::test]
async fn a_peer_that_never_greets_is_let_go() {
    let certificates = Certificates::new();
    let authority = certificates.authority("authority");
    let mut server = certificates.node("server", &authority, &[&authority]);
    server.config.handshake_timeout_ms = 300;
    let mut server = server.start();
    let (_endpoint, connection) = rude_peer(&certificates, &authority, &server).await;
    assert_eq!(close_code(&connection).await, PROTOCOL_BROKEN);
    let (_, reason) = server.wait_for_refused().await;
    assert_eq!(reason, "it did not finish the handshake in time");
}

#[tokio::test]
async fn unfinished_handshakes_are_bounded_and_the_rest_must_prove_their_address() {
    let certificates = Certificates::new();
    let authority = certificates.authority("authority");
    let mut server = certificates.node("server", &authority, &[&authority]);
    server.config.max_handshakes = 4;
    server.config.handshake_timeout_ms = 60_000;
    let server = server.start();
    let _first = rude_peer(&certificates, &authority, &server).await;
    // With half of an address's room taken a dialler is asked to come back, which it does by itself.
    let mut patient = certificates.node("patient", &authority, &[&authority]).start();
    patient.dial(1, &server);
    patient.wait_for_link().await;
    let _second = rude_peer(&certificates, &authority, &server).await;
    let mut late = certificates.node("late", &authority, &[&authority]).start();
    late.dial(1, &server);
    let address = server.address();
    let reason = "it takes no connections for now".to_owned();
    assert_eq!(late.wait_for_failed_dial().await, DialError::Refused { address, reason });
    // The other half of all is for other addresses.
    let mut other = certificates.node("other", &authority, &[&authority]);
    other.config.bind = "127.0.0.2".to_owned();
    let mut other = other.start();
    other.dial(1, &server);
    other.wait_for_link().await;
}
