//! Identities whose authority is the cluster's: certified with a token, renewed by members, and following the authority
//! when it is replaced.

use super::answered::{checked_chain, given};
use super::joining::{Joined, take_waiting};
use super::{
    Identity, IdentitySource, KeyPaths, OpenedIdentity, assemble, key_warning, own_certificate, refuse_lost_key,
};
use crate::mesh::authorities::{self, Trusted};
use crate::mesh::authority::{
    self, AUTHORITY_CERTIFICATE_FILE, AUTHORITY_KEY_FILE, Authority, CertificateRequest, DEVELOPMENT_VALIDITY_DAYS,
    VOUCHER_FILE, load_authority,
};
use crate::mesh::certificate::{self, CertificateDetails};
use crate::mesh::config::Config;
use crate::mesh::endpoint::Mesh;
use crate::mesh::error::IdentityError;
use crate::mesh::files::{self, Secrecy};
use crate::mesh::joining::{JoinError, Question, Token};
use crate::mesh::succession::previous;
use crate::wire::{CertificateGiven, CertifyReply, CertifyRequest, OfferedAuthority};
use rustls::pki_types::CertificateDer;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;

const JOIN_AGAIN: &str = "get a token with `discnt-cli cluster invite` and join again with `discnt-server join`";
pub(in crate::mesh) const OTHER_CLUSTER: &str =
    "this node knows members of another cluster: CLUSTER RESET has it leave that, then it can join another";
pub(super) const OWN_AUTHORITY: &str = "this node's certificates are configured with [mesh] ca_cert, cert and key, so tokens are not for it: issue certificates with `discnt-cli certs issue` where the authority's key is";

pub(super) fn now_seconds() -> u64 {
    // A clock before 1970 has none.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Opens an identity of the authorities that are kept in the data directory. A node that holds the key of one of them
/// certifies itself.
pub(super) fn open(
    config: &Config,
    data_directory: &Path,
    paths: &KeyPaths,
    mut kept: Vec<Trusted>,
) -> Result<OpenedIdentity, IdentityError> {
    take_waiting(paths, &kept)?;
    let (held, mut warnings) = match held(config) {
        Err(error) if !is_needed(config, &kept) => {
            (None, vec![format!("{error} (this node does not need it: members certify it)")])
        }
        held => (held?, Vec::new()),
    };
    if let Some(offers) = held.as_ref().map(Authority::offers)
        && let Ok(Some(_)) = authorities::take_offered(&kept, &offers, now_seconds())
    {
        // It took the place of one that is trusted while this node was down.
        let _changing = authorities::changing();
        let now = authorities::read(data_directory)?.unwrap_or_else(|| kept.clone());
        kept = match authorities::take_offered(&now, &offers, now_seconds()) {
            Ok(Some(more)) => {
                authorities::write(data_directory, &more)?;
                more
            }
            _ => now,
        };
    }
    if held.as_ref().is_some_and(|authority| standing(&kept, authority) != Held::Foreign) {
        warnings.extend(key_warning(&config.certs_dir.join(AUTHORITY_KEY_FILE)));
    }
    // One that is to be let go certifies nobody: this node has a member of the younger one certify it as well.
    let held = held.filter(|authority| certifies_itself(&kept, authority));
    let current = certificates(&authorities::current(&kept, now_seconds()));
    let identity = match &held {
        Some(authority) => own_certificate(authority, current, paths)?,
        None => certified(paths, &kept)?,
    };
    warnings.extend(key_warning(&paths.key));
    let source = IdentitySource::Joined { authorities: authorities::path(data_directory), issues: held.is_some() };
    Ok(OpenedIdentity { identity, source, warnings })
}

/// An identity that others have certified, as it is in files. Nothing is written.
pub(super) fn certified(paths: &KeyPaths, kept: &[Trusted]) -> Result<Identity, IdentityError> {
    let current = certificates(&authorities::current(kept, now_seconds()));
    let chain = certificate::read_certificates(&paths.certificate)?;
    let key = || certificate::read_key(&paths.key);
    // An authority that is to be let go is still needed while the certificate is of it.
    let assembled = match assemble(chain.clone(), key()?, current) {
        Ok(identity) => Ok(identity),
        Err(_) => assemble(chain, key()?, certificates(kept)),
    };
    let path = &paths.certificate;
    assembled.map_err(|what| IdentityError::File { path: path.clone(), what, remedy: JOIN_AGAIN.into() })
}

/// Whether a node that trusts these certifies itself with this authority.
pub(super) fn certifies_itself(kept: &[Trusted], authority: &Authority) -> bool {
    standing(kept, authority) == Held::Ours
}

/// The authority in this machine's hands, with its key.
fn held(config: &Config) -> Result<Option<Authority>, IdentityError> {
    let has = |file| config.certs_dir.join(file).exists();
    match has(AUTHORITY_CERTIFICATE_FILE) && has(AUTHORITY_KEY_FILE) {
        true => load_authority(&config.certs_dir).map(Some),
        false => Ok(None),
    }
}

/// Whether the authority in this machine's hands, as far as it can be told, is the one that certifies this node and others.
pub(super) fn is_needed(config: &Config, kept: &[Trusted]) -> bool {
    let mut ours = kept.iter().filter(|one| one.until.is_none()).map(|one| &one.certificate);
    let path = |file| config.certs_dir.join(file);
    if let Ok(certificates) = certificate::read_certificates(&path(AUTHORITY_CERTIFICATE_FILE)) {
        return certificates.first().is_some_and(|held| ours.any(|one| one == held));
    }
    let held = authority::read_key_pair(&path(AUTHORITY_KEY_FILE)).ok().flatten().map(|pair| authority::id_of(&pair));
    held.is_some_and(|held| ours.any(|one| CertificateDetails::of(one).is_ok_and(|details| details.node_id == held)))
}

/// What the authority in this machine's hands is to its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Ours,
    Replaced,
    Foreign,
}

fn standing(kept: &[Trusted], authority: &Authority) -> Held {
    match kept.iter().find(|one| one.certificate == *authority.certificate()) {
        Some(one) if one.until.is_none() => Held::Ours,
        Some(_) => Held::Replaced,
        None => Held::Foreign,
    }
}

pub(super) fn certificates(trusted: &[Trusted]) -> Vec<CertificateDer<'static>> {
    trusted.iter().map(|one| one.certificate.clone()).collect()
}

/// What the node trusts now.
pub(super) fn trusted(config: &Config, data_directory: &Path) -> Result<Vec<Trusted>, IdentityError> {
    if let Some(kept) = authorities::read(data_directory)? {
        return Ok(kept);
    }
    let present = certificate::read_certificates(&config.certs_dir.join(AUTHORITY_CERTIFICATE_FILE))?;
    let until = Some(now_seconds().saturating_add(authorities::OVERLAP_SECONDS));
    let replaced = previous(&config.certs_dir).into_iter().rev().map(|certificate| Trusted { certificate, until });
    Ok(replaced.chain(present.into_iter().map(Trusted::always)).collect())
}

impl Identity {
    /// The authority with its key, where this node holds the one of its cluster.
    pub(in crate::mesh) fn issuer(config: &Config, data_directory: &Path) -> Result<Authority, String> {
        let text = |error: IdentityError| error.to_string();
        if config.certificate_files().map_err(|error| error.to_string())?.is_some() {
            return Err(OWN_AUTHORITY.into());
        }
        let kept = authorities::read(data_directory).map_err(text)?;
        let held = held(config).map_err(text)?;
        match held.map(|authority| (kept.as_ref().map_or(Held::Ours, |kept| standing(kept, &authority)), authority)) {
            Some((Held::Ours, authority)) => Ok(authority),
            Some((Held::Replaced, _)) => Err(format!(
                "the authority whose key this node holds was replaced: copy {AUTHORITY_CERTIFICATE_FILE}, {AUTHORITY_KEY_FILE} and {VOUCHER_FILE} from the member where that was done into {} once more, or ask that member",
                config.certs_dir.display()
            )),
            Some((Held::Foreign, _)) | None => Err(format!(
                "this node does not hold the key of its cluster's authority ({} in {})",
                AUTHORITY_KEY_FILE,
                config.certs_dir.display()
            )),
        }
    }

    /// Whether this node holds the key of its cluster's authority, and so lets others join.
    pub fn issues(config: &Config, data_directory: &Path) -> bool {
        Self::issuer(config, data_directory).is_ok()
    }

    /// Trusts what was offered, as far as an authority that is trusted vouches for it. Answers whether there was something
    /// new.
    pub(in crate::mesh) fn trust(
        config: &Config,
        data_directory: &Path,
        offered: &[OfferedAuthority],
    ) -> Result<bool, String> {
        if config.certificate_files().map_err(|error| error.to_string())?.is_some() {
            return Err(OWN_AUTHORITY.into());
        }
        let _changing = authorities::changing();
        let before = trusted(config, data_directory).map_err(|error| error.to_string())?;
        match authorities::take_offered(&before, offered, now_seconds())? {
            Some(taken) => authorities::write(data_directory, &taken).map(|()| true).map_err(|error| error.to_string()),
            None => Ok(false),
        }
    }

    /// Has the node's own key certified by the cluster of the token, and keeps what it is given in the data directory. The
    /// node keeps its id, and its key never leaves the machine. One that is a member of a cluster is given a certificate of
    /// the same alone.
    ///
    /// # Errors
    /// [`JoinError`]; the node is who it was.
    pub async fn join(
        config: &Config,
        data_directory: &Path,
        token: &Token,
        is_member: bool,
    ) -> Result<Joined, JoinError> {
        Self::ask_to_join(config, data_directory, token, is_member).await?.keep(config, data_directory)
    }

    /// Certifies the node anew with the authority in its own hands; none where it holds none.
    ///
    /// # Errors
    /// [`IdentityError`]; the old certificate stays.
    pub fn certify_oneself(config: &Config, data_directory: &Path) -> Result<Option<OpenedIdentity>, IdentityError> {
        let Ok(authority) = Self::issuer(config, data_directory) else { return Ok(None) };
        let paths = KeyPaths::present(data_directory);
        if paths.key.exists() {
            let (pair, _) = authority::load_or_make_key(&paths.key)?;
            files::replace(&paths.certificate, &authority.issue(&pair, DEVELOPMENT_VALIDITY_DAYS)?, Secrecy::Public)?;
        }
        Self::open(config, data_directory).map(Some)
    }

    /// Has a member certify the node anew, and trusts what authorities that member tells of, if it may.
    ///
    /// # Errors
    /// [`JoinError`]; the old certificate stays.
    pub async fn renew_from(
        &self,
        mesh: &Mesh,
        config: &Config,
        data_directory: &Path,
        members: &[(String, u16)],
    ) -> Result<OpenedIdentity, JoinError> {
        let paths = KeyPaths::present(data_directory);
        refuse_lost_key(&paths)?;
        let (pair, _) = authority::load_or_make_key(&paths.key)?;
        let request = CertifyRequest::Certificate(CertificateRequest::make(&pair)?);
        let question = Question::as_node(self, mesh.gate())?;
        let mut failure = JoinError::Unreachable("no member can be reached".into());
        for member in members {
            let reply = question.ask(std::slice::from_ref(member), &request).await;
            match reply.and_then(|(reply, _)| given(reply)) {
                Ok(given) => return self.take_given(config, data_directory, &paths, &given),
                // Most members do not hold the key; one that says so tells more than one that is away.
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn take_given(
        &self,
        config: &Config,
        data_directory: &Path,
        paths: &KeyPaths,
        given: &CertificateGiven,
    ) -> Result<OpenedIdentity, JoinError> {
        {
            let _changing = authorities::changing();
            // A member is believed that is of a trusted authority; what it adds to those is not, unless one vouches for it.
            let before = trusted(config, data_directory)?;
            let taken = authorities::take_offered(&before, &given.authorities, now_seconds()).ok().flatten();
            let all = taken.as_ref().unwrap_or(&before);
            let pem = checked_chain(given, &certificates(all), &self.key)?;
            // The certificate that is there is of an authority of both lists, so a crash in between costs nothing.
            if let Some(taken) = &taken {
                authorities::write(data_directory, taken)?;
            }
            files::replace(&paths.certificate, &pem, Secrecy::Public)?;
        }
        Ok(Self::open(config, data_directory)?)
    }

    /// Puts a new authority in the place of the one that this node holds, trusts both for a while, and certifies itself
    /// anew. The others are to be told with [`Self::tell_authorities`].
    ///
    /// # Errors
    /// In words for an operator.
    pub fn replace_authority(config: &Config, data_directory: &Path) -> Result<OpenedIdentity, String> {
        let text = |error: IdentityError| error.to_string();
        let old = Self::issuer(config, data_directory)?;
        {
            let _changing = authorities::changing();
            let before = trusted(config, data_directory).map_err(text)?;
            let next = old.successor().map_err(text)?;
            let taken = authorities::take_offered(&before, &[next.offer()], now_seconds())?;
            let taken = taken.ok_or("the next authority is that which is there")?;
            let others: Vec<_> =
                certificates(&authorities::current(&before, now_seconds())).into_iter().rev().collect();
            old.give_way(&next, &others, || authorities::write(data_directory, &taken)).map_err(text)?;
        }
        Self::open(config, data_directory).map_err(text)
    }

    /// The authorities that took another's place, with what vouches for them: what the node's own chain shows.
    fn offers(&self) -> Vec<OfferedAuthority> {
        let vouchers = self.chain.get(1..).unwrap_or_default();
        let offer = |authority: &CertificateDer<'static>| {
            let voucher = certificate::of_same_key(authority, vouchers)?;
            Some(OfferedAuthority { certificate: authority.to_vec(), voucher: voucher.to_vec() })
        };
        self.authorities.iter().filter_map(offer).collect()
    }

    /// Whether the node is of an authority that took another's place, of which somebody may not have heard.
    pub fn has_news(&self) -> bool {
        !self.offers().is_empty()
    }

    /// Tells members of the authority that took another's place. Answers which of them could not be told, and why.
    ///
    /// # Errors
    /// [`JoinError`] when nobody could be asked.
    pub async fn tell_authorities(&self, mesh: &Mesh, members: &[(String, u16)]) -> Result<Vec<String>, JoinError> {
        let request = Arc::new(CertifyRequest::Authorities(self.offers()));
        let question = Arc::new(Question::as_node(self, mesh.gate())?);
        // All at once, as those that are away take their time.
        let mut asking = JoinSet::new();
        for member in members.iter().cloned() {
            let (request, question) = (Arc::clone(&request), Arc::clone(&question));
            asking.spawn(async move { question.ask(&[member], &request).await.map(drop) });
        }
        let mut failures = Vec::new();
        while let Some(asked) = asking.join_next().await {
            match asked {
                Ok(Ok(())) => {}
                Ok(Err(error)) => failures.push(error.to_string()),
                Err(error) => failures.push(error.to_string()),
            }
        }
        Ok(failures)
    }

    /// Which of the members holds the key of the cluster's authority: the first to say so. Those of an older version do not.
    pub async fn find_issuer(&self, mesh: &Mesh, members: &[(String, u16)]) -> Option<(String, u16)> {
        let question = Arc::new(Question::as_node(self, mesh.gate()).ok()?);
        let mut asking = JoinSet::new();
        for member in members.iter().cloned() {
            let question = Arc::clone(&question);
            asking.spawn(async move { question.ask(&[member], &CertifyRequest::Holder).await });
        }
        while let Some(asked) = asking.join_next().await {
            if let Ok(Ok((CertifyReply::Holds(true), member))) = asked {
                return Some(member);
            }
        }
        None
    }

    /// Whether the certificate is of an authority that is to be let go, because a younger one is there.
    pub fn is_of_older_authority(&self, data_directory: &Path) -> bool {
        let Ok(Some(kept)) = authorities::read(data_directory) else { return false };
        let young: Vec<Trusted> = kept.iter().filter(|one| one.until.is_none()).cloned().collect();
        let is_rotating = young.len() < kept.len();
        // Without what vouches for the younger one, the chain leads to the older if it is of that.
        let own = self.chain.first().cloned().into_iter().collect();
        is_rotating && assemble(own, self.key.clone_key(), certificates(&young)).is_err()
    }
}
