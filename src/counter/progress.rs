//! What session threads need to know about other replicas without taking a lock: up to where everything of each
//! was received, and when its node was last heard.

use super::assignment::Context;
use super::standing::Standings;
use crate::base::{MAX_CONTEXT_REPLICAS, Monotonic, ReplicaIndex};
use parking_lot::{RwLock, RwLockReadGuard};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

#[derive(Default, Debug)]
struct Entry {
    received: AtomicU64,
    heard_at: AtomicU64,
    /// Its node counts as another replica by now, or is no member any more.
    ended: AtomicBool,
    /// Forecasts of shares with revisions up to this one are void.
    void: AtomicU64,
}

/// One entry a replica, written by the node and read by everyone.
#[derive(Debug)]
pub struct Progress {
    entries: Box<[Entry]>,
    known: AtomicU32,
    standings: RwLock<Standings>,
}

impl Default for Progress {
    fn default() -> Self {
        let entries = (0..MAX_CONTEXT_REPLICAS).map(|_| Entry::default()).collect();
        Self { entries, known: AtomicU32::new(0), standings: RwLock::default() }
    }
}

impl Progress {
    /// Up to which number everything of `replica` has been received and applied.
    pub fn received(&self, replica: ReplicaIndex) -> u64 {
        self.entries.get(replica.as_usize()).map_or(0, |entry| entry.received.load(Ordering::Acquire))
    }

    /// Says that everything up to `number` is now applied to the table.
    pub fn set_received(&self, replica: ReplicaIndex, number: u64) {
        if let Some(entry) = self.entries.get(replica.as_usize()) {
            entry.received.fetch_max(number, Ordering::AcqRel);
            self.known.fetch_max(replica.0 + 1, Ordering::AcqRel);
        }
    }

    /// When the replica's node was last heard.
    pub fn heard_at(&self, replica: ReplicaIndex) -> Monotonic {
        let entry = self.entries.get(replica.as_usize());
        Monotonic::from_nanos(entry.map_or(0, |entry| entry.heard_at.load(Ordering::Relaxed)))
    }

    /// Says that the replica's node was heard.
    pub fn set_heard_at(&self, replica: ReplicaIndex, at: Monotonic) {
        if let Some(entry) = self.entries.get(replica.as_usize()) {
            entry.heard_at.fetch_max(at.as_nanos(), Ordering::Relaxed);
        }
    }

    /// Whether the replica counts no more.
    pub fn has_ended(&self, replica: ReplicaIndex) -> bool {
        self.entries.get(replica.as_usize()).is_some_and(|entry| entry.ended.load(Ordering::Relaxed))
    }

    /// Says whether the replica counts no more. Nobody will ever say how far a forecast of it was right, so its shares
    /// are read as they were last told, which is the same on all nodes.
    pub fn set_ended(&self, replica: ReplicaIndex, ended: bool) {
        if let Some(entry) = self.entries.get(replica.as_usize()) {
            entry.ended.store(ended, Ordering::Relaxed);
        }
    }

    /// Whether what the replica said to be expected of a share under this revision is void: another process of its node
    /// goes on as it, and nobody will ever say how far that was right.
    pub fn is_void(&self, replica: ReplicaIndex, revision: u64) -> bool {
        self.entries.get(replica.as_usize()).is_some_and(|entry| revision <= entry.void.load(Ordering::Relaxed))
    }

    /// Says that what the replica said to be expected under revisions up to this one is void: such shares are read as they
    /// were told.
    pub fn set_void(&self, replica: ReplicaIndex, revision: u64) {
        if let Some(entry) = self.entries.get(replica.as_usize()) {
            entry.void.fetch_max(revision, Ordering::Relaxed);
        }
    }

    /// What is known of the other members.
    pub fn standings(&self) -> RwLockReadGuard<'_, Standings> {
        self.standings.read()
    }

    /// Changes what is known of the other members. What it says must be in the table already.
    pub fn update_standings<R>(&self, change: impl FnOnce(&mut Standings) -> R) -> R {
        change(&mut self.standings.write())
    }

    /// The context of an assignment that `own` makes under `number`: each figure is one that was already applied.
    pub fn context(&self, own: ReplicaIndex, number: u64) -> Context {
        let known = self.known.load(Ordering::Acquire).max(own.0 + 1);
        let received: Vec<u64> = (0..known)
            .map(ReplicaIndex)
            .map(|replica| if replica == own { number } else { self.received(replica) })
            .collect();
        Context::new(received)
    }
}
