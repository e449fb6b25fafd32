//! TLS as a client of RESP: whom to trust and what to show.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned};

use super::reason::plain_reason;
use super::settings::TlsSettings;

/// Why there is no encryption.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    /// Nobody is trusted yet.
    #[error("nothing says which certificates to trust: give --cacert FILE, or --insecure to take any")]
    NoAuthorities,
    /// A file cannot be read, or holds something else.
    #[error("{}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The host, or what --sni gives, is no name that a certificate could be for.
    #[error("'{0}' is not a name or an address that a certificate could be for")]
    ServerName(String),
    /// The settings contradict each other, such as a key of another certificate.
    #[error("{0}")]
    Settings(#[from] rustls::Error),
    /// The server is not who was asked for, or nobody that is trusted says that it is.
    #[error("{0}; --cacert says whom to trust, --sni what the server has to be called")]
    Certificate(rustls::Error),
    /// The two sides did not come to terms.
    #[error("{}; does the server speak TLS on this port?", plain_reason(.0))]
    Handshake(std::io::Error),
}

/// A TCP connection with TLS on it.
pub(super) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// Encrypts a connection: both sides have shown what they have to when this returns.
///
/// # Errors
/// [`TlsError`]; the connection is closed then.
pub(super) fn encrypt(mut tcp: TcpStream, host: &str, settings: &TlsSettings) -> Result<TlsStream, TlsError> {
    let name = settings.server_name.as_deref().unwrap_or(host);
    let server_name = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName(name.to_owned()))?;
    let mut session = ClientConnection::new(Arc::new(config(settings)?), server_name)?;
    while session.is_handshaking() {
        session.complete_io(&mut tcp).map_err(handshake_error)?;
    }
    Ok(StreamOwned::new(session, tcp))
}

fn handshake_error(error: std::io::Error) -> TlsError {
    let reason = error.get_ref().and_then(|inner| inner.downcast_ref());
    match reason {
        Some(reason @ rustls::Error::InvalidCertificate(_)) => TlsError::Certificate(reason.clone()),
        _ => TlsError::Handshake(error),
    }
}

fn config(settings: &TlsSettings) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = if settings.insecure {
        Arc::new(AnyCertificate(Arc::clone(&provider)))
    } else {
        let path = settings.authorities.as_deref();
        let path = path.ok_or(TlsError::NoAuthorities)?;
        let roots = Arc::new(read_roots(path)?);
        WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|error| file_error(path)(error.to_string()))?
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some((certificate_path, key_path)) = &settings.certificate else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = read_certificates(certificate_path)?;
    let key = PrivateKeyDer::from_pem_file(key_path)
        .map_err(|error| file_error(key_path)(format!("no private key could be read: {error}")))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| file_error(key_path)(error.to_string()))
}

fn read_roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(path)? {
        roots.add(certificate).map_err(|error| file_error(path)(error.to_string()))?;
    }
    Ok(roots)
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |error| file_error(path)(format!("no certificate could be read: {error}"));
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if certificates.is_empty() {
        return Err(file_error(path)("there is no PEM certificate in it".into()));
    }
    Ok(certificates)
}

fn file_error(path: &Path) -> impl Fn(String) -> TlsError {
    let path = path.to_owned();
    move |what| TlsError::File { path: path.clone(), what }
}

/// Takes any certificate, as --insecure says; that the server has its key is still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
