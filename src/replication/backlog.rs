//! The recent past of one replica's sequence: which counter each of the last numbers was about.
//!
//! Keeps places, not packets: what is sent again is always the present state.

use super::numbers::NumberSet;
use crate::base::Location;
use std::collections::VecDeque;

/// A bounded list of the numbers received last.
#[derive(Debug)]
pub struct Backlog {
    recent: VecDeque<(u64, Location)>,
    capacity: usize,
    /// Everything received above this number is in `recent`.
    floor: u64,
}

impl Backlog {
    /// An empty backlog of at most `capacity` numbers (16 bytes each).
    pub fn new(capacity: usize) -> Self {
        Self { recent: VecDeque::new(), capacity, floor: 0 }
    }

    /// An empty backlog of a sequence of which everything that is held is up to `floor`, where nobody remembers it.
    pub fn above(floor: u64, capacity: usize) -> Self {
        Self { floor, ..Self::new(capacity) }
    }

    /// Remembers that `number` was about the counter at `location`.
    pub fn push(&mut self, number: u64, location: Location) {
        if self.recent.len() >= self.capacity {
            // Numbers may come out of order, so the floor is the highest that was ever pushed out.
            let pushed_out = self.recent.pop_front().map_or(number, |(oldest, _)| oldest);
            self.floor = self.floor.max(pushed_out);
        }
        if self.capacity > 0 {
            self.recent.push_back((number, location));
        }
    }

    /// Where the counters of all numbers up to `until` live that are not in `has`, in no order and with repeats;
    /// `None` when the backlog does not reach back that far.
    pub fn lacking<'a>(&'a self, has: &'a NumberSet, until: u64) -> Option<impl Iterator<Item = Location> + 'a> {
        let reaches = has.contiguous() >= self.floor.min(until);
        let is_lacking = move |number: u64| number <= until && !has.contains(number);
        reaches
            .then(|| self.recent.iter().filter(move |(number, _)| is_lacking(*number)).map(|(_, location)| *location))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_for_as_far_back_as_it_reaches() {
        let mut backlog = Backlog::new(3);
        for (number, place) in [(1, 10), (2, 11), (4, 12), (3, 13)] {
            backlog.push(number, Location(place));
        }
        let lacking =
            |has: NumberSet, until| backlog.lacking(&has, until).map(|at| at.map(|l| l.0).collect::<Vec<_>>());
        let above = |number| lacking(NumberSet::new(number, []), u64::MAX);
        assert_eq!(above(0), None);
        assert_eq!(above(1), Some(vec![11, 12, 13]));
        assert_eq!(above(3), Some(vec![12]));
        assert_eq!(above(9), Some(vec![]));
        assert_eq!(lacking(NumberSet::new(1, [(3, 3)]), u64::MAX), Some(vec![11, 12]), "what is had is passed over");
        assert_eq!(lacking(NumberSet::new(1, []), 3), Some(vec![11, 13]), "and what is not asked for");
        assert_eq!(lacking(NumberSet::default(), 0), Some(vec![]), "nothing is asked for");
        assert_eq!(lacking(NumberSet::new(0, [(2, 4)]), u64::MAX), None, "1 is lacking, and where it was is forgotten");
    }

    #[test]
    fn it_does_not_answer_for_what_was_before_it() {
        let mut backlog = Backlog::above(7, 3);
        backlog.push(9, Location(1));
        assert!(backlog.lacking(&NumberSet::new(6, []), u64::MAX).is_none());
        assert!(backlog.lacking(&NumberSet::new(7, []), u64::MAX).is_some_and(|lacking| lacking.count() == 1));
    }

    #[test]
    fn without_capacity_it_never_claims_to_know() {
        let mut backlog = Backlog::new(0);
        backlog.push(5, Location(1));
        assert!(backlog.lacking(&NumberSet::new(4, []), u64::MAX).is_none());
        assert!(backlog.lacking(&NumberSet::new(5, []), u64::MAX).is_some());
    }
}
