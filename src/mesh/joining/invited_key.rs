//! The key pair that the secret of a token stands for: what proves an invitation in the handshake, without being sent.

use super::invitations::KeyHash;
use super::token::SECRET_BYTES;
use crate::mesh::error::IdentityError;
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData};
use ring::digest::{Context, SHA256, digest};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

/// So that the same secret is never a key for anything else.
const PURPOSE: &[u8] = b"discnt invitation key 1";
/// The head of an Ed25519 key in PKCS #8 (RFC 8410, section 7), before its 32 bytes.
const PKCS8_HEAD: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const NAME: &str = "discnt invitation";

/// The key pair of an invitation.
pub(super) struct InvitedKey(KeyPair);

impl InvitedKey {
    /// The key pair of this secret.
    pub(super) fn of(secret: &[u8; SECRET_BYTES]) -> Result<Self, IdentityError> {
        let mut context = Context::new(&SHA256);
        context.update(PURPOSE);
        context.update(secret);
        let der = [&PKCS8_HEAD[..], context.finish().as_ref()].concat();
        let pair = KeyPair::try_from(&PrivatePkcs8KeyDer::from(der)).map_err(cannot_make)?;
        Ok(Self(pair))
    }

    /// By what a member knows it.
    pub(super) fn hash(&self) -> KeyHash {
        hash_of(&self.0.subject_public_key_info())
    }

    /// A certificate for it, signed by itself, and the key.
    pub(super) fn certificate(&self) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), IdentityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, NAME);
        let certificate = params.self_signed(&self.0).map_err(cannot_make)?;
        Ok((certificate.der().clone(), PrivateKeyDer::Pkcs8(self.0.serialize_der().into())))
    }
}

fn cannot_make(error: rcgen::Error) -> IdentityError {
    IdentityError::Make { what: "the key of an invitation", reason: error.to_string() }
}

/// The hash of a certificate's public key, if there is one to be read.
pub(in crate::mesh) fn key_hash_of(certificate: &CertificateDer<'_>) -> Option<KeyHash> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(hash_of(parsed.public_key().raw))
}

/// Whether a certificate is by nobody but itself, as those of tokens are and no node's is.
pub(in crate::mesh) fn is_by_itself(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, parsed)| parsed.subject() == parsed.issuer())
}

fn hash_of(public_key: &[u8]) -> KeyHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, public_key).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_always_gives_the_same_key_and_another_secret_another() {
        let hash = |number: u8| InvitedKey::of(&[number; SECRET_BYTES]).expect("a key").hash();
        assert_eq!(hash(1), hash(1));
        assert_ne!(hash(1), hash(2));
        let (certificate, _) = InvitedKey::of(&[1; SECRET_BYTES]).expect("a key").certificate().expect("made");
        assert!(is_by_itself(&certificate));
        assert_eq!(key_hash_of(&certificate), Some(hash(1)));
        // Tokens that are out must stay good after an upgrade.
        let hex: String = hash(1)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "7ded2b2193705da2");
    }
}
