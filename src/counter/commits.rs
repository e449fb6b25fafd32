//! Which changes are on disk: commit cycles, numbered one after another.
//!
//! A change belongs to the cycle that is open when it is made. The committer closes the open cycle, writes all that
//! changed until then, and finishes the cycle once that is durable.

use std::sync::atomic::{AtomicU64, Ordering};

/// The cycle that is open, and the last that is durable.
#[derive(Debug)]
pub struct CommitClock {
    open: AtomicU64,
    durable: AtomicU64,
}

impl Default for CommitClock {
    fn default() -> Self {
        Self { open: AtomicU64::new(1), durable: AtomicU64::new(0) }
    }
}

impl CommitClock {
    /// The cycle that will hold, at the latest, every change that the caller made before this call.
    pub fn ticket(&self) -> u64 {
        self.open.load(Ordering::SeqCst)
    }

    /// Closes the open cycle and answers its number. Whoever drains the table after this finds all that belongs to it.
    /// Only one caller at a time has a cycle that is begun and not finished.
    pub fn begin(&self) -> u64 {
        self.open.fetch_add(1, Ordering::SeqCst)
    }

    /// Everything of `cycle`, and of those before it, is on disk.
    pub fn finish(&self, cycle: u64) {
        self.durable.fetch_max(cycle, Ordering::SeqCst);
    }

    /// The last cycle that is on disk, with all those before it.
    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::SeqCst)
    }

    /// Whether what a ticket stands for is on disk.
    pub fn is_durable(&self, ticket: u64) -> bool {
        self.durable() >= ticket
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_durable_with_the_cycle_that_was_open_when_it_was_made() {
        let clock = CommitClock::default();
        let before = clock.ticket();
        let cycle = clock.begin();
        let after = clock.ticket();
        assert_eq!(before, cycle);
        assert!(after > cycle, "what comes while a cycle is written belongs to the next");
        assert!(!clock.is_durable(before));
        clock.finish(cycle);
        assert!(clock.is_durable(before) && !clock.is_durable(after));
    }
}
