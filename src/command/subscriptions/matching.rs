//! When the table is told that somebody is subscribed to patterns.

use super::registry::{SubscriptionLimits, Subscriptions};
use crate::counter::Table;
use std::fmt;
use std::sync::Arc;

/// What the table was told. Held while that changes; nobody who holds it waits for a lock of the table with the
/// subscriptions' state in its hands.
#[derive(Default)]
pub(super) struct Matching {
    /// The counters are being loaded: what they stand at meanwhile is told to nobody.
    is_held: bool,
    /// The table of the node, if that came after the first subscriptions.
    table: Option<Arc<Table>>,
    /// Whether the table knows that there are patterns.
    pub(super) is_told: bool,
}

impl Matching {
    /// There is a new pattern: every change after this is told, or after the counters are there.
    pub(super) fn begin(&mut self, table: &Table) {
        if !self.is_held {
            self.table.as_deref().unwrap_or(table).begin_matching();
            self.is_told = true;
        }
    }
}

impl fmt::Debug for Matching {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_held, is_told, .. } = self;
        formatter.debug_struct("Matching").field("is_held", is_held).field("is_told", is_told).finish_non_exhaustive()
    }
}

impl Subscriptions {
    /// No subscriptions, of a node that has no counters yet: whoever subscribes is told of none until [`Self::release`].
    pub fn held(limits: SubscriptionLimits) -> Self {
        let subscriptions = Self::new(limits);
        subscriptions.matching.lock().is_held = true;
        subscriptions
    }

    /// Whether nobody is told of anything yet.
    pub fn is_held(&self) -> bool {
        self.matching.lock().is_held
    }

    /// The counters are all there, and nobody has changed one yet.
    pub fn release(&self, table: &Arc<Table>) {
        let mut matching = self.matching.lock();
        matching.is_held = false;
        matching.table = Some(Arc::clone(table));
        let has_patterns = !self.state.lock().patterns.is_empty();
        if has_patterns {
            matching.begin(table);
        }
    }
}
