//! Those who connect to this node. None of them is known before its certificate was checked.

use super::certificate::node_id_of;
use super::event::{CloseReason, MeshEvent};
use super::handshake::{NoLink, establish};
use super::joining::{Asker, Standing, answer};
use super::links::close_connection;
use super::refusal::Failure;
use super::retries::Retries;
use super::shared::{Shared, canonical, count};
use super::tls::{self, CERTIFY_PROTOCOL_NAME};
use crate::base::Places;
use parking_lot::Mutex;
use quinn::crypto::rustls::HandshakeData;
use quinn::{Connection, ConnectionError, Incoming};
use rustls::pki_types::CertificateDer;
use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::time::Instant;

/// Accepts until the endpoint is closed.
pub(super) async fn run(shared: Arc<Shared>) {
    let places = Arc::new(Mutex::new(Places::new(shared.config.max_handshakes)));
    let mut retries = Retries::new();
    while let Some(incoming) = shared.endpoint.accept().await {
        if !incoming.remote_address_validated() && incoming.may_retry() {
            if retries.allows(incoming.remote_address(), incoming.orig_dst_cid(), Instant::now()) {
                // Makes the sender prove its address, for a round trip, of which links need few. It is sent far less than it
                // sent. It fails only for those that `may_retry` rules out.
                let _ = incoming.retry();
            } else {
                incoming.ignore();
            }
            continue;
        }
        let Some(place) = Place::take(&places, incoming.remote_address().ip()) else {
            count(&shared.counts.refused);
            incoming.refuse();
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let _place = place;
            accept(&shared, incoming).await;
        });
    }
}

/// A place among those that have not shown yet who they are. Their addresses are proven, so nobody takes another's.
struct Place(Arc<Mutex<Places>>, IpAddr);

impl Place {
    fn take(places: &Arc<Mutex<Places>>, address: IpAddr) -> Option<Self> {
        places.lock().take(address).then(|| Self(Arc::clone(places), address))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().give_back(self.1);
    }
}

async fn accept(shared: &Arc<Shared>, incoming: Incoming) {
    let address = canonical(incoming.remote_address());
    // Nobody knows yet whether it is a node, which guesses from the same address are not to keep from its certificate.
    let is_held_up = !shared.gate.allows_attempt(incoming.remote_address().ip());
    let begun = {
        let state = shared.state.lock();
        match state.closing {
            None => {
                let server = if is_held_up { &state.configs.nodes_alone } else { &state.configs.server };
                Some((Arc::clone(server), state.generation))
            }
            Some(_) => None,
        }
    };
    let Some((config, generation)) = begun else {
        incoming.refuse();
        return;
    };
    let result = match connect(shared, incoming, config, is_held_up).await {
        Ok(Accepted::Mesh(connection)) if !is_node(shared, &connection) => {
            // An invitation leads to a certificate, and nowhere else.
            close_connection(&connection, &CloseReason::Protocol("a node's certificate is needed".into()));
            Err(NoLink::Failed(Failure::NotAccepted("it has an invitation and no certificate yet".into())))
        }
        Ok(Accepted::Mesh(connection)) => establish(shared, connection, generation, None).await,
        Ok(Accepted::Certify(connection)) => {
            certify(shared, connection, address).await;
            return;
        }
        Err(Refused::Attempt(reason)) => {
            report_attempt(shared, address, reason);
            return;
        }
        Err(Refused::Connection(failure)) => Err(NoLink::Failed(failure)),
    };
    if let Err(no_link) = result {
        report(shared, address, &no_link);
    }
}

/// A connection whose handshake is done, by what it is for.
enum Accepted {
    Mesh(Connection),
    Certify(Connection),
}

enum Refused {
    /// Somebody who wanted a certificate, and why that was refused.
    Attempt(&'static str),
    Connection(Failure),
}

async fn connect(
    shared: &Shared,
    incoming: Incoming,
    config: Arc<quinn::ServerConfig>,
    is_held_up: bool,
) -> Result<Accepted, Refused> {
    let lost = |error: &ConnectionError| Refused::Connection(Failure::of(error));
    let address = incoming.remote_address().ip();
    let mut connecting = incoming.accept_with(config).map_err(|error| lost(&error))?;
    let handshake = async {
        let data = connecting.handshake_data().await.map_err(|error| lost(&error))?;
        if !certifies(data) {
            return connecting.await.map(Accepted::Mesh).map_err(|error| lost(&error));
        }
        // It was not so before this one: many guesses have come at once.
        if !is_held_up && !shared.gate.allows_attempt(address) {
            return Err(Refused::Attempt(TOO_MANY_ATTEMPTS));
        }
        connecting.await.map(Accepted::Certify).map_err(|error| match why_refused(&error) {
            Some(_) if is_held_up => Refused::Attempt(TOO_MANY_ATTEMPTS),
            Some(reason) => {
                shared.gate.note_attempt(address);
                Refused::Attempt(reason)
            }
            None => lost(&error),
        })
    };
    match tokio::time::timeout(shared.handshake_timeout(), handshake).await {
        Ok(result) => result,
        Err(_) => Err(Refused::Connection(Failure::NoAnswer)),
    }
}

const TOO_MANY_ATTEMPTS: &str = "there were too many wrong attempts from there";

fn certifies(handshake_data: Box<dyn Any>) -> bool {
    let data = handshake_data.downcast::<HandshakeData>();
    data.is_ok_and(|data| data.protocol.as_deref() == Some(CERTIFY_PROTOCOL_NAME))
}

/// Why the handshake refused somebody who wanted a certificate, if it was this side that did.
fn why_refused(error: &ConnectionError) -> Option<&'static str> {
    let ConnectionError::TransportError(error) = error else { return None };
    match u64::from(error.code) {
        0x12d => Some("its token, or certificate, has expired"),
        0x12c => Some("its token has been used, or its key was banned"),
        0x174 => Some("it has neither a token nor a certificate"),
        0x100..=0x1ff => Some("it has no invitation of this node and no certificate of its authority"),
        _ => None,
    }
}

async fn certify(shared: &Arc<Shared>, connection: Connection, address: SocketAddr) {
    let Some(chain) = chain_of(&connection) else { return };
    let invitation = chain.first().and_then(|first| shared.gate.invitation(first));
    let node = chain.first().and_then(node_id_of).filter(|_| is_node(shared, &connection));
    let asker = match (invitation, node) {
        (Some((key, Standing::Open)), _) => Asker::Invited(key),
        (None, Some(node)) => Asker::Node(node),
        _ => {
            close_connection(&connection, &CloseReason::Protocol("the invitation has just ended".into()));
            report_attempt(shared, address, "its invitation has just ended");
            return;
        }
    };
    answer(Arc::clone(shared), connection, asker, address).await;
}

fn chain_of(connection: &Connection) -> Option<Vec<CertificateDer<'static>>> {
    Some(*connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?)
}

/// The handshake lets invitations through as well.
fn is_node(shared: &Shared, connection: &Connection) -> bool {
    let roots = Arc::clone(&shared.state.lock().configs.roots);
    chain_of(connection).is_some_and(|chain| tls::is_node(&chain, &roots))
}

fn report_attempt(shared: &Shared, address: SocketAddr, reason: &'static str) {
    count(&shared.counts.refused);
    // What was too much is not told each time: it is more than one line of the log is worth.
    if reason == TOO_MANY_ATTEMPTS {
        tracing::debug!(%address, reason, "refused an attempt to join");
        return;
    }
    tracing::warn!(target: "audit", event = "join_refused", %address, reason, "refused an attempt to join from {address}: {reason}");
}

fn report(shared: &Shared, address: SocketAddr, no_link: &NoLink) {
    let Some(reason) = no_link.refusal() else {
        tracing::debug!(%address, ?no_link, "a connection came to nothing");
        return;
    };
    count(&shared.counts.refused);
    let event = match no_link {
        NoLink::Incompatible { peer, .. } => MeshEvent::Incompatible { peer: *peer, reason },
        _ => MeshEvent::Refused { address, reason },
    };
    // Strangers must not be able to hold anything up: when the queue is full they go unreported.
    let _ = shared.events.try_send(event);
}
