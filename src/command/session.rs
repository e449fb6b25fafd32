//! The state of one connection.

use super::access::{Account, Rights};
use super::clients::{Client, Clients};
use super::environment::Environment;
use super::monitor::{MonitorTooSlow, Monitoring};
use super::subscriptions::{Listening, TooSlow};
use super::timing::Sampling;
use super::transactions::{self, Transaction};
use super::watching::Watched;
use crate::base::{Moment, Monotonic};
use crate::resp::Protocol;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A client left so many messages unread that there is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnreadMessages {
    /// Of what it is subscribed to.
    #[error("it does not read what its patterns take in; see [resp] max_unsent_messages")]
    Subscription,
    /// Of the requests of all.
    #[error("it asked for MONITOR and does not read")]
    Monitor,
}

/// Between whom a connection is, as text: `127.0.0.1:40312`, `[::1]:40312`, or a socket's path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientAddress {
    /// The client's end.
    pub remote: String,
    /// This node's end.
    pub local: String,
    /// The number of the connection's file descriptor.
    pub descriptor: i32,
    /// Whether they are on one machine, and meet at a socket's path.
    pub is_unix: bool,
}

/// The state of one connection. Listed among the clients from its making until it is dropped.
#[derive(Debug)]
pub struct Session {
    pub(super) client: Arc<Client>,
    clients: Arc<Clients>,
    protocol: Protocol,
    pub(super) authenticated: bool,
    /// The user that its certificate names, where certificates are to tell.
    certificate_user: Option<Box<str>>,
    /// Whose it is, and what that one may do.
    pub(super) rights: Rights,
    /// Its subscriptions, if it has any.
    pub(super) listening: Option<Listening>,
    pub(super) replies: Replies,
    /// It changed something, and the replies that say so have to wait until that is on disk.
    pub(super) awaits_disk: bool,
    /// What was queued since MULTI.
    pub(super) transaction: Option<Box<Transaction>>,
    /// What the next EXEC depends on.
    pub(super) watched: Vec<Watched>,
    /// Its view of all requests, if it wants to see them.
    pub(super) monitoring: Option<Monitoring>,
    pub(super) sampling: Sampling,
    thread: usize,
    lane: usize,
}

impl Session {
    /// A connection that was just accepted, and is served by the thread with this number.
    ///
    /// Threads with different numbers count in different cache lines.
    pub fn new(environment: &Environment, address: ClientAddress, thread: usize, now: Monotonic) -> Self {
        let clients = Arc::clone(&environment.clients);
        let access = &environment.settings.access;
        let account = access.default_account();
        Self {
            client: clients.register(address, account, now),
            clients,
            protocol: Protocol::Resp2,
            authenticated: access.lets_everyone_in(),
            certificate_user: None,
            rights: Rights::of(account),
            listening: None,
            replies: Replies::default(),
            awaits_disk: false,
            transaction: None,
            watched: Vec::new(),
            monitoring: None,
            sampling: Sampling::default(),
            thread,
            lane: environment.statistics.lane_of(thread),
        }
    }

    /// Whether a reply since the last call tells of a change that has to be on disk before the reply may leave.
    #[inline]
    pub fn take_awaits_disk(&mut self) -> bool {
        std::mem::take(&mut self.awaits_disk)
    }

    /// Completes when there is something to be sent that is no reply.
    #[inline]
    pub fn poll_messages(&self, context: &Context<'_>) -> Poll<()> {
        let of_listening = self.listening.as_ref().map(|listening| listening.poll_messages(context));
        let of_monitoring = self.monitoring.as_ref().map(|monitoring| monitoring.poll(context));
        match of_listening.into_iter().chain(of_monitoring).any(|poll| poll.is_ready()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Appends such messages until `out` has `limit` bytes or there are no more.
    ///
    /// # Errors
    /// [`UnreadMessages`] when more waited than may: the connection is to be closed.
    #[inline]
    pub fn take_messages(&self, limit: usize, out: &mut Vec<u8>) -> Result<(), UnreadMessages> {
        if let Some(listening) = &self.listening {
            listening.take_messages(self.protocol, limit, out).map_err(|TooSlow| UnreadMessages::Subscription)?;
        }
        if let Some(monitoring) = &self.monitoring {
            monitoring.take(out).map_err(|MonitorTooSlow| UnreadMessages::Monitor)?;
        }
        Ok(())
    }

    /// A request was refused: if it was to be part of a transaction, that is not run.
    pub(super) fn refuse_transaction(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.refuse();
            transactions::settle(self);
        }
    }

    /// Whether the reply to the request that was just run is to be sent; asked once for each.
    #[inline]
    pub fn takes_reply(&mut self) -> bool {
        self.replies.takes()
    }

    /// The protocol that replies are to be encoded in.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether the password was given, or none is needed.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// It has shown that it is this user's.
    pub fn log_in(&mut self, account: &Arc<Account>) {
        self.authenticated = true;
        self.rights = Rights::of(account);
        self.client.set_account(account);
    }

    /// Its certificate names this user. Where that one may not log in, nobody is let in without a password: to lock a
    /// user out must not make it the user called default.
    pub fn begin_with_certificate(&mut self, environment: &Environment, name: &str, now: Moment) {
        self.certificate_user = Some(name.into());
        self.log_out(environment, now);
    }

    /// Whether its certificate says who it is, so that it is another only with that one's password.
    pub(super) fn has_certificate_user(&self) -> bool {
        self.certificate_user.is_some()
    }

    /// It is as it was when it began.
    pub(super) fn log_out(&mut self, environment: &Environment, now: Moment) {
        let access = &environment.settings.access;
        let named = self.certificate_user.as_deref().map(|name| access.of_certificate(name, &self.client, now));
        match named {
            Some(Some(account)) => self.log_in(&account),
            barred_or_unnamed => {
                self.log_in(access.default_account());
                self.authenticated = barred_or_unnamed.is_none() && access.lets_everyone_in();
            }
        }
    }

    /// What others see of it.
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// The number of the thread that serves it.
    pub(crate) fn thread(&self) -> usize {
        self.thread
    }

    /// Where this session counts.
    pub(super) fn lane(&self) -> usize {
        self.lane
    }

    pub(super) fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        self.client.set_protocol(protocol);
    }
}

/// Which replies a client wants, as CLIENT REPLY said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Replies {
    is_off: bool,
    /// So many replies are left out from here on.
    skipped: u8,
}

impl Replies {
    #[inline]
    fn takes(&mut self) -> bool {
        if !self.is_off && self.skipped == 0 {
            return true;
        }
        self.skipped = self.skipped.saturating_sub(1);
        false
    }

    pub(super) fn turn(&mut self, on: bool) {
        *self = Self { is_off: !on, skipped: 0 };
    }

    /// Leaves out the replies to this request and to the next.
    pub(super) fn skip_next(&mut self) {
        if !self.is_off {
            self.skipped = 2;
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.clients.unregister(self.client.id());
    }
}
