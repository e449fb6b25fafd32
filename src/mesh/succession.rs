//! An authority with a new key takes the place of the one that is there, which vouches for it.
//!
//! Old and new are trusted together for a while, so nothing has to happen everywhere at once: whoever knows the old one
//! alone accepts nodes of the new one by the voucher in their chains.

use super::authorities::MAX_TRUSTED;
use super::authority::{
    AUTHORITY_CERTIFICATE_FILE, AUTHORITY_KEY_FILE, Authority, DEVELOPMENT_NAME, DEVELOPMENT_VALIDITY_DAYS,
    NEXT_CERTIFICATE_FILE, NEXT_KEY_FILE, PREVIOUS_FILE, VOUCHER_FILE, authority_parameters, cannot_make, lock,
};
use super::certificate::{self, CertificateDetails, node_id_of_public_key, to_pem};
use super::error::IdentityError;
use super::files::{self, Secrecy};
use crate::wire::OfferedAuthority;
use rcgen::{Certificate, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use rustls::pki_types::CertificateDer;
use std::path::Path;
use time::{Duration, OffsetDateTime};

/// One leads from each authority that may be trusted to the next.
const MAX_VOUCHERS: usize = MAX_TRUSTED - 1;

/// An authority that may take another's place. It is in memory alone.
pub(super) struct Successor {
    key: KeyPair,
    certificate: Certificate,
    /// For it, then those that the present one has.
    vouchers: Vec<CertificateDer<'static>>,
}

impl Successor {
    /// As others are told of it.
    pub(super) fn offer(&self) -> OfferedAuthority {
        OfferedAuthority { certificate: self.certificate.der().to_vec(), voucher: self.vouchers[0].to_vec() }
    }
}

impl Authority {
    /// Makes an authority for which this one vouches.
    ///
    /// # Errors
    /// [`IdentityError::Make`] when the library refuses.
    pub(super) fn successor(&self) -> Result<Successor, IdentityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(cannot_make("a key"))?;
        let now = OffsetDateTime::now_utc();
        let until = now + Duration::days(i64::from(DEVELOPMENT_VALIDITY_DAYS));
        let mut params = authority_parameters(DEVELOPMENT_NAME, &key, now - Duration::days(1), until);
        let certificate = params.self_signed(&key).map_err(cannot_make("the authority's certificate"))?;
        params.not_after = until.min(self.not_after());
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_ca_cert_der(self.certificate(), self.key()).map_err(cannot_make("a voucher"))?;
        let voucher = params.signed_by(&key, &issuer).map_err(cannot_make("a voucher"))?;
        let vouchers = std::iter::once(voucher.der()).chain(self.vouchers()).take(MAX_VOUCHERS).cloned().collect();
        Ok(Successor { key, certificate, vouchers })
    }

    /// Puts the next authority in the place of this one, whose key is gone then. Nodes of this one and of `others` are
    /// accepted on. `trust` has the node trust it, and comes
    /// first: with a next authority that nobody trusts, nobody would certify any more. Whatever fails up to there,
    /// this one stays; a crash after it is made good by whoever loads the authority next.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub(super) fn give_way(
        &self,
        next: &Successor,
        others: &[CertificateDer<'static>],
        trust: impl FnOnce() -> Result<(), IdentityError>,
    ) -> Result<(), IdentityError> {
        let directory = self.directory();
        let _lock = lock(directory)?;
        if certificate::read_certificates(&directory.join(AUTHORITY_CERTIFICATE_FILE))?.first()
            != Some(self.certificate())
        {
            return Err(IdentityError::Make {
                what: "the next authority",
                reason: format!("somebody else has just replaced the one in {}", directory.display()),
            });
        }
        if let Err(error) = write_next(directory, self, next, others).and_then(|()| trust()) {
            // The key first: without it, it came to nothing.
            files::remove(&directory.join(NEXT_KEY_FILE))?;
            files::remove(&directory.join(NEXT_CERTIFICATE_FILE))?;
            return Err(error);
        }
        finish(directory)
    }

    /// Makes the next authority and puts it in the place of this one.
    #[cfg(test)]
    pub(super) fn succeed(&self) -> Result<(), IdentityError> {
        self.give_way(&self.successor()?, &previous(self.directory()), || Ok(()))
    }
}

/// The certificates of the authorities that were in this directory before the one that is.
pub(super) fn previous(directory: &Path) -> Vec<CertificateDer<'static>> {
    let path = directory.join(PREVIOUS_FILE);
    if path.exists() { certificate::read_certificates(&path).unwrap_or_default() } else { Vec::new() }
}

/// What vouches for an authority, then for the one that did that, and so on, as far as it is of use.
pub(super) fn load_vouchers(directory: &Path, of: &CertificateDetails) -> Vec<CertificateDer<'static>> {
    let path = directory.join(VOUCHER_FILE);
    let kept = if path.exists() { certificate::read_certificates(&path).unwrap_or_default() } else { Vec::new() };
    let described = |der: CertificateDer<'static>| Some((CertificateDetails::of(&der).ok()?, der));
    let kept: Vec<_> = kept.into_iter().filter_map(described).collect();
    let now = OffsetDateTime::now_utc();
    let good = |details: &CertificateDetails| details.is_authority && details.validity_problem(now).is_none();
    let mut line: Vec<CertificateDer<'static>> = Vec::new();
    // The names of authorities have the begin of their key's hash in them.
    let mut wanted = of.subject.clone();
    while line.len() < MAX_VOUCHERS {
        let is_first = line.is_empty();
        let next = kept.iter().find(|(details, der)| {
            details.subject == wanted
                && (!is_first || details.node_id == of.node_id)
                && good(details)
                && !line.contains(der)
        });
        let Some((details, der)) = next else { break };
        line.push(der.clone());
        wanted.clone_from(&details.issuer);
    }
    line
}

fn write_next(
    directory: &Path,
    present: &Authority,
    next: &Successor,
    others: &[CertificateDer<'static>],
) -> Result<(), IdentityError> {
    let pem = |all: &[&CertificateDer<'_>]| all.iter().map(|one| to_pem(one)).collect::<String>();
    let others = others.iter().filter(|one| *one != present.certificate());
    let before: Vec<_> = std::iter::once(present.certificate()).chain(others).take(MAX_VOUCHERS).collect();
    files::replace(&directory.join(PREVIOUS_FILE), &pem(&before), Secrecy::Public)?;
    let vouchers: Vec<_> = next.vouchers.iter().collect();
    files::replace(&directory.join(VOUCHER_FILE), &pem(&vouchers), Secrecy::Public)?;
    files::replace(&directory.join(NEXT_CERTIFICATE_FILE), &next.certificate.pem(), Secrecy::Public)?;
    files::replace(&directory.join(NEXT_KEY_FILE), &next.key.serialize_pem(), Secrecy::Secret)
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
