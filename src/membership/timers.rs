//! The failure detector's timers, in the order in which they fall due. None is ever lost; late is fine.

use std::collections::BTreeMap;

use foca::Timer;

use super::identity::Announced;
use crate::base::Monotonic;

/// Timers by when they are due, then by when they were set.
#[derive(Debug, Default)]
pub(super) struct Timers {
    pending: BTreeMap<(Monotonic, u64), Timer<Announced>>,
    set: u64,
}

impl Timers {
    pub(super) fn set(&mut self, due: Monotonic, timer: Timer<Announced>) {
        self.pending.insert((due, self.set), timer);
        self.set += 1;
    }

    /// When the first is due.
    pub(super) fn next_due(&self) -> Option<Monotonic> {
        self.pending.first_key_value().map(|(&(due, _), _)| due)
    }

    /// The first, if it is due.
    pub(super) fn pop_due(&mut self, now: Monotonic) -> Option<Timer<Announced>> {
        let entry = self.pending.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overdue_timers_come_in_the_order_of_their_deadlines() {
        let mut timers = Timers::default();
        for (due, token) in [(30, 1), (10, 2), (20, 3), (10, 4)] {
            timers.set(Monotonic::from_nanos(due), Timer::PeriodicGossip(token));
        }
        assert_eq!(timers.next_due(), Some(Monotonic::from_nanos(10)));
        assert_eq!(timers.pop_due(Monotonic::from_nanos(9)), None);
        let due = std::iter::from_fn(|| timers.pop_due(Monotonic::from_nanos(29)));
        let tokens: Vec<_> = due.collect();
        assert_eq!(tokens, [2, 4, 3].map(Timer::PeriodicGossip));
        assert_eq!(timers.next_due(), Some(Monotonic::from_nanos(30)));
    }
}
