//! The mesh as its owner sees it.

use super::accept;
use super::config::Config;
use super::dial;
use super::error::{IdentityError, MeshError, SendError};
use super::event::{CloseReason, DialId, MeshEvent, MessageTicket};
use super::identity::Identity;
use super::joining::{Gate, Invitation, Invitations, Joining, Office, OpenInvitation, Token};
use super::links::{Link, Links, QueuedMessage};
use super::shared::{LinkFigures, MeshCounts, Shared, State, canonical, count};
use super::transport::{Configs, endpoint_config};
use crate::base::{MAX_MESSAGE_BYTES, NodeId};
use bytes::Bytes;
use parking_lot::Mutex;
use quinn::{AsyncUdpSocket, Endpoint, Runtime, TokioRuntime, VarInt};
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};

/// How long a shutdown lets queued messages be delivered.
const FLUSH_TIME: Duration = Duration::from_secs(1);
/// How long a shutdown waits for the goodbyes to be out.
const GOODBYE_TIME: Duration = Duration::from_secs(1);

/// This node's end of the mesh. Clones are the same mesh; with the last of them everything is closed.
///
/// All of it may be called from any thread, and only `shutdown` ever waits.
#[derive(Clone)]
pub struct Mesh {
    shared: Arc<Shared>,
    runtime: Handle,
    last_ticket: Arc<AtomicU64>,
    _close_on_drop: Arc<CloseOnDrop>,
}

/// The tasks hold the endpoint too, so it would not close by itself.
struct CloseOnDrop(Endpoint);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        close_endpoint(&self.0, &CloseReason::Shutdown);
    }
}

impl Mesh {
    /// Starts the mesh on a bound socket, with its tasks on the runtime that this is called in.
    ///
    /// Events wait in `events`; its capacity is how much may be under way to the owner. Datagrams that find it
    /// full are dropped and counted, all else waits.
    ///
    /// # Errors
    /// [`MeshError`]; nothing was started.
    pub fn bind(
        config: Config,
        socket: UdpSocket,
        identity: &Identity,
        events: mpsc::Sender<MeshEvent>,
    ) -> Result<Self, MeshError> {
        config.check()?;
        // Tokio's socket asks for a runtime with a panic.
        Handle::try_current().map_err(|_| MeshError::NoRuntime)?;
        let socket = TokioRuntime.wrap_udp_socket(socket).map_err(refused(&config))?;
        Self::bind_abstract(config, socket, None, identity, events)
    }

    /// As [`Self::bind`], on a socket of any kind: a simulated network has its own. What the transport draws by
    /// chance follows from `random_seed` where there is one; keys, certificates and what TLS draws do not.
    ///
    /// # Errors
    /// [`MeshError`]; nothing was started.
    pub fn bind_abstract(
        config: Config,
        socket: Arc<dyn AsyncUdpSocket>,
        random_seed: Option<[u8; 32]>,
        identity: &Identity,
        events: mpsc::Sender<MeshEvent>,
    ) -> Result<Self, MeshError> {
        config.check()?;
        let runtime = Handle::try_current().map_err(|_| MeshError::NoRuntime)?;
        let local = socket.local_addr().map_err(refused(&config))?;
        let gate = Arc::default();
        let configs = Configs::new(&config, identity, &gate)?;
        let endpoint = Endpoint::new_with_abstract_socket(
            endpoint_config(identity, random_seed),
            Some((*configs.server).clone()),
            socket,
            Arc::new(TokioRuntime),
        )
        .map_err(refused(&config))?;
        let shared = Arc::new(Shared {
            endpoint: endpoint.clone(),
            local,
            config,
            events,
            counts: MeshCounts::default(),
            gate,
            links_changed: Notify::new(),
            state: Mutex::new(State {
                id: identity.id,
                generation: 0,
                configs,
                links: Links::new(random_number()?),
                closing: None,
            }),
        });
        runtime.spawn(accept::run(Arc::clone(&shared)));
        Ok(Self {
            shared,
            runtime,
            last_ticket: Arc::new(AtomicU64::new(0)),
            _close_on_drop: Arc::new(CloseOnDrop(endpoint)),
        })
    }

    /// This node's id, under its present identity.
    pub fn id(&self) -> NodeId {
        self.shared.state.lock().id
    }

    /// The address that the socket is bound to.
    pub fn local_address(&self) -> SocketAddr {
        canonical(self.shared.local)
    }

    /// Counts since the start.
    pub fn counts(&self) -> &MeshCounts {
        &self.shared.counts
    }

    /// Dials a name or address; the outcome comes as one event with this number.
    pub fn dial(&self, dial: DialId, host: &str, port: u16) {
        let shared = Arc::clone(&self.shared);
        self.runtime.spawn(dial::run(shared, dial, host.to_owned(), port));
    }

    /// Sends a datagram. It may be lost, doubled or overtaken on the way.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent, and nothing that waits was dropped for it.
    pub fn send_datagram(&self, to: NodeId, bytes: Bytes) -> Result<(), SendError> {
        // The lock is held on, so that two senders do not take the same room.
        let state = self.shared.state.lock();
        let link = open_link(&state, to)?;
        let length = bytes.len();
        let limit = link.connection.max_datagram_size().unwrap_or(0);
        if length > limit {
            return Err(SendError::DatagramTooLong { bytes: length, limit });
        }
        if link.connection.datagram_send_buffer_space() < length {
            count(&self.shared.counts.datagrams_not_sent);
            return Err(SendError::Full(to));
        }
        match link.connection.send_datagram(bytes) {
            Ok(()) => {
                count(&self.shared.counts.datagrams_sent);
                Ok(())
            }
            Err(quinn::SendDatagramError::TooLarge) => Err(SendError::DatagramTooLong {
                bytes: length,
                limit: link.connection.max_datagram_size().unwrap_or(0),
            }),
            Err(_) => Err(SendError::NotLinked(to)),
        }
    }

    /// Queues a message. It arrives whole and in order, or the link goes down.
    ///
    /// # Errors
    /// [`SendError`]; nothing was queued.
    pub fn send_message(&self, to: NodeId, bytes: Bytes) -> Result<MessageTicket, SendError> {
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(SendError::MessageTooLong(bytes.len()));
        }
        let link = Arc::clone(open_link(&self.shared.state.lock(), to)?);
        let queue = link.messages().ok_or(SendError::NotLinked(to))?;
        let length = bytes.len();
        let before = link.queued_bytes.fetch_add(length, Ordering::Relaxed);
        let too_much = before > 0 && before + length > self.shared.config.message_queue_bytes;
        let ticket = MessageTicket(self.last_ticket.fetch_add(1, Ordering::Relaxed) + 1);
        if too_much || queue.try_send(QueuedMessage { ticket, bytes }).is_err() {
            link.queued_bytes.fetch_sub(length, Ordering::Relaxed);
            return Err(SendError::Full(to));
        }
        Ok(ticket)
    }

    /// The longest datagram that the link takes now; it grows as the path is explored. `None` without a link.
    pub fn max_datagram_bytes(&self, to: NodeId) -> Option<usize> {
        let state = self.shared.state.lock();
        open_link(&state, to).ok()?.connection.max_datagram_size()
    }

    /// The present estimate of the round-trip time. `None` without a link.
    pub fn round_trip(&self, to: NodeId) -> Option<Duration> {
        let state = self.shared.state.lock();
        Some(open_link(&state, to).ok()?.connection.rtt())
    }

    /// What has passed over a link. `None` without one.
    pub fn figures(&self, to: NodeId) -> Option<LinkFigures> {
        let state = self.shared.state.lock();
        let counted = open_link(&state, to).ok()?.connection.stats();
        Some(LinkFigures {
            datagrams_sent: counted.udp_tx.datagrams,
            datagrams_received: counted.udp_rx.datagrams,
            packets_lost: counted.path.lost_packets,
            bytes_sent: counted.udp_tx.bytes,
            bytes_received: counted.udp_rx.bytes,
        })
    }

    /// The peers with a link now.
    pub fn peers(&self) -> Vec<NodeId> {
        let state = self.shared.state.lock();
        let up = state.links.alive().filter(|link| link.is_up());
        up.map(|link| link.peer).collect()
    }

    /// Closes the link to a peer, if there is one, and tells the peer why. What is queued is lost.
    pub fn close(&self, peer: NodeId, reason: CloseReason) {
        let state = self.shared.state.lock();
        if let Some(link) = state.links.get(peer) {
            link.close(reason);
        }
    }

    /// Becomes another node: every link and dial under the old identity ends, with [`CloseReason::Left`] for
    /// the peers. What is dialled after this returns goes under the new one.
    ///
    /// # Errors
    /// [`MeshError::Tls`]; the old identity stays and nothing was closed.
    pub fn replace_identity(&self, identity: &Identity) -> Result<(), MeshError> {
        let configs = Configs::new(&self.shared.config, identity, &self.shared.gate)?;
        let server = (*configs.server).clone();
        let mut state = self.shared.state.lock();
        state.generation += 1;
        state.id = identity.id;
        state.configs = configs;
        state.links.close_all(&CloseReason::Left);
        drop(state);
        self.shared.endpoint.set_server_config(Some(server));
        Ok(())
    }

    /// The same node has another certificate, or trusts other authorities. Links stay; what is dialled or accepted after
    /// this returns goes by the new ones.
    ///
    /// # Errors
    /// [`MeshError::Tls`]; nothing has changed. An identity of another node is one.
    pub fn replace_certificate(&self, identity: &Identity) -> Result<(), MeshError> {
        let configs = Configs::new(&self.shared.config, identity, &self.shared.gate)?;
        let server = (*configs.server).clone();
        let mut state = self.shared.state.lock();
        if state.id != identity.id {
            return Err(MeshError::Tls("it is the certificate of another node".into()));
        }
        state.configs = configs;
        drop(state);
        self.shared.endpoint.set_server_config(Some(server));
        Ok(())
    }

    /// Lets others join, with the invitations in this data directory, and renew their certificates, as far as this node has
    /// the authority's key.
    ///
    /// # Errors
    /// [`IdentityError`] when the invitations cannot be read; nobody is let in then.
    pub fn open_office(&self, data_directory: &Path) -> Result<(), IdentityError> {
        let invitations = Invitations::load(data_directory)?;
        let (config, data_directory) = (self.shared.config.clone(), data_directory.to_owned());
        self.shared.gate.open(Office { config, data_directory, invitations });
        self.close_invitations_of_banned();
        Ok(())
    }

    /// Makes an invitation, and answers its token. Waits for the disk.
    ///
    /// # Errors
    /// Why not, in words for an operator; nothing was changed.
    pub fn invite(&self, wanted: &Invitation) -> Result<Token, String> {
        self.shared.gate.invite(wanted)
    }

    /// The invitations that can be used.
    pub fn invitations(&self) -> Vec<OpenInvitation> {
        self.shared.gate.invitations()
    }

    /// Takes back the invitations whose name begins like this, and answers how many. Waits for the disk.
    ///
    /// # Errors
    /// Why not; nothing was changed.
    pub fn take_back_invitations(&self, name: &str) -> Result<usize, String> {
        self.shared.gate.take_back(name)
    }

    /// This node is about to join a cluster with a token: until what is answered is dropped it certifies nobody, and nobody
    /// becomes its peer.
    ///
    /// # Errors
    /// Why not now, in words for an operator.
    pub fn begin_joining(&self) -> Result<Joining, String> {
        let joining = self.shared.gate.begin_joining()?;
        match self.shared.state.lock().links.alive().next() {
            None => Ok(joining),
            Some(link) => Err(format!("node {} is just meeting this one: try again when it has", link.peer)),
        }
    }

    /// Who gets through handshakes.
    pub(super) fn gate(&self) -> &Arc<Gate> {
        &self.shared.gate
    }

    /// Keys that are no nodes' any more: neither side gets through the handshake with them. Links that stand are not
    /// touched. Invitations of this node by which they came are closed soon after.
    pub fn set_banned(&self, banned: BTreeSet<NodeId>) {
        self.shared.gate.set_banned(banned);
        self.close_invitations_of_banned();
    }

    fn close_invitations_of_banned(&self) {
        let gate = Arc::clone(&self.shared.gate);
        if gate.office().is_some() {
            tokio::task::spawn_blocking(move || gate.close_invitations_of_banned());
        }
    }

    /// Where members are, to be told to those who join.
    pub fn set_members(&self, members: Vec<(String, u16)>) {
        self.shared.gate.set_members(members);
    }

    /// Ends the mesh: what is queued is delivered if that can be done in a second, then every peer is told
    /// the reason. Takes two seconds at most.
    pub async fn shutdown(&self, reason: CloseReason) {
        let links: Vec<Arc<Link>> = {
            let mut state = self.shared.state.lock();
            state.closing.get_or_insert(reason.clone());
            state.links.alive().cloned().collect()
        };
        for link in &links {
            link.finish_messages();
        }
        let flushed = async {
            for link in &links {
                link.wait_written().await;
            }
        };
        if tokio::time::timeout(FLUSH_TIME, flushed).await.is_err() {
            tracing::debug!("messages that were queued at the shutdown are lost");
        }
        for link in &links {
            link.note_close(reason.clone());
        }
        close_endpoint(&self.shared.endpoint, &reason);
        let idle = self.shared.endpoint.wait_idle();
        if tokio::time::timeout(GOODBYE_TIME, idle).await.is_err() {
            tracing::debug!("not every goodbye was out in time");
        }
    }
}

fn refused(config: &Config) -> impl Fn(io::Error) -> MeshError {
    let address = format!("{}:{}", config.bind, config.port);
    move |error| MeshError::Socket { address: address.clone(), error }
}

fn open_link(state: &State, peer: NodeId) -> Result<&Arc<Link>, SendError> {
    state.links.get(peer).filter(|link| link.is_open()).ok_or(SendError::NotLinked(peer))
}

fn close_endpoint(endpoint: &Endpoint, reason: &CloseReason) {
    let code = VarInt::from_u64(reason.code()).unwrap_or(VarInt::MAX);
    endpoint.close(code, reason.text().as_bytes());
}

fn random_number() -> Result<u64, MeshError> {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).map_err(|_| MeshError::Random)?;
    Ok(u64::from_be_bytes(bytes))
}
