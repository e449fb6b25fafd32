//! Who this node is: a key, a certificate chain for it, and the authorities whose nodes it accepts.
//!
//! The key, and with it the id, stays for as long as the data directory does; certificates and authorities come and go.

use super::authorities;
use super::authority::{self, Authority, DEVELOPMENT_VALIDITY_DAYS};
use super::certificate::{self, CertificateDetails};
use super::config::{CertificateFiles, Config};
use super::error::IdentityError;
use super::files::{self, Secrecy};
use super::succession::previous;
use super::tls;
use crate::base::NodeId;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// The node's key in its data directory.
pub const NODE_KEY_FILE: &str = "node.key";
/// The node's certificate in its data directory.
pub const NODE_CERTIFICATE_FILE: &str = "node.crt";
/// A key that takes the place of the node's as soon as the counters on disk are those of its id.
pub const NEXT_KEY_FILE: &str = "node.key.next";
const NEXT_CERTIFICATE_FILE: &str = "node.crt.next";

/// A certificate is replaced when it has less than this left, or less than a third of its life: long enough before the end
/// for the warnings of the last 30 days to mean that something is wrong.
const RENEWAL_MARGIN: Duration = Duration::days(60);

/// A checked identity: the key is the certificate's, the chain ends in a root, nothing has expired.
pub struct Identity {
    /// The node's id, from the certificate's public key.
    pub id: NodeId,
    /// The node's certificate, then any between it and the authority.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// The private key of the first certificate.
    pub(super) key: PrivateKeyDer<'static>,
    /// The authorities whose nodes are accepted.
    pub(super) roots: Arc<RootCertStore>,
    /// Their certificates.
    pub(super) authorities: Vec<CertificateDer<'static>>,
    /// When the node's certificate ends.
    not_after: OffsetDateTime,
}

impl fmt::Debug for Identity {
    /// Says who, and nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            chain: self.chain.clone(),
            key: self.key.clone_key(),
            roots: Arc::clone(&self.roots),
            authorities: self.authorities.clone(),
            not_after: self.not_after,
        }
    }
}

/// An identity with where it came from and what the log should say about it.
#[derive(Debug, Clone)]
pub struct OpenedIdentity {
    /// The identity.
    pub identity: Identity,
    /// Where it came from.
    pub source: IdentitySource,
    /// Warnings: complete sentences.
    pub warnings: Vec<String>,
}

/// Where an identity came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySource {
    /// The files that the configuration names.
    Configured(CertificateFiles),
    /// The cluster that this node has joined with a token, or whose authority was replaced.
    Joined {
        /// The authorities that it trusts.
        authorities: PathBuf,
        /// Whether this node holds the key of one, and certifies itself and others.
        issues: bool,
    },
    /// A development authority. Whoever can read its key can be a node.
    Development {
        /// Where the authority is.
        directory: PathBuf,
        /// Whether this start made it.
        made_now: bool,
    },
}

impl Identity {
    /// Opens the identity that the configuration names, or one under the development authority of
    /// `certs_dir`, which is made when there is none. The key then stays in `data_directory`, and with it
    /// the node's id, also when the certificate must be issued anew.
    ///
    /// # Errors
    /// [`IdentityError`] says which file, what is wrong with it and what to do.
    pub fn open(config: &Config, data_directory: &Path) -> Result<OpenedIdentity, IdentityError> {
        match config.certificate_files()? {
            Some(files) => open_configured(files),
            None => open_unconfigured(config, data_directory, &KeyPaths::present(data_directory)),
        }
    }

    /// When the node's certificate ends, in seconds since 1970.
    pub fn expires_seconds(&self) -> u64 {
        u64::try_from(self.not_after.unix_timestamp()).unwrap_or(0)
    }

    /// When the last of the authorities that are trusted ends, in seconds since 1970.
    pub fn authorities_expire_seconds(&self) -> u64 {
        let ends = self.authorities.iter().filter_map(|authority| CertificateDetails::of(authority).ok());
        let last = ends.map(|details| details.not_after.unix_timestamp()).max();
        last.and_then(|last| u64::try_from(last).ok()).unwrap_or(0)
    }

    /// Whether the certificate is to be replaced soon.
    pub fn is_due(&self) -> bool {
        !has_time_left(&self.chain)
    }

    /// Whether others see any difference between the two.
    pub fn is_same_as(&self, other: &Self) -> bool {
        (self.id, &self.chain, &self.authorities) == (other.id, &other.chain, &other.authorities)
    }

    /// Makes the node a new key and so a new id, under the development authority. It is kept beside the present one until
    /// [`Self::take_next`].
    ///
    /// # Errors
    /// [`IdentityError`]; the old identity stays, also when it comes from configured files, which only their
    /// owner can replace.
    pub fn renew(config: &Config, data_directory: &Path) -> Result<OpenedIdentity, IdentityError> {
        // Looked at first, so that the old key stays when no certificate can be had for a new one.
        Self::check_renewable(config, data_directory)?;
        let next = KeyPaths::next(data_directory);
        authority::make_key(&next.key)?;
        open_unconfigured(config, data_directory, &next)
    }

    /// Whether [`Self::renew`] can give the node a new key.
    ///
    /// # Errors
    /// [`IdentityError`] says why not.
    pub fn check_renewable(config: &Config, data_directory: &Path) -> Result<(), IdentityError> {
        if let Some(files) = config.certificate_files()? {
            return Err(IdentityError::File {
                path: files.key,
                what: "the node's id comes from this configured key".into(),
                remedy: "to give the node a new id, issue another key and certificate with `discnt-cli certs issue` and restart"
                    .into(),
            });
        }
        if authorities::read(data_directory)?.is_none() {
            authority::load_or_make_development(&config.certs_dir)?;
        } else if let Err(what) = Self::issuer(config, data_directory) {
            return Err(IdentityError::File {
                path: authorities::path(data_directory),
                what,
                remedy: "to give the node a new id, start it with an empty data directory and join with a new token"
                    .into(),
            });
        }
        Ok(())
    }

    /// The id of the key that [`Self::renew`] made, if it has not taken its place.
    ///
    /// # Errors
    /// [`IdentityError`] when it is there and cannot be read.
    pub fn next_id(data_directory: &Path) -> Result<Option<NodeId>, IdentityError> {
        let path = KeyPaths::next(data_directory).key;
        if files::read(&path)?.is_none() {
            return Ok(None);
        }
        authority::load_or_make_key(&path).map(|(pair, _)| Some(authority::id_of(&pair)))
    }

    /// The new key takes the place of the old one.
    ///
    /// # Errors
    /// [`IdentityError`]; it can be tried again.
    pub fn take_next(data_directory: &Path) -> Result<(), IdentityError> {
        let (present, next) = (KeyPaths::present(data_directory), KeyPaths::next(data_directory));
        files::rename(&next.key, &present.key)?;
        // Without it, it is issued anew.
        if next.certificate.exists() { files::rename(&next.certificate, &present.certificate) } else { Ok(()) }
    }

    /// Nothing came of the new key.
    ///
    /// # Errors
    /// [`IdentityError`]; it is still there.
    pub fn drop_next(data_directory: &Path) -> Result<(), IdentityError> {
        let next = KeyPaths::next(data_directory);
        files::remove(&next.certificate)?;
        files::remove(&next.key)
    }
}

/// Where a key and its certificate are.
struct KeyPaths {
    key: PathBuf,
    certificate: PathBuf,
}

impl KeyPaths {
    fn present(directory: &Path) -> Self {
        Self { key: directory.join(NODE_KEY_FILE), certificate: directory.join(NODE_CERTIFICATE_FILE) }
    }

    /// A certificate that takes its place when its authorities are trusted.
    fn waiting(&self) -> PathBuf {
        self.certificate.with_added_extension("joined")
    }

    fn next(directory: &Path) -> Self {
        Self { key: directory.join(NEXT_KEY_FILE), certificate: directory.join(NEXT_CERTIFICATE_FILE) }
    }
}

fn open_unconfigured(
    config: &Config,
    data_directory: &Path,
    paths: &KeyPaths,
) -> Result<OpenedIdentity, IdentityError> {
    match authorities::read(data_directory)? {
        Some(kept) => joined::open(config, data_directory, paths, kept),
        None => open_development(config, paths),
    }
}

fn open_configured(paths: CertificateFiles) -> Result<OpenedIdentity, IdentityError> {
    let authorities = read_authorities(&paths.ca_cert)?;
    let chain = certificate::read_certificates(&paths.cert)?;
    let key = certificate::read_key(&paths.key)?;
    let identity = assemble(chain, key, authorities).map_err(|what| IdentityError::File {
        path: paths.cert.clone(),
        what: format!(
            "{what} (its key is {}, the authorities are in {})",
            paths.key.display(),
            paths.ca_cert.display()
        ),
        remedy: "issue one with `discnt-cli certs issue`, and check [mesh] ca_cert, cert and key".into(),
    })?;
    let warnings = key_warning(&paths.key).into_iter().collect();
    Ok(OpenedIdentity { identity, source: IdentitySource::Configured(paths), warnings })
}

fn open_development(config: &Config, paths: &KeyPaths) -> Result<OpenedIdentity, IdentityError> {
    let directory = &config.certs_dir;
    let ca_certificate = directory.join(authority::AUTHORITY_CERTIFICATE_FILE);
    let ca_key = directory.join(authority::AUTHORITY_KEY_FILE);
    if ca_certificate.exists() && !ca_key.exists() {
        return open_without_authority_key(config, paths);
    }
    let (authority, made_now) = authority::load_or_make_development(directory)?;
    let authorities = std::iter::once(authority.certificate().clone()).chain(previous(directory)).collect();
    let identity = own_certificate(&authority, authorities, paths)?;
    let mut warnings = vec![format!(
        "the mesh uses the {}authority in {}: whoever can read its ca.key can make nodes of this cluster. Machines without it join with a token of `discnt-cli cluster invite`; for an authority of your own set [mesh] ca_cert, cert and key",
        if made_now { "newly made " } else { "" },
        directory.display()
    )];
    warnings.extend(key_warning(&paths.key));
    warnings.extend(key_warning(&ca_key));
    Ok(OpenedIdentity {
        identity,
        source: IdentitySource::Development { directory: directory.clone(), made_now },
        warnings,
    })
}

/// The node's certificate, issued anew when it is missing, damaged, near its end or
/// of another authority.
fn own_certificate(
    authority: &Authority,
    authorities: Vec<CertificateDer<'static>>,
    paths: &KeyPaths,
) -> Result<Identity, IdentityError> {
    refuse_lost_key(paths)?;
    let KeyPaths { key: key_path, certificate: certificate_path } = paths;
    let (pair, _) = authority::load_or_make_key(key_path)?;
    let key = || PrivateKeyDer::Pkcs8(pair.serialize_der().into());
    if let Ok(chain) = certificate::read_certificates(certificate_path)
        && has_time_left(&chain)
        && assemble(chain.clone(), key(), vec![authority.certificate().clone()]).is_ok()
        && let Ok(identity) = assemble(chain, key(), authorities.clone())
    {
        return Ok(identity);
    }
    let pem = authority.issue(&pair, DEVELOPMENT_VALIDITY_DAYS)?;
    files::replace(certificate_path, &pem, Secrecy::Public)?;
    let chain = certificate::read_certificates(certificate_path)?;
    assemble(chain, key(), authorities).map_err(|what| IdentityError::File {
        path: certificate_path.clone(),
        what,
        remedy: format!("look at the authority in {} with `discnt-cli certs show`", authority.directory().display()),
    })
}

/// `ca.crt` alone: this machine may check nodes but not make them. A certificate put into the data directory
/// by hand serves.
fn open_without_authority_key(config: &Config, own: &KeyPaths) -> Result<OpenedIdentity, IdentityError> {
    let paths = CertificateFiles {
        ca_cert: config.certs_dir.join(authority::AUTHORITY_CERTIFICATE_FILE),
        cert: own.certificate.clone(),
        key: own.key.clone(),
    };
    if paths.cert.exists() && paths.key.exists() {
        return open_configured(paths);
    }
    Err(IdentityError::File {
        path: paths.ca_cert,
        what: format!(
            "there is no {} beside it, so this node cannot issue itself a certificate",
            authority::AUTHORITY_KEY_FILE
        ),
        remedy: "issue one where that key is, with `discnt-cli certs issue`, and set [mesh] ca_cert, cert and key to the files"
            .into(),
    })
}

fn has_time_left(chain: &[CertificateDer<'_>]) -> bool {
    chain.first().and_then(|first| CertificateDetails::of(first).ok()).is_some_and(|details| {
        let margin = RENEWAL_MARGIN.min((details.not_after - details.not_before) / 3);
        details.validity_problem(OffsetDateTime::now_utc() + margin).is_none()
    })
}

fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let authorities = certificate::read_certificates(path)?;
    let refused = |what: String| IdentityError::File {
        path: path.to_owned(),
        what,
        remedy: "give the certificate of an authority, as made by `discnt-cli certs init`".into(),
    };
    for certificate in &authorities {
        if !CertificateDetails::of(certificate).map_err(refused)?.is_authority {
            return Err(refused("it holds a certificate that is not an authority's".into()));
        }
    }
    authorities::roots(&authorities).map_err(refused)?;
    Ok(authorities)
}

/// Puts an identity together if it would be accepted by a node with the same roots.
fn assemble(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    authorities: Vec<CertificateDer<'static>>,
) -> Result<Identity, String> {
    let roots = Arc::new(authorities::roots(&authorities)?);
    let first = chain.first().ok_or("there is no certificate")?;
    let details = CertificateDetails::of(first)?;
    if details.is_authority {
        return Err("it is the certificate of an authority, not of a node".into());
    }
    if let Some(problem) = details.validity_problem(OffsetDateTime::now_utc()) {
        return Err(problem);
    }
    tls::check_own_chain(&chain, &key, &roots)?;
    Ok(Identity { id: details.node_id, chain, key, roots, authorities, not_after: details.not_after })
}

fn key_warning(path: &Path) -> Option<String> {
    files::is_readable_by_others(path)
        .then(|| format!("{} can be read by others than its owner: chmod 600 it", path.display()))
}

mod answered;
mod inspecting;
mod joined;
mod joining;
mod lost;
#[cfg(test)]
mod tests;

pub(super) use joined::OTHER_CLUSTER;
pub use joining::{Certified, Joined};
use lost::refuse_lost_key;
