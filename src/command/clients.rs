//! Who is connected, for CLIENT and INFO, and the ways to reach them.

use super::access::Account;
use super::interruption::{Interruption, Unblocked};
use super::patience::Seen;
use super::pause::Pause;
use super::session::{ClientAddress, UnreadMessages};
use crate::base::Monotonic;
use crate::resp::Protocol;
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, AtomicUsize, Ordering};

/// The connected clients of a node.
#[derive(Debug, Default)]
pub struct Clients {
    last_id: AtomicU64,
    /// The last one of before the figures were reset.
    last_before: AtomicU64,
    connected: Mutex<BTreeMap<u64, Arc<Client>>>,
    pause: Pause,
}

impl Clients {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.connected.lock().len()
    }

    /// Whether nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many there were since the start, or since the figures were reset.
    pub fn ever_connected(&self) -> u64 {
        let last = self.last_id.load(Ordering::Relaxed);
        last.saturating_sub(self.last_before.load(Ordering::Relaxed))
    }

    /// All of them, by id. Linear.
    pub fn list(&self) -> Vec<Arc<Client>> {
        self.connected.lock().values().cloned().collect()
    }

    /// The one with this id.
    pub fn find(&self, id: u64) -> Option<Arc<Client>> {
        self.connected.lock().get(&id).cloned()
    }

    /// The time in which requests wait.
    pub fn pause(&self) -> &Pause {
        &self.pause
    }

    /// Counts connections anew.
    pub(super) fn reset_figures(&self) {
        self.last_before.store(self.last_id.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    pub(super) fn register(&self, address: ClientAddress, account: &Arc<Account>, now: Monotonic) -> Arc<Client> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let client = Arc::new(Client {
            id,
            address,
            connected_at: now,
            last_active: AtomicU64::new(now.as_nanos()),
            last_command: AtomicU16::new(u16::MAX),
            resp3: AtomicBool::new(false),
            account: Mutex::new(Arc::clone(account)),
            labels: Mutex::default(),
            marks: AtomicU8::new(0),
            names: AtomicUsize::new(0),
            patterns: AtomicUsize::new(0),
            queued: Mutex::default(),
            held: Held::default(),
            seen: Mutex::default(),
            interruption: Interruption::default(),
            cut_off_for: Mutex::default(),
        });
        self.connected.lock().insert(id, Arc::clone(&client));
        client
    }

    pub(super) fn unregister(&self, id: u64) {
        self.connected.lock().remove(&id);
    }
}

/// What is known of one client. Its session writes it, others only read, but for the ways to reach it.
#[derive(Debug)]
pub struct Client {
    id: u64,
    address: ClientAddress,
    connected_at: Monotonic,
    last_active: AtomicU64,
    last_command: AtomicU16,
    resp3: AtomicBool,
    account: Mutex<Arc<Account>>,
    labels: Mutex<Labels>,
    marks: AtomicU8,
    /// What it is subscribed to.
    names: AtomicUsize,
    patterns: AtomicUsize,
    queued: Mutex<Option<Queued>>,
    held: Held,
    seen: Mutex<Seen>,
    interruption: Interruption,
    cut_off_for: Mutex<Option<UnreadMessages>>,
}

/// What a client calls itself; empty where it did not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// The name of CLIENT SETNAME.
    pub name: String,
    /// The client library.
    pub library: String,
    /// The version of the client library.
    pub library_version: String,
}

/// What a client has asked for since MULTI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// So many requests.
    pub requests: usize,
    /// The memory that they take.
    pub bytes: usize,
}

/// What a connection holds in memory, and what passed through it, all in bytes.
#[derive(Debug, Default)]
pub struct Held {
    /// Arrived and not run yet.
    pub query: AtomicU64,
    /// The room for what arrives, taken or not.
    pub query_capacity: AtomicU64,
    /// Replies that the client has not taken yet.
    pub output: AtomicU64,
    /// Messages of its subscriptions that are not among the replies yet.
    pub messages: AtomicU64,
    /// The memory that they take.
    pub message_bytes: AtomicU64,
    /// Lines of MONITOR that are not among the replies yet.
    pub monitor_bytes: AtomicU64,
    /// All that was received and sent.
    pub traffic: AtomicU64,
}

impl Held {
    /// What waits beside the replies.
    pub fn waiting_bytes(&self) -> u64 {
        self.message_bytes.load(Ordering::Relaxed) + self.monitor_bytes.load(Ordering::Relaxed)
    }

    /// What the client has yet to take.
    pub fn unread_bytes(&self) -> u64 {
        self.output.load(Ordering::Relaxed) + self.waiting_bytes()
    }
}

/// What a client asked for, or is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// CLIENT NO-EVICT.
    NoEvict = 1,
    /// CLIENT NO-TOUCH.
    NoTouch = 2,
    /// Its request takes time, and so it waits.
    Blocked = 4,
    /// It was told to show all requests.
    Monitors = 8,
}

impl Client {
    /// The number that this client has, and no other ever had or will have.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Between whom the connection is.
    pub fn address(&self) -> &ClientAddress {
        &self.address
    }

    /// The client's end.
    pub fn remote(&self) -> &str {
        &self.address.remote
    }

    /// The end that it connected to.
    pub fn local(&self) -> &str {
        &self.address.local
    }

    /// When it connected.
    pub fn connected_at(&self) -> Monotonic {
        self.connected_at
    }

    /// When it last sent a command, or took or sent bytes as far as that was noticed.
    pub fn last_active(&self) -> Monotonic {
        Monotonic::from_nanos(self.last_active.load(Ordering::Relaxed))
    }

    /// The protocol that it speaks.
    pub fn protocol(&self) -> Protocol {
        if self.resp3.load(Ordering::Relaxed) { Protocol::Resp3 } else { Protocol::Resp2 }
    }

    /// Whose it is; also before it has shown that.
    pub fn account(&self) -> Arc<Account> {
        Arc::clone(&self.account.lock())
    }

    pub(super) fn set_account(&self, account: &Arc<Account>) {
        *self.account.lock() = Arc::clone(account);
    }

    /// What it calls itself.
    pub fn labels(&self) -> Labels {
        self.labels.lock().clone()
    }

    /// What its connection holds.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// How many names and how many patterns it is subscribed to.
    pub fn subscriptions(&self) -> (usize, usize) {
        (self.names.load(Ordering::Relaxed), self.patterns.load(Ordering::Relaxed))
    }

    /// It is subscribed to so many names and patterns now.
    pub fn set_subscriptions(&self, (names, patterns): (usize, usize)) {
        self.names.store(names, Ordering::Relaxed);
        self.patterns.store(patterns, Ordering::Relaxed);
    }

    /// What waits for its EXEC; none without MULTI.
    pub fn queued(&self) -> Option<Queued> {
        *self.queued.lock()
    }

    /// Whether it receives what it did not ask for each time.
    pub fn is_subscriber(&self) -> bool {
        self.subscriptions() != (0, 0)
    }

    /// Whether the mark is set.
    pub fn has(&self, mark: Mark) -> bool {
        self.marks.load(Ordering::Relaxed) & mark as u8 != 0
    }

    /// Sets or takes away a mark.
    pub fn set(&self, mark: Mark, on: bool) {
        if on {
            self.marks.fetch_or(mark as u8, Ordering::Relaxed);
        } else {
            self.marks.fetch_and(!(mark as u8), Ordering::Relaxed);
        }
    }

    /// It did something.
    pub fn touch(&self, now: Monotonic) {
        self.last_active.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// Has its connection closed. Whether nobody had done so before.
    pub fn end(&self) -> bool {
        self.interruption.end()
    }

    /// Has its connection closed at once, also in the middle of a write that would never end.
    pub(super) fn cut_off(&self, why: UnreadMessages) {
        *self.cut_off_for.lock() = Some(why);
        self.end();
    }

    /// Why it was cut off, once for whoever asks first.
    pub fn take_cut_off_for(&self) -> Option<UnreadMessages> {
        self.cut_off_for.lock().take()
    }

    /// Whether its connection is to be closed.
    pub fn is_ended(&self) -> bool {
        self.interruption.is_ended()
    }

    /// Completes when the connection is to be closed.
    pub async fn ended(&self) {
        let mut known = None;
        poll_fn(|context| self.interruption.poll_end(context, &mut known)).await;
    }

    /// Runs what takes time, unless somebody calls the waiting off.
    ///
    /// # Errors
    /// How that was done.
    pub async fn wait_for<T>(&self, what: impl Future<Output = T> + Send) -> Result<T, Unblocked> {
        let waiting = Waiting::begin(&self.interruption);
        let mut what = std::pin::pin!(what);
        let result = poll_fn(|context| {
            if let std::task::Poll::Ready(done) = what.as_mut().poll(context) {
                return std::task::Poll::Ready(Ok(done));
            }
            self.interruption.poll_unblocked(context).map(Err)
        });
        let result = result.await;
        drop(waiting);
        result
    }

    /// Calls off what the client waits for. Whether it waited.
    pub fn unblock(&self, how: Unblocked) -> bool {
        self.interruption.unblock(how)
    }

    /// Whether it waits for what can be called off.
    pub fn is_waiting(&self) -> bool {
        self.interruption.is_waiting()
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock()
    }

    /// The ordinal of its last command.
    pub(super) fn last_command(&self) -> u16 {
        self.last_command.load(Ordering::Relaxed)
    }

    pub(super) fn set_protocol(&self, protocol: Protocol) {
        self.resp3.store(protocol == Protocol::Resp3, Ordering::Relaxed);
    }

    pub(super) fn set_queued(&self, queued: Option<Queued>) {
        *self.queued.lock() = queued;
    }

    pub(super) fn change_labels(&self, change: impl FnOnce(&mut Labels)) {
        change(&mut self.labels.lock());
    }

    /// Two plain stores, as this is done for each command.
    pub(super) fn record(&self, command: u16, now: Monotonic) {
        self.last_command.store(command, Ordering::Relaxed);
        self.last_active.store(now.as_nanos(), Ordering::Relaxed);
    }
}

/// A wait, which is over however its future ends.
struct Waiting<'a>(&'a Interruption);

impl<'a> Waiting<'a> {
    fn begin(interruption: &'a Interruption) -> Self {
        interruption.begin_wait();
        Self(interruption)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.end_wait();
    }
}
