//! TLS for the mesh: version 1.3 only, one protocol name, a certificate of a known authority on both sides.
//!
//! Names of hosts play no part: a node is its key. Sessions are never resumed, so every connection proves its
//! certificate anew.

use super::identity::Identity;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerIncompatible, RootCertStore, ServerConfig,
    SignatureScheme,
};
use std::sync::Arc;

/// The name of the mesh's protocol, agreed on in the handshake. Its number is that of how nodes introduce themselves; which
/// version they speak after that they say then.
pub(super) const PROTOCOL_NAME: &[u8] = b"discnt/1";
/// What diallers ask for by name; sent nowhere and checked by nobody.
pub(super) const SERVER_NAME: &str = "discnt";

/// Always this one: what a process has as its default is none of the library's business.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// How this node answers.
pub(super) fn server_config(identity: &Identity) -> Result<QuicServerConfig, String> {
    let provider = provider();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&identity.roots), provider.clone())
        .build()
        .map_err(|error| error.to_string())?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![PROTOCOL_NAME.to_vec()];
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    QuicServerConfig::try_from(config).map_err(|error| error.to_string())
}

/// How this node dials.
pub(super) fn client_config(identity: &Identity) -> Result<QuicClientConfig, String> {
    let provider = provider();
    let verifier = PeerVerifier { roots: Arc::clone(&identity.roots), provider: provider.clone() };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
        .map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![PROTOCOL_NAME.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    QuicClientConfig::try_from(config).map_err(|error| error.to_string())
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
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider.clone())
        .build()
        .map_err(|error| error.to_string())?;
    verifier.verify_client_cert(first, between, now).map_err(|error| chain_problem(&error))?;
    let peer = PeerVerifier { roots: Arc::clone(roots), provider };
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

/// Accepts every node of a known authority.
#[derive(Debug)]
struct PeerVerifier {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl PeerVerifier {
    fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        )
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
