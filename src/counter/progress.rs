//! What session threads need to know about other replicas without taking a lock: up to where everything of each
//! was received, and when its node was last heard.

use super::assignment::Context;
use crate::base::{MAX_CONTEXT_REPLICAS, Monotonic, ReplicaIndex};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[derive(Default, Debug)]
struct Entry {
    received: AtomicU64,
    heard_at: AtomicU64,
}

/// One entry a replica, written by the node and read by everyone.
#[derive(Debug)]
pub struct Progress {
    entries: Box<[Entry]>,
    known: AtomicU32,
}

impl Default for Progress {
    fn default() -> Self {
        let entries = (0..MAX_CONTEXT_REPLICAS).map(|_| Entry::default()).collect();
        Self { entries, known: AtomicU32::new(0) }
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
