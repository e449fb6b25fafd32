//! Stamps order assignments: a hybrid logical clock, then the replica, then its sequence number.
//!
//! The hybrid clock follows Kulkarni et al., "Logical Physical Clocks" (2014): it never runs behind a stamp
//! it has seen, so an assignment made after seeing another always wins, whatever the wall clocks say.

use super::ids::ReplicaId;
use super::time::WallMillis;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bits below the milliseconds that count events within one millisecond.
const LOGICAL_BITS: u32 = 16;

/// A reading of a hybrid logical clock: wall milliseconds in the upper 48 bits, a logical count below.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct HybridTime(pub u64);

impl HybridTime {
    /// The first reading of a wall-clock millisecond.
    pub const fn from_wall(wall: WallMillis) -> Self {
        Self(wall.0 << LOGICAL_BITS)
    }

    /// Its wall-clock part, in milliseconds since 1970.
    pub const fn wall_millis(self) -> u64 {
        self.0 >> LOGICAL_BITS
    }

    /// Its count of events within that millisecond.
    pub const fn logical(self) -> u64 {
        self.0 & ((1 << LOGICAL_BITS) - 1)
    }
}

/// When and by whom an assignment was made. No two are equal: a replica's numbers never repeat.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Stamp {
    /// The hybrid time.
    pub time: HybridTime,
    /// The replica that made it.
    pub replica: ReplicaId,
    /// The number it has in that replica's sequence.
    pub number: u64,
}

/// A node's hybrid logical clock, shared by all threads that assign.
#[derive(Debug, Default)]
pub struct HybridClock(AtomicU64);

impl HybridClock {
    /// A time later than every one given out or observed before.
    pub fn tick(&self, wall: WallMillis) -> HybridTime {
        let wall = HybridTime::from_wall(wall).0;
        let next = |last: u64| last.saturating_add(1).max(wall);
        let last = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(next(last)))
            .unwrap_or_else(|last| last);
        HybridTime(next(last))
    }

    /// The latest time given out or observed.
    pub fn latest(&self) -> HybridTime {
        HybridTime(self.0.load(Ordering::Acquire))
    }

    /// Makes every later tick come after `seen`.
    pub fn observe(&self, seen: HybridTime) {
        self.0.fetch_max(seen.0, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_later_than_all_that_was_seen_even_with_a_clock_behind() {
        let clock = HybridClock::default();
        let ahead = HybridTime::from_wall(WallMillis(9_000_000));
        clock.observe(ahead);
        let first = clock.tick(WallMillis(1));
        let second = clock.tick(WallMillis(1));
        assert!(ahead < first && first < second);
        let caught_up = clock.tick(WallMillis(9_000_001));
        assert_eq!(caught_up, HybridTime::from_wall(WallMillis(9_000_001)));
    }
}
