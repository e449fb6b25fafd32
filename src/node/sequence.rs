//! What a node has of one replica's announcements.

use super::places::Places;
use crate::replication::{Backlog, NumberSet};

/// What is kept of one replica's sequence.
#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) held: NumberSet,
    pub(super) backlog: Backlog,
    pub(super) places: Option<Box<Places>>,
}

impl Sequence {
    pub(super) fn new(capacity: usize) -> Self {
        Self { held: NumberSet::default(), backlog: Backlog::new(capacity), places: None }
    }

    /// One of which this is held since before the start.
    pub(super) fn restored(held: NumberSet, capacity: usize) -> Self {
        Self { backlog: Backlog::above(held.newest(), capacity), held, places: None }
    }
}
