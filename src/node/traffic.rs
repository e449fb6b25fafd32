//! What was sent and received of each kind.

use crate::wire::MessageKind;
use std::sync::atomic::{AtomicU64, Ordering};

/// The figures of one kind.
#[derive(Debug, Default)]
pub struct KindCounts {
    /// Handed to the mesh, counted once a peer.
    pub sent: AtomicU64,
    /// Taken from the mesh.
    pub received: AtomicU64,
    /// Their bytes.
    pub sent_bytes: AtomicU64,
    /// Their bytes.
    pub received_bytes: AtomicU64,
}

/// What was sent and received since the start, by kind.
#[derive(Debug, Default)]
pub struct KindTraffic([KindCounts; MessageKind::ALL.len()]);

impl KindTraffic {
    /// The figures of each kind.
    pub fn iter(&self) -> impl Iterator<Item = (MessageKind, &KindCounts)> {
        MessageKind::ALL.iter().copied().zip(&self.0)
    }

    /// Counts what leaves, of so many bytes.
    pub fn count_sent(&self, kind: Option<MessageKind>, bytes: usize) {
        if let Some(counts) = self.of(kind) {
            counts.sent.fetch_add(1, Ordering::Relaxed);
            counts.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// Counts what came, before it is known whether it is sound. What is of no kind counts only in the totals.
    pub fn count_received(&self, bytes: &[u8]) {
        if let Some(counts) = self.of(MessageKind::of(bytes)) {
            counts.received.fetch_add(1, Ordering::Relaxed);
            counts.received_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
    }

    fn of(&self, kind: Option<MessageKind>) -> Option<&KindCounts> {
        let kind = kind?;
        self.iter().find(|(other, _)| *other == kind).map(|(_, counts)| counts)
    }
}
