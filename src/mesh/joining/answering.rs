//! The member's side of a connection for certificates: who asks is known from the handshake, and is given what it may have.

use super::gate::{Office, now_seconds};
use super::invitations::KeyHash;
use crate::base::NodeId;
use crate::mesh::authorities;
use crate::mesh::authority::Authority;
use crate::mesh::authority::CertificateRequest;
use crate::mesh::event::{CloseReason, MeshEvent};
use crate::mesh::frame;
use crate::mesh::identity::Identity;
use crate::mesh::links::close_connection;
use crate::mesh::shared::{Shared, count};
use crate::wire::{
    CertificateGiven, CertifyReply, CertifyRequest, MAX_CERTIFICATES, MAX_CERTIFY_BYTES, OfferedAuthority,
};
use bytes::Bytes;
use quinn::Connection;
use std::net::SocketAddr;
use std::sync::Arc;

/// How long a certificate is good that is issued to another node, which renews it by itself long before.
const ISSUED_DAYS: u32 = 365;

/// Who asks, as the handshake has proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mesh) enum Asker {
    /// A machine with the secret of an open invitation.
    Invited(KeyHash),
    /// A node of the cluster's authority.
    Node(NodeId),
}

/// Answers the one request of a connection, and waits until the other side has the answer.
pub(in crate::mesh) async fn run(shared: Arc<Shared>, connection: Connection, asker: Asker, address: SocketAddr) {
    let answered = async {
        let request = read_request(&connection).await?;
        let reply = answer(&shared, asker, request, address).await;
        let mut send = connection.open_uni().await.map_err(|error| error.to_string())?;
        let bytes = Bytes::from(reply.encode());
        frame::write(&mut send, bytes).await.map_err(|error| error.to_string())?;
        send.finish().map_err(|error| error.to_string())?;
        connection.closed().await;
        Ok::<(), String>(())
    };
    match tokio::time::timeout(shared.handshake_timeout(), answered).await {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => tracing::debug!(%address, reason, "a connection for certificates broke off"),
        Err(_) => tracing::debug!(%address, "a connection for certificates took too long"),
    }
    close_connection(&connection, &CloseReason::Shutdown);
}

async fn read_request(connection: &Connection) -> Result<CertifyRequest, String> {
    let mut receive = connection.accept_uni().await.map_err(|error| error.to_string())?;
    let bytes = frame::read(&mut receive, MAX_CERTIFY_BYTES).await.map_err(|error| error.to_string())?;
    CertifyRequest::decode(&bytes).map_err(|error| {
        close_connection(connection, &CloseReason::Protocol("the request cannot be read".into()));
        error.to_string()
    })
}

async fn answer(shared: &Arc<Shared>, asker: Asker, request: CertifyRequest, address: SocketAddr) -> CertifyReply {
    let Some(office) = shared.gate.office() else {
        return CertifyReply::Refused("this node certifies nobody".into());
    };
    let worker = Arc::clone(shared);
    // It writes and reads files.
    let work = tokio::task::spawn_blocking(move || match request {
        CertifyRequest::Certificate(request) => certify(&worker, &office, asker, &request),
        CertifyRequest::Authorities(offered) => take_authorities(&worker, &office, asker, &offered),
        CertifyRequest::Holder => match asker {
            Asker::Node(_) => {
                Ok((CertifyReply::Holds(Identity::issues(&office.config, &office.data_directory)), Told::Nothing))
            }
            Asker::Invited(_) => Err("only members ask who holds the authority's key".to_owned()),
        },
    });
    let result = work.await.unwrap_or_else(|_| Err("it ended with a panic, see the log of that node".into()));
    match result {
        Ok((reply, told)) => {
            tell_done(asker, address, told);
            reply
        }
        Err(reason) => {
            count(&shared.counts.refused);
            tracing::warn!(target: "audit", event = "certificate_refused", %address, reason, "refused a certificate to {address}: {reason}");
            CertifyReply::Refused(reason)
        }
    }
}

/// What is worth a line in the log.
enum Told {
    Certified(NodeId),
    Authorities,
    Nothing,
}

fn tell_done(asker: Asker, address: SocketAddr, told: Told) {
    match (told, asker) {
        (Told::Certified(node), Asker::Invited(key)) => {
            let invitation: String = key[..4].iter().map(|byte| format!("{byte:02x}")).collect();
            tracing::info!(target: "audit", event = "node_joined", %node, %address, invitation, "certified {node}, which came from {address} with invitation {invitation}");
        }
        (Told::Certified(node), Asker::Node(_)) => {
            tracing::info!(target: "audit", event = "certificate_renewed", %node, %address, "renewed the certificate of {node}");
        }
        (Told::Authorities, Asker::Node(node)) => {
            tracing::info!(target: "audit", event = "authority_trusted", %node, %address, "trusting one more authority, of which {node} told and for which a trusted one vouches");
        }
        _ => {}
    }
}

fn certify(shared: &Shared, office: &Office, asker: Asker, request: &[u8]) -> Result<(CertifyReply, Told), String> {
    let request = CertificateRequest::read(request)?;
    let node = request.node_id();
    if shared.gate.is_banned(node) {
        return Err(format!("the key of node {node} was barred from this cluster for good"));
    }
    if asker != Asker::Node(node) && matches!(asker, Asker::Node(_)) {
        return Err("a node is given certificates for its own key alone".into());
    }
    shared.gate.check_not_joining()?;
    let authority = Identity::issuer(&office.config, &office.data_directory)?;
    if let Asker::Invited(key) = asker {
        // Before a use is taken, and so that this node does not join another cluster before the other is there.
        shared.gate.expect(node)?;
        // On disk before the certificate leaves, so that no crash gives the use back.
        let taken = office.invitations.take_use(&key, node, now_seconds());
        taken.inspect_err(|_| shared.gate.settled(node))?;
    }
    let chain = authority.issue_for(&request, ISSUED_DAYS).map_err(|error| error.to_string())?;
    let chain = chain.into_iter().map(|certificate| certificate.to_vec()).collect();
    let authorities = offered(&authority, &office.data_directory);
    let given = CertificateGiven { chain, authorities, members: shared.gate.members() };
    Ok((CertifyReply::Given(given), Told::Certified(node)))
}

/// The authority that issues, and others that are trusted while it is new.
fn offered(authority: &Authority, data_directory: &std::path::Path) -> Vec<OfferedAuthority> {
    let kept = authorities::read(data_directory).ok().flatten().unwrap_or_default();
    let kept = authorities::current(&kept, now_seconds());
    let others = kept.iter().map(|trusted| &trusted.certificate).filter(|other| *other != authority.certificate());
    // The oldest first: an earlier version follows from one to the next in that order alone.
    let (mut others, own): (Vec<_>, _) = (others.map(|other| authority.offer_of(other)).collect(), authority.offer());
    others.truncate(MAX_CERTIFICATES - 1);
    others.push(own);
    others
}

fn take_authorities(
    shared: &Shared,
    office: &Office,
    asker: Asker,
    offered: &[OfferedAuthority],
) -> Result<(CertifyReply, Told), String> {
    let Asker::Node(_) = asker else {
        return Err("only members tell of authorities".into());
    };
    shared.gate.check_not_joining()?;
    let taken = Identity::trust(&office.config, &office.data_directory, offered).map_err(|error| error.to_string())?;
    if taken {
        // An owner that is busy looks by itself within the hour.
        let _ = shared.events.try_send(MeshEvent::AuthoritiesChanged);
    }
    Ok((CertifyReply::Taken, if taken { Told::Authorities } else { Told::Nothing }))
}
