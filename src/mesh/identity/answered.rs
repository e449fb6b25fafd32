//! What a machine that joins believes of the answer to its token.
//!
//! The token names one authority, and nothing else is known. Whoever answers has shown to be a node of that authority,
//! which any member's key does, also a stolen one: what it says of authorities is no more than its word.

use super::assemble;
use crate::mesh::authorities::{self, Trusted};
use crate::mesh::certificate::{self, fingerprint_of};
use crate::mesh::joining::JoinError;
use crate::wire::{CertificateGiven, CertifyReply};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub(super) fn given(reply: CertifyReply) -> Result<CertificateGiven, JoinError> {
    match reply {
        CertifyReply::Given(given) => Ok(given),
        CertifyReply::Refused(reason) => Err(JoinError::NotHere(reason)),
        CertifyReply::Taken | CertifyReply::Holds(_) => {
            Err(JoinError::NotHere("the member answered something else than was asked".into()))
        }
    }
}

/// What a machine that joins is given, checked.
#[derive(Debug)]
pub(super) struct Given {
    /// The certificate and what leads to its authority, as PEM.
    pub(super) chain: String,
    /// To be trusted from now on.
    pub(super) trusted: Vec<Trusted>,
}

/// Takes the certificate if the authority of the token has issued it or vouches for the one that has. What is to be trusted
/// from now on is that authority, those that it vouches for, and what a member trusted before. None where nothing that was
/// trusted before vouches for the authority of the token.
pub(super) fn checked_invited(
    given: &CertificateGiven,
    fingerprint: [u8; 32],
    before: &[Trusted],
    key: &PrivateKeyDer<'static>,
    now_seconds: u64,
) -> Result<Option<Given>, JoinError> {
    let named = given.authorities.iter().find(|one| fingerprint_of(&one.certificate) == fingerprint);
    let named =
        named.ok_or_else(|| JoinError::NotHere("the member gave another authority than the token names".into()))?;
    let named = CertificateDer::from(named.certificate.clone());
    let first = [Trusted::always(named.clone())];
    let known = if before.is_empty() { &first } else { before };
    // Those that the named one replaced are left out: a voucher for it could be made by anybody.
    let taken = authorities::take_offered(known, &given.authorities, now_seconds).ok().flatten();
    let trusted = taken.unwrap_or_else(|| known.to_vec());
    if !trusted.iter().any(|one| one.certificate == named) {
        return Ok(None);
    }
    let chain = checked_chain(given, &[named], key)?;
    Ok(Some(Given { chain, trusted }))
}

/// A certificate that others would accept and whose key is the node's, as PEM.
pub(super) fn checked_chain(
    given: &CertificateGiven,
    authorities: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
) -> Result<String, JoinError> {
    let chain: Vec<CertificateDer<'static>> = given.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    assemble(chain.clone(), key.clone_key(), authorities.to_vec())
        .map_err(|what| JoinError::NotHere(format!("the certificate that the member gave is of no use: {what}")))?;
    Ok(chain.iter().map(certificate::to_pem).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::authority::{Authority, CertificateRequest, load_authority, make_authority};
    use crate::wire::OfferedAuthority;
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
    use tempfile::TempDir;

    /// A machine that has a token of `real`, and what may answer it.
    struct Joiner {
        _directory: TempDir,
        pair: KeyPair,
        real: Authority,
        evil: Authority,
    }

    impl Joiner {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a directory");
            let make = |name: &str| make_authority(&directory.path().join(name), name, 30).expect("made");
            let (real, evil) = (make("real"), make("evil"));
            let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
            Self { _directory: directory, pair, real, evil }
        }

        /// What took the place of the real one.
        fn next(&self) -> Authority {
            load_authority(self.real.directory()).expect("whole")
        }

        fn answer(&self, issuer: &Authority, authorities: Vec<OfferedAuthority>) -> CertificateGiven {
            let request = CertificateRequest::make(&self.pair).expect("made");
            let request = CertificateRequest::read(&request).expect("right");
            let chain = issuer.issue_for(&request, 30).expect("issued");
            let chain = chain.into_iter().map(|certificate| certificate.to_vec()).collect();
            CertificateGiven { chain, authorities, members: Vec::new() }
        }

        /// What is trusted after an answer to a token that names `named`.
        fn take(
            &self,
            named: &Authority,
            before: &[Trusted],
            given: &CertificateGiven,
        ) -> Result<Option<Vec<Trusted>>, JoinError> {
            let key = PrivateKeyDer::Pkcs8(self.pair.serialize_der().into());
            let checked = checked_invited(given, fingerprint_of(named.certificate()), before, &key, 1000)?;
            Ok(checked.map(|given| given.trusted))
        }
    }

    #[test]
    fn a_lying_member_does_not_capture_a_machine_for_an_authority_of_its_own() {
        let joiner = Joiner::new();
        let both = vec![joiner.evil.offer(), joiner.real.offer()];
        let refused = joiner.take(&joiner.real, &[], &joiner.answer(&joiner.evil, both)).expect_err("a lie");
        assert!(refused.to_string().contains("not of the given authority"), "{refused}");
        let evil_alone = joiner.answer(&joiner.evil, vec![joiner.evil.offer()]);
        assert!(joiner.take(&joiner.real, &[], &evil_alone).is_err());
    }

    #[test]
    fn an_authority_for_which_that_of_the_token_does_not_vouch_is_not_trusted() {
        let joiner = Joiner::new();
        joiner.evil.succeed().expect("it takes its place");
        let evil = load_authority(joiner.evil.directory()).expect("whole");
        for more in [joiner.evil.offer(), evil.offer()] {
            let given = joiner.answer(&joiner.real, vec![more, joiner.real.offer()]);
            let trusted = joiner.take(&joiner.real, &[], &given).expect("the real one has issued it");
            assert_eq!(trusted, Some(vec![Trusted::always(joiner.real.certificate().clone())]));
        }
    }

    #[test]
    fn a_token_from_before_the_authority_was_replaced_leads_to_the_new_one() {
        let joiner = Joiner::new();
        joiner.real.succeed().expect("it takes its place");
        let next = joiner.next();
        let old = OfferedAuthority { certificate: joiner.real.certificate().to_vec(), voucher: Vec::new() };
        let given = joiner.answer(&next, vec![next.offer(), old]);
        let trusted = joiner.take(&joiner.real, &[], &given).expect("vouched for").expect("named");
        assert_eq!(
            trusted.iter().map(|one| &one.certificate).collect::<Vec<_>>(),
            [joiner.real.certificate(), next.certificate()]
        );
        assert!(trusted[0].until.is_some() && trusted[1].until.is_none(), "the old one is to be let go");
    }

    #[test]
    fn a_token_and_a_member_from_before_several_replacements_are_led_through_all_of_them() {
        let joiner = Joiner::new();
        let mut all = vec![joiner.real.offer()];
        for _ in 1..authorities::MAX_TRUSTED {
            joiner.next().succeed().expect("it takes its place");
            all.push(joiner.next().offer());
        }
        // The youngest first, and one among them that concerns nobody.
        all.insert(3, joiner.evil.offer());
        all.reverse();
        let next = joiner.next();
        let given = joiner.answer(&next, all.clone());
        let trusted = joiner.take(&joiner.real, &[], &given).expect("vouched for").expect("named");
        assert_eq!(trusted.len(), authorities::MAX_TRUSTED);
        let young: Vec<_> = trusted.iter().filter(|one| one.until.is_none()).map(|one| &one.certificate).collect();
        assert_eq!(young, [next.certificate()]);
        let before = [Trusted::always(joiner.real.certificate().clone())];
        let led = joiner.take(&next, &before, &given).expect("vouched for").expect("named");
        assert_eq!(led.len(), authorities::MAX_TRUSTED);
        // The second holder of the key knows them from the authority's directory alone.
        let taken = authorities::take_offered(&before, &next.offers(), 1000).expect("vouched for").expect("news");
        assert_eq!(taken.len(), authorities::MAX_TRUSTED);
    }

    #[test]
    fn a_member_is_not_led_to_an_authority_for_which_none_that_it_knows_vouches() {
        let joiner = Joiner::new();
        let before = [Trusted::always(joiner.real.certificate().clone())];
        joiner.real.succeed().expect("it takes its place");
        let next = joiner.next();
        let trusted = joiner.take(&next, &before, &joiner.answer(&next, vec![next.offer()])).expect("good");
        assert_eq!(trusted.expect("vouched for").len(), 2);
        // That another one is vouched for does not help it.
        let given = joiner.answer(&joiner.evil, vec![next.offer(), joiner.evil.offer()]);
        assert_eq!(joiner.take(&joiner.evil, &before, &given).expect("nothing broke"), None);
    }
}
