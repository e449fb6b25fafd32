//! Identities whose authority is the cluster's: certified with a token, renewed by members, and following the authority
//! when it is replaced.

use super::answered::{given, keep_chain, keep_invited};
use super::{Identity, IdentitySource, KeyPaths, OpenedIdentity, assemble, key_warning, own_certificate};
use crate::mesh::authorities::{self, Trusted};
use crate::mesh::authority::{
    self, AUTHORITY_CERTIFICATE_FILE, AUTHORITY_KEY_FILE, Authority, CertificateRequest, PREVIOUS_FILE, VOUCHER_FILE,
    load_authority,
};
use crate::mesh::certificate::{self, fingerprint_of, node_id_of};
use crate::mesh::config::Config;
use crate::mesh::endpoint::Mesh;
use crate::mesh::error::IdentityError;
use crate::mesh::files;
use crate::mesh::joining::{JoinError, Question, Token};
use crate::wire::{CertificateGiven, CertifyRequest, OfferedAuthority};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;

const JOIN_AGAIN: &str = "get a token with `discnt-cli cluster invite` and join again with `discnt-server join`";
const OTHER_CLUSTER: &str =
    "this node knows members of another cluster: CLUSTER RESET has it leave that, then it can join another";
const OWN_AUTHORITY: &str = "this node's certificates are configured with [mesh] ca_cert, cert and key, so tokens are not for it: issue certificates with `discnt-cli certs issue` where the authority's key is";

/// What came of joining.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The node as it is from now on.
    pub opened: OpenedIdentity,
    /// The member that certified it: host and UDP port.
    pub member: (String, u16),
}

fn now_seconds() -> u64 {
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
    let held = held(config)?;
    if let Some(offer) = held.as_ref().map(Authority::offer)
        && let Ok(Some(more)) = authorities::take_offered(&kept, &[offer], now_seconds())
    {
        // It took the place of one that is trusted while this node was down.
        authorities::write(data_directory, &more)?;
        kept = more;
    }
    // One that is to be let go certifies nobody: this node has a member of the younger one certify it as well.
    let held = held.filter(|authority| standing(&kept, authority) == Held::Ours);
    let current = certificates(&authorities::current(&kept, now_seconds()));
    let identity = match &held {
        Some(authority) => own_certificate(authority, current, paths)?,
        None => {
            let chain = certificate::read_certificates(&paths.certificate)?;
            let key = || certificate::read_key(&paths.key);
            // An authority that is to be let go is still needed while the certificate is of it.
            let assembled = match assemble(chain.clone(), key()?, current) {
                Ok(identity) => Ok(identity),
                Err(_) => assemble(chain, key()?, certificates(&kept)),
            };
            let path = &paths.certificate;
            assembled.map_err(|what| IdentityError::File { path: path.clone(), what, remedy: JOIN_AGAIN.into() })?
        }
    };
    let warnings = key_warning(&paths.key).into_iter().collect();
    let source = IdentitySource::Joined { authorities: authorities::path(data_directory), issues: held.is_some() };
    Ok(OpenedIdentity { identity, source, warnings })
}

/// The authority in this machine's hands, with its key.
fn held(config: &Config) -> Result<Option<Authority>, IdentityError> {
    let has = |file| config.certs_dir.join(file).exists();
    match has(AUTHORITY_CERTIFICATE_FILE) && has(AUTHORITY_KEY_FILE) {
        true => load_authority(&config.certs_dir).map(Some),
        false => Ok(None),
    }
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

fn certificates(trusted: &[Trusted]) -> Vec<CertificateDer<'static>> {
    trusted.iter().map(|one| one.certificate.clone()).collect()
}

/// What the node trusts now.
fn trusted(config: &Config, data_directory: &Path) -> Result<Vec<Trusted>, IdentityError> {
    if let Some(kept) = authorities::read(data_directory)? {
        return Ok(kept);
    }
    let mut all = certificate::read_certificates(&config.certs_dir.join(AUTHORITY_CERTIFICATE_FILE))?;
    all.extend(previous(&config.certs_dir));
    Ok(all.into_iter().map(Trusted::always).collect())
}

/// The authority that was in this directory before the one that is.
pub(super) fn previous(directory: &Path) -> Vec<CertificateDer<'static>> {
    let path = directory.join(PREVIOUS_FILE);
    if path.exists() { certificate::read_certificates(&path).unwrap_or_default() } else { Vec::new() }
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
                "this node does not hold the key of its cluster's authority ({} in {}): ask a member that does",
                AUTHORITY_KEY_FILE,
                config.certs_dir.display()
            )),
        }
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
        let (pair, _) = authority::load_or_make_key(&paths.key)?;
        let request = CertifyRequest::Certificate(CertificateRequest::make(&pair)?);
        let (reply, member) = Question::with_token(token)?.ask(&token.addresses, &request).await?;
        let (given, key) = (given(reply)?, PrivateKeyDer::Pkcs8(pair.serialize_der().into()));
        // The authority may have been replaced while the node was away: then one that it knows vouches for the next.
        let trusted = keep_invited(&paths, &given, token.fingerprint, &before, &key, now_seconds())?;
        let trusted = trusted.ok_or_else(|| JoinError::NotHere(OTHER_CLUSTER.into()))?;
        // The last, as it makes the node one of that authority.
        authorities::write(data_directory, &trusted)?;
        let opened = Self::open(config, data_directory)?;
        Ok(Joined { opened, member })
    }

    /// Certifies the node anew with the authority in its own hands; none where it holds none.
    ///
    /// # Errors
    /// [`IdentityError`]; the old certificate stays.
    pub fn certify_oneself(config: &Config, data_directory: &Path) -> Result<Option<OpenedIdentity>, IdentityError> {
        if Self::issuer(config, data_directory).is_err() {
            return Ok(None);
        }
        let paths = KeyPaths::present(data_directory);
        if paths.key.exists() {
            files::remove(&paths.certificate)?;
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
        // A member is believed that is of a trusted authority; what it adds to those is not, unless one vouches for it.
        let before = trusted(config, data_directory)?;
        let taken = authorities::take_offered(&before, &given.authorities, now_seconds()).ok().flatten();
        let all = taken.as_ref().unwrap_or(&before);
        keep_chain(paths, given, &certificates(all), &self.key)?;
        if let Some(taken) = &taken {
            authorities::write(data_directory, taken)?;
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
        let before = trusted(config, data_directory).map_err(text)?;
        old.succeed().map_err(text)?;
        let new = load_authority(&config.certs_dir).map_err(text)?;
        if let Some(taken) = authorities::take_offered(&before, &[new.offer()], now_seconds())? {
            authorities::write(data_directory, &taken).map_err(text)?;
        }
        Self::open(config, data_directory).map_err(text)
    }

    /// The authorities that took another's place, with what vouches for them: what the node's own chain shows.
    fn offers(&self) -> Vec<OfferedAuthority> {
        let voucher = |authority: &CertificateDer<'static>| {
            let key = node_id_of(authority);
            self.chain.iter().skip(1).find(|between| node_id_of(between) == key)
        };
        let offer = |authority: &CertificateDer<'static>| {
            Some(OfferedAuthority { certificate: authority.to_vec(), voucher: voucher(authority)?.to_vec() })
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
