//! Who is connected, for CLIENT LIST and INFO.

use crate::base::Monotonic;
use crate::resp::Protocol;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};

/// The connected clients of a node.
#[derive(Debug, Default)]
pub struct Clients {
    last_id: AtomicU64,
    connected: Mutex<BTreeMap<u64, Arc<Client>>>,
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

    /// How many there ever were.
    pub fn ever_connected(&self) -> u64 {
        self.last_id.load(Ordering::Relaxed)
    }

    /// All of them, by id. Linear.
    pub fn list(&self) -> Vec<Arc<Client>> {
        self.connected.lock().values().cloned().collect()
    }

    pub(super) fn register(&self, remote: String, local: String, now: Monotonic) -> Arc<Client> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let client = Arc::new(Client {
            id,
            remote,
            local,
            connected_at: now,
            last_active: AtomicU64::new(now.as_nanos()),
            last_command: AtomicU16::new(u16::MAX),
            resp3: AtomicBool::new(false),
            names: AtomicUsize::new(0),
            patterns: AtomicUsize::new(0),
            labels: Mutex::default(),
        });
        self.connected.lock().insert(id, Arc::clone(&client));
        client
    }

    pub(super) fn unregister(&self, id: u64) {
        self.connected.lock().remove(&id);
    }
}

/// What is known of one client. Its session writes it, others only read.
#[derive(Debug)]
pub struct Client {
    id: u64,
    remote: String,
    local: String,
    connected_at: Monotonic,
    last_active: AtomicU64,
    last_command: AtomicU16,
    resp3: AtomicBool,
    /// What it is subscribed to.
    names: AtomicUsize,
    patterns: AtomicUsize,
    labels: Mutex<Labels>,
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

impl Client {
    /// The number that this client has, and no other ever had or will have.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The client's address.
    pub fn remote(&self) -> &str {
        &self.remote
    }

    /// The address that it connected to.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// When it connected.
    pub fn connected_at(&self) -> Monotonic {
        self.connected_at
    }

    /// When it last sent a command.
    pub fn last_active(&self) -> Monotonic {
        Monotonic::from_nanos(self.last_active.load(Ordering::Relaxed))
    }

    /// The protocol that it speaks.
    pub fn protocol(&self) -> Protocol {
        if self.resp3.load(Ordering::Relaxed) { Protocol::Resp3 } else { Protocol::Resp2 }
    }

    /// How many names and how many patterns it is subscribed to.
    pub fn subscriptions(&self) -> (usize, usize) {
        (self.names.load(Ordering::Relaxed), self.patterns.load(Ordering::Relaxed))
    }

    /// What it calls itself.
    pub fn labels(&self) -> Labels {
        self.labels.lock().clone()
    }

    /// The ordinal of its last command.
    pub(super) fn last_command(&self) -> u16 {
        self.last_command.load(Ordering::Relaxed)
    }

    pub(super) fn set_protocol(&self, protocol: Protocol) {
        self.resp3.store(protocol == Protocol::Resp3, Ordering::Relaxed);
    }

    pub(super) fn set_subscriptions(&self, (names, patterns): (usize, usize)) {
        self.names.store(names, Ordering::Relaxed);
        self.patterns.store(patterns, Ordering::Relaxed);
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
