//! When tables are looked at, of which every byte is read: after the engine failed for a reason of its own.

use std::time::{Duration, Instant};

const SHORTEST_PAUSE: Duration = Duration::from_secs(10);
/// An engine that fails again and again, as on a full disk, has the disk read for no more than one part in so many of the time.
const PAUSES: u32 = 10;
/// However large the store is, damage is found before long.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Whether the tables may be damaged, and when they were looked at.
#[derive(Debug, Default)]
pub(super) struct Suspicion {
    is_there: bool,
    not_before: Option<Instant>,
}

impl Suspicion {
    /// The engine failed, and does not say of what.
    pub(super) fn arise(&mut self) {
        self.is_there = true;
    }

    /// Whether the tables are to be looked at now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.is_there && self.not_before.is_none_or(|due| now >= due)
    }

    /// They were looked at until `now`, which took so long, and are whole.
    pub(super) fn is_allayed(&mut self, now: Instant, took: Duration) {
        let pause = took.saturating_mul(PAUSES).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        *self = Self { is_there: false, not_before: Some(now + pause) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_looked_at_once_and_then_only_now_and_then() {
        for (took, pause) in [(0, 10), (2, 20), (60, 300)] {
            let (mut suspicion, begun) = (Suspicion::default(), Instant::now());
            assert!(!suspicion.is_due(begun), "nothing failed");
            suspicion.arise();
            assert!(suspicion.is_due(begun));
            suspicion.is_allayed(begun, Duration::from_secs(took));
            let due = begun + Duration::from_secs(pause);
            assert!(!suspicion.is_due(due), "nothing failed again");
            suspicion.arise();
            assert!(!suspicion.is_due(due - Duration::from_millis(1)), "{took} s");
            assert!(suspicion.is_due(due), "it is not forgotten, {took} s");
        }
    }
}
