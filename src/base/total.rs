//! The running sum of one share. It may leave the amounts' range, because a SET rebases the counter without touching the
//! shares; it must never wrap or panic.

use super::amount::{Amount, AmountError, UNITS_PER_ONE};
use super::whole::is_whole;
use std::fmt;

/// The running sum of a share, in units of 1e-17: an `i128` that is only ever added to with a check.
///
/// Packed to an alignment of 8, which spares 8 bytes in each of millions of shares.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(C, packed(8))]
pub struct Total(i128);

impl Total {
    /// Nothing counted yet.
    pub const ZERO: Self = Self(0);

    /// A total of `units` of 1e-17.
    pub const fn from_units(units: i128) -> Self {
        Self(units)
    }

    /// The total in units of 1e-17.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// The total after one more increment.
    ///
    /// # Errors
    /// [`AmountError::OutOfRange`] when the sum does not fit an `i128` (about 1.7e21).
    pub fn checked_add(self, by: Amount) -> Result<Self, AmountError> {
        self.0.checked_add(by.units()).map(Self).ok_or(AmountError::OutOfRange)
    }

    /// Whether there is nothing after the decimal point.
    pub const fn is_whole(self) -> bool {
        is_whole(self.0)
    }

    /// `self - earlier` as the nearest `f64`; for estimates, never for counting.
    pub fn minus_f64(self, earlier: Self) -> f64 {
        match self.0.checked_sub(earlier.0) {
            Some(units) => units as f64 / UNITS_PER_ONE as f64,
            None => (self.0 as f64 - earlier.0 as f64) / UNITS_PER_ONE as f64,
        }
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = self.0;
        match Amount::from_units(units) {
            Some(amount) => fmt::Display::fmt(&amount, f),
            None => write!(f, "{units}e-17"),
        }
    }
}

impl fmt::Debug for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_total_never_wraps(start in any::<i128>(), by in -1_000_000_i64..1_000_000) {
            let (total, by) = (Total::from_units(start), Amount::from(by));
            prop_assert_eq!(total.checked_add(by).ok().map(Total::units), start.checked_add(by.units()));
        }

        #[test]
        fn the_difference_of_two_totals_is_near_whatever_they_are(a in any::<i128>(), b in any::<i128>()) {
            let exact = (a as f64 - b as f64) / UNITS_PER_ONE as f64;
            let near = Total::from_units(a).minus_f64(Total::from_units(b));
            prop_assert!((near - exact).abs() <= exact.abs() * 1e-6 + 1e7);
        }
    }
}
