//! What a node has of one replica's announcements.

use super::places::Places;
use crate::replication::{Backlog, NumberSet};
use std::borrow::Cow;

/// What is kept of one replica's sequence.
#[derive(Debug)]
pub(super) struct Sequence {
    /// What was received, with all that belongs to it.
    pub(super) held: NumberSet,
    /// What is in the table, too, but came by a repair that has not ended, or as a part of somebody's assignment, without
    /// its forecast. Enough to pass on where the owner cannot be asked any more, and not to ask the owner no more.
    loose: NumberSet,
    pub(super) backlog: Backlog,
    pub(super) places: Option<Box<Places>>,
}

impl Sequence {
    pub(super) fn new(capacity: usize) -> Self {
        Self { held: NumberSet::default(), loose: NumberSet::default(), backlog: Backlog::new(capacity), places: None }
    }

    /// What has this number is in the table.
    pub(super) fn note_loose(&mut self, number: u64) {
        if self.held.contains(number) {
            return;
        }
        if self.has_no_loose() {
            self.loose = NumberSet::default();
        }
        self.loose.insert(number, number);
    }

    /// All that is in the table, as far as it is remembered.
    pub(super) fn known(&self) -> Cow<'_, NumberSet> {
        if self.has_no_loose() {
            return Cow::Borrowed(&self.held);
        }
        let mut known = self.held.clone();
        known.unite(&self.loose);
        Cow::Owned(known)
    }

    /// What counts, where the owner speaks for itself or is out of hearing.
    pub(super) fn spoken_for(&self, by_owner: bool) -> Cow<'_, NumberSet> {
        if by_owner { Cow::Borrowed(&self.held) } else { self.known() }
    }

    fn has_no_loose(&self) -> bool {
        self.loose.newest() <= self.held.contiguous()
    }

    /// One of which this is held since before the start.
    pub(super) fn restored(held: NumberSet, capacity: usize) -> Self {
        Self { backlog: Backlog::above(held.newest(), capacity), held, loose: NumberSet::default(), places: None }
    }
}
