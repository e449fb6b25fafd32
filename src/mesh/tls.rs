//! TLS for the mesh: version 1.3 only, a certificate of a known authority on both sides, and a key that was not banned.
//!
//! There are two protocols: the mesh's own, and one for certificates, on which an open invitation does as well as a node's
//! certificate. The handshake cannot tell them apart when it looks at the certificate, so who accepts a connection does,
//! before anything is read ([`is_node`]).
//!
//! Names of hosts play no part: a node is its key. Sessions are never resumed, so every connection proves its
//! certificate anew.

use super::identity::Identity;
use super::joining::{Gate, Standing, has_fingerprint, is_by_itself};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, RootCertStore,
    ServerConfig, SignatureScheme,
};
use std::sync::Arc;

/// The name of the mesh's protocol, agreed on in the handshake. Its number is that of how nodes introduce themselves; which
/// version they speak after that they say then.
pub(super) const PROTOCOL_NAME: &[u8] = b"discnt/1";
/// The name of the protocol for certificates.
pub(super) const CERTIFY_PROTOCOL_NAME: &[u8] = b"discnt-certify/1";
/// What diallers ask for by name; sent nowhere and checked by nobody.
pub(super) const SERVER_NAME: &str = "discnt";

/// Always this one: what a process has as its default is none of the library's business.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// How this node answers, with or without a look at invitations.
pub(super) fn server_config(
    identity: &Identity,
    gate: &Arc<Gate>,
    takes_invitations: bool,
) -> Result<QuicServerConfig, String> {
    let provider = provider();
    let nodes = node_verifier(&identity.roots, &provider)?;
    let verifier = Arc::new(GateVerifier { nodes, gate: Arc::clone(gate), takes_invitations });
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(OwnChains::new(identity, &provider)?));
    config.alpn_protocols = vec![PROTOCOL_NAME.to_vec(), CERTIFY_PROTOCOL_NAME.to_vec()];
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    QuicServerConfig::try_from(config).map_err(|error| error.to_string())
}

/// How this node dials.
pub(super) fn client_config(identity: &Identity, gate: &Arc<Gate>) -> Result<QuicClientConfig, String> {
    let believed = Believed::Nodes { roots: Arc::clone(&identity.roots), gate: Arc::clone(gate) };
    dialling(believed, identity.chain.clone(), identity.key.clone_key(), PROTOCOL_NAME)
}

/// How this node asks for a certificate.
pub(super) fn asking_config(identity: &Identity, gate: &Arc<Gate>) -> Result<QuicClientConfig, String> {
    let believed = Believed::Nodes { roots: Arc::clone(&identity.roots), gate: Arc::clone(gate) };
    dialling(believed, identity.chain.clone(), identity.key.clone_key(), CERTIFY_PROTOCOL_NAME)
}

/// How a machine asks that has an invitation and knows of the cluster's authority only what its certificate hashes to.
pub(super) fn joining_config(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    fingerprint: [u8; 32],
) -> Result<QuicClientConfig, String> {
    dialling(Believed::Authority(fingerprint), vec![certificate], key, CERTIFY_PROTOCOL_NAME)
}

fn dialling(
    believed: Believed,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    protocol: &[u8],
) -> Result<QuicClientConfig, String> {
    let provider = provider();
    let verifier = PeerVerifier { believed, provider: provider.clone() };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(chain, key)
        .map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![protocol.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    QuicClientConfig::try_from(config).map_err(|error| error.to_string())
}

fn node_verifier(
    roots: &Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider))
        .build()
        .map_err(|error| error.to_string())
}

/// Whether this chain, which a client has proven to have the key of, is a node's of a known authority: not an
/// invitation's, for which the handshake makes way as well.
pub(super) fn is_node(chain: &[CertificateDer<'static>], roots: &Arc<RootCertStore>) -> bool {
    let Some((first, between)) = chain.split_first() else { return false };
    node_verifier(roots, &provider())
        .is_ok_and(|verifier| verifier.verify_client_cert(first, between, UnixTime::now()).is_ok())
}

/// What this node shows of itself: on connections for certificates with the authorities, which the other side knows
/// by a hash alone.
#[derive(Debug)]
struct OwnChains {
    mesh: Arc<CertifiedKey>,
    certify: Arc<CertifiedKey>,
}

impl OwnChains {
    fn new(identity: &Identity, provider: &CryptoProvider) -> Result<Self, String> {
        let make = |chain: Vec<CertificateDer<'static>>| {
            let made = CertifiedKey::from_der(chain, identity.key.clone_key(), provider);
            made.map(Arc::new).map_err(|error| error.to_string())
        };
        let with_authorities = identity.chain.iter().chain(&identity.authorities).cloned().collect();
        Ok(Self { mesh: make(identity.chain.clone())?, certify: make(with_authorities)? })
    }
}

impl ResolvesServerCert for OwnChains {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certifies = hello.alpn().is_some_and(|mut names| names.any(|name| name == CERTIFY_PROTOCOL_NAME));
        Some(Arc::clone(if certifies { &self.certify } else { &self.mesh }))
    }
}

/// Lets in nodes of a known authority that were not banned, and whoever has an open invitation.
#[derive(Debug)]
struct GateVerifier {
    nodes: Arc<dyn ClientCertVerifier>,
    gate: Arc<Gate>,
    /// Where not, a token is refused as a guess at one is, so that nobody learns which it was.
    takes_invitations: bool,
}

impl ClientCertVerifier for GateVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.nodes.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.gate.invitation(end_entity).filter(|_| self.takes_invitations) {
            // That it has the key as well is what the handshake looks at next.
            Some((_, Standing::Open)) => return Ok(ClientCertVerified::assertion()),
            Some((_, Standing::Expired)) => return Err(CertificateError::Expired.into()),
            Some((_, Standing::UsedUp)) => return Err(CertificateError::Revoked.into()),
            Some((_, Standing::Unknown)) | None => {}
        }
        let verified = self.nodes.verify_client_cert(end_entity, intermediates, now);
        let verified = verified.map_err(|error| match self.takes_invitations || !is_by_itself(end_entity) {
            true => error,
            // Told apart from a token that is looked at and is none.
            false => CertificateError::ApplicationVerificationFailure.into(),
        })?;
        self.gate.check_node(end_entity)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.nodes.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.nodes.supported_verify_schemes()
    }
}

/// Whether peers with the same roots would accept this chain, on either end of a connection, and whether the
/// key is the certificate's.
pub(super) fn check_own_chain(
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
    roots: &Arc<RootCertStore>,
) -> Result<(), String> {
    let provider = provider();
    CertifiedKey::from_der(chain.to_vec(), key.clone_key(), &provider).map_err(|error| match error {
        Error::InconsistentKeys(_) => "the key is not that of the certificate".to_owned(),
        other => format!("the key cannot be used ({other})"),
    })?;
    let (first, between) = chain.split_first().ok_or("there is no certificate")?;
    let now = UnixTime::now();
    let verifier = node_verifier(roots, &provider)?;
    verifier.verify_client_cert(first, between, now).map_err(|error| chain_problem(&error))?;
    let believed = Believed::Nodes { roots: Arc::clone(roots), gate: Arc::default() };
    let peer = PeerVerifier { believed, provider };
    peer.check(first, between, now).map_err(|error| chain_problem(&error))
}

fn chain_problem(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "the certificate is not of the given authority".into()
        }
        Error::InvalidCertificate(
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. },
        ) => "the certificate must be for both server and client authentication".into(),
        other => format!("other nodes would not accept the certificate ({other})"),
    }
}

/// Whom a dialler believes.
#[derive(Debug)]
enum Believed {
    /// Every node of a known authority that was not banned.
    Nodes { roots: Arc<RootCertStore>, gate: Arc<Gate> },
    /// Every node that shows an authority with this fingerprint and is of it.
    Authority([u8; 32]),
}

#[derive(Debug)]
struct PeerVerifier {
    believed: Believed,
    provider: Arc<CryptoProvider>,
}

impl PeerVerifier {
    fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        match &self.believed {
            Believed::Nodes { roots, gate } => {
                self.check_chain(end_entity, intermediates, roots, now)?;
                Ok(gate.check_node(end_entity)?)
            }
            Believed::Authority(fingerprint) => {
                let authority = intermediates.iter().find(|certificate| has_fingerprint(certificate, fingerprint));
                let authority = authority.ok_or(CertificateError::UnknownIssuer)?;
                let mut roots = RootCertStore::empty();
                roots.add(authority.clone().into_owned())?;
                self.check_chain(end_entity, intermediates, &roots, now)
            }
        }
    }

    fn check_chain(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        roots: &RootCertStore,
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms)
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // QUIC has no older TLS; should one ever ask, the answer is no.
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
