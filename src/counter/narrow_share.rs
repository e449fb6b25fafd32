//! Another replica's share in the room that most of them need, as tables hold several of them for every counter.
//!
//! Must never round: what does not fit is not packed.

use super::share::Share;
use super::state::HeldShare;
use crate::base::{ReplicaIndex, Total};

/// Bits of a birth and of a revision: at a million announcements a second, enough for nine years.
const NUMBER_BITS: u32 = 48;
/// Bits of a total in its packed form, the lowest of which says whether the others are scaled.
const TOTAL_BITS: u32 = 80;
/// A whole thousandth is a multiple of two to the power of so many units; most totals are some of these.
const SCALE_BITS: u32 = 14;

/// A share without a forecast, or the place for one.
///
/// Packed are replicas below 2^16, numbers below 2^48, and totals below 4.9e10 in steps of a thousandth, or below 3e6 in any.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct NarrowShare {
    born_and_replica: u64,
    revision_and_total_high: u64,
    total_low: u64,
}

const _: () = assert!(size_of::<NarrowShare>() == 24);

impl NarrowShare {
    /// A place without a share. No share is packed so: its total would have to be 0, and that is packed as 1.
    pub(super) const ABSENT: Self = Self { born_and_replica: 0, revision_and_total_high: 0, total_low: 0 };

    /// The share, if it fits and is not extrapolated.
    #[inline]
    pub(super) fn pack(held: &HeldShare) -> Option<Self> {
        let Share { born, revision, total } = held.share;
        let replica = u64::from(u16::try_from(held.replica.0).ok()?);
        let total = pack_total(total)?;
        let fits = held.forecast.is_none() && (born | revision) >> NUMBER_BITS == 0;
        fits.then_some(Self {
            born_and_replica: replica << NUMBER_BITS | born,
            revision_and_total_high: (total >> 64) as u64 | revision << 16,
            total_low: total as u64,
        })
    }

    pub(super) fn is_absent(self) -> bool {
        self == Self::ABSENT
    }

    /// Whether there is a share, and it is this replica's.
    #[inline]
    pub(super) fn is_of(self, replica: ReplicaIndex) -> bool {
        self.born_and_replica >> NUMBER_BITS == u64::from(replica.0) && !self.is_absent()
    }

    /// The share, if there is one.
    #[inline]
    pub(super) fn unpack(self) -> Option<HeldShare> {
        let total = u128::from(self.revision_and_total_high & 0xffff) << 64 | u128::from(self.total_low);
        let share = Share {
            born: self.born_and_replica & ((1 << NUMBER_BITS) - 1),
            revision: self.revision_and_total_high >> 16,
            total: unpack_total(total),
        };
        let replica = ReplicaIndex((self.born_and_replica >> NUMBER_BITS) as u32);
        (!self.is_absent()).then_some(HeldShare { replica, share, forecast: None })
    }
}

/// The total in the lowest 80 bits.
#[inline]
fn pack_total(total: Total) -> Option<u128> {
    let units = total.units();
    let is_scaled = units.trailing_zeros() >= SCALE_BITS;
    let number = if is_scaled { units >> SCALE_BITS } else { units };
    let room = i128::BITS - TOTAL_BITS + 1;
    let fits = number << room >> room == number;
    let bits = number as u128 & ((1 << (TOTAL_BITS - 1)) - 1);
    fits.then_some(bits << 1 | u128::from(is_scaled))
}

#[inline]
fn unpack_total(packed: u128) -> Total {
    let number = (packed << (i128::BITS - TOTAL_BITS)) as i128 >> (i128::BITS - TOTAL_BITS + 1);
    let scale = if packed & 1 == 1 { SCALE_BITS } else { 0 };
    Total::from_units(number << scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Monotonic;
    use crate::counter::Forecast;
    use proptest::prelude::*;

    const THOUSANDTH: i128 = 100_000_000_000_000;

    fn held(replica: u32, born: u64, revision: u64, units: i128) -> HeldShare {
        let share = Share { born, revision, total: Total::from_units(units) };
        HeldShare { replica: ReplicaIndex(replica), share, forecast: None }
    }

    /// Numbers of every length.
    fn number() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0_u32..64).prop_map(|(bits, shift)| bits >> shift)
    }

    fn units() -> impl Strategy<Value = i128> {
        let any_length = (any::<i128>(), 0_u32..128).prop_map(|(bits, shift)| bits >> shift);
        let thousandths = (-1_i128 << 46..1 << 46).prop_map(|number| number * THOUSANDTH);
        prop_oneof![any_length, thousandths]
    }

    proptest! {
        #[test]
        fn what_is_packed_is_what_comes_out(
            replica in prop_oneof![0_u32..100_000, any::<u32>()],
            (born, revision) in (number(), number()),
            units in units(),
        ) {
            let held = held(replica, born, revision, units);
            match NarrowShare::pack(&held) {
                Some(packed) => {
                    prop_assert_eq!(packed.unpack(), Some(held));
                    prop_assert!(packed.is_of(held.replica) && !packed.is_of(ReplicaIndex(replica ^ 1)));
                }
                None => prop_assert!(
                    replica >= 1 << 16 || (born | revision) >= 1 << 48 || units.unsigned_abs() >= 1 << 78
                ),
            }
        }

        #[test]
        fn thousandths_are_packed_as_far_as_the_type_says(
            thousandths in -49_000_000_000_000_i128..=49_000_000_000_000,
            units in -300_000_000_000_000_000_000_000_i128..=300_000_000_000_000_000_000_000,
        ) {
            for units in [thousandths * THOUSANDTH, units] {
                prop_assert!(NarrowShare::pack(&held(65_535, (1 << 48) - 1, (1 << 48) - 1, units)).is_some());
            }
        }
    }

    #[test]
    fn a_share_of_nothing_is_not_taken_for_none() {
        let nothing = held(0, 0, 0, 0);
        let packed = NarrowShare::pack(&nothing).expect("it fits");
        assert_eq!((packed.is_absent(), packed.unpack()), (false, Some(nothing)));
        assert_eq!((NarrowShare::ABSENT.unpack(), NarrowShare::ABSENT.is_of(ReplicaIndex(0))), (None, false));
    }

    #[test]
    fn the_ends_of_the_range_are_packed_and_no_more() {
        let end = 1_i128 << 78;
        // Odd ones are not scaled; the others may be larger by the scale.
        for (units, fits) in [(end - 1, true), (end + 1, false), (1 - end, true), (-1 - end, false)] {
            assert_eq!(NarrowShare::pack(&held(1, 1, 1, units)).is_some(), fits, "{units}");
            assert_eq!(NarrowShare::pack(&held(1, 1, 1, units << SCALE_BITS)).is_some(), fits, "{units}, scaled");
        }
        let forecast = Forecast { rate: 1.0, ..Forecast::exact(Total::ZERO, Monotonic::ZERO) };
        assert_eq!(NarrowShare::pack(&HeldShare { forecast: Some(forecast), ..held(1, 1, 1, 1) }), None);
    }
}
