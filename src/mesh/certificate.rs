//! Certificates as values: read from PEM files, turned into node ids, described for people.

use super::error::IdentityError;
use super::files;
use crate::base::NodeId;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::path::Path;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What a certificate says, for people and for checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateDetails {
    /// Whose certificate it is.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The id of a node with this certificate's key.
    pub node_id: NodeId,
    /// The SHA-256 of the whole certificate.
    pub fingerprint: [u8; 32],
    /// Valid from then on.
    pub not_before: OffsetDateTime,
    /// Valid until then.
    pub not_after: OffsetDateTime,
    /// Whether it is an authority's.
    pub is_authority: bool,
}

impl CertificateDetails {
    /// Reads what the certificate says. Linear in its length.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let (rest, parsed) = X509Certificate::from_der(certificate)
            .map_err(|error| format!("it is not an X.509 certificate ({error})"))?;
        if !rest.is_empty() {
            return Err("there are bytes after the certificate".into());
        }
        let fingerprint = fingerprint_of(certificate);
        Ok(Self {
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            node_id: node_id_of_public_key(parsed.public_key().raw),
            fingerprint,
            not_before: parsed.validity().not_before.to_datetime(),
            not_after: parsed.validity().not_after.to_datetime(),
            is_authority: parsed.is_ca(),
        })
    }

    /// The fingerprint as colon-separated hex, as other tools print it.
    pub fn fingerprint_text(&self) -> String {
        let pairs: Vec<String> = self.fingerprint.iter().map(|b| format!("{b:02X}")).collect();
        pairs.join(":")
    }

    /// What is wrong with the validity at that time, if anything.
    pub(super) fn validity_problem(&self, now: OffsetDateTime) -> Option<String> {
        if now > self.not_after {
            Some(format!("the certificate expired on {}", day(self.not_after)))
        } else if now < self.not_before {
            Some(format!(
                "the certificate is valid only from {} on; is this machine's clock right?",
                day(self.not_before)
            ))
        } else {
            None
        }
    }
}

impl fmt::Display for CertificateDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "subject      {}", self.subject)?;
        writeln!(f, "issuer       {}", self.issuer)?;
        if self.is_authority {
            writeln!(f, "kind         authority")?;
        } else {
            writeln!(f, "kind         node")?;
            writeln!(f, "node id      {}", self.node_id)?;
        }
        writeln!(f, "valid        {} to {}", day(self.not_before), day(self.not_after))?;
        write!(f, "sha256       {}", self.fingerprint_text())
    }
}

fn day(time: OffsetDateTime) -> String {
    format!("{:04}-{:02}-{:02}", time.year(), u8::from(time.month()), time.day())
}

/// Describes every certificate of a PEM file, in its order.
///
/// # Errors
/// [`IdentityError`] when the file cannot be read or holds no certificate.
pub fn describe(path: &Path) -> Result<Vec<CertificateDetails>, IdentityError> {
    read_certificates(path)?
        .iter()
        .map(|certificate| CertificateDetails::of(certificate).map_err(damaged(path)))
        .collect()
}

/// The one of those that is for the same key.
pub(super) fn of_same_key<'a>(
    certificate: &CertificateDer<'_>,
    among: &'a [CertificateDer<'static>],
) -> Option<&'a CertificateDer<'static>> {
    let key = node_id_of(certificate);
    among.iter().find(|other| key.is_some() && node_id_of(other) == key)
}

/// The SHA-256 of a whole certificate.
pub(super) fn fingerprint_of(certificate: &[u8]) -> [u8; 32] {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, certificate).as_ref());
    fingerprint
}

/// A certificate as PEM, with a line end.
pub(super) fn to_pem(certificate: &CertificateDer<'_>) -> String {
    let text = STANDARD.encode(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// The node id that a certificate gives to whoever holds its key.
pub(super) fn node_id_of(certificate: &CertificateDer<'_>) -> Option<NodeId> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(node_id_of_public_key(parsed.public_key().raw))
}

/// The node id of a public key, given as the DER of its SubjectPublicKeyInfo.
pub(super) fn node_id_of_public_key(der: &[u8]) -> NodeId {
    let mut bytes = [0; 20];
    bytes.copy_from_slice(&digest(&SHA256, der).as_ref()[..20]);
    NodeId::new(bytes)
}

pub(super) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let text = read_existing(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(damaged(path)("it holds no PEM certificate".into())),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(damaged(path)(format!("it is not PEM ({error})"))),
    }
}

pub(super) fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, IdentityError> {
    let text = read_existing(path)?;
    PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|error| damaged(path)(format!("it holds no PEM private key ({error})")))
}

fn read_existing(path: &Path) -> Result<String, IdentityError> {
    files::read(path)?.ok_or_else(|| IdentityError::File {
        path: path.to_owned(),
        what: "there is no such file".into(),
        remedy: "check the path in the configuration, or make one with `discnt-cli certs`".into(),
    })
}

fn damaged(path: &Path) -> impl Fn(String) -> IdentityError {
    let path = path.to_owned();
    move |what| IdentityError::File {
        path: path.clone(),
        what,
        remedy: "restore the file, or make a new one with `discnt-cli certs`".into(),
    }
}
