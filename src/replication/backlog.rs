//! The recent past of one replica's sequence: which counter each of the last numbers was about.
//!
//! Keeps places, not packets: what is sent again is always the present state.

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

    /// Where the counters of all numbers above `above` live, in no order and with repeats;
    /// `None` when the backlog does not reach back that far.
    pub fn above(&self, above: u64) -> Option<impl Iterator<Item = Location> + '_> {
        let reaches = above >= self.floor;
        reaches.then(|| self.recent.iter().filter(move |(number, _)| *number > above).map(|(_, location)| *location))
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
        let above = |above| backlog.above(above).map(|places| places.map(|l| l.0).collect::<Vec<_>>());
        assert_eq!(above(0), None);
        assert_eq!(above(1), Some(vec![11, 12, 13]));
        assert_eq!(above(3), Some(vec![12]));
        assert_eq!(above(9), Some(vec![]));
    }

    #[test]
    fn without_capacity_it_never_claims_to_know() {
        let mut backlog = Backlog::new(0);
        backlog.push(5, Location(1));
        assert!(backlog.above(4).is_none());
        assert!(backlog.above(5).is_some());
    }
}
