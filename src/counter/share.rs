//! A share: what one replica added to one counter. Only its replica changes it; everyone else keeps the newest copy.

use crate::base::{ReplicaIndex, Total};

/// The sum of all increments that a replica made to a counter in this life of the share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Share {
    /// The number in the replica's sequence at which this life began; 0 while it has not been numbered yet.
    pub born: u64,
    /// The number under which `total` last left its owner's memory; 0 while it never did.
    pub revision: u64,
    /// The sum.
    pub total: Total,
}

impl Share {
    /// The newer of two copies: of two, the one with the higher revision holds all that the other does.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        if other.revision > self.revision { other } else { self }
    }

    /// Whether `cut` was taken of this very life, and how much of the total it had seen.
    pub fn seen_by(&self, cut: Option<&Self>) -> Total {
        match cut {
            Some(cut) if cut.born == self.born => cut.total,
            _ => Total::ZERO,
        }
    }

    /// Whether nothing was added after `cut` was taken.
    pub fn is_covered_by(&self, cut: Option<&Self>) -> bool {
        cut.is_some_and(|cut| cut.born == self.born && cut.total == self.total)
    }
}

/// The present replica's share, if it has one, in no more room than the share takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnShare(Share);

const _: () = assert!(size_of::<OwnShare>() == 32);

impl OwnShare {
    /// Stands for none. No share is like this: what has a birth has left its owner under that number or a later one.
    const NONE: Self = Self(Share { born: u64::MAX, revision: 0, total: Total::ZERO });

    pub(super) fn new(share: Option<Share>) -> Self {
        share.map_or(Self::NONE, Self)
    }

    #[inline]
    pub(super) fn get(self) -> Option<Share> {
        let is_none = self.0.born == u64::MAX && self.0.revision == 0;
        (!is_none).then_some(self.0)
    }
}

impl Default for OwnShare {
    fn default() -> Self {
        Self::NONE
    }
}

/// The note that one life of a share is over, kept until every member has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Retired {
    /// Whose share it was.
    pub replica: ReplicaIndex,
    /// The life that is over.
    pub born: u64,
    /// The replica that announced it (a later life of the same node, or the same).
    pub by: ReplicaIndex,
    /// Under which number of `by`'s sequence.
    pub number: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn share() -> impl Strategy<Value = Share> {
        // A revision decides the rest of a share, as a replica's numbers never repeat.
        (0_u64..50).prop_map(|revision| Share {
            born: revision / 10 + 1,
            revision,
            total: Total::from_units(i128::from(revision) * 37 % 11),
        })
    }

    proptest! {
        #[test]
        fn merging_shares_is_commutative_associative_and_idempotent(a in share(), b in share(), c in share()) {
            prop_assert_eq!(a.merge(b), b.merge(a));
            prop_assert_eq!(a.merge(b).merge(c), a.merge(b.merge(c)));
            prop_assert_eq!(a.merge(a), a);
        }
    }

    #[test]
    fn an_own_share_is_there_or_not() {
        assert_eq!(OwnShare::default().get(), None);
        let (zero, last) = (Share::default(), Share { born: u64::MAX, revision: u64::MAX, total: Total::ZERO });
        for share in [None, Some(zero), Some(last)] {
            assert_eq!(OwnShare::new(share).get(), share);
        }
    }

    #[test]
    fn a_cut_of_an_earlier_life_has_seen_nothing_of_this_one() {
        let total = Total::from_units(5);
        let share = Share { born: 7, revision: 9, total };
        let cut = Share { born: 7, revision: 8, total };
        assert_eq!(share.seen_by(Some(&cut)), total);
        assert!(share.is_covered_by(Some(&cut)));
        let earlier = Share { born: 3, ..cut };
        assert_eq!(share.seen_by(Some(&earlier)), Total::ZERO);
        assert!(!share.is_covered_by(Some(&earlier)));
        assert_eq!(share.seen_by(None), Total::ZERO);
    }
}
