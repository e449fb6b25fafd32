//! The authorities that a node trusts beside, or instead of, one in its own hands: kept in its data directory.
//!
//! A node that has joined with a token has them from the member that certified it. A further one is taken only if one that
//! is trusted vouches for its key; the older are then let go after a while.

use super::certificate::{self, CertificateDetails};
use super::error::IdentityError;
use super::files::{self, Secrecy};
use crate::wire::OfferedAuthority;
use parking_lot::{Mutex, MutexGuard};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Where they are in the data directory.
pub const AUTHORITIES_FILE: &str = "authorities.crt";
/// An older authority is trusted for so long after a younger one came.
pub(super) const OVERLAP_SECONDS: u64 = 30 * 86_400;
/// Two that replace the same one within this time do not replace each other.
const SIBLINGS_WITHIN: Duration = Duration::hours(1);
/// The most that are trusted at once: over the vouchers of one more, no library looks for the way from the youngest to the
/// oldest.
pub(super) const MAX_TRUSTED: usize = 7;

const RETIRES: &str = "# trusted until ";
const HEAD: &str =
    "# The authorities whose nodes this node accepts, as its cluster has told it. Kept by discnt-server.\n";

/// One that is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trusted {
    pub(super) certificate: CertificateDer<'static>,
    /// Seconds since 1970; none is as long as it is valid.
    pub(super) until: Option<u64>,
}

impl Trusted {
    /// One that is trusted for as long as it is valid.
    pub(super) const fn always(certificate: CertificateDer<'static>) -> Self {
        Self { certificate, until: None }
    }
}

/// To be held from reading the list until what was made of it is written: of two who change it at once neither may lose
/// what the other took.
pub(super) fn changing() -> MutexGuard<'static, ()> {
    static CHANGING: Mutex<()> = Mutex::new(());
    CHANGING.lock()
}

/// Where they are kept.
pub(super) fn path(data_directory: &Path) -> PathBuf {
    data_directory.join(AUTHORITIES_FILE)
}

/// Those that are kept in a data directory; none when the node only knows the one in its own hands.
pub(super) fn read(data_directory: &Path) -> Result<Option<Vec<Trusted>>, IdentityError> {
    let path = path(data_directory);
    let Some(text) = files::read(&path)? else { return Ok(None) };
    let damaged = |what: String| IdentityError::File {
        path: path.clone(),
        what,
        remedy: "restore it from a backup, or copy it from the data directory of another member".into(),
    };
    let certificates: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let certificates = certificates.map_err(|error| damaged(format!("it is not PEM ({error})")))?;
    let times = times_of(&text).map_err(|line| damaged(format!("{line:?} is no time")))?;
    if certificates.is_empty() || certificates.len() != times.len() {
        return Err(damaged("it holds no whole PEM certificate".into()));
    }
    Ok(Some(certificates.into_iter().zip(times).map(|(certificate, until)| Trusted { certificate, until }).collect()))
}

/// What is said before each certificate about how long it is trusted.
fn times_of(text: &str) -> Result<Vec<Option<u64>>, String> {
    let (mut times, mut next) = (Vec::new(), None);
    for line in text.lines() {
        if let Some(time) = line.strip_prefix(RETIRES) {
            next = Some(time.trim().parse().map_err(|_| line.to_owned())?);
        } else if line.starts_with("-----BEGIN CERTIFICATE") {
            times.push(next.take());
        }
    }
    Ok(times)
}

/// Keeps these from now on.
pub(super) fn write(data_directory: &Path, trusted: &[Trusted]) -> Result<(), IdentityError> {
    let mut text = HEAD.to_owned();
    for one in trusted {
        if let Some(until) = one.until {
            let _ = writeln!(text, "{RETIRES}{until}");
        }
        text += &certificate::to_pem(&one.certificate);
    }
    files::replace(&path(data_directory), &text, Secrecy::Public)
}

/// Those that are still trusted at that time. The last that is left stays.
pub(super) fn current(trusted: &[Trusted], now_seconds: u64) -> Vec<Trusted> {
    let kept: Vec<Trusted> =
        trusted.iter().filter(|one| one.until.is_none_or(|until| until > now_seconds)).cloned().collect();
    if kept.is_empty() { trusted.to_vec() } else { kept }
}

/// The certificates as roots.
pub(super) fn roots<'a>(
    certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>,
) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone()).map_err(|error| format!("it cannot be an authority ({error})"))?;
    }
    Ok(roots)
}

/// Takes those that are new and for which one that is trusted vouches; the older are trusted for a while from then on.
/// None when nothing is new.
///
/// One may vouch for the next in any order, and there may be some that nobody vouches for whom this node knows.
///
/// # Errors
/// Why nothing was taken, where nothing was that would have been new.
pub(super) fn take_offered(
    trusted: &[Trusted],
    offered: &[OfferedAuthority],
    now_seconds: u64,
) -> Result<Option<Vec<Trusted>>, String> {
    let mut taken = trusted.to_vec();
    let (mut is_news, mut refusal) = (false, None);
    for _ in 0..offered.len() {
        let mut takes_more = false;
        for offer in offered {
            match take_one(&mut taken, offer, now_seconds) {
                Ok(is_taken) => takes_more |= is_taken,
                Err(reason) => refusal = Some(reason),
            }
        }
        if !takes_more {
            break;
        }
        is_news = true;
    }
    match (is_news, refusal) {
        (true, _) => Ok(Some(taken)),
        (false, Some(reason)) => Err(reason),
        (false, None) => Ok(None),
    }
}

/// Takes one, if it is new; answers whether.
fn take_one(taken: &mut Vec<Trusted>, offer: &OfferedAuthority, now_seconds: u64) -> Result<bool, String> {
    let certificate = CertificateDer::from(offer.certificate.clone());
    if taken.iter().any(|one| one.certificate == certificate) || offer.voucher.is_empty() {
        return Ok(false);
    }
    let voucher = CertificateDer::from(offer.voucher.clone());
    let replaced = check_voucher(&current(taken, now_seconds), &certificate, &voucher)?;
    make_room(taken, now_seconds)?;
    taken.push(Trusted::always(certificate));
    retire(taken, &replaced, now_seconds);
    Ok(true)
}

/// One that was replaced is to be let go, and whoever is older than another by more than a while: of two that replaced
/// the same one at about the same time both stay, on every node, in whatever order it hears of them, and so do those who
/// hold their keys. The next one after that ends it.
fn retire(taken: &mut [Trusted], replaced: &CertificateDer<'static>, now_seconds: u64) {
    let made = |one: &Trusted| CertificateDetails::of(&one.certificate).map(|details| details.not_before).ok();
    let youngest = taken.iter().filter_map(made).max();
    for one in taken {
        let is_outlived = made(one).zip(youngest).is_some_and(|(made, youngest)| youngest - made > SIBLINGS_WITHIN);
        if one.certificate == *replaced || is_outlived {
            one.until.get_or_insert(now_seconds.saturating_add(OVERLAP_SECONDS));
        }
    }
}

/// Lets go those whose time is over, where another would be too many: the certificate of a node that was away may still be
/// of one of them, which has that node start at least.
fn make_room(taken: &mut Vec<Trusted>, now_seconds: u64) -> Result<(), String> {
    if taken.len() < MAX_TRUSTED {
        return Ok(());
    }
    *taken = current(taken, now_seconds);
    if taken.len() < MAX_TRUSTED {
        return Ok(());
    }
    let first = taken.iter().filter_map(|one| one.until).min();
    let days = first.map_or(0, |until| until.saturating_sub(now_seconds).div_ceil(86_400));
    Err(format!(
        "{MAX_TRUSTED} authorities are trusted, the most there may be, and the first of them is let go in {days} days"
    ))
}

/// Checks that one that is trusted vouches for an authority, and answers which.
fn check_voucher(
    trusted: &[Trusted],
    certificate: &CertificateDer<'static>,
    voucher: &CertificateDer<'static>,
) -> Result<CertificateDer<'static>, String> {
    let (details, vouched) = (CertificateDetails::of(certificate)?, CertificateDetails::of(voucher)?);
    if !details.is_authority || !vouched.is_authority {
        return Err("what was offered is not an authority's certificate".into());
    }
    // A node's id is the hash of the key, and so is this.
    if details.node_id != vouched.node_id || details.subject != vouched.subject {
        return Err("what vouches for the authority is of another key".into());
    }
    if let Some(problem) = details.validity_problem(OffsetDateTime::now_utc()) {
        return Err(problem);
    }
    if let Some(problem) = vouched.validity_problem(OffsetDateTime::now_utc()) {
        return Err(problem);
    }
    let signer = trusted.iter().find(|one| has_signed(&one.certificate, voucher));
    signer.map(|one| one.certificate.clone()).ok_or_else(|| "no authority that is trusted here vouches for it".into())
}

/// Whether an authority, being valid, has signed a certificate.
fn has_signed(authority: &CertificateDer<'_>, certificate: &CertificateDer<'_>) -> bool {
    let is_valid = CertificateDetails::of(authority)
        .is_ok_and(|details| details.validity_problem(OffsetDateTime::now_utc()).is_none());
    let (Ok((_, authority)), Ok((_, certificate))) =
        (X509Certificate::from_der(authority), X509Certificate::from_der(certificate))
    else {
        return false;
    };
    is_valid && has_signature_of(&authority, &certificate)
}

/// Whether an authority, be it valid or not, has signed a certificate.
pub(super) fn is_signer_of(authority: &CertificateDer<'_>, certificate: &CertificateDer<'_>) -> bool {
    let parsed = (X509Certificate::from_der(authority), X509Certificate::from_der(certificate));
    matches!(parsed, (Ok((_, authority)), Ok((_, certificate))) if has_signature_of(&authority, &certificate))
}

fn has_signature_of(authority: &X509Certificate<'_>, certificate: &X509Certificate<'_>) -> bool {
    authority.subject().as_raw() == certificate.issuer().as_raw()
        && certificate.verify_signature(Some(authority.public_key())).is_ok()
}
