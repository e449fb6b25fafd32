//! Those who connect to this node. None of them is known before its certificate was checked.

use super::event::MeshEvent;
use super::handshake::{NoLink, establish};
use super::refusal::Failure;
use super::shared::{Shared, canonical, count};
use quinn::{Connection, Incoming};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Accepts until the endpoint is closed.
pub(super) async fn run(shared: Arc<Shared>) {
    let free = Arc::new(Semaphore::new(shared.config.max_handshakes));
    while let Some(incoming) = shared.endpoint.accept().await {
        if !incoming.remote_address_validated() && incoming.may_retry() {
            // Makes the sender prove its address, for a round trip, of which links need few. Nothing is remembered of it, and
            // it is sent far less than it sent. It fails only for those that `may_retry` rules out.
            let _ = incoming.retry();
            continue;
        }
        let Ok(permit) = Arc::clone(&free).try_acquire_owned() else {
            count(&shared.counts.refused);
            incoming.refuse();
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let _permit = permit;
            accept(&shared, incoming).await;
        });
    }
}

async fn accept(shared: &Arc<Shared>, incoming: Incoming) {
    let address = canonical(incoming.remote_address());
    let begun = {
        let state = shared.state.lock();
        match state.closing {
            None => Some((Arc::clone(&state.configs.server), state.generation)),
            Some(_) => None,
        }
    };
    let Some((config, generation)) = begun else {
        incoming.refuse();
        return;
    };
    let result = match connect(shared, incoming, config).await {
        Ok(connection) => establish(shared, connection, generation, None).await,
        Err(failure) => Err(NoLink::Failed(failure)),
    };
    if let Err(no_link) = result {
        report(shared, address, &no_link);
    }
}

async fn connect(shared: &Shared, incoming: Incoming, config: Arc<quinn::ServerConfig>) -> Result<Connection, Failure> {
    let connecting = incoming.accept_with(config).map_err(|error| Failure::of(&error))?;
    match tokio::time::timeout(shared.handshake_timeout(), connecting).await {
        Ok(result) => result.map_err(|error| Failure::of(&error)),
        Err(_) => Err(Failure::NoAnswer),
    }
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
