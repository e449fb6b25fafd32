//! An authority with a new key takes the place of the one that is there, which vouches for it.
//!
//! Old and new are trusted together for a while, so nothing has to happen everywhere at once: whoever knows the old one
//! alone accepts nodes of the new one by the voucher in their chains.

use super::authority::{
    AUTHORITY_CERTIFICATE_FILE, AUTHORITY_KEY_FILE, Authority, DEVELOPMENT_NAME, DEVELOPMENT_VALIDITY_DAYS,
    NEXT_CERTIFICATE_FILE, NEXT_KEY_FILE, PREVIOUS_FILE, VOUCHER_FILE, authority_parameters, cannot_make, lock,
};
use super::certificate::{self, CertificateDetails, node_id_of_public_key, to_pem};
use super::error::IdentityError;
use super::files::{self, Secrecy};
use rcgen::{Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use std::path::Path;
use time::{Duration, OffsetDateTime};

impl Authority {
    /// Makes the next authority and puts it in the place of this one, whose key is gone then. Nothing has changed when it
    /// fails before that, and a crash in between is made good by whoever loads it next.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub(super) fn succeed(&self) -> Result<(), IdentityError> {
        let directory = self.directory();
        let _lock = lock(directory)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(cannot_make("a key"))?;
        let now = OffsetDateTime::now_utc();
        let until = now + Duration::days(i64::from(DEVELOPMENT_VALIDITY_DAYS));
        let mut params = authority_parameters(DEVELOPMENT_NAME, &key, now - Duration::days(1), until);
        let certificate = params.self_signed(&key).map_err(cannot_make("the authority's certificate"))?;
        params.not_after = until.min(self.not_after());
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_ca_cert_der(self.certificate(), self.key()).map_err(cannot_make("a voucher"))?;
        let voucher = params.signed_by(&key, &issuer).map_err(cannot_make("a voucher"))?;
        files::replace(&directory.join(PREVIOUS_FILE), &to_pem(self.certificate()), Secrecy::Public)?;
        files::replace(&directory.join(VOUCHER_FILE), &voucher.pem(), Secrecy::Public)?;
        files::replace(&directory.join(NEXT_CERTIFICATE_FILE), &certificate.pem(), Secrecy::Public)?;
        files::replace(&directory.join(NEXT_KEY_FILE), &key.serialize_pem(), Secrecy::Secret)?;
        finish(directory)
    }
}

/// Ends what a crash left half done.
pub(super) fn finish_succession(directory: &Path) -> Result<(), IdentityError> {
    if !directory.join(NEXT_KEY_FILE).exists() {
        return Ok(());
    }
    let _lock = lock(directory)?;
    finish(directory)
}

/// The next key was written last, so with it all is there. The certificate goes first: with it in place, the key that is
/// next is known to be its.
fn finish(directory: &Path) -> Result<(), IdentityError> {
    let (next_key, key) = (directory.join(NEXT_KEY_FILE), directory.join(AUTHORITY_KEY_FILE));
    let (next_certificate, certificate) =
        (directory.join(NEXT_CERTIFICATE_FILE), directory.join(AUTHORITY_CERTIFICATE_FILE));
    // Somebody else may have done it meanwhile.
    let Some(text) = files::read(&next_key)? else { return Ok(()) };
    if next_certificate.exists() {
        files::rename(&next_certificate, &certificate)?;
    }
    let pair = KeyPair::from_pem(&text).map_err(cannot_make("the next authority"))?;
    let present = certificate::read_certificates(&certificate)?.swap_remove(0);
    let details = CertificateDetails::of(&present).map_err(|what| IdentityError::File {
        path: certificate.clone(),
        what,
        remedy: "restore the authority's directory from a backup".into(),
    })?;
    if details.node_id == node_id_of_public_key(&pair.subject_public_key_info()) {
        files::rename(&next_key, &key)
    } else {
        // Of an attempt that came to nothing.
        files::remove(&next_key)
    }
}

#[cfg(test)]
mod tests {
    use super::super::authorities::{Trusted, roots, take_offered};
    use super::super::authority::{CertificateRequest, load_authority, make_authority};
    use super::super::tls;
    use super::*;
    use rustls::pki_types::PrivateKeyDer;
    use std::sync::Arc;

    #[test]
    fn nodes_of_a_new_authority_are_accepted_by_those_who_know_the_old_one_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let old = make_authority(directory.path(), "Example", 30).expect("made");
        let old_certificate = old.certificate().clone();
        old.succeed().expect("it takes its place");
        let new = load_authority(directory.path()).expect("it is whole");
        assert_ne!(*new.certificate(), old_certificate);
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let request = CertificateRequest::read(&CertificateRequest::make(&pair).expect("made")).expect("right");
        let chain = new.issue_for(&request, 30).expect("issued");
        let key = PrivateKeyDer::Pkcs8(pair.serialize_der().into());
        for root in [&old_certificate, new.certificate()] {
            let roots = Arc::new(roots([root]).expect("a root"));
            assert_eq!(tls::check_own_chain(&chain, &key, &roots), Ok(()));
        }
        let trusted = [Trusted::always(old_certificate)];
        let other = make_authority(&directory.path().join("other"), "Other", 30).expect("made");
        let other = Trusted::always(other.certificate().clone());
        let taken = take_offered(&trusted, &[new.offer()], 1000).expect("vouched for").expect("news");
        assert_eq!(taken.len(), 2);
        assert!(taken[0].until.is_some_and(|until| until > 1000) && taken[1].until.is_none());
        assert_eq!(take_offered(&taken, &[new.offer()], 1000), Ok(None), "it is known");
        // One that was let go vouches for nothing any more.
        let let_go = [Trusted { certificate: trusted[0].certificate.clone(), until: Some(999) }, other];
        assert!(take_offered(&let_go, &[new.offer()], 1000).is_err());
    }

    #[test]
    fn an_authority_for_which_no_trusted_one_vouches_is_not_taken() {
        let directory = tempfile::tempdir().expect("a directory");
        let make = |name: &str| make_authority(&directory.path().join(name), name, 30).expect("made");
        let (ours, theirs) = (make("ours"), make("theirs"));
        theirs.succeed().expect("it takes its place");
        let theirs = load_authority(&directory.path().join("theirs")).expect("it is whole");
        let trusted = [Trusted::always(ours.certificate().clone())];
        assert!(take_offered(&trusted, &[theirs.offer()], 0).is_err());
        ours.succeed().expect("it takes its place");
        let next = load_authority(&directory.path().join("ours")).expect("it is whole");
        // A voucher for one authority is none for another.
        let mut mixed = theirs.offer();
        mixed.voucher = next.offer().voucher;
        assert!(take_offered(&trusted, &[mixed], 0).is_err());
        let mut alone = theirs.offer();
        alone.voucher.clear();
        assert_eq!(take_offered(&trusted, &[alone], 0), Ok(None));
    }

    #[test]
    fn a_crash_in_between_is_made_good() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let old = make_authority(directory.path(), "Example", 30).expect("made");
        let (old_crt, old_key) = (std::fs::read(path("ca.crt")), std::fs::read(path("ca.key")));
        old.succeed().expect("it takes its place");
        let new = load_authority(directory.path()).expect("whole").certificate().clone();
        let (new_crt, new_key) = (std::fs::read(path("ca.crt")), std::fs::read(path("ca.key")));
        let put = |name: &str, bytes: &std::io::Result<Vec<u8>>| {
            std::fs::write(path(name), bytes.as_ref().expect("read")).expect("written");
        };
        // Both are there, and neither has its place.
        put("ca.crt", &old_crt);
        put("ca.key", &old_key);
        put(NEXT_CERTIFICATE_FILE, &new_crt);
        put(NEXT_KEY_FILE, &new_key);
        assert_eq!(*load_authority(directory.path()).expect("whole").certificate(), new);
        // The certificate has it.
        put("ca.key", &old_key);
        put(NEXT_KEY_FILE, &new_key);
        assert_eq!(*load_authority(directory.path()).expect("whole").certificate(), new);
        // The key was not written any more.
        put("ca.crt", &old_crt);
        put("ca.key", &old_key);
        put(NEXT_CERTIFICATE_FILE, &new_crt);
        assert_eq!(*load_authority(directory.path()).expect("whole").certificate(), *old.certificate());
    }
}
