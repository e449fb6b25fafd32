//! The other side: a machine that asks a member for a certificate, with a token or as the node that it is.

use super::gate::{Gate, now_seconds};
use super::invited_key::InvitedKey;
use super::token::{Token, TokenError};
use crate::mesh::authorities;
use crate::mesh::certificate::fingerprint_of;
use crate::mesh::error::IdentityError;
use crate::mesh::frame;
use crate::mesh::identity::{Identity, OTHER_CLUSTER};
use crate::mesh::tls::{self, SERVER_NAME};
use crate::wire::{CertifyReply, CertifyRequest, MAX_CERTIFY_BYTES};
use bytes::Bytes;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, VarInt};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How long one address may take, from the resolver to the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The token cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token is too old.
    #[error(
        "the token expired {0} s ago: ask for another with `discnt-cli cluster invite`, and look at both machines' clocks"
    )]
    Expired(u64),
    /// Nobody answered, or nobody who may.
    #[error("{0}")]
    Unreachable(String),
    /// A member refuses.
    #[error("the member at {address} refused: {reason}")]
    Refused {
        /// Where it is.
        address: String,
        /// In its words.
        reason: String,
    },
    /// This node must not join.
    #[error("{0}")]
    NotHere(String),
    /// What was given is of no use, or could not be kept.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Who is asked, and as whom.
pub(in crate::mesh) struct Question {
    config: ClientConfig,
    with_token: bool,
    /// Nobody is asked whose authority comes from none of these; of any where there is none.
    known: Option<Arc<RootCertStore>>,
}

impl Question {
    /// With a token: whoever answers must be of the authority that it names, and of one that is known, where some are. That
    /// is looked at before anything is asked, as an answer takes a use of the token.
    pub(in crate::mesh) fn with_token(token: &Token, known: &[CertificateDer<'static>]) -> Result<Self, JoinError> {
        let expired = now_seconds().saturating_sub(token.expires);
        if expired > 0 {
            return Err(JoinError::Expired(expired));
        }
        let (certificate, key) = InvitedKey::of(&token.secret)?.certificate()?;
        let tls = tls::joining_config(certificate, key, token.fingerprint);
        let known = (!known.is_empty()).then(|| authorities::roots(known)).transpose();
        let known = known.map_err(|reason| IdentityError::Make { what: "the list of authorities", reason })?;
        Ok(Self { config: client(tls)?, with_token: true, known: known.map(Arc::new) })
    }

    /// As a node, which believes nobody whose key was banned.
    pub(in crate::mesh) fn as_node(identity: &Identity, gate: &Arc<Gate>) -> Result<Self, JoinError> {
        Ok(Self { config: client(tls::asking_config(identity, gate))?, with_token: false, known: None })
    }

    /// Asks at one address after the other, until one answers. Says where that was.
    pub(in crate::mesh) async fn ask(
        &self,
        addresses: &[(String, u16)],
        request: &CertifyRequest,
    ) -> Result<(CertifyReply, (String, u16)), JoinError> {
        let mut failures = Vec::new();
        for (host, port) in addresses {
            let place = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
            match tokio::time::timeout(PATIENCE, self.ask_at(host, *port, request)).await {
                Ok(Ok(CertifyReply::Refused(reason))) => {
                    return Err(JoinError::Refused { address: place, reason });
                }
                Ok(Ok(reply)) => return Ok((reply, (host.clone(), *port))),
                Ok(Err(reason)) => failures.push(format!("{place}: {reason}")),
                Err(_) => failures.push(format!("{place}: {NO_ANSWER}")),
            }
        }
        if failures.is_empty() {
            failures.push("there is no member to ask".to_owned());
        }
        Err(JoinError::Unreachable(failures.join("; ")))
    }

    async fn ask_at(&self, host: &str, port: u16, request: &CertifyRequest) -> Result<CertifyReply, String> {
        let found = tokio::net::lookup_host((host, port)).await;
        let found: Vec<SocketAddr> = found.map_err(|error| format!("cannot resolve it: {error}"))?.collect();
        // What is bound to all of IPv6 takes IPv4 as well, and not the other way round.
        let address = found.iter().find(|address| address.is_ipv4()).or(found.first());
        let address = *address.ok_or("it has no address")?;
        let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let endpoint = Endpoint::client(SocketAddr::new(any, 0)).map_err(|error| format!("no socket: {error}"))?;
        let connecting = endpoint.connect_with(self.config.clone(), address, SERVER_NAME);
        let connection = connecting.map_err(|error| error.to_string())?.await.map_err(|error| self.told(&error))?;
        let reply = match self.is_known(&connection) {
            true => exchange(&connection, request).await,
            false => Err(OTHER_CLUSTER.into()),
        };
        // TLS 1.3 is done for the client before the server has looked at its certificate.
        let reply = reply.map_err(|reason| connection.close_reason().map_or(reason, |error| self.told(&error)));
        connection.close(VarInt::from_u32(1), b"");
        endpoint.wait_idle().await;
        reply
    }

    fn is_known(&self, connection: &Connection) -> bool {
        let Some(known) = &self.known else { return true };
        let chain = connection.peer_identity().and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
        chain.is_some_and(|chain| tls::is_node(&chain, known))
    }

    /// Why a connection came to nothing, in words for the operator.
    fn told(&self, error: &ConnectionError) -> String {
        let alert = match error {
            ConnectionError::TransportError(error) => return not_believed(u64::from(error.code), &error.reason),
            ConnectionError::ConnectionClosed(close) => u64::from(close.error_code),
            ConnectionError::TimedOut => return NO_ANSWER.into(),
            ConnectionError::ApplicationClosed(close) if close.reason.is_empty() => APPLICATION_ERROR,
            other => return other.to_string(),
        };
        match (alert, self.with_token) {
            (0x12d, true) => "the token has expired".into(),
            (0x12c, true) => "the token has been used".into(),
            (0x130, true) => {
                "it knows no such invitation: the token is of another member, was taken back, or was altered".into()
            }
            (0x12c, false) => "this node's key was barred from the cluster for good".into(),
            (0x12d, false) => "this node's certificate has expired".into(),
            (0x130, false) => "this node's certificate is of another authority".into(),
            (0x178, _) => "it is of a version that lets nobody join".into(),
            // Access denied; the others are of versions before this one.
            (0x131 | APPLICATION_ERROR | 2, _) => {
                "it refuses for now: there were too many wrong attempts from here; wait a minute".into()
            }
            (code, _) => format!("it closed the connection with code {code:#x}"),
        }
    }
}

const NO_ANSWER: &str = "no answer: is a node running there, and does UDP get through?";
/// QUIC's code for an end that only the application could explain.
const APPLICATION_ERROR: u64 = 0xc;

/// Why this side does not believe the other.
fn not_believed(code: u64, reason: &str) -> String {
    match code {
        0x100..=0x1ff => format!(
            "what answers there is not of the authority that is expected: it is another cluster, or somebody in between ({reason})"
        ),
        _ => reason.to_owned(),
    }
}

fn client(tls: Result<QuicClientConfig, String>) -> Result<ClientConfig, JoinError> {
    tls.map(|tls| ClientConfig::new(Arc::new(tls)))
        .map_err(|reason| JoinError::Identity(IdentityError::Make { what: "a TLS configuration", reason }))
}

async fn exchange(connection: &Connection, request: &CertifyRequest) -> Result<CertifyReply, String> {
    let mut send = connection.open_uni().await.map_err(|error| error.to_string())?;
    frame::write(&mut send, Bytes::from(request.encode())).await.map_err(|error| error.to_string())?;
    let mut receive = connection.accept_uni().await.map_err(|error| error.to_string())?;
    let bytes = frame::read(&mut receive, MAX_CERTIFY_BYTES).await.map_err(|error| error.to_string())?;
    CertifyReply::decode(&bytes).map_err(|error| format!("its answer cannot be read: {error}"))
}

/// Whether this is the certificate of that fingerprint.
pub(in crate::mesh) fn has_fingerprint(certificate: &[u8], fingerprint: &[u8; 32]) -> bool {
    fingerprint_of(certificate) == *fingerprint
}
