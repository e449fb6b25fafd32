//! All users of a node, and who of them each connection is.

use super::audit::{AuditEvent, AuditRecord, Auditor, NoAuditor};
use super::audit_bound::{AuditBound, LeftOut};
use super::denials::{Denial, Denials, Entry};
use super::password::PasswordHash;
use super::throttle::{Throttle, Waits};
use super::{DEFAULT, Reason, User};
use crate::base::Moment;
use crate::command::call::shown;
use crate::command::client_line::describe;
use crate::command::clients::Client;
use crate::command::environment::ReplyShape;
use crate::command::error::CommandError;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Wrong logins of an address that are free if nothing is said.
pub const DEFAULT_FREE_FAILURES: u32 = 10;
/// The most users.
const MAX_USERS: usize = 100_000;

/// One user for as long as there is one of that name.
#[derive(Debug)]
pub struct Account {
    name: Arc<str>,
    user: RwLock<Arc<User>>,
    /// One more with each change.
    version: AtomicU64,
    is_unrestricted: AtomicBool,
}

impl Account {
    fn new(user: User) -> Arc<Self> {
        let (name, is_unrestricted) = (Arc::from(user.name()), user.is_unrestricted().into());
        Arc::new(Self { name, user: RwLock::new(Arc::new(user)), version: AtomicU64::new(0), is_unrestricted })
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The user as it is now.
    pub fn user(&self) -> Arc<User> {
        Arc::clone(&self.user.read())
    }

    /// Whether it may do everything. One load.
    #[inline]
    pub fn is_unrestricted(&self) -> bool {
        self.is_unrestricted.load(Ordering::Acquire)
    }

    #[inline]
    pub(in crate::command) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Takes all rights away, for the requests that are still run before its connections end.
    fn bar(&self) {
        self.replace(User::new(&self.name));
    }

    fn replace(&self, user: User) {
        let mut place = self.user.write();
        self.is_unrestricted.store(user.is_unrestricted(), Ordering::Release);
        *place = Arc::new(user);
        self.version.fetch_add(1, Ordering::Release);
    }
}

/// All users of a node, and what is remembered of those who were refused. All clones of the `Arc` are one.
#[derive(Debug)]
pub struct Access {
    users: RwLock<BTreeMap<String, Arc<Account>>>,
    /// The one called default, which is always there.
    default: Arc<Account>,
    pub(super) denials: Mutex<Denials>,
    throttle: Mutex<Throttle>,
    /// Of the token for HTTP.
    pub(super) token_throttle: Mutex<Throttle>,
    auditor: Box<dyn Auditor>,
    audit_bound: Mutex<AuditBound>,
    /// Whether ACL LOAD and ACL SAVE have a file.
    has_file: bool,
    /// One change at a time: what is changed was read before.
    changing: Mutex<()>,
    /// When the certificate ends that clients are shown, in seconds since 1970; 0 where there is none.
    pub certificate_ends: AtomicU64,
}

impl Default for Access {
    fn default() -> Self {
        Self::new(Box::new(NoAuditor), false, DEFAULT_FREE_FAILURES)
    }
}

/// A login, as it was asked for.
pub(in crate::command) struct Login<'a> {
    pub(in crate::command) user: &'a [u8],
    pub(in crate::command) password: &'a [u8],
    /// The command that asks.
    pub(in crate::command) command: &'a [u8],
    /// Whether it takes a password of the user, also where any is right.
    pub(in crate::command) needs_password: bool,
}

impl Access {
    /// One user, called default, who needs no password and may do everything. So many wrong logins of an address are free.
    pub fn new(auditor: Box<dyn Auditor>, has_file: bool, free_failures: u32) -> Self {
        let default = Account::new(User::default_user(None));
        Self {
            users: RwLock::new(BTreeMap::from([(DEFAULT.to_owned(), Arc::clone(&default))])),
            default,
            denials: Mutex::default(),
            throttle: Mutex::new(Throttle::new(free_failures)),
            token_throttle: Mutex::new(Throttle::new(free_failures)),
            auditor,
            audit_bound: Mutex::default(),
            has_file,
            changing: Mutex::default(),
            certificate_ends: AtomicU64::new(0),
        }
    }

    /// The same with a password; none, or an empty one, lets everyone in.
    pub fn with_password(password: Option<&str>) -> Self {
        let access = Self::default();
        let password = password.filter(|password| !password.is_empty());
        access.set_default_password(password.map(|password| PasswordHash::of(password.as_bytes())));
        access
    }

    /// Whether ACL LOAD and ACL SAVE have a file.
    pub fn has_file(&self) -> bool {
        self.has_file
    }

    /// Gives the user called default this password alone, or lets everyone in.
    pub fn set_default_password(&self, password: Option<PasswordHash>) {
        let _changing = self.changing.lock();
        let mut user = User::clone(&self.default.user());
        user.takes_any_password = password.is_none();
        user.passwords = password.into_iter().collect();
        self.default.replace(user);
    }

    /// Whether whoever connects is let in without a password.
    pub fn lets_everyone_in(&self) -> bool {
        self.default.user().lets_in()
    }

    /// Whether whoever connects may read every counter without a password.
    pub fn lets_everyone_read(&self) -> bool {
        let user = self.default.user();
        user.lets_in() && user.may_read_everything()
    }

    /// The user called default.
    pub fn default_account(&self) -> &Arc<Account> {
        &self.default
    }

    /// The user of this name.
    pub fn find(&self, name: &str) -> Option<Arc<Account>> {
        self.users.read().get(name).cloned()
    }

    /// All users, by name.
    pub fn list(&self) -> Vec<Arc<Account>> {
        self.users.read().values().cloned().collect()
    }

    /// The file that makes all users what they are. Holds hashes.
    pub fn to_file(&self) -> Vec<u8> {
        let lines = self.list().into_iter().map(|account| [account.user().line(), vec![b'\n']].concat());
        lines.collect::<Vec<_>>().concat()
    }

    /// Makes or changes a user: what `change` makes of the present one, or of a new one.
    pub(in crate::command) fn change_user<E: From<TooManyUsers>>(
        &self,
        name: &str,
        change: impl FnOnce(&mut User) -> Result<(), E>,
    ) -> Result<Arc<Account>, E> {
        let _changing = self.changing.lock();
        let account = self.find(name);
        let mut user = account.as_ref().map_or_else(|| User::new(name), |account| User::clone(&account.user()));
        change(&mut user)?;
        if let Some(account) = account {
            account.replace(user);
            return Ok(account);
        }
        let mut users = self.users.write();
        if users.len() >= MAX_USERS {
            return Err(TooManyUsers { most: MAX_USERS }.into());
        }
        let account = Account::new(user);
        users.insert(name.to_owned(), Arc::clone(&account));
        Ok(account)
    }

    /// Deletes a user; whose connections are to be ended. Never the one called default.
    pub(in crate::command) fn delete(&self, name: &str) -> Option<Arc<Account>> {
        let _changing = self.changing.lock();
        if name == DEFAULT {
            return None;
        }
        let gone = self.users.write().remove(name);
        gone.iter().for_each(|account| account.bar());
        gone
    }

    /// Has these users from now on and no others; the user called default stays as it is if it is not among them. Those who
    /// are gone.
    pub fn replace_all(&self, users: Vec<User>) -> Vec<Arc<Account>> {
        let _changing = self.changing.lock();
        let mut all = self.users.write();
        let mut gone = std::mem::take(&mut *all);
        gone.remove(DEFAULT);
        all.insert(DEFAULT.to_owned(), Arc::clone(&self.default));
        for user in users {
            let name = user.name().to_owned();
            match all.get(&name).cloned().or_else(|| gone.remove(&name)) {
                Some(account) => {
                    // A connection that is served need not learn of what is the same.
                    if *account.user() != user {
                        account.replace(user);
                    }
                    all.insert(name, account);
                }
                None => {
                    all.insert(name, Account::new(user));
                }
            }
        }
        gone.values().for_each(|account| account.bar());
        gone.into_values().collect()
    }

    /// Has these users be as they are here, and no more of those names; all others stay as they are now. Those who are gone.
    pub fn update(&self, changed: Vec<User>, deleted: &[String]) -> Vec<Arc<Account>> {
        let _changing = self.changing.lock();
        let mut all = self.users.write();
        let deleted = deleted.iter().filter(|name| *name != DEFAULT);
        let gone: Vec<_> = deleted.filter_map(|name| all.remove(name)).collect();
        for user in changed {
            match all.get(user.name()) {
                Some(account) => account.replace(user),
                None => drop(all.insert(user.name().to_owned(), Account::new(user))),
            }
        }
        gone.iter().for_each(|account| account.bar());
        gone
    }

    /// Who this is, if the password is right.
    pub(in crate::command) fn log_in(
        &self,
        client: &Client,
        login: &Login<'_>,
        now: Moment,
    ) -> Result<Arc<Account>, CommandError> {
        let address = address_of(client.remote());
        match address.and_then(|address| self.throttle.lock().wait(address, login.user, now.monotonic)) {
            Some(Waits::Address(wait)) => return Err(CommandError::TooManyFailures { seconds: wait.as_secs() + 1 }),
            Some(Waits::User(wait)) => return Err(CommandError::TooManyFailuresOfUser { seconds: wait.as_secs() + 1 }),
            None => {}
        }
        let account = std::str::from_utf8(login.user).ok().and_then(|name| self.find(name));
        // Hashed in any case, so that it takes as long whether there is such a user or not.
        let password = PasswordHash::of(login.password);
        let is_right = |account: &Arc<Account>| {
            let user = account.user();
            let known = user.has_password(&password);
            user.enabled && (known || user.takes_any_password && !login.needs_password)
        };
        if let Some(account) = account.filter(is_right) {
            if let Some(address) = address {
                self.throttle.lock().succeeded(address, login.user, now.monotonic);
            }
            return Ok(account);
        }
        self.login_failed(client, login, address, now);
        Err(CommandError::WrongPassword)
    }

    #[cold]
    fn login_failed(&self, client: &Client, login: &Login<'_>, address: Option<IpAddr>, now: Moment) {
        let denial = Denial {
            reason: Reason::Auth,
            in_transaction: false,
            object: login.command.to_ascii_uppercase(),
            user: login.user.to_vec(),
            client: client_info(client, now),
        };
        self.denials.lock().add(denial, now);
        let (user, peer) = (shown(login.user), client.remote());
        let record = AuditRecord { event: AuditEvent::LoginRefused, user: &user, peer, subject: "" };
        self.note_refusal(record, "", now);
        let waits = address.and_then(|address| self.throttle.lock().failed(address, login.user, now.monotonic));
        if let Some(waits) = waits {
            let subject = if matches!(waits, Waits::User(_)) { "user" } else { "" };
            self.note(AuditRecord { event: AuditEvent::LoginThrottled, user: &user, peer, subject });
        }
    }

    /// The user that a certificate names, if there is one that may log in. Notes it where there is none.
    pub(in crate::command) fn of_certificate(&self, name: &str, client: &Client, now: Moment) -> Option<Arc<Account>> {
        let account = self.find(name).filter(|account| account.user().enabled);
        if account.is_none() {
            let (reason, in_transaction) = (Reason::Auth, false);
            let (object, user) = (b"certificate".to_vec(), name.as_bytes().to_vec());
            let denial = Denial { reason, in_transaction, object, user, client: client_info(client, now) };
            if self.denials.lock().add(denial, now) {
                let (user, peer) = (&*shown(name.as_bytes()), client.remote());
                let record = AuditRecord { event: AuditEvent::LoginRefused, user, peer, subject: "certificate" };
                self.note_refusal(record, user, now);
            }
        }
        account
    }

    /// Notes a client that showed no certificate, or one that is not good enough, and so is nobody.
    pub fn certificate_refused(&self, peer: &str, reason: &str, now: Moment) {
        let record = AuditRecord { event: AuditEvent::CertificateRefused, user: "", peer, subject: reason };
        self.note_refusal(record, "", now);
    }

    /// Notes a request that was refused.
    pub(in crate::command) fn denied(&self, denial: Denial, peer: &str, now: Moment) {
        let (user, object) = (shown(&denial.user), shown(&denial.object));
        let subject = format!("{} {object}", denial.reason.name());
        // What goes on for long is one entry, and one record.
        if self.denials.lock().add(denial, now) {
            let record = AuditRecord { event: AuditEvent::RequestDenied, user: &user, peer, subject: &subject };
            self.note_refusal(record, &user, now);
        }
    }

    /// The newest refusals.
    pub(in crate::command) fn denials(&self, count: usize) -> Vec<Entry> {
        self.denials.lock().newest(count)
    }

    /// How many logins, commands, counters and channels were refused.
    pub fn refusals(&self) -> [u64; 4] {
        self.denials.lock().counts()
    }

    pub(in crate::command) fn clear_denials(&self) {
        self.denials.lock().clear();
    }

    /// Has a refusal written down, unless there were so many that it is only counted.
    pub(super) fn note_refusal(&self, record: AuditRecord<'_>, source: &str, now: Moment) {
        if self.audit_bound.lock().take(source, record.peer, now.monotonic) {
            self.note(record);
        }
    }

    /// Has written down how many refusals were only counted; called now and then.
    pub fn note_left_out(&self, now: Moment) {
        let left_out = self.audit_bound.lock().take_left_out(now.monotonic);
        for LeftOut { user, address, count } in left_out {
            let (event, subject) = (AuditEvent::RefusalsLeftOut, count.to_string());
            self.note(AuditRecord { event, user: &user, peer: &address, subject: &subject });
        }
    }

    /// Has something written down.
    pub fn note(&self, record: AuditRecord<'_>) {
        self.auditor.note(record);
    }
}

/// A connection in one line, with the fields that Redis has: clients take them apart.
pub(in crate::command) fn client_info(client: &Client, now: Moment) -> String {
    let mut line = describe(client, ReplyShape::Redis, now.monotonic);
    line.truncate(line.trim_end().len());
    line
}

/// There are as many users as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are {most} users, and there may be no more")]
pub(in crate::command) struct TooManyUsers {
    most: usize,
}

/// Whose failures are counted together. At a unix socket it is its mode that says who may come; nobody there locks others out.
fn address_of(remote: &str) -> Option<IpAddr> {
    remote.parse::<SocketAddr>().ok().map(|address| address.ip())
}
