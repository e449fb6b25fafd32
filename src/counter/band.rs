//! How far a reading may be from the truth: a counter's precision, and one node's part of it.

use crate::base::{Amount, Total};

/// Why an amount is not a precision. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrecisionError {
    /// A precision is a distance.
    #[error("precision can't be negative, allowed is 0 to 1e20")]
    Negative,
}

/// The largest difference that a counter's readers accept between what they read and the true sum.
/// Zero: every change is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Precision(Amount);

impl Precision {
    /// A precision of one.
    pub const ONE: Self = Self(Amount::ONE);

    /// A precision of `amount`.
    ///
    /// # Errors
    /// [`PrecisionError::Negative`] below zero.
    pub fn new(amount: Amount) -> Result<Self, PrecisionError> {
        if amount < Amount::ZERO {
            return Err(PrecisionError::Negative);
        }
        Ok(Self(amount))
    }

    /// The precision as an amount, never negative.
    pub const fn amount(self) -> Amount {
        self.0
    }
}

/// One node's part of a counter's precision: how far its share may be from what the peers believe of it,
/// in units of 1e-17, never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Band(i128);

impl Band {
    /// The precision split evenly over `members` nodes (none counts as one), rounded down, so that the
    /// parts never add up to more than the whole. A negative precision counts as zero.
    pub fn share_of(precision: Amount, members: u32) -> Self {
        Self(precision.units().max(0) / i128::from(members.max(1)))
    }

    /// The half-width in units of 1e-17.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// Whether an increment of `by` that makes the share `total` leaves a band this narrow whatever was predicted:
    /// then there is nothing to gain from predicting.
    pub(super) fn forbids_prediction(self, by: Amount, total: Total) -> bool {
        self.0 == 0 || (self.0 < Amount::ONE.units() && by.is_whole() && total.is_whole())
    }

    /// The half-width as the nearest `f64`.
    pub(super) fn to_f64(self) -> f64 {
        self.0 as f64 / super::forecast::UNITS_PER_ONE as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precision_is_never_negative() {
        assert_eq!(Precision::new(Amount::from(-1)), Err(PrecisionError::Negative));
        let precision = Precision::new(Amount::from(3)).expect("not negative");
        assert_eq!(precision.amount(), Amount::from(3));
        assert_eq!(Precision::default().amount(), Amount::ZERO);
    }

    #[test]
    fn the_bands_of_all_members_never_add_up_to_more_than_the_precision() {
        for members in 1..40 {
            let band = Band::share_of(Amount::from(10), members);
            let sum = band.units() * i128::from(members);
            assert!(sum <= Amount::from(10).units());
            assert!(sum > Amount::from(10).units() - i128::from(members));
        }
        assert_eq!(Band::share_of(Amount::ONE, 0), Band::share_of(Amount::ONE, 1));
        assert_eq!(Band::share_of(Amount::MIN, 1).units(), 0);
    }
}
