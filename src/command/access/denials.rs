//! What ACL LOG shows: requests that were not allowed and logins that failed, the newest first. Bounded.

use crate::base::{Moment, Monotonic};
use std::collections::VecDeque;
use std::time::Duration;

/// The most entries.
const MAX_ENTRIES: usize = 128;
/// The same again within this time is counted where it was.
const SAME_WITHIN: Duration = Duration::from_secs(60);
/// The most bytes that are kept of what was asked for, or of a user's name.
const MAX_BYTES: usize = 256;

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::command) enum Reason {
    Auth,
    Command,
    Counter,
    Channel,
}

impl Reason {
    /// The word that Redis has for it.
    pub(in crate::command) const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Command => "command",
            Self::Counter => "key",
            Self::Channel => "channel",
        }
    }
}

/// Something that was refused.
#[derive(Clone, Debug)]
pub(in crate::command) struct Denial {
    pub(in crate::command) reason: Reason,
    pub(in crate::command) in_transaction: bool,
    pub(in crate::command) object: Vec<u8>,
    pub(in crate::command) user: Vec<u8>,
    /// The connection, as CLIENT INFO shows it.
    pub(in crate::command) client: String,
}

#[derive(Clone, Debug)]
pub(in crate::command) struct Entry {
    pub(in crate::command) denial: Denial,
    pub(in crate::command) id: u64,
    pub(in crate::command) count: u64,
    pub(in crate::command) created: Moment,
    pub(in crate::command) updated: Moment,
}

impl Entry {
    pub(in crate::command) fn age(&self, now: Monotonic) -> Duration {
        now.since(self.updated.monotonic)
    }
}

/// The entries, the newest first.
#[derive(Debug, Default)]
pub(super) struct Denials {
    entries: VecDeque<Entry>,
    next_id: u64,
    /// How many there were of each reason, whatever was forgotten.
    counts: [u64; 4],
}

impl Denials {
    /// Notes it. Whether that makes a new entry.
    pub(super) fn add(&mut self, mut denial: Denial, now: Moment) -> bool {
        self.counts[denial.reason as usize] += 1;
        denial.object.truncate(MAX_BYTES);
        denial.user.truncate(MAX_BYTES);
        let is_same = |entry: &Entry| {
            let other = &entry.denial;
            other.reason == denial.reason
                && other.in_transaction == denial.in_transaction
                && other.object == denial.object
                && other.user == denial.user
                && entry.age(now.monotonic) < SAME_WITHIN
        };
        let known = self.entries.iter().position(is_same).and_then(|at| self.entries.remove(at));
        let is_new = known.is_none();
        let entry = match known {
            Some(entry) => Entry { count: entry.count + 1, updated: now, denial, ..entry },
            None => {
                let id = self.next_id;
                self.next_id += 1;
                Entry { denial, id, count: 1, created: now, updated: now }
            }
        };
        self.entries.push_front(entry);
        self.entries.truncate(MAX_ENTRIES);
        is_new
    }

    pub(super) fn newest(&self, count: usize) -> Vec<Entry> {
        self.entries.iter().take(count).cloned().collect()
    }

    pub(super) fn counts(&self) -> [u64; 4] {
        self.counts
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }
}
