//! A cycle on the thread of whoever waits for it.
//!
//! Where every answer waits for the disk, handing each cycle over to another thread and back takes as long as a quick disk
//! does. A thread that waits has mostly nothing else to do. A disk that hangs keeps the clients of one thread from reading for
//! as long as it does; whoever comes after that leaves the cycles to the committer's own thread for a while.

use super::cycle::Cycles;
use super::{Commits, Control, Whose};
use crate::base::Durability;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A cycle that takes longer is slow, and so is one that another thread has not ended after this.
const SLOW: Duration = Duration::from_millis(10);
/// More counters than this take longer than anybody's clients should wait for.
const MOST_COUNTERS: u64 = 16_384;
/// For so long the committer's thread then writes.
const THREAD_TIME: Duration = Duration::from_secs(1);

impl Commits {
    /// Brings everything until now onto disk, if that is the promise and the disk is quick. Answers whether the ticket's
    /// cycle is there. Blocks, mostly for as long as one flush takes.
    pub fn commit_here(&self, ticket: u64) -> bool {
        let shared = &*self.shared;
        let is_durable = || shared.table.commits().is_durable(ticket);
        let is_failing = shared.figures.last_commit_failed.load(Ordering::Acquire);
        if is_failing || shared.table.unsaved() > MOST_COUNTERS || !shared.control.lock().may_commit_here() {
            return false;
        }
        let Some(mut cycles) = shared.cycles.try_lock_for(SLOW) else {
            shared.control.lock().leave_to_thread();
            return is_durable();
        };
        if is_durable() {
            return true;
        }
        let is_ready = |cycles: &&mut Cycles| !cycles.store.is_behind() && cycles.store.damage().is_none();
        let Some(cycles) = cycles.as_mut().filter(is_ready) else { return false };
        // It may have been told something meanwhile.
        if !shared.control.lock().may_commit_here() {
            return false;
        }
        let begun = Instant::now();
        let written = shared.commit(cycles, Whose::Waiters);
        if written.is_err() || begun.elapsed() > SLOW {
            shared.control.lock().leave_to_thread();
        }
        is_durable()
    }
}

impl Control {
    fn may_commit_here(&mut self) -> bool {
        let is_told = self.stop.is_some() || self.new_durability.is_some() || self.standing.is_some();
        if self.durability != Durability::Always || is_told || !self.readers.is_empty() {
            return false;
        }
        if self.thread_until.is_some_and(|until| Instant::now() >= until) {
            self.thread_until = None;
        }
        self.thread_until.is_none()
    }

    fn leave_to_thread(&mut self) {
        self.thread_until = Some(Instant::now() + THREAD_TIME);
    }
}
