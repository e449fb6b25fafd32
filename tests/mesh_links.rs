//! Links between meshes over loopback, on ports that the system chose.

use bytes::Bytes;
use discnt::base::{MAX_MESSAGE_BYTES, NodeId};
use discnt::mesh::{
    Authority, CloseReason, Config, DialError, DialId, DownReason, Identity, Mesh, MeshEvent,
    SendError, bind_socket, make_authority,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// Far above what any of this takes; reached only when something is broken.
const DEADLINE: Duration = Duration::from_secs(20);

/// Authorities and the files of their nodes.
struct Certificates(TempDir);

impl Certificates {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn authority(&self, name: &str) -> Authority {
        make_authority(&self.0.path().join(name), name, 30).expect("an authority is made")
    }

    fn ca_cert(&self, authority: &Authority) -> PathBuf {
        authority.directory().join("ca.crt")
    }

    /// A node of an authority that accepts the nodes of `trusts`.
    fn node(&self, name: &str, authority: &Authority, trusts: &[&Authority]) -> Node {
        let directory = self.0.path().join(name);
        std::fs::create_dir_all(&directory).expect("a directory");
        let roots: String = trusts
            .iter()
            .map(|trusted| std::fs::read_to_string(self.ca_cert(trusted)).expect("it was made"))
            .collect();
        std::fs::write(directory.join("roots.crt"), roots).expect("it is written");
        let (cert, key) = (directory.join("node.crt"), directory.join("node.key"));
        authority
            .issue_to_files(&cert, &key, 30)
            .expect("a certificate is issued");
        let config = Config {
            ca_cert: Some(directory.join("roots.crt")),
            cert: Some(cert),
            key: Some(key),
            port: 0,
            ..Config::default()
        };
        Node { config, directory }
    }
}

/// What a mesh is started from.
struct Node {
    config: Config,
    directory: PathBuf,
}

impl Node {
    fn identity(&self) -> Identity {
        Identity::open(&self.config, &self.directory)
            .expect("the identity is good")
            .identity
    }

    fn start(&self) -> Running {
        self.start_with_queue(4096)
    }

    fn start_with_queue(&self, capacity: usize) -> Running {
        let socket = bind_socket(&self.config).expect("the socket is free");
        let (sender, events) = mpsc::channel(capacity);
        let mesh = Mesh::bind(self.config.clone(), socket, &self.identity(), sender)
            .expect("the mesh starts");
        Running { mesh, events }
    }
}

struct Running {
    mesh: Mesh,
    events: mpsc::Receiver<MeshEvent>,
}

impl Running {
    fn id(&self) -> NodeId {
        self.mesh.id()
    }

    fn address(&self) -> SocketAddr {
        self.mesh.local_address()
    }

    fn dial(&self, dial: u64, other: &Self) {
        let address = other.address();
        self.mesh
            .dial(DialId(dial), &address.ip().to_string(), address.port());
    }

    /// The next event.
    async fn next(&mut self) -> MeshEvent {
        tokio::time::timeout(DEADLINE, self.events.recv())
            .await
            .expect("an event comes before the deadline")
            .expect("the mesh runs")
    }

    /// The next event that `select` wants; others are passed over.
    async fn wait_for<T>(&mut self, mut select: impl FnMut(MeshEvent) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            assert!(Instant::now() < deadline, "the event did not come");
            if let Some(found) = select(self.next().await) {
                return found;
            }
        }
    }

    async fn wait_for_link(&mut self) -> (NodeId, Option<DialId>) {
        self.wait_for(|event| match event {
            MeshEvent::LinkUp { peer, dial, .. } => Some((peer, dial)),
            MeshEvent::DialFailed { error, .. } => panic!("the dial failed: {error}"),
            _ => None,
        })
        .await
    }

    async fn wait_for_down(&mut self) -> (NodeId, DownReason) {
        self.wait_for(|event| match event {
            MeshEvent::LinkDown { peer, reason } => Some((peer, reason)),
            _ => None,
        })
        .await
    }

    async fn wait_for_failed_dial(&mut self) -> DialError {
        self.wait_for(|event| match event {
            MeshEvent::DialFailed { error, .. } => Some(error),
            MeshEvent::LinkUp { .. } => panic!("a link came up"),
            _ => None,
        })
        .await
    }

    async fn wait_for_refused(&mut self) -> (SocketAddr, String) {
        self.wait_for(|event| match event {
            MeshEvent::Refused { address, reason } => Some((address, reason)),
            MeshEvent::LinkUp { .. } => panic!("a link came up"),
            _ => None,
        })
        .await
    }

    /// Sends datagrams until one arrives at the other side, as each may be lost.
    async fn exchange_datagram(&mut self, other: &mut Self, text: &'static [u8]) {
        let to = other.id();
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            self.mesh
                .send_datagram(to, Bytes::from_static(text))
                .expect("the link takes it");
            let arrived = tokio::time::timeout(Duration::from_millis(200), other.events.recv());
            match arrived.await {
                Ok(Some(MeshEvent::Datagram { from, bytes })) => {
                    assert_eq!((from, &*bytes), (self.id(), text));
                    return;
                }
                Ok(other) => panic!("unexpected: {other:?}"),
                Err(_) => {}
            }
        }
        panic!("no datagram arrived");
    }
}

/// Two linked nodes of one authority, the first having dialled.
async fn linked_pair(certificates: &Certificates) -> (Running, Running) {
    let authority = certificates.authority("authority");
    let one = certificates.node("one", &authority, &[&authority]);
    let two = certificates.node("two", &authority, &[&authority]);
    let (mut one, mut two) = (one.start(), two.start());
    one.dial(1, &two);
    assert_eq!(one.wait_for_link().await, (two.id(), Some(DialId(1))));
    assert_eq!(two.wait_for_link().await, (one.id(), None));
    (one, two)
}

#[tokio::test]
async fn two_nodes_link_and_exchange_datagrams_and_messages() {
    let certificates = Certificates::new();
    let (mut one, mut two) = linked_pair(&certificates).await;
    one.exchange_datagram(&mut two, b"there").await;
    two.exchange_datagram(&mut one, b"and back").await;
    let ticket = one
        .mesh
        .send_message(two.id(), Bytes::from_static(b"a message"))
        .expect("the queue is empty");
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
    assert!(
        one.mesh
            .round_trip(two.id())
            .is_some_and(|time| time < DEADLINE)
    );
    assert_eq!(one.mesh.peers(), [two.id()]);
}

#[tokio::test]
async fn nodes_of_different_authorities_refuse_each_other_with_reasons_on_both_sides() {
    let certificates = Certificates::new();
    let (first, second) = (
        certificates.authority("first"),
        certificates.authority("second"),
    );
    let mut one = certificates.node("one", &first, &[&first]).start();
    let mut two = certificates.node("two", &second, &[&second]).start();
    one.dial(1, &two);
    let error = one.wait_for_failed_dial().await;
    let address = two.address();
    let reason = "its certificate is of another authority".to_owned();
    assert_eq!(error, DialError::NotAccepted { address, reason });
    let (from, reason) = two.wait_for_refused().await;
    assert_eq!(from, one.address());
    assert_eq!(
        reason,
        "it refused this node: this node's certificate is of another authority"
    );
    two.dial(2, &one);
    let error = two.wait_for_failed_dial().await;
    assert!(
        error
            .to_string()
            .contains("its certificate is of another authority"),
        "{error}"
    );
    one.wait_for_refused().await;
}

#[tokio::test]
async fn a_dialler_that_the_other_side_does_not_accept_gets_no_link() {
    let certificates = Certificates::new();
    let (ours, foreign) = (
        certificates.authority("ours"),
        certificates.authority("foreign"),
    );
    // The dialler accepts everybody, so that only the server can refuse, after TLS is done for the dialler.
    let mut dialler = certificates
        .node("dialler", &foreign, &[&ours, &foreign])
        .start();
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
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider knows it")
        .dangerous()
        .with_custom_certificate_verifier(std::sync::Arc::new(AcceptAnybody));
    let mut config = match node {
        None => config.with_no_client_auth(),
        Some(node) => {
            let path = |path: &Option<PathBuf>| path.clone().expect("it is set");
            let cert = CertificateDer::from_pem_file(path(&node.config.cert)).expect("it was made");
            let key = PrivateKeyDer::from_pem_file(path(&node.config.key)).expect("it was made");
            config
                .with_client_auth_cert(vec![cert], key)
                .expect("they belong together")
        }
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
    let mut server = certificates
        .node("server", &authority, &[&authority])
        .start();
    for (protocol, expected) in [
        (b"discnt/1".as_slice(), "it presented no certificate"),
        (b"h3".as_slice(), "it does not speak discnt/1"),
    ] {
        let client = stranger(None, protocol);
        let connecting = client
            .connect(server.address(), "discnt")
            .expect("the address is good");
        if let Ok(connection) = connecting.await {
            let _ = tokio::time::timeout(DEADLINE, connection.closed())
                .await
                .expect("the server closes it");
        }
        let (from, reason) = server.wait_for_refused().await;
        let port = client.local_addr().expect("it is bound").port();
        assert_eq!((from.port(), reason.as_str()), (port, expected));
    }
}

/// A node that keeps no rules, connected to `server`, with the larger id, which greets first.
async fn rude_peer(
    certificates: &Certificates,
    authority: &Authority,
    server: &Running,
) -> (quinn::Endpoint, quinn::Connection) {
    for attempt in 0..200 {
        let node = certificates.node(&format!("rude{attempt}"), authority, &[authority]);
        if node.identity().id < server.id() {
            continue;
        }
        let endpoint = stranger(Some(&node), b"discnt/1");
        let connecting = endpoint
            .connect(server.address(), "discnt")
            .expect("the address is good");
        let connection = connecting.await.expect("the certificate is good");
        return (endpoint, connection);
    }
    panic!("of 200 random ids none was larger");
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
    let mut server = certificates
        .node("server", &authority, &[&authority])
        .start();
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
    let mut server = certificates
        .node("server", &authority, &[&authority])
        .start();
    let (_endpoint, connection) = rude_peer(&certificates, &authority, &server).await;
    let mut stream = connection.open_uni().await.expect("a stream is allowed");
    let greeting = [&[0, 0, 0, 17][..], &[0; 17]].concat();
    stream.write_all(&greeting).await.expect("it is taken");
    server.wait_for_link().await;
    let length = (MAX_MESSAGE_BYTES as u32 + 1).to_be_bytes();
    stream.write_all(&length).await.expect("it is taken");
    assert_eq!(close_code(&connection).await, PROTOCOL_BROKEN);
    let (_, reason) = server.wait_for_down().await;
    assert!(
        matches!(&reason, DownReason::Closed(CloseReason::Protocol(text)) if text.contains("1048577")),
        "{reason}"
    );
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
async fn close_reasons_arrive() {
    let certificates = Certificates::new();
    let (mut one, mut two) = linked_pair(&certificates).await;
    one.mesh.close(two.id(), CloseReason::Forgotten);
    assert_eq!(
        one.wait_for_down().await,
        (two.id(), DownReason::Closed(CloseReason::Forgotten))
    );
    assert_eq!(
        two.wait_for_down().await,
        (one.id(), DownReason::ClosedByPeer(CloseReason::Forgotten))
    );
    two.dial(2, &one);
    two.wait_for_link().await;
    one.wait_for_link().await;
    // The message was queued before the goodbye and arrives before it.
    let last_words = Bytes::from_static(b"last words");
    one.mesh
        .send_message(two.id(), last_words)
        .expect("it stands");
    one.mesh.shutdown(CloseReason::Shutdown).await;
    match two.next().await {
        MeshEvent::Message { bytes, .. } => assert_eq!(&*bytes, b"last words"),
        other => panic!("unexpected: {other:?}"),
    }
    assert_eq!(
        two.wait_for_down().await,
        (one.id(), DownReason::ClosedByPeer(CloseReason::Shutdown))
    );
    one.mesh.dial(
        DialId(3),
        &two.address().ip().to_string(),
        two.address().port(),
    );
    assert_eq!(one.wait_for_failed_dial().await, DialError::Closing);
    let nobody = one.mesh.send_datagram(two.id(), Bytes::from_static(b"x"));
    assert_eq!(nobody, Err(SendError::NotLinked(two.id())));
}

#[tokio::test]
async fn a_node_that_dials_itself_is_told_so() {
    let certificates = Certificates::new();
    let authority = certificates.authority("authority");
    let mut node = certificates.node("node", &authority, &[&authority]).start();
    let address = node.address();
    node.mesh
        .dial(DialId(1), &address.ip().to_string(), address.port());
    assert_eq!(
        node.wait_for_failed_dial().await,
        DialError::SelfConnection { address }
    );
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
        assert!(
            Instant::now() < deadline && queued < 2000,
            "{queued} were taken"
        );
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
    let limit = one
        .mesh
        .max_datagram_bytes(two.id())
        .expect("they are linked");
    assert!((1100..=1452).contains(&limit), "{limit}");
    let bytes = 1453;
    let error = one.mesh.send_datagram(two.id(), vec![0; bytes].into());
    assert!(
        matches!(error, Err(SendError::DatagramTooLong { bytes: 1453, limit: now }) if now >= limit),
        "{error:?}"
    );
    let too_long = vec![0; MAX_MESSAGE_BYTES + 1].into();
    let error = one.mesh.send_message(two.id(), too_long);
    assert_eq!(error, Err(SendError::MessageTooLong(MAX_MESSAGE_BYTES + 1)));
    let longest = vec![7; MAX_MESSAGE_BYTES].into();
    one.mesh
        .send_message(two.id(), longest)
        .expect("it is allowed");
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
    assert_eq!(
        address,
        SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], one.address().port()))
    );
    two.mesh.dial(DialId(3), "::1", 1);
    let error = two.wait_for_failed_dial().await;
    assert!(matches!(error, DialError::AddressFamily { .. }), "{error}");
    two.mesh.dial(DialId(4), "no-such-host.invalid", 1);
    let error = two.wait_for_failed_dial().await;
    assert!(matches!(error, DialError::Resolve { .. }), "{error}");
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
    assert!(
        matches!(&error, DialError::NoAnswer { address: at, .. } if *at == address),
        "{error}"
    );
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
    assert_eq!(
        (peer, reason),
        (id, DownReason::Lost("the peer restarted".into()))
    );
    assert!(begun.elapsed() < Duration::from_secs(10));
    back.dial(1, &stays);
    back.wait_for_link().await;
    stays.wait_for_link().await;
    stays.exchange_datagram(&mut back, b"welcome").await;
}

/// Links a node to `address` from a runtime of its own, and drops that without a goodbye.
fn kill_after_linking(node: Node, address: SocketAddr) -> (Node, NodeId, u16) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let running = runtime.block_on(async {
        let mut running = node.start();
        running
            .mesh
            .dial(DialId(1), &address.ip().to_string(), address.port());
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
    let authority = discnt::mesh::load_authority(&certificates.0.path().join("authority"))
        .expect("it was made");
    let renewed = certificates.node("renewed", &authority, &[&authority]);
    one.mesh
        .replace_identity(&renewed.identity())
        .expect("the identity is good");
    assert_ne!(one.id(), old);
    assert_eq!(
        one.wait_for_down().await,
        (two.id(), DownReason::Closed(CloseReason::Left))
    );
    assert_eq!(
        two.wait_for_down().await,
        (old, DownReason::ClosedByPeer(CloseReason::Left))
    );
    two.dial(2, &one);
    assert_eq!(two.wait_for_link().await.0, one.id());
    one.wait_for_link().await;
    one.mesh.close(two.id(), CloseReason::Left);
    two.wait_for_down().await;
    one.wait_for_down().await;
    one.dial(3, &two);
    assert_eq!(two.wait_for_link().await.0, renewed.identity().id);
}
