//! Nodes of test authorities, and waiting for what their meshes report.

use bytes::Bytes;
use discnt::base::NodeId;
use discnt::mesh::{
    Authority, Config, DialError, DialId, DownReason, Identity, Mesh, MeshEvent, bind_socket, make_authority,
};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// Far above what any of this takes; reached only when something is broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Authorities and the files of their nodes.
pub(crate) struct Certificates(pub(crate) TempDir);

impl Certificates {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    pub(crate) fn authority(&self, name: &str) -> Authority {
        make_authority(&self.0.path().join(name), name, 30).expect("an authority is made")
    }

    pub(crate) fn ca_cert(&self, authority: &Authority) -> PathBuf {
        authority.directory().join("ca.crt")
    }

    /// A node of an authority that accepts the nodes of `trusts`.
    pub(crate) fn node(&self, name: &str, authority: &Authority, trusts: &[&Authority]) -> Node {
        let directory = self.0.path().join(name);
        std::fs::create_dir_all(&directory).expect("a directory");
        let roots: String =
            trusts.iter().map(|trusted| std::fs::read_to_string(self.ca_cert(trusted)).expect("it was made")).collect();
        std::fs::write(directory.join("roots.crt"), roots).expect("it is written");
        let (cert, key) = (directory.join("node.crt"), directory.join("node.key"));
        authority.issue_to_files(&cert, &key, 30).expect("a certificate is issued");
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
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) directory: PathBuf,
}

impl Node {
    pub(crate) fn identity(&self) -> Identity {
        Identity::open(&self.config, &self.directory).expect("the identity is good").identity
    }

    pub(crate) fn start(&self) -> Running {
        self.start_with_queue(4096)
    }

    pub(crate) fn start_with_queue(&self, capacity: usize) -> Running {
        let socket = bind_socket(&self.config).expect("the socket is free");
        let (sender, events) = mpsc::channel(capacity);
        let mesh = Mesh::bind(self.config.clone(), socket, &self.identity(), sender).expect("the mesh starts");
        Running { mesh, events }
    }
}

pub(crate) struct Running {
    pub(crate) mesh: Mesh,
    pub(crate) events: mpsc::Receiver<MeshEvent>,
}

impl Running {
    pub(crate) fn id(&self) -> NodeId {
        self.mesh.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.mesh.local_address()
    }

    pub(crate) fn dial(&self, dial: u64, other: &Self) {
        let address = other.address();
        self.mesh.dial(DialId(dial), &address.ip().to_string(), address.port());
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> MeshEvent {
        tokio::time::timeout(DEADLINE, self.events.recv())
            .await
            .expect("an event comes before the deadline")
            .expect("the mesh runs")
    }

    /// The next event that `select` wants; others are passed over.
    pub(crate) async fn wait_for<T>(&mut self, mut select: impl FnMut(MeshEvent) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            assert!(Instant::now() < deadline, "the event did not come");
            if let Some(found) = select(self.next().await) {
                return found;
            }
        }
    }

    pub(crate) async fn wait_for_link(&mut self) -> (NodeId, Option<DialId>) {
        self.wait_for(|event| match event {
            MeshEvent::LinkUp { peer, dial, .. } => Some((peer, dial)),
            MeshEvent::DialFailed { error, .. } => panic!("the dial failed: {error}"),
            _ => None,
        })
        .await
    }

    pub(crate) async fn wait_for_down(&mut self) -> (NodeId, DownReason) {
        self.wait_for(|event| match event {
            MeshEvent::LinkDown { peer, reason } => Some((peer, reason)),
            _ => None,
        })
        .await
    }

    pub(crate) async fn wait_for_failed_dial(&mut self) -> DialError {
        self.wait_for(|event| match event {
            MeshEvent::DialFailed { error, .. } => Some(error),
            MeshEvent::LinkUp { .. } => panic!("a link came up"),
            _ => None,
        })
        .await
    }

    pub(crate) async fn wait_for_refused(&mut self) -> (SocketAddr, String) {
        self.wait_for(|event| match event {
            MeshEvent::Refused { address, reason } => Some((address, reason)),
            MeshEvent::LinkUp { .. } => panic!("a link came up"),
            _ => None,
        })
        .await
    }

    /// Sends datagrams until one arrives at the other side, as each may be lost.
    pub(crate) async fn exchange_datagram(&mut self, other: &mut Self, text: &'static [u8]) {
        let to = other.id();
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            self.mesh.send_datagram(to, Bytes::from_static(text)).expect("the link takes it");
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
pub(crate) async fn linked_pair(certificates: &Certificates) -> (Running, Running) {
    let authority = certificates.authority("authority");
    let one = certificates.node("one", &authority, &[&authority]);
    let two = certificates.node("two", &authority, &[&authority]);
    let (mut one, mut two) = (one.start(), two.start());
    one.dial(1, &two);
    assert_eq!(one.wait_for_link().await, (two.id(), Some(DialId(1))));
    assert_eq!(two.wait_for_link().await, (one.id(), None));
    (one, two)
}
