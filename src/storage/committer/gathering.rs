//! When a cycle begins for those who wait: with a commit at once for many, or at once for one.

use std::time::{Duration, Instant};

/// The longest that who waits is made to wait for others, however slow the disk.
const LONGEST: Duration = Duration::from_micros(400);

/// Who waits for the next cycle, and who is likely to.
///
/// Whoever was served by one cycle mostly comes again for the next. A cycle that begins with the first of them leaves the
/// others waiting until it is over, and costs as much as one for all.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// The last cycle that was begun.
    begun: u64,
    /// So many came for that.
    served: usize,
    /// So many wait for the next, and since when.
    waiting: usize,
    since: Option<Instant>,
    /// So many are likely to, and it is worth so much to wait for them.
    expected: usize,
    patience: Duration,
}

impl Gathering {
    /// Somebody waits for the cycle of this number. Answers whether that is all who were expected.
    pub(super) fn come(&mut self, ticket: u64, now: Instant) -> bool {
        // What is being written already is waited for no longer by waiting for others.
        if ticket > self.begun {
            self.waiting += 1;
            self.since.get_or_insert(now);
        }
        self.is_complete()
    }

    /// A cycle begins for all who wait.
    pub(super) fn begin(&mut self, cycle: u64) {
        (self.begun, self.served) = (cycle, self.waiting);
        (self.waiting, self.since) = (0, None);
    }

    /// It is over, and those it served are on their way. Who misses the next cycle waits for as long as this one `took`, so
    /// that is the longest that anybody waits for them.
    pub(super) fn end(&mut self, took: Duration) {
        self.expected = self.served + self.waiting;
        self.patience = took.min(LONGEST);
    }

    /// Until when to wait for others; none when there is no use in it.
    pub(super) fn until(&self) -> Option<Instant> {
        self.since.filter(|_| !self.is_complete()).map(|since| since + self.patience)
    }

    fn is_complete(&self) -> bool {
        self.waiting >= self.expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cycle for `clients` who come one after another. Answers which of them were told that all are there.
    fn cycle(gathering: &mut Gathering, number: u64, clients: usize) -> Vec<bool> {
        let now = Instant::now();
        let told = (0..clients).map(|_| gathering.come(number, now)).collect();
        gathering.begin(number);
        gathering.end(LONGEST);
        told
    }

    #[test]
    fn one_alone_waits_for_nobody() {
        let mut gathering = Gathering::default();
        for number in 1..=3 {
            assert_eq!(cycle(&mut gathering, number, 1), [true]);
            assert_eq!(gathering.until(), None);
        }
    }

    #[test]
    fn a_cycle_waits_for_all_that_the_last_one_served_and_not_for_ever() {
        let mut gathering = Gathering::default();
        cycle(&mut gathering, 1, 3);
        let now = Instant::now();
        assert!(gathering.until().is_none(), "nobody is waiting");
        assert!(!gathering.come(2, now));
        assert!(!gathering.come(2, now + LONGEST / 2));
        assert_eq!(gathering.until(), Some(now + LONGEST), "the first has waited since then");
        assert!(gathering.come(2, now));
        assert_eq!(gathering.until(), None);
    }

    #[test]
    fn who_came_while_a_cycle_was_written_is_waited_for_together_with_those_it_served() {
        let mut gathering = Gathering::default();
        assert!(gathering.come(1, Instant::now()));
        gathering.begin(1);
        gathering.come(2, Instant::now());
        gathering.end(LONGEST);
        assert!(gathering.until().is_some());
        assert!(gathering.come(2, Instant::now()));
    }

    #[test]
    fn who_was_late_and_is_served_already_is_not_counted_twice() {
        let mut gathering = Gathering::default();
        cycle(&mut gathering, 1, 2);
        gathering.come(2, Instant::now());
        gathering.begin(2);
        // It took the number before the cycle began, and has its changes in it.
        gathering.come(2, Instant::now());
        gathering.end(LONGEST);
        assert!(gathering.come(3, Instant::now()), "one was served, one is there");
    }

    #[test]
    fn nobody_waits_longer_for_others_than_the_last_cycle_took() {
        let now = Instant::now();
        for (took, patience) in [(LONGEST / 4, LONGEST / 4), (LONGEST * 1000, LONGEST)] {
            let mut gathering = Gathering { served: 2, ..Gathering::default() };
            gathering.end(took);
            gathering.come(1, now);
            assert_eq!(gathering.until(), Some(now + patience));
        }
    }

    #[test]
    fn who_does_not_come_back_is_waited_for_once() {
        let mut gathering = Gathering::default();
        cycle(&mut gathering, 1, 5);
        assert_eq!(cycle(&mut gathering, 2, 1), [false]);
        assert_eq!(cycle(&mut gathering, 3, 1), [true]);
    }
}
