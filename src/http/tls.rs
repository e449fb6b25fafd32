//! TLS for whoever asks over HTTP: version 1.3 only, with certificates of theirs where these are wanted.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{RootCertStore, ServerConfig};

use super::{Config, HttpError};

/// What the files of the configuration make; none where there is no TLS.
///
/// # Errors
/// [`HttpError::File`] names the setting and the file.
pub(super) fn read(config: &Config) -> Result<Option<Arc<ServerConfig>>, HttpError> {
    let Some((cert, key)) = config.tls_files() else { return Ok(None) };
    let chain = certificates("tls_cert", cert)?;
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| refused("tls_key", key, format!("no private key was read: {error}")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| refused("tls_cert", cert, error.to_string()))?;
    let builder = match config.tls_ca_cert.as_deref() {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let told = |error: String| refused("tls_ca_cert", path, error);
            let mut roots = RootCertStore::empty();
            for certificate in certificates("tls_ca_cert", path)? {
                roots.add(certificate).map_err(|error| told(error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| told(error.to_string()))?)
        }
    };
    let mut server = builder.with_single_cert(chain, private).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            refused("tls_key", key, "the key is not the one of the certificate in tls_cert".to_owned())
        }
        other => refused("tls_cert", cert, other.to_string()),
    })?;
    // Every connection shows its certificate anew.
    server.send_tls13_tickets = 0;
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Arc::new(server)))
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let told = |error| refused(key, path, format!("no certificate was read: {error}"));
    let found = CertificateDer::pem_file_iter(path).map_err(told)?.collect::<Result<Vec<_>, _>>().map_err(told)?;
    match found.is_empty() {
        true => Err(refused(key, path, "there is no certificate in PEM in it".to_owned())),
        false => Ok(found),
    }
}

fn refused(key: &'static str, path: &Path, reason: String) -> HttpError {
    HttpError::File { key, path: path.to_owned(), reason }
}
