//! Certificate authorities: whoever has `ca.key` decides who may be a node.
//!
//! An authority is a directory with `ca.crt` and `ca.key`. A development authority is made by the first node
//! that starts in an empty one; a real one is made by `discnt-cli certs init` and its key kept off the nodes.

use super::certificate::{self, CertificateDetails, node_id_of_public_key};
use super::error::IdentityError;
use super::files::{self, Secrecy, io_error};
use super::succession;
use crate::base::NodeId;
use crate::wire::OfferedAuthority;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKey, PublicKeyData,
};
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use time::{Duration, OffsetDateTime};

/// The authority's certificate in its directory.
pub const AUTHORITY_CERTIFICATE_FILE: &str = "ca.crt";
/// The authority's key in its directory.
pub const AUTHORITY_KEY_FILE: &str = "ca.key";
/// How long a development authority and its nodes' certificates are valid.
pub const DEVELOPMENT_VALIDITY_DAYS: u32 = 3650;

/// What vouches for an authority that took another's place, and for those before it, the youngest first, in its directory.
pub(super) const VOUCHER_FILE: &str = "ca.voucher.crt";
/// The certificates of the authorities that were there before, the youngest first, whose nodes are still accepted.
pub(super) const PREVIOUS_FILE: &str = "ca.previous.crt";
/// An authority that is about to take the place of the one that is there.
pub(super) const NEXT_CERTIFICATE_FILE: &str = "ca.crt.next";
pub(super) const NEXT_KEY_FILE: &str = "ca.key.next";
const LOCK_FILE: &str = ".lock";
/// Certificates are valid from this long ago, for nodes whose clocks are behind.
const CLOCK_ALLOWANCE: Duration = Duration::days(1);
pub(super) const DEVELOPMENT_NAME: &str = "discnt development authority";

/// An authority with its key.
pub struct Authority {
    directory: PathBuf,
    certificate: CertificateDer<'static>,
    not_after: OffsetDateTime,
    key: KeyPair,
    /// A certificate for its key from the authority before it, one for that from the one before, and so on: whoever trusts
    /// any of those alone accepts its nodes, too.
    vouchers: Vec<CertificateDer<'static>>,
}

/// What [`Authority::issue_to_files`] made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// The id of the node that uses it.
    pub node_id: NodeId,
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Whether the key was there before; the node id is then as it was.
    pub key_was_kept: bool,
}

/// Makes an authority in a directory that has none.
///
/// # Errors
/// [`IdentityError::Exists`] when there is one; otherwise when the files cannot be written.
pub fn make_authority(directory: &Path, name: &str, valid_days: u32) -> Result<Authority, IdentityError> {
    files::make_directory(directory)?;
    let _lock = lock(directory)?;
    for file in [AUTHORITY_CERTIFICATE_FILE, AUTHORITY_KEY_FILE] {
        let path = directory.join(file);
        if path.exists() {
            return Err(IdentityError::Exists { path });
        }
    }
    make_locked(directory, name, valid_days)
}

/// Loads the authority of a directory.
///
/// # Errors
/// [`IdentityError`] when a file is missing or damaged, or the two do not belong together.
pub fn load_authority(directory: &Path) -> Result<Authority, IdentityError> {
    succession::finish_succession(directory)?;
    read_authority(directory)
}

/// The same, and nothing is written: one that is about to take another's place is left as it is.
pub(super) fn read_authority(directory: &Path) -> Result<Authority, IdentityError> {
    let certificate_path = directory.join(AUTHORITY_CERTIFICATE_FILE);
    let key_path = directory.join(AUTHORITY_KEY_FILE);
    let broken = |path: &Path, what: String| IdentityError::File {
        path: path.to_owned(),
        what,
        remedy: "restore the file, or make another authority in an empty directory with `discnt-cli certs init`".into(),
    };
    let missing = |path: &Path| broken(path, "there is no such file".into());
    if !certificate_path.exists() {
        return Err(missing(&certificate_path));
    }
    let certificate = certificate::read_certificates(&certificate_path)?.swap_remove(0);
    let details = CertificateDetails::of(&certificate).map_err(|what| broken(&certificate_path, what))?;
    if !details.is_authority {
        let what = "it is a node's certificate, not an authority's".into();
        return Err(broken(&certificate_path, what));
    }
    if let Some(problem) = details.validity_problem(OffsetDateTime::now_utc()) {
        return Err(broken(&certificate_path, problem));
    }
    let key_text = files::read(&key_path)?.ok_or_else(|| missing(&key_path))?;
    let key = KeyPair::from_pem(&key_text)
        .map_err(|error| broken(&key_path, format!("it is no usable private key ({error})")))?;
    if node_id_of_public_key(&key.subject_public_key_info()) != details.node_id {
        let what = format!("it is not the key of {}", certificate_path.display());
        return Err(broken(&key_path, what));
    }
    let vouchers = succession::load_vouchers(directory, &details);
    Ok(Authority { directory: directory.to_owned(), certificate, not_after: details.not_after, key, vouchers })
}

/// Loads the authority of a directory, or makes it there for development. Any number of nodes may do this at
/// the same instant: one of them makes it, the others find it. The flag says whether this call made it.
///
/// # Errors
/// [`IdentityError`] when the directory cannot be written or holds a broken authority.
pub(super) fn load_or_make_development(directory: &Path) -> Result<(Authority, bool), IdentityError> {
    let certificate_path = directory.join(AUTHORITY_CERTIFICATE_FILE);
    if certificate_path.exists() {
        return load_authority(directory).map(|authority| (authority, false));
    }
    files::make_directory(directory)?;
    let lock = lock(directory)?;
    if certificate_path.exists() {
        drop(lock);
        return load_authority(directory).map(|authority| (authority, false));
    }
    make_locked(directory, DEVELOPMENT_NAME, DEVELOPMENT_VALIDITY_DAYS).map(|authority| (authority, true))
}

/// The key is written first: a certificate without a key would tell other nodes that there is no key to have.
/// A key that a crash left alone is used.
fn make_locked(directory: &Path, name: &str, valid_days: u32) -> Result<Authority, IdentityError> {
    let key_path = directory.join(AUTHORITY_KEY_FILE);
    let key = load_or_make_key(&key_path)?.0;
    let now = OffsetDateTime::now_utc();
    let not_after = now + Duration::days(i64::from(valid_days));
    let params = authority_parameters(name, &key, now - CLOCK_ALLOWANCE, not_after);
    let certificate = params.self_signed(&key).map_err(cannot_make("the authority's certificate"))?;
    let path = directory.join(AUTHORITY_CERTIFICATE_FILE);
    files::replace(&path, &certificate.pem(), Secrecy::Public)?;
    let certificate = certificate.der().clone();
    Ok(Authority { directory: directory.to_owned(), certificate, not_after, key, vouchers: Vec::new() })
}

pub(super) fn authority_parameters(
    name: &str,
    key: &KeyPair,
    from: OffsetDateTime,
    until: OffsetDateTime,
) -> CertificateParams {
    let mut params = parameters(&format!("{name} {}", short_id(key)), from, until);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A request for a certificate, whose sender has proven to have the key.
pub(super) struct CertificateRequest(PublicKey);

impl CertificateRequest {
    /// Makes one (PKCS #10, as DER).
    pub(super) fn make(key: &KeyPair) -> Result<Vec<u8>, IdentityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let request = params.serialize_request(key).map_err(cannot_make("a request for a certificate"))?;
        Ok(request.der().to_vec())
    }

    /// Reads one. Nothing but the key is taken from it.
    pub(super) fn read(der: &[u8]) -> Result<Self, String> {
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(der));
        let key = request.map_err(|error| format!("the request for a certificate is not right ({error})"))?.public_key;
        if *PublicKeyData::algorithm(&key) != PKCS_ECDSA_P256_SHA256 {
            return Err("a node's key is one of ECDSA with P-256".into());
        }
        Ok(Self(key))
    }

    /// The id of the node that has the key.
    pub(super) fn node_id(&self) -> NodeId {
        node_id_of_public_key(&self.0.subject_public_key_info())
    }
}

impl Authority {
    /// Where it is kept.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its certificate, to be given to all nodes.
    pub(super) const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// When its certificate ends.
    pub(super) const fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// Its key.
    pub(super) const fn key(&self) -> &KeyPair {
        &self.key
    }

    /// Issues a certificate for a key, as PEM, with what vouches for the authority behind it. It ends with the authority's
    /// own at the latest.
    ///
    /// # Errors
    /// [`IdentityError::Make`] when the library refuses.
    pub(super) fn issue(&self, key: &impl PublicKeyData, valid_days: u32) -> Result<String, IdentityError> {
        Ok(self.issue_chain(key, valid_days)?.iter().map(certificate::to_pem).collect())
    }

    /// The same for somebody else's key.
    pub(super) fn issue_for(
        &self,
        request: &CertificateRequest,
        valid_days: u32,
    ) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
        self.issue_chain(&request.0, valid_days)
    }

    /// What vouches for it and for those before it, the youngest first.
    pub(super) fn vouchers(&self) -> &[CertificateDer<'static>] {
        &self.vouchers
    }

    /// The authority as others are told of it.
    pub(super) fn offer(&self) -> OfferedAuthority {
        self.offer_of(&self.certificate)
    }

    /// An authority as others are told of it: this one, or one that was there before it.
    pub(super) fn offer_of(&self, certificate: &CertificateDer<'static>) -> OfferedAuthority {
        let voucher = certificate::of_same_key(certificate, &self.vouchers);
        OfferedAuthority {
            certificate: certificate.to_vec(),
            voucher: voucher.map_or_else(Vec::new, |der| der.to_vec()),
        }
    }

    /// This one and those before it, as others are told of them.
    pub(super) fn offers(&self) -> Vec<OfferedAuthority> {
        let previous = succession::previous(&self.directory);
        std::iter::once(&self.certificate).chain(&previous).map(|one| self.offer_of(one)).collect()
    }

    fn issue_chain(
        &self,
        key: &impl PublicKeyData,
        valid_days: u32,
    ) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
        let node_id = node_id_of_public_key(&key.subject_public_key_info());
        let now = OffsetDateTime::now_utc();
        let not_after = (now + Duration::days(i64::from(valid_days))).min(self.not_after);
        let mut params = parameters(&format!("discnt node {node_id}"), now - CLOCK_ALLOWANCE, not_after);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let cannot = cannot_make("the node's certificate");
        let issuer = match Issuer::from_ca_cert_der(&self.certificate, &self.key) {
            Ok(issuer) => issuer,
            Err(error) => return Err(cannot(error)),
        };
        let certificate = params.signed_by(key, &issuer).map_err(cannot)?;
        Ok(std::iter::once(certificate.der().clone()).chain(self.vouchers.iter().cloned()).collect())
    }

    /// Issues a certificate into a file. A key that is there is kept, and with it the node's id; otherwise
    /// one is made, readable by its owner alone.
    ///
    /// # Errors
    /// [`IdentityError`] when the key there is unusable or a file cannot be written.
    pub fn issue_to_files(
        &self,
        certificate: &Path,
        key: &Path,
        valid_days: u32,
    ) -> Result<IssuedCertificate, IdentityError> {
        let (pair, key_was_kept) = load_or_make_key(key)?;
        let pem = self.issue(&pair, valid_days)?;
        files::replace(certificate, &pem, Secrecy::Public)?;
        Ok(IssuedCertificate {
            node_id: id_of(&pair),
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            key_was_kept,
        })
    }
}

/// Loads a key, or makes one in a file of mode 0600. The flag says whether it was there.
pub(super) fn load_or_make_key(path: &Path) -> Result<(KeyPair, bool), IdentityError> {
    match read_key_pair(path)? {
        Some(pair) => Ok((pair, true)),
        None => make_key(path).map(|pair| (pair, false)),
    }
}

/// The key of a file; none where there is no such file.
pub(super) fn read_key_pair(path: &Path) -> Result<Option<KeyPair>, IdentityError> {
    let Some(text) = files::read(path)? else { return Ok(None) };
    KeyPair::from_pem(&text).map(Some).map_err(|error| IdentityError::File {
        path: path.to_owned(),
        what: format!("it is no usable private key ({error})"),
        remedy: "restore it; a node with a new key has a new id".into(),
    })
}

/// The id of the node that has this key.
pub(super) fn id_of(key: &KeyPair) -> NodeId {
    node_id_of_public_key(&key.subject_public_key_info())
}

/// Makes a key in a file of mode 0600, in place of one that may be there.
pub(super) fn make_key(path: &Path) -> Result<KeyPair, IdentityError> {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(cannot_make("a key"))?;
    files::replace(path, &pair.serialize_pem(), Secrecy::Secret)?;
    Ok(pair)
}

fn parameters(name: &str, not_before: OffsetDateTime, not_after: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = not_before;
    params.not_after = not_after;
    params
}

/// Makes authorities tell apart by name, which TLS libraries go by first.
fn short_id(key: &KeyPair) -> String {
    let id = node_id_of_public_key(&key.subject_public_key_info()).to_string();
    id[..8].to_owned()
}

pub(super) fn cannot_make(what: &'static str) -> impl Fn(rcgen::Error) -> IdentityError {
    move |error| IdentityError::Make { what, reason: error.to_string() }
}

/// Held while an authority is made; the system frees it with the file.
pub(super) fn lock(directory: &Path) -> Result<std::fs::File, IdentityError> {
    let path = directory.join(LOCK_FILE);
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(io_error("open", &path))?;
    file.lock().map_err(io_error("lock", &path))?;
    Ok(file)
}
