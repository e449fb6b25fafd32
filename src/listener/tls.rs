//! TLS for clients: version 1.3 only. The certificate can be read anew while clients are served; who is connected stays.
//!
//! Sessions are never resumed, so every connection shows its certificate anew.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{CertificateError, RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use super::{Config, ListenerError};
use crate::base::Places;

/// Which certificates clients show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// None: they are not asked for one.
    #[default]
    No,
    /// One of the authority, or none.
    Optional,
    /// One of the authority.
    Required,
}

/// Which name in a client's certificate is that of its user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateUser {
    /// None: users log in with AUTH.
    #[default]
    No,
    /// The common name of its subject.
    CommonName,
    /// Its first alternative name that is one of DNS.
    DnsName,
    /// Its first alternative name that is a URI.
    Uri,
    /// Its first alternative name that is an address of mail.
    Email,
}

/// How clients are answered that speak TLS.
#[derive(Debug)]
pub struct Tls {
    current: RwLock<Arc<PreparedTls>>,
    handshakes: Arc<Mutex<Places>>,
}

/// What was read of the files, and fits together.
#[derive(Debug)]
pub struct PreparedTls {
    server: Arc<ServerConfig>,
    user: CertificateUser,
    handshake_may_take: Duration,
    /// What clients are shown.
    shown: CertificateDer<'static>,
    path: PathBuf,
    /// From when until when that is good, in seconds since 1970.
    valid: (i64, i64),
}

impl PreparedTls {
    /// When the certificate that clients are shown ends, in seconds since 1970.
    pub fn ends_seconds(&self) -> u64 {
        u64::try_from(self.valid.1).unwrap_or(0)
    }

    /// Why no client takes the certificate at this time, in seconds since 1970, if it has ended or not begun.
    pub fn validity_problem(&self, now_seconds: u64) -> Option<ListenerError> {
        let now = i64::try_from(now_seconds).unwrap_or(i64::MAX);
        let day = |seconds| ASN1Time::from_timestamp(seconds).map_or_else(|_| "?".to_owned(), |time| time.to_string());
        let reason = match self.valid {
            (_, end) if now > end => format!("the certificate expired on {}, and clients refuse it", day(end)),
            (begin, _) if now < begin => {
                format!("the certificate is valid only from {} on; is this machine's clock right?", day(begin))
            }
            _ => return None,
        };
        Some(refused("tls_cert", &self.path, reason))
    }

    /// Reads the files of the configuration; none where there is no port for TLS.
    ///
    /// # Errors
    /// [`ListenerError::Tls`] names the setting and the file.
    pub fn read(config: &Config) -> Result<Option<Self>, ListenerError> {
        if config.tls_port.is_none() {
            return Ok(None);
        }
        let (cert, key) =
            (given("tls_cert", config.tls_cert.as_deref())?, given("tls_key", config.tls_key.as_deref())?);
        let chain = read_certificates("tls_cert", cert)?;
        let private = read_key(key)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| refused("tls_cert", cert, error.to_string()))?;
        let builder = match config.tls_client_certificates {
            ClientCertificates::No => builder.with_no_client_auth(),
            asked => {
                let path = given("tls_ca_cert", config.tls_ca_cert.as_deref())?;
                let told = |error: String| refused("tls_ca_cert", path, error);
                let mut roots = RootCertStore::empty();
                for certificate in read_certificates("tls_ca_cert", path)? {
                    roots.add(certificate).map_err(|error| told(error.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier =
                    if asked == ClientCertificates::Optional { verifier.allow_unauthenticated() } else { verifier };
                builder.with_client_cert_verifier(verifier.build().map_err(|error| told(error.to_string()))?)
            }
        };
        let Some(shown) = chain.first().cloned() else {
            return Err(refused("tls_cert", cert, NO_CERTIFICATE.to_owned()));
        };
        let valid = validity_of(&shown).ok_or_else(|| refused("tls_cert", cert, "it is not X.509".to_owned()))?;
        let mut server = builder.with_single_cert(chain, private).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                refused("tls_key", key, "the key is not the one of the certificate in tls_cert".to_owned())
            }
            other => refused("tls_cert", cert, other.to_string()),
        })?;
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        let handshake_may_take = Duration::from_secs(config.tls_handshake_seconds.into());
        let (server, user, path) = (Arc::new(server), config.tls_certificate_user, cert.to_owned());
        Ok(Some(Self { server, user, handshake_may_take, shown, path, valid }))
    }

    /// What is wrong with each of the files that [`Self::read`] reads, by itself. Those that are not set are left out.
    pub fn problems(config: &Config) -> Vec<ListenerError> {
        let mut problems = Vec::new();
        let certificates = |key: &'static str, path: Option<&Path>| {
            path.and_then(|path| read_certificates(key, path).err()).into_iter()
        };
        if config.tls_port.is_some() {
            problems.extend(certificates("tls_cert", config.tls_cert.as_deref()));
            problems.extend(config.tls_key.as_deref().and_then(|path| read_key(path).err()));
            if config.tls_client_certificates != ClientCertificates::No {
                problems.extend(certificates("tls_ca_cert", config.tls_ca_cert.as_deref()));
            }
        }
        problems
    }
}

const NO_CERTIFICATE: &str = "there is no certificate in PEM in it";

fn validity_of(certificate: &CertificateDer<'_>) -> Option<(i64, i64)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let validity = parsed.validity();
    Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
}

fn given<'a>(key: &'static str, path: Option<&'a Path>) -> Result<&'a Path, ListenerError> {
    path.ok_or_else(|| ListenerError::Setting {
        key,
        given: "not set".to_owned(),
        allowed: "a file in PEM, as tls_port is set".to_owned(),
    })
}

fn refused(key: &'static str, path: &Path, reason: String) -> ListenerError {
    ListenerError::Tls { key, path: path.to_owned(), reason }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, ListenerError> {
    let told = |error| refused("tls_key", path, format!("no private key was read: {error}"));
    PrivateKeyDer::from_pem_file(path).map_err(told)
}

fn read_certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, ListenerError> {
    let told = |error| refused(key, path, format!("no certificate was read: {error}"));
    let found = CertificateDer::pem_file_iter(path).map_err(told)?.collect::<Result<Vec<_>, _>>().map_err(told)?;
    if found.is_empty() {
        return Err(refused(key, path, NO_CERTIFICATE.to_owned()));
    }
    Ok(found)
}

/// The right to be in the middle of a handshake, given back when dropped.
#[derive(Debug)]
pub(super) struct HandshakePermit(Arc<Mutex<Places>>, IpAddr);

impl Drop for HandshakePermit {
    fn drop(&mut self) {
        self.0.lock().give_back(self.1);
    }
}

impl Tls {
    /// Begins with what was read; as many clients may be in the middle of a handshake, half of them from one address.
    pub(super) fn new(prepared: PreparedTls, max_handshakes: u32) -> Self {
        let handshakes = Arc::new(Mutex::new(Places::new(max_handshakes as usize)));
        Self { current: RwLock::new(Arc::new(prepared)), handshakes }
    }

    /// Those who connect from now on are answered like this.
    pub fn replace(&self, prepared: PreparedTls) {
        *self.current.write() = Arc::new(prepared);
    }

    /// Whether clients are shown this certificate already.
    pub fn shows(&self, prepared: &PreparedTls) -> bool {
        self.current.read().shown == prepared.shown
    }

    /// A place among those in the middle of a handshake.
    pub(super) fn permit(&self, address: IpAddr) -> Option<HandshakePermit> {
        let is_free = self.handshakes.lock().take(address);
        is_free.then(|| HandshakePermit(Arc::clone(&self.handshakes), address))
    }

    /// Comes to terms with a client. Also the name of its user, where its certificate is to tell.
    ///
    /// # Errors
    /// The client spoke no TLS, showed no certificate that is good enough, or took too long.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        permit: HandshakePermit,
    ) -> io::Result<(TlsStream<TcpStream>, Option<String>)> {
        let current = Arc::clone(&self.current.read());
        let acceptor = TlsAcceptor::from(Arc::clone(&current.server));
        let shaken = tokio::time::timeout(current.handshake_may_take, acceptor.accept(stream)).await;
        drop(permit);
        let stream = shaken.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let user = certificate.and_then(|certificate| user_of(certificate, current.user));
        Ok((stream, user))
    }
}

/// What is wrong with the certificate of a client with whom there was no coming to terms, if it was that.
pub(super) fn refused_certificate(error: &io::Error) -> Option<String> {
    let reason = match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::NoCertificatesPresented => "none was shown",
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet",
            // A signature that does not verify is what an authority of the same name gives.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => "it is of another authority",
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                "it is not one of a client"
            }
            other => return Some(other.to_string()),
        },
        _ => return None,
    };
    Some(reason.to_owned())
}

/// The name in a certificate that was verified.
fn user_of(certificate: &CertificateDer<'_>, wanted: CertificateUser) -> Option<String> {
    if wanted == CertificateUser::No {
        return None;
    }
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    if wanted == CertificateUser::CommonName {
        let name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
        return Some(name.to_owned());
    }
    let names = certificate.subject_alternative_name().ok()??;
    let of_kind = |name: &GeneralName<'_>| match (wanted, name) {
        (CertificateUser::DnsName, GeneralName::DNSName(name))
        | (CertificateUser::Uri, GeneralName::URI(name))
        | (CertificateUser::Email, GeneralName::RFC822Name(name)) => Some((*name).to_owned()),
        _ => None,
    };
    names.value.general_names.iter().find_map(of_kind)
}
