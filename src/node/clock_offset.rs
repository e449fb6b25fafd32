//! How a peer's monotonic clock stands to this node's, from heartbeats that echo each other.
//!
//! What was said between a question's leaving and its answer's arrival was said between those two moments: every exchange
//! bounds the offset by a round trip, and the bounds of many exchanges together by the shortest (as NTP selects samples,
//! RFC 5905 section 10). It must never rest on a single packet's delay, nor on any wall clock.

use crate::base::Monotonic;
use std::time::Duration;

/// How far two good clocks may drift apart: a part in so many.
const DRIFT: i128 = 5_000;
const NANOS_A_MICRO: i128 = 1_000;

/// The peer's clock in microseconds, mapped to this node's.
#[derive(Debug, Default)]
pub(super) struct ClockOffset {
    bounds: Option<Bounds>,
    /// The least and the greatest offset that was taken for true while nothing was measured.
    assumed: Option<(i128, i128)>,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// In nanoseconds to add to the peer's clock.
    lowest: i128,
    highest: i128,
    /// One between them, kept for as long as it is one.
    chosen: i128,
    measured_at: Monotonic,
}

impl ClockOffset {
    /// Learns from something that the peer said at `said` on its clock, not before `earliest`, and that arrived at
    /// `arrival`. Answers by how much what was mapped before is off now, if it is.
    pub(super) fn learn(&mut self, said: u64, earliest: Option<Monotonic>, arrival: Monotonic) -> Option<Duration> {
        let said = i128::from(said) * NANOS_A_MICRO;
        // Both clocks were cut down to microseconds.
        let lowest = earliest.map(|earliest| i128::from(earliest.as_nanos()) - said - 2 * NANOS_A_MICRO);
        let highest = i128::from(arrival.as_nanos()) - said;
        let drifted = |bounds: &Bounds| i128::from(nanos(arrival.since(bounds.measured_at))) / DRIFT + 1;
        let known = self.bounds.map(|bounds| {
            let drift = drifted(&bounds);
            let lowest = lowest.map_or(bounds.lowest - drift, |lowest| lowest.max(bounds.lowest - drift));
            Bounds { lowest, highest: highest.min(bounds.highest + drift), measured_at: arrival, ..bounds }
        });
        let before = self.bounds.map(|bounds| (bounds.chosen, bounds.chosen)).or(self.assumed);
        let fresh = lowest.filter(|lowest| *lowest <= highest).map(|lowest| {
            let chosen = lowest + (highest - lowest) / 2;
            Bounds { lowest, highest, chosen, measured_at: arrival }
        });
        // Bounds that contradict each other are of a clock that was set or stood still.
        let mut bounds = known.filter(|known| known.lowest <= known.highest).or(fresh)?;
        if !(bounds.lowest..=bounds.highest).contains(&bounds.chosen) {
            bounds.chosen = bounds.lowest + (bounds.highest - bounds.lowest) / 2;
        }
        self.bounds = Some(bounds);
        self.assumed = None;
        let off = |offset: i128| (bounds.chosen - offset).abs();
        let moved = before.map_or(0, |(least, greatest)| off(least).max(off(greatest)));
        (moved > 0).then(|| Duration::from_nanos(u64::try_from(moved).unwrap_or(u64::MAX)))
    }

    /// The moment of `said` on this node's clock, off by less than the shortest round trip.
    pub(super) fn moment(&self, said: u64) -> Option<Monotonic> {
        Some(map(said, self.bounds?.chosen))
    }

    /// As [`Self::moment`], or `guess` while nothing is measured.
    pub(super) fn moment_or(&mut self, said: u64, guess: Monotonic) -> Monotonic {
        self.moment(said).unwrap_or_else(|| {
            let offset = i128::from(guess.as_nanos()) - i128::from(said) * NANOS_A_MICRO;
            let (least, greatest) = self.assumed.unwrap_or((offset, offset));
            self.assumed = Some((least.min(offset), greatest.max(offset)));
            guess
        })
    }

    /// A moment on this node's clock that was not after `said`.
    pub(super) fn earliest(&self, said: u64) -> Option<Monotonic> {
        Some(map(said, self.bounds?.lowest))
    }
}

fn map(said: u64, offset: i128) -> Monotonic {
    let nanos = i128::from(said) * NANOS_A_MICRO + offset;
    Monotonic::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// This node's clock as it is told to peers.
pub(super) const fn clock_micros(now: Monotonic) -> u64 {
    now.as_nanos() / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(micros: u64) -> Monotonic {
        Monotonic::from_nanos(micros * 1_000)
    }

    #[test]
    fn nothing_is_known_without_an_echo() {
        let mut offset = ClockOffset::default();
        assert_eq!(offset.learn(5, None, at(900)), None);
        assert_eq!((offset.moment(5), offset.earliest(5)), (None, None));
    }

    #[test]
    fn the_shortest_round_trip_decides() {
        let mut offset = ClockOffset::default();
        // Slow one way, then slow the other, then fast: the offset is 1,000 microseconds.
        for (said, earliest, arrival) in [(100, 900, 1_100), (200, 1_190, 1_400), (300, 1_298, 1_304)] {
            offset.learn(said, Some(at(earliest)), at(arrival));
        }
        let moment = offset.moment(1_000).expect("it was measured").as_nanos();
        assert!((1_998_000..=2_004_000).contains(&moment), "{moment}");
        let earliest = offset.earliest(1_000).expect("it was measured").as_nanos();
        assert!((1_995_000..=2_000_000).contains(&earliest), "{earliest}");
    }

    #[test]
    fn a_clock_that_jumped_is_measured_anew() {
        let mut offset = ClockOffset::default();
        offset.learn(100, Some(at(190)), at(210));
        assert_eq!(offset.learn(5_000, Some(at(290)), at(310)), Some(Duration::from_nanos(4_799_000 + 1_000)));
        let moment = offset.moment(5_000).expect("it was measured").as_nanos();
        assert!((289_000..=310_000).contains(&moment), "{moment}");
    }

    #[test]
    fn hostile_clocks_do_not_overflow() {
        let mut offset = ClockOffset::default();
        offset.learn(u64::MAX, Some(Monotonic::ZERO), Monotonic::ZERO);
        offset.learn(0, Some(Monotonic::NEVER), Monotonic::NEVER);
        let _ = (offset.moment(u64::MAX), offset.earliest(0));
    }

    proptest! {
        #[test]
        fn the_truth_stays_within_the_bounds(
            true_offset in 0_u64..10_000_000,
            trips in proptest::collection::vec((0_u64..500_000, 0_u64..500_000, 0_u64..300_000), 1..40),
        ) {
            let mut offset = ClockOffset::default();
            let (mut now, mut shortest) = (20_000_000, u64::MAX);
            for (there, back, held) in trips {
                let said = now + there + held;
                let arrival = said + back;
                offset.learn(said - true_offset, Some(at(now + held)), at(arrival));
                shortest = shortest.min(there + back);
                let earliest = offset.earliest(said - true_offset).expect("it was measured");
                prop_assert!(earliest <= at(said), "{:?} {}", earliest, said);
                let moment = offset.moment(said - true_offset).expect("it was measured").as_nanos() / 1_000;
                // A round trip, and what the clocks may have drifted apart over all this time.
                prop_assert!(moment.abs_diff(said) <= shortest + (arrival - 20_000_000) / 2_500 + 50);
                now = arrival + 200_000;
            }
        }
    }
}
