//! What peers believe of one share between two announcements.
//!
//! The owner and the peers evaluate the same function, so the owner knows what every peer reads. It must never
//! panic or yield anything but a total, whatever a peer sent.

use crate::base::{Amount, Monotonic, Total};

use super::Band;

/// Units of 1e-17 in one.
pub(super) const UNITS_PER_ONE: i128 = Amount::ONE.units();

/// What peers believe of one share: a total, plus a rate times the time since then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// The share's true total at `since`.
    pub total: Total,
    /// Amount a second; 0 = the total is exact until the owner speaks again.
    pub rate: f32,
    /// Move in whole steps, so that readers of integer counters see integers.
    pub whole: bool,
    /// When the total was true.
    pub since: Monotonic,
}

impl Forecast {
    /// The total stays what it is.
    pub const fn exact(total: Total, since: Monotonic) -> Self {
        Self { total, rate: 0.0, whole: false, since }
    }

    /// Whether nothing is extrapolated.
    pub fn is_exact(&self) -> bool {
        self.rate == 0.0
    }

    /// The total believed at `now`; before `since`, the total at `since`. Saturates at the ends of a total;
    /// a rate that is not a number counts as zero. Monotone in `now`.
    pub fn at(&self, now: Monotonic) -> Total {
        if self.is_exact() {
            return self.total;
        }
        let age_nanos = now.as_nanos().saturating_sub(self.since.as_nanos());
        let moved = f64::from(self.rate) * (age_nanos as f64 * 1e-9);
        Total::from_units(self.total.units().saturating_add(units(moved, self.whole)))
    }

    /// How far it moves in `time`, in units of 1e-17; never negative.
    pub(super) fn moved_in(&self, time: std::time::Duration) -> i128 {
        units(f64::from(self.rate).abs() * time.as_secs_f64(), false)
    }

    /// The first instant, not before `now`, at which a share that stays at `total` is outside the band
    /// around what is believed.
    pub(super) fn leaves(&self, total: Total, band: Band, now: Monotonic) -> Monotonic {
        if self.is_outside(total, band, now) {
            return now;
        }
        if self.is_exact() || self.rate.is_nan() {
            return Monotonic::NEVER;
        }
        // The belief moves away from its start, so it leaves past the end of the band it moves towards.
        let from = self.total.units();
        let room = if self.rate > 0.0 {
            total.units().saturating_add(band.units()).saturating_sub(from)
        } else {
            from.saturating_sub(total.units().saturating_sub(band.units()))
        };
        let distance =
            if self.whole { (room / UNITS_PER_ONE) as f64 + 1.0 } else { room as f64 / UNITS_PER_ONE as f64 };
        let age = distance / f64::from(self.rate).abs() * 1e9;
        // Casts saturate, so what is too far away becomes never.
        let guess = self.since.as_nanos().saturating_add(age as u64);
        self.first_outside(total, band, now.as_nanos(), guess)
    }

    /// Finds the exact instant near a guess that is off by rounding. Inside at `inside`.
    fn first_outside(&self, total: Total, band: Band, inside: u64, guess: u64) -> Monotonic {
        let outside = |at: u64| self.is_outside(total, band, Monotonic::from_nanos(at));
        let mut slack = 1 + (guess >> 50);
        let mut low = inside.max(guess.saturating_sub(slack));
        while outside(low) {
            slack = slack.saturating_mul(4);
            low = inside.max(guess.saturating_sub(slack));
        }
        let mut high = low.max(guess).saturating_add(slack);
        while !outside(high) {
            if high == u64::MAX {
                return Monotonic::NEVER;
            }
            low = high;
            slack = slack.saturating_mul(4);
            high = high.saturating_add(slack);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if outside(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        Monotonic::from_nanos(high)
    }

    /// Whether the true total is outside the band around what is believed.
    pub(super) fn is_outside(&self, total: Total, band: Band, now: Monotonic) -> bool {
        self.at(now).units().abs_diff(total.units()) > band.units().unsigned_abs()
    }
}

/// `amount` in units of 1e-17, cut to whole steps if asked. Saturates.
fn units(amount: f64, whole: bool) -> i128 {
    if !whole {
        // Float to integer casts saturate, and not-a-number becomes zero.
        return (amount * UNITS_PER_ONE as f64) as i128;
    }
    // Whole steps are multiplied as integers: a float of that size is not a multiple of one any more.
    let narrow = amount as i64;
    if narrow.unsigned_abs() < u64::MAX >> 1 {
        return i128::from(narrow) * UNITS_PER_ONE;
    }
    (amount as i128).saturating_mul(UNITS_PER_ONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn forecast(rate: f32, whole: bool) -> Forecast {
        Forecast { total: Total::from_units(7 * UNITS_PER_ONE), rate, whole, since: Monotonic::from_nanos(1_000) }
    }

    fn believed(forecast: Forecast, nanos: u64) -> i128 {
        forecast.at(Monotonic::from_nanos(1_000 + nanos)).units()
    }

    #[test]
    fn an_exact_forecast_stays_what_it_is() {
        let exact = Forecast::exact(Total::from_units(5), Monotonic::ZERO);
        assert!(exact.is_exact());
        assert_eq!(exact.at(Monotonic::NEVER), Total::from_units(5));
    }

    #[test]
    fn a_forecast_moves_with_time_and_not_before_it_was_made() {
        let half = UNITS_PER_ONE / 2;
        assert_eq!(believed(forecast(0.5, false), 1_000_000_000), 7 * UNITS_PER_ONE + half);
        assert_eq!(believed(forecast(-0.5, false), 1_000_000_000), 7 * UNITS_PER_ONE - half);
        assert_eq!(forecast(0.5, false).at(Monotonic::ZERO).units(), 7 * UNITS_PER_ONE);
    }

    #[test]
    fn whole_steps_are_whole_however_far_they_go() {
        assert_eq!(believed(forecast(0.75, true), 2_000_000_000), 8 * UNITS_PER_ONE);
        assert_eq!(believed(forecast(-0.75, true), 2_000_000_000), 6 * UNITS_PER_ONE);
        for rate in [1e5, 1e9, 3.3e15, 1e19, 1e20, -1e20] {
            let total = forecast(rate, true).at(Monotonic::from_nanos(1_700_000_123));
            assert!(total.is_whole(), "{rate}");
        }
    }

    #[test]
    fn a_rate_that_is_not_a_number_moves_nothing() {
        for whole in [false, true] {
            assert_eq!(believed(forecast(f32::NAN, whole), 1_000_000_000), 7 * UNITS_PER_ONE);
        }
        assert_eq!(believed(forecast(f32::INFINITY, false), 1), i128::MAX);
    }

    proptest! {
        #[test]
        fn the_instant_of_leaving_is_the_first_one_outside(
            rate in prop_oneof![-1e6_f32..1e6, -10.0_f32..10.0, any::<f32>()],
            whole in any::<bool>(),
            off in -200 * UNITS_PER_ONE..200 * UNITS_PER_ONE,
            precision in 0..300 * UNITS_PER_ONE,
            later in 0_u64..10_000_000_000,
        ) {
            let forecast = forecast(rate, whole);
            let total = Total::from_units(forecast.total.units() + off);
            let band = Band::share_of(Amount::from_units(precision).expect("in range"), 1);
            let now = Monotonic::from_nanos(1_000 + later);
            let leaves = forecast.leaves(total, band, now);
            prop_assert!(leaves >= now);
            if leaves > now {
                let before = Monotonic::from_nanos(leaves.as_nanos() - 1);
                prop_assert!(!forecast.is_outside(total, band, now));
                prop_assert!(!forecast.is_outside(total, band, before));
            }
            if leaves != Monotonic::NEVER {
                prop_assert!(forecast.is_outside(total, band, leaves));
            }
        }

        #[test]
        fn the_belief_moves_one_way(rate in any::<f32>(), whole in any::<bool>(), a in any::<u64>(), b in any::<u64>()) {
            let forecast = forecast(rate, whole);
            let early = forecast.at(Monotonic::from_nanos(a.min(b)));
            let late = forecast.at(Monotonic::from_nanos(a.max(b)));
            if rate >= 0.0 {
                prop_assert!(early <= late);
            } else if rate < 0.0 {
                prop_assert!(early >= late);
            }
        }
    }
}
