//! Adding up many totals without a chance of overflow.

use super::amount::{Amount, LIMIT_UNITS};

/// A sum of any number of totals and amounts that cannot overflow: 128 bits of carry above 64-bit limbs.
///
/// The order of addition does not matter, so all replicas come to the same figure, also where it must be
/// clamped to the range.
#[derive(Clone, Copy, Debug, Default)]
pub struct AmountSum {
    high: i128,
    low: u128,
}

impl AmountSum {
    /// Adds units of 1e-17. Exact for fewer than 2^63 terms.
    pub fn add(&mut self, units: i128) {
        self.high += units >> 64;
        self.low += (units & i128::from(u64::MAX)) as u128;
    }

    /// Takes units of 1e-17 away.
    pub fn subtract(&mut self, units: i128) {
        self.high -= units >> 64;
        // a - (hi + lo) = (a - hi - 1) + (2^64 - lo), which keeps the low limb unsigned.
        let low = (units & i128::from(u64::MAX)) as u128;
        if low != 0 {
            self.high -= 1;
            self.low += (1_u128 << 64) - low;
        }
    }

    /// The sum in units of 1e-17, or `None` when it does not fit an `i128`.
    fn exact(self) -> Option<i128> {
        let carry = i128::try_from(self.low >> 64).ok()?;
        let high = self.high.checked_add(carry)?.checked_mul(1 << 64)?;
        high.checked_add((self.low & u128::from(u64::MAX)) as i128)
    }

    /// The sum, when it is within the amounts' range.
    pub fn to_amount(self) -> Option<Amount> {
        self.exact().and_then(Amount::from_units)
    }

    /// The sum, held at the nearer end of the range when it is outside: concurrent increments on several
    /// nodes can each be within the range and pass it together.
    pub fn clamped(self) -> Amount {
        match self.exact() {
            Some(units) => Amount::from_units(units.clamp(-LIMIT_UNITS, LIMIT_UNITS)).unwrap_or_default(),
            None if self.high < 0 => Amount::MIN,
            None => Amount::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_sum_past_the_range_is_held_at_its_end_and_comes_back_exactly() {
        let mut sum = AmountSum::default();
        for _ in 0..100 {
            sum.add(i128::MAX);
        }
        assert_eq!(sum.clamped(), Amount::MAX);
        assert_eq!(sum.to_amount(), None);
        for _ in 0..100 {
            sum.subtract(i128::MAX);
        }
        assert_eq!(sum.to_amount(), Some(Amount::ZERO));
        for _ in 0..100 {
            sum.add(i128::MIN);
        }
        assert_eq!(sum.clamped(), Amount::MIN);
        for _ in 0..100 {
            sum.subtract(i128::MIN);
        }
        assert_eq!(sum.to_amount(), Some(Amount::ZERO));
    }

    proptest! {
        #[test]
        fn a_wide_sum_agrees_with_a_plain_one(terms in proptest::collection::vec(any::<i64>(), 0..20)) {
            let mut sum = AmountSum::default();
            let mut plain = 0_i128;
            for (at, term) in terms.iter().enumerate() {
                if at % 2 == 0 {
                    sum.add(i128::from(*term));
                    plain += i128::from(*term);
                } else {
                    sum.subtract(i128::from(*term));
                    plain -= i128::from(*term);
                }
            }
            prop_assert_eq!(sum.to_amount().map(Amount::units), Some(plain));
        }
    }
}
