//! Becoming a node of a token's cluster: what it gives is asked for first, and kept all at once.

use super::answered::{Given, checked_invited, given};
use super::joined::{OTHER_CLUSTER, OWN_AUTHORITY, certificates, now_seconds, trusted};
use super::{Identity, KeyPaths, OpenedIdentity, assemble, refuse_lost_key};
use crate::mesh::authorities::{self, Trusted};
use crate::mesh::authority::{self, CertificateRequest, id_of};
use crate::mesh::certificate::{self, fingerprint_of};
use crate::mesh::config::Config;
use crate::mesh::error::IdentityError;
use crate::mesh::files::{self, Secrecy};
use crate::mesh::joining::{JoinError, Question, Token};
use crate::wire::CertifyRequest;
use rustls::pki_types::PrivateKeyDer;
use std::path::Path;

/// What came of joining.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The node as it is from now on.
    pub opened: OpenedIdentity,
    /// The member that certified it: host and UDP port.
    pub member: (String, u16),
}

/// A member has certified the node, and nothing of that is on disk yet.
#[must_use]
#[derive(Debug)]
pub struct Certified {
    given: Given,
    node: crate::base::NodeId,
    member: (String, u16),
}

impl Identity {
    /// Has the node's own key certified by the cluster of the token, as [`Self::join`] does, and keeps nothing of it.
    ///
    /// # Errors
    /// [`JoinError`].
    pub async fn ask_to_join(
        config: &Config,
        data_directory: &Path,
        token: &Token,
        is_member: bool,
    ) -> Result<Certified, JoinError> {
        if config.certificate_files().map_err(IdentityError::from)?.is_some() {
            return Err(JoinError::NotHere(OWN_AUTHORITY.into()));
        }
        let before = if is_member { trusted(config, data_directory)? } else { Vec::new() };
        let names = |one: &Trusted| fingerprint_of(&one.certificate) == token.fingerprint;
        let is_joined = authorities::path(data_directory).exists();
        if is_member && !is_joined && !before.iter().any(names) {
            return Err(JoinError::NotHere(OTHER_CLUSTER.into()));
        }
        let paths = KeyPaths::present(data_directory);
        refuse_lost_key(&paths)?;
        let (pair, _) = authority::load_or_make_key(&paths.key)?;
        let request = CertifyRequest::Certificate(CertificateRequest::make(&pair)?);
        let question = Question::with_token(token, &certificates(&before))?;
        let (reply, member) = question.ask(&token.addresses, &request).await?;
        let key = PrivateKeyDer::Pkcs8(pair.serialize_der().into());
        // The authority may have been replaced while the node was away: then one that it knows vouches for the next.
        let given = checked_invited(&given(reply)?, token.fingerprint, &before, &key, now_seconds())?;
        let given = given.ok_or_else(|| JoinError::NotHere(OTHER_CLUSTER.into()))?;
        Ok(Certified { given, node: id_of(&pair), member })
    }
}

impl Certified {
    /// Makes the node one of that cluster. A crash leaves it what it was, or makes it one.
    ///
    /// # Errors
    /// [`JoinError`]; the node is who it was.
    pub fn keep(self, config: &Config, data_directory: &Path) -> Result<Joined, JoinError> {
        let paths = KeyPaths::present(data_directory);
        if Identity::own_id(data_directory)? != Some(self.node) {
            let what = "this node has another key than when it asked: get another token and join again";
            return Err(JoinError::NotHere(what.into()));
        }
        {
            let _changing = authorities::changing();
            files::replace(&paths.waiting(), &self.given.chain, Secrecy::Public)?;
            // This makes it a node of them; with it, the certificate takes its place.
            authorities::write(data_directory, &self.given.trusted)?;
        }
        take_waiting(&paths, &self.given.trusted)?;
        let opened = Identity::open(config, data_directory)?;
        Ok(Joined { opened, member: self.member })
    }
}

/// The certificate that waits for its authorities to be trusted takes its place, if they are.
pub(super) fn take_waiting(paths: &KeyPaths, kept: &[Trusted]) -> Result<(), IdentityError> {
    let waiting = paths.waiting();
    if !waiting.exists() {
        return Ok(());
    }
    let chain = certificate::read_certificates(&waiting);
    let is_ours = chain.is_ok_and(|chain| {
        certificate::read_key(&paths.key).is_ok_and(|key| assemble(chain, key, certificates(kept)).is_ok())
    });
    match is_ours {
        true => files::rename(&waiting, &paths.certificate),
        // Of an attempt that came to nothing.
        false => files::remove(&waiting),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::authority::{Authority, make_authority};
    use crate::mesh::identity::IdentitySource;

    fn certified(data: &Path, authority: &Authority) -> Certified {
        let (pair, _) = authority::load_or_make_key(&KeyPaths::present(data).key).expect("a key");
        let request = CertificateRequest::read(&CertificateRequest::make(&pair).expect("made")).expect("right");
        let chain = authority.issue_for(&request, 30).expect("issued").iter().map(certificate::to_pem).collect();
        let trusted = vec![Trusted::always(authority.certificate().clone())];
        let member = ("node.example".to_owned(), 5262);
        Certified { given: Given { chain, trusted }, node: id_of(&pair), member }
    }

    #[test]
    fn a_crash_at_any_point_of_joining_leaves_a_node_that_starts() {
        let directory = tempfile::tempdir().expect("a directory");
        let data = directory.path().join("data");
        std::fs::create_dir(&data).expect("it is new");
        let config = Config { certs_dir: directory.path().join("certs"), ..Config::default() };
        let open = || Identity::open(&config, &data).expect("it starts");
        let (id, waiting) = (open().identity.id, KeyPaths::present(&data).waiting());
        // First with its own authority, then as a node that has left another cluster.
        for name in ["one", "two"] {
            let authority = make_authority(&directory.path().join(name), name, 100).expect("made");
            let Certified { given, .. } = certified(&data, &authority);
            let before = open().identity;
            files::replace(&waiting, &given.chain, Secrecy::Public).expect("written");
            assert!(open().identity.is_same_as(&before), "{name}: it has not joined");
            files::replace(&waiting, &given.chain, Secrecy::Public).expect("written");
            authorities::write(&data, &given.trusted).expect("written");
            let joined = open();
            assert!(matches!(joined.source, IdentitySource::Joined { issues: false, .. }), "{name}");
            assert_eq!(
                (joined.identity.id, &joined.identity.authorities[..]),
                (id, &[authority.certificate().clone()][..])
            );
            assert!(!waiting.exists() && open().identity.is_same_as(&joined.identity));
        }
    }

    #[test]
    fn a_certificate_for_a_key_that_was_replaced_meanwhile_is_not_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let data = directory.path().join("data");
        std::fs::create_dir(&data).expect("it is new");
        let config = Config { certs_dir: directory.path().join("certs"), ..Config::default() };
        let authority = make_authority(&directory.path().join("one"), "one", 100).expect("made");
        let id = Identity::open(&config, &data).expect("it starts").identity.id;
        let certified = certified(&data, &authority);
        let renewed = Identity::renew(&config, &data).expect("renewed").identity.id;
        Identity::take_next(&data).expect("taken");
        let refused = certified.keep(&config, &data).expect_err("it is of another key");
        assert!(renewed != id && refused.to_string().contains("another key"), "{refused}");
        assert_eq!(Identity::open(&config, &data).expect("it starts").identity.id, renewed);
    }
}
