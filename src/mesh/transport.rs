//! How QUIC is set: the figures that were measured, and the bounds.

use super::config::Config;
use super::error::MeshError;
use super::identity::Identity;
use super::joining::Gate;
use super::tls;
use quinn::congestion::CubicConfig;
use quinn::{ClientConfig, EndpointConfig, IdleTimeout, MtuDiscoveryConfig, ServerConfig, TransportConfig, VarInt};
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac;
use rustls::RootCertStore;
use std::sync::Arc;
use std::time::Duration;

/// The largest packet that is tried: what Ethernet carries over IPv6, with room for one more header.
const MAX_PACKET_BYTES: u16 = 1452;
/// How much of a stream may be under way: 20 MB a second over a round trip of 100 ms.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// Decides how long a dial waits before it says its first words again: three times this, then twice as long each time.
/// With the usual third of a second a peer that is back within reach would not be noticed for four seconds.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(100);

/// How this node answers and how it dials.
pub(super) struct Configs {
    pub(super) server: Arc<ServerConfig>,
    /// The same for addresses from where too many guesses came: no token is looked at, and nodes come as ever.
    pub(super) nodes_alone: Arc<ServerConfig>,
    pub(super) client: ClientConfig,
    /// The authorities whose nodes are accepted.
    pub(super) roots: Arc<RootCertStore>,
}

impl Configs {
    /// For an identity.
    pub(super) fn new(config: &Config, identity: &Identity, gate: &Arc<Gate>) -> Result<Self, MeshError> {
        let transport = Arc::new(transport_config(config));
        let answering = |takes_invitations| {
            let tls = tls::server_config(identity, gate, takes_invitations).map_err(MeshError::Tls)?;
            let mut server = ServerConfig::with_crypto(Arc::new(tls));
            server.transport_config(Arc::clone(&transport));
            server.max_incoming(config.max_handshakes);
            server.incoming_buffer_size(64 << 10);
            server.incoming_buffer_size_total(4 << 20);
            Ok::<_, MeshError>(Arc::new(server))
        };
        let (server, nodes_alone) = (answering(true)?, answering(false)?);
        let tls = tls::client_config(identity, gate).map_err(MeshError::Tls)?;
        let mut client = ClientConfig::new(Arc::new(tls));
        client.transport_config(Arc::clone(&transport));
        Ok(Self { server, nodes_alone, client, roots: Arc::clone(&identity.roots) })
    }
}

/// Ties what identifies connections to the node's key: a node that restarts can then tell its peers at once
/// that it no longer knows their connections, instead of leaving them to time out.
///
/// With a seed, what the transport draws by chance is the same each time.
pub(super) fn endpoint_config(identity: &Identity, random_seed: Option<[u8; 32]>) -> EndpointConfig {
    let node_key = hmac::Key::new(hmac::HMAC_SHA256, identity.key.secret_der());
    let reset_key = hmac::sign(&node_key, b"discnt stateless reset");
    let connection_ids = hmac::sign(&node_key, b"discnt connection ids");
    let mut seed = [0; 8];
    seed.copy_from_slice(&connection_ids.as_ref()[..8]);
    let seed = u64::from_be_bytes(seed);
    let reset_key = hmac::Key::new(hmac::HMAC_SHA256, reset_key.as_ref());
    let mut config = EndpointConfig::new(Arc::new(reset_key));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(seed)));
    config.rng_seed(random_seed);
    config
}

fn transport_config(config: &Config) -> TransportConfig {
    let idle = VarInt::try_from(config.idle_timeout_ms).unwrap_or(VarInt::MAX);
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.upper_bound(MAX_PACKET_BYTES);
    let mut transport = TransportConfig::default();
    transport
        .initial_rtt(FIRST_ROUND_TRIP)
        .max_idle_timeout(Some(IdleTimeout::from(idle)))
        .keep_alive_interval(Some(Duration::from_millis(config.keepalive_interval_ms)))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(1))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .send_window(u64::from(STREAM_WINDOW_BYTES))
        .datagram_send_buffer_size(config.datagram_send_buffer_bytes)
        .datagram_receive_buffer_size(Some(config.datagram_receive_buffer_bytes))
        .mtu_discovery_config(Some(mtu))
        .congestion_controller_factory(Arc::new(CubicConfig::default()))
        .enable_segmentation_offload(true);
    transport
}
