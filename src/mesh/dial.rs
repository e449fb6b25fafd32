//! Dialling: from a host name to a link.

use super::error::DialError;
use super::event::{DialId, MeshEvent};
use super::handshake::{NoLink, establish};
use super::refusal::Failure;
use super::shared::{Shared, canonical};
use super::tls::SERVER_NAME;
use crate::base::NodeId;
use quinn::{ClientConfig, ConnectError, Connection};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;
/// How long the next address waits for the one before to answer (RFC 8305 speaks of 250 ms).
const ADDRESS_STAGGER: Duration = Duration::from_millis(250);
/// The transport gives up an attempt that nobody answers by itself after the idle timeout, which is no longer than the
/// handshake's as shipped, and tells nobody. It gets this much longer than the handshake to do so: an attempt that is
/// dropped sends a last word.
const SILENT_END: Duration = Duration::from_millis(50);
/// The longest host name there is.
const MAX_HOST_BYTES: usize = 255;

/// Dials and reports the outcome, whatever it is.
pub(super) async fn run(shared: Arc<Shared>, dial: DialId, host: String, port: u16) {
    tracing::debug!(host, port, "dialling");
    let event = match attempt(&shared, dial, &host, port).await {
        // The link's own task reports it.
        Ok(Dialled::Linked) => return,
        Ok(Dialled::AlreadyLinked(peer)) => MeshEvent::AlreadyLinked { dial, peer },
        Err(error) => {
            tracing::debug!(host, port, %error, "the dial came to nothing");
            MeshEvent::DialFailed { dial, error }
        }
    };
    // Nobody listening is no error: the owner is gone.
    let _ = shared.events.send(event).await;
}

enum Dialled {
    Linked,
    AlreadyLinked(NodeId),
}

async fn attempt(shared: &Arc<Shared>, dial: DialId, host: &str, port: u16) -> Result<Dialled, DialError> {
    let addresses = resolve(shared, host, port).await?;
    let (client, generation) = {
        let state = shared.state.lock();
        if state.closing.is_some() {
            return Err(DialError::Closing);
        }
        (state.configs.client.clone(), state.generation)
    };
    let (connection, address) = connect_any(shared, client, addresses).await?;
    match establish(shared, connection, generation, Some(dial)).await {
        Ok(()) => Ok(Dialled::Linked),
        Err(NoLink::Duplicate(peer)) if wait_until_up(shared, peer).await => Ok(Dialled::AlreadyLinked(peer)),
        Err(no_link) => Err(no_link.into_dial_error(address)),
    }
}

/// Waits for the link that another connection becomes.
async fn wait_until_up(shared: &Shared, peer: NodeId) -> bool {
    let up = async {
        loop {
            let changed = shared.links_changed.notified();
            tokio::pin!(changed);
            // From here on no change goes unnoticed.
            changed.as_mut().enable();
            let is_up = shared.state.lock().links.get(peer).is_some_and(|link| link.is_up());
            if is_up {
                return;
            }
            changed.await;
        }
    };
    tokio::time::timeout(shared.handshake_timeout(), up).await.is_ok()
}

/// The addresses to try, in order: what the system's resolver says, as far as the socket can reach it.
async fn resolve(shared: &Shared, host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
    let failed = |reason: &str| DialError::Resolve {
        host: host.chars().take(MAX_HOST_BYTES).collect(),
        reason: reason.to_owned(),
    };
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if bare.is_empty() || bare.len() > MAX_HOST_BYTES || bare.contains('\0') {
        return Err(failed("a host name or an IP address is expected"));
    }
    let found: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => {
            let lookup = tokio::net::lookup_host((bare, port));
            match tokio::time::timeout(shared.handshake_timeout(), lookup).await {
                Ok(Ok(found)) => found.collect(),
                Ok(Err(error)) => return Err(failed(&error.to_string())),
                Err(_) => return Err(failed("the resolver does not answer")),
            }
        }
    };
    if let (Some(address), true) = (found.first(), port == 0) {
        return Err(DialError::Address { address: *address, reason: "there is no port 0".into() });
    }
    let mut reachable: Vec<SocketAddr> = Vec::new();
    for address in found.iter().copied().map(canonical) {
        if (address.is_ipv4() || shared.local.is_ipv6()) && !reachable.contains(&address) {
            reachable.push(address);
        }
    }
    reachable.truncate(MAX_ADDRESSES);
    match (reachable.is_empty(), found.is_empty()) {
        (false, _) => Ok(reachable),
        (true, true) => Err(failed("it has no address")),
        (true, false) => Err(DialError::AddressFamily { host: host.to_owned(), bound: shared.local }),
    }
}

/// Tries the addresses, each a moment after the one before; the first TLS handshake that succeeds wins.
async fn connect_any(
    shared: &Arc<Shared>,
    client: ClientConfig,
    addresses: Vec<SocketAddr>,
) -> Result<(Connection, SocketAddr), DialError> {
    let mut attempts = JoinSet::new();
    let mut delay = Duration::ZERO;
    for address in addresses {
        let (shared, client) = (Arc::clone(shared), client.clone());
        attempts.spawn(async move {
            tokio::time::sleep(delay).await;
            (connect(&shared, client, address).await, address)
        });
        delay += ADDRESS_STAGGER;
    }
    let mut worst = DialError::Closing;
    while let Some(joined) = attempts.join_next().await {
        match joined {
            Ok((Ok(connection), address)) => return Ok((connection, address)),
            Ok((Err(error), _)) if tells_more(&error, &worst) => worst = error,
            Ok((Err(_), _)) => {}
            Err(error) => tracing::error!(%error, "a task of a dial failed"),
        }
    }
    Err(worst)
}

/// A refusal says more than silence.
fn tells_more(error: &DialError, than: &DialError) -> bool {
    const fn rank(error: &DialError) -> u8 {
        match error {
            DialError::Closing => 0,
            DialError::NoAnswer { .. } => 1,
            DialError::Address { .. } | DialError::Lost { .. } => 2,
            _ => 3,
        }
    }
    rank(error) > rank(than)
}

async fn connect(shared: &Shared, client: ClientConfig, address: SocketAddr) -> Result<Connection, DialError> {
    let connecting = shared.endpoint.connect_with(client, address, SERVER_NAME).map_err(|error| match error {
        ConnectError::EndpointStopping => DialError::Closing,
        other => DialError::Address { address, reason: other.to_string() },
    })?;
    let failure = match tokio::time::timeout(shared.handshake_timeout() + SILENT_END, connecting).await {
        Ok(Ok(connection)) => return Ok(connection),
        Ok(Err(error)) => Failure::of(&error),
        Err(_) => Failure::NoAnswer,
    };
    Err(failure.into_dial_error(address, &no_answer_hint(shared, address)))
}

fn no_answer_hint(shared: &Shared, address: SocketAddr) -> String {
    let local = canonical(shared.local).ip();
    if local.is_loopback() && !address.ip().is_loopback() {
        return format!(
            ": this node's mesh is bound to {local}, from where only this machine can be reached; set [mesh] bind"
        );
    }
    ": is a node running there, bound to that address, and does UDP get through?".into()
}
