//! Who is let in: passwords, users and certificates, as they are in files. All of it is read before any of it is used.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::Configuration;
use super::audit::Log;
use super::config::replace_file;
use super::reloading::{self, Reloadable};
use super::secrets::Credentials;
use crate::command::{
    Access, Account, AuditEvent, AuditRecord, Clients, Environment, PasswordHash, Subscriptions, User, loaded,
    parse_users,
};
use crate::listener::{self, PreparedTls, Tls, UserFile};

/// Settings of which a change has files read.
pub(super) const IS_OF_FILES: &[&str] = &[
    "resp.password",
    "resp.password_file",
    "resp.tls_ca_cert",
    "resp.tls_cert",
    "resp.tls_certificate_user",
    "resp.tls_client_certificates",
    "resp.tls_handshake_seconds",
    "resp.tls_key",
];

const DAY: Duration = Duration::from_secs(86_400);
/// From so many days before its end a certificate is warned of.
const WARNED_DAYS: u64 = 30;

/// Service managers do not take credentials away while the server runs, so somebody else did.
const CREDENTIAL_IS_GONE: &str = "the credential with the password was there when this was read before, and is gone; without it \
                                  everybody would be let in";

/// What was read of the files, and is right as a whole.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Of the user called default.
    password: Option<PasswordHash>,
    /// Whether that one is what the service manager gave by itself.
    is_of_credential: bool,
    /// Of the file or of the configuration; none if there are neither.
    users: Option<Vec<User>>,
    tls: Option<PreparedTls>,
}

/// Who is let in, while the server runs.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) access: Arc<Access>,
    pub(super) credentials: Credentials,
    last: Mutex<Last>,
    tls: OnceLock<Arc<Tls>>,
    served: OnceLock<(Arc<Clients>, Arc<Subscriptions>)>,
}

/// What was read last.
#[derive(Debug, Default)]
struct Last {
    is_first: bool,
    /// Settings that CONFIG SET has changed, and what they are.
    names_of_client: BTreeSet<&'static str>,
    of_client: listener::Config,
    password: Option<Option<PasswordHash>>,
    is_of_credential: bool,
    users: Vec<User>,
}

impl Last {
    /// What CONFIG SET has changed stays, whatever the configuration says.
    fn keep_what_clients_set(&self, resp: &mut listener::Config) {
        let given = &self.of_client;
        for name in &self.names_of_client {
            match *name {
                "resp.password" => resp.password.clone_from(&given.password),
                "resp.password_file" => resp.password_file.clone_from(&given.password_file),
                "resp.tls_ca_cert" => resp.tls_ca_cert.clone_from(&given.tls_ca_cert),
                "resp.tls_cert" => resp.tls_cert.clone_from(&given.tls_cert),
                "resp.tls_key" => resp.tls_key.clone_from(&given.tls_key),
                "resp.tls_certificate_user" => resp.tls_certificate_user = given.tls_certificate_user,
                "resp.tls_client_certificates" => resp.tls_client_certificates = given.tls_client_certificates,
                "resp.tls_handshake_seconds" => resp.tls_handshake_seconds = given.tls_handshake_seconds,
                _ => {}
            }
        }
    }
}

impl Reloadable for Arc<Door> {
    fn what(&self) -> &'static str {
        "passwords, users and the certificate for clients"
    }

    fn settings(&self) -> &'static [&'static str] {
        IS_OF_FILES
    }

    fn prepare(&self, configuration: &Configuration) -> Result<reloading::Prepared, String> {
        let mut configuration = configuration.clone();
        self.last.lock().keep_what_clients_set(&mut configuration.resp);
        let (door, prepared) = (Arc::clone(self), prepare(&configuration, &self.credentials)?);
        self.refuse_expired(&prepared)?;
        if prepared.password.is_none() && self.last.lock().is_of_credential {
            return Err(CREDENTIAL_IS_GONE.to_owned());
        }
        Ok(Box::new(move || {
            let has_certificate = prepared.tls.is_some();
            let mut words = door.set(prepared).told();
            if has_certificate {
                words.push("clients that connect are shown the certificate as it is now".to_owned());
            }
            (!words.is_empty()).then(|| words.join("; "))
        }))
    }
}

/// Reads all files.
///
/// # Errors
/// A line for an operator.
pub(super) fn prepare(all: &Configuration, credentials: &Credentials) -> Result<Prepared, String> {
    let config = listener_config(&all.resp, credentials)?;
    let tls = PreparedTls::read(&config).map_err(|error| error.to_string())?;
    let password = password(&config, credentials)?;
    let is_of_credential = password.is_some() && config.password.is_none() && config.password_file.is_none();
    Ok(Prepared { password, is_of_credential, users: users(all, credentials)?, tls })
}

/// `[resp]` with the paths that are meant.
///
/// # Errors
/// A line for an operator.
pub(super) fn listener_config(resp: &listener::Config, credentials: &Credentials) -> Result<listener::Config, String> {
    let mut config = resp.clone();
    for (key, path) in
        [("tls_cert", &mut config.tls_cert), ("tls_key", &mut config.tls_key), ("tls_ca_cert", &mut config.tls_ca_cert)]
    {
        if let Some(path) = path {
            *path = credentials.resolve(path).map_err(|error| format!("[resp] {key}: {error}"))?;
        }
    }
    Ok(config)
}

/// The password of the user called default: of the configuration, of its file, or of the service manager.
pub(super) fn password(resp: &listener::Config, credentials: &Credentials) -> Result<Option<PasswordHash>, String> {
    if let Some(password) = &resp.password {
        return Ok(Some(PasswordHash::of(password.reveal().as_bytes())));
    }
    match &resp.password_file {
        Some(path) => {
            let read = credentials.read_password(path);
            read.map(Some).map_err(|error| format!("[resp] password_file: {error}"))
        }
        None => credentials.password(),
    }
}

fn users(all: &Configuration, credentials: &Credentials) -> Result<Option<Vec<User>>, String> {
    if let Some(path) = &all.resp.acl_file {
        return AclFile::new(Some(path.clone())).read().map(Some);
    }
    if all.users.is_empty() {
        return Ok(None);
    }
    let mut users = Vec::with_capacity(all.users.len());
    for (name, config) in &all.users {
        let hashes = config.password_files.iter().map(|path| credentials.read_password(path));
        let hashes: Result<Vec<_>, _> = hashes.collect();
        let hashes = hashes.map_err(|error| format!("users.{name}.password_files: {error}"))?;
        users.push(config.user(name, &hashes).map_err(|error| error.to_string())?);
    }
    Ok(Some(users))
}

impl Door {
    /// As it was prepared.
    pub(super) fn new(prepared: Prepared, credentials: Credentials, resp: &listener::Config) -> Arc<Self> {
        let access = Arc::new(Access::new(Box::new(Log), resp.acl_file.is_some(), resp.max_login_failures));
        let last = Mutex::new(Last { is_first: true, ..Last::default() });
        let door = Self { access, credentials, last, tls: OnceLock::new(), served: OnceLock::new() };
        door.set(prepared);
        Arc::new(door)
    }

    /// There are clients, and those who answer them.
    pub(super) fn begin(&self, environment: &Environment, tls: Option<Arc<Tls>>) {
        // Both are said once.
        let _ = self.served.set((Arc::clone(&environment.clients), Arc::clone(&environment.subscriptions)));
        if let Some(tls) = tls {
            let _ = self.tls.set(tls);
        }
    }

    /// Has this hold from now on. What is the same as when it was read before stays as ACL SETUSER and ACL DELUSER may have
    /// left it, and so do users who were never in a file. Connections that stand go on, but for those of users that are gone.
    fn set(&self, prepared: Prepared) -> ChangedUsers {
        let Prepared { password, is_of_credential, users, tls } = prepared;
        let mut last = self.last.lock();
        let named = users.as_ref().is_some_and(|users| users.iter().any(|user| user.name() == "default"));
        let mut told = ChangedUsers::default();
        if last.password != Some(password) && !named {
            self.access.set_default_password(password);
            told.changed.push("default".to_owned());
        }
        (last.password, last.is_of_credential) = (Some(password), is_of_credential);
        // Users of a file of their own are read by ACL LOAD, as it may be older than they are.
        if last.is_first || !self.access.has_file() {
            let users = users.unwrap_or_default();
            self.update(&last.users, &users, &mut told);
            last.users = users;
        }
        let is_first = std::mem::take(&mut last.is_first);
        drop(last);
        self.set_tls(tls);
        if !is_first {
            told.note(&self.access);
        }
        told
    }

    /// Has users be as they are now, where that is not as they were.
    fn update(&self, were: &[User], are: &[User], told: &mut ChangedUsers) {
        let changed: Vec<User> = are.iter().filter(|user| !were.contains(user)).cloned().collect();
        let is_gone = |user: &&User| user.name() != "default" && are.iter().all(|other| other.name() != user.name());
        told.deleted = were.iter().filter(is_gone).map(|user| user.name().to_owned()).collect();
        told.changed.extend(changed.iter().map(|user| user.name().to_owned()));
        if changed.is_empty() && told.deleted.is_empty() {
            return;
        }
        let gone = self.access.update(changed, &told.deleted);
        if let Some((clients, subscriptions)) = self.served.get() {
            loaded(&self.access, clients, subscriptions, &gone);
        }
    }

    /// Has what CONFIG SET has changed hold. The password stays as ACL SETUSER may have left it, unless it was set. What was
    /// set so stays when the files are read again, as all that CONFIG SET has changed does.
    pub(super) fn change(&self, prepared: Prepared, names: &[&str], resp: &listener::Config) {
        let mut last = self.last.lock();
        if names.iter().any(|name| name.starts_with("resp.password")) {
            (last.password, last.is_of_credential) = (Some(prepared.password), prepared.is_of_credential);
            self.access.set_default_password(prepared.password);
        }
        last.names_of_client.extend(IS_OF_FILES.iter().filter(|name| names.contains(name)));
        last.of_client = resp.clone();
        drop(last);
        self.set_tls(prepared.tls);
    }

    /// No certificate takes the place of another that no client takes. The one that is there stays even so, as the password
    /// and the users are to be read again also when it has ended.
    pub(super) fn refuse_expired(&self, prepared: &Prepared) -> Result<(), String> {
        let Some(tls) = &prepared.tls else { return Ok(()) };
        if self.tls.get().is_some_and(|served| served.shows(tls)) {
            return Ok(());
        }
        tls.validity_problem(now_seconds()).map_or(Ok(()), |problem| Err(problem.to_string()))
    }

    /// Says in the log, once a day and for ever, that the certificate for clients is near its end or has ended.
    pub(super) async fn warn_of_end(&self) {
        loop {
            let end = self.access.certificate_ends.load(Ordering::Relaxed);
            if let Some(warning) = warning_of_end(end, now_seconds()) {
                tracing::warn!("{warning}");
            }
            tokio::time::sleep(DAY).await;
        }
    }

    /// New connections are shown this certificate.
    fn set_tls(&self, prepared: Option<PreparedTls>) {
        let ends = prepared.as_ref().map_or(0, PreparedTls::ends_seconds);
        self.access.certificate_ends.store(ends, Ordering::Relaxed);
        if let (Some(tls), Some(prepared)) = (self.tls.get(), prepared) {
            tls.replace(prepared);
        }
    }
}

/// What is to be said of a certificate that ends then; nothing where there is none.
fn warning_of_end(end_seconds: u64, now_seconds: u64) -> Option<String> {
    let days = end_seconds.saturating_sub(now_seconds) / DAY.as_secs();
    match end_seconds {
        0 => None,
        end if end <= now_seconds => Some(
            "the certificate for clients ([resp] tls_cert) has expired, and clients that look at it refuse this server: put another into its file and reload"
                .to_owned(),
        ),
        _ if days <= WARNED_DAYS => Some(format!(
            "the certificate for clients ([resp] tls_cert) ends in {days} days: put another into its file and reload"
        )),
        _ => None,
    }
}

pub(super) fn now_seconds() -> u64 {
    // A clock before 1970 has none.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The names of users that are not as they were.
#[derive(Debug, Default, PartialEq, Eq)]
struct ChangedUsers {
    changed: Vec<String>,
    deleted: Vec<String>,
}

impl ChangedUsers {
    /// For an auditor: there is no connection that did it.
    fn note(&self, access: &Access) {
        for (event, names) in [(AuditEvent::UserChanged, &self.changed), (AuditEvent::UserDeleted, &self.deleted)] {
            for subject in names {
                access.note(AuditRecord { event, user: "", peer: "SIGHUP", subject });
            }
        }
    }

    /// For the log.
    fn told(&self) -> Vec<String> {
        let kinds = [("users changed", &self.changed), ("users deleted", &self.deleted)];
        let some = kinds.into_iter().filter(|(_, names)| !names.is_empty());
        some.map(|(what, names)| format!("{what}: {}", names.join(", "))).collect()
    }
}

/// The file of `[resp] acl_file`.
#[derive(Debug, Default)]
pub(super) struct AclFile {
    path: Option<PathBuf>,
    /// One at a time: whoever writes last must have read last.
    saving: Mutex<()>,
}

impl AclFile {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { path, saving: Mutex::default() }
    }
}

impl AclFile {
    /// All users in it.
    pub(super) fn read(&self) -> Result<Vec<User>, String> {
        let path = self.path.as_ref().ok_or("there is no file of users")?;
        let text = fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        parse_users(&text).map_err(|error| format!("{}: {error}", path.display()))
    }
}

impl UserFile for AclFile {
    fn load(&self, users: &Access) -> Result<Vec<Arc<Account>>, String> {
        // Or what was saved in between would not be so any more.
        let _saving = self.saving.lock();
        Ok(users.replace_all(self.read()?))
    }

    fn save(&self, users: &Access) -> Result<(), String> {
        let path = self.path.as_ref().ok_or("there is no file of users")?;
        let told = |error: std::io::Error| format!("{} cannot be written: {error}", path.display());
        let path = fs::canonicalize(path).map_err(told)?;
        let _saving = self.saving.lock();
        replace_file(&path, &users.to_file()).map_err(told)
    }
}

#[cfg(test)]
#[path = "door_tests.rs"]
mod tests;
