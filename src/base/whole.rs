//! What is whole among the units of 10^-17 that amounts are kept in, without a division of 128 bits where one of 64 does.
//!
//! 10^17 is 2^17 * 5^17: what is whole has 17 zero bits at its end, and without them all amounts up to 1.2e7 fit 64 bits. No figure is ever
//! rounded here.

/// Digits after the decimal point.
const SCALE_DIGITS: u32 = 17;
const ODD_FACTOR: i64 = 5_i64.pow(SCALE_DIGITS);

/// Whether these units are a whole figure.
pub(super) const fn is_whole(units: i128) -> bool {
    if units.trailing_zeros() < SCALE_DIGITS {
        return false;
    }
    let shifted = units >> SCALE_DIGITS;
    let narrow = shifted as i64;
    if narrow as i128 == shifted { narrow % ODD_FACTOR == 0 } else { shifted % ODD_FACTOR as i128 == 0 }
}

/// The whole figure that these units are, where it fits 64 bits.
pub fn whole_of(units: i128) -> Option<i64> {
    if units.trailing_zeros() < SCALE_DIGITS {
        return None;
    }
    let shifted = units >> SCALE_DIGITS;
    if let Ok(narrow) = i64::try_from(shifted) {
        return (narrow % ODD_FACTOR == 0).then_some(narrow / ODD_FACTOR);
    }
    let odd = i128::from(ODD_FACTOR);
    if shifted % odd == 0 { i64::try_from(shifted / odd).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: i128 = 10_i128.pow(SCALE_DIGITS);

    fn agrees(units: i128) {
        let whole = (units % ONE == 0).then_some(units / ONE);
        assert_eq!(is_whole(units), whole.is_some(), "{units}");
        assert_eq!(whole_of(units), whole.and_then(|whole| i64::try_from(whole).ok()), "{units}");
    }

    #[test]
    fn the_ends_of_both_ways_agree_with_the_plain_division() {
        // Zero, the last that fits 64 bits when shifted, the last whole i64, and the ends of the figures.
        for around in [
            0,
            i128::from(i64::MAX) << 17,
            i128::from(i64::MIN) << 17,
            i128::from(i64::MAX) * ONE,
            i128::from(i64::MIN) * ONE,
        ] {
            for near in [-ONE, -(1 << 17), -1, 0, 1, 1 << 17, ONE] {
                agrees(around + near);
                agrees((around + near) / ONE * ONE);
            }
        }
        agrees(i128::MAX);
        agrees(i128::MIN);
    }

    proptest! {
        #[test]
        fn all_figures_agree_with_the_plain_division(whole in any::<i64>(), units in any::<i128>(), bits in 0..127_u32) {
            agrees(i128::from(whole) * ONE);
            agrees(units >> bits);
            agrees((units >> bits) / ONE * ONE);
        }
    }
}
