//! Which numbers of one replica's sequence have been received: everything up to a point, and ranges beyond it.

/// The most ranges remembered beyond the contiguous part. Forgetting one is safe: it is only sent again.
const MAX_RANGES: usize = 256;

/// A set of numbers that is contiguous from 1 but for a few gaps.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NumberSet {
    contiguous: u64,
    /// Beyond `contiguous + 1`, in order, apart from each other; both ends belong.
    ranges: Vec<(u64, u64)>,
}

impl NumberSet {
    /// Everything up to `contiguous`, and `ranges` beyond it in any order.
    pub fn new(contiguous: u64, ranges: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut set = Self { contiguous, ranges: Vec::new() };
        for (first, last) in ranges {
            set.insert(first, last);
        }
        set
    }

    /// Up to which number everything is in the set.
    pub const fn contiguous(&self) -> u64 {
        self.contiguous
    }

    /// What is in the set beyond the contiguous part, in order.
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.ranges
    }

    /// The highest number in the set.
    pub fn newest(&self) -> u64 {
        self.ranges.last().map_or(self.contiguous, |(_, last)| *last)
    }

    /// Whether `number` is in the set. Logarithmic in the number of gaps.
    pub fn contains(&self, number: u64) -> bool {
        if number <= self.contiguous {
            return true;
        }
        let at = self.ranges.partition_point(|(_, last)| *last < number);
        self.ranges.get(at).is_some_and(|(first, _)| *first <= number)
    }

    /// Adds the numbers from `first` to `last`. Linear in the number of gaps, constant where there is none.
    pub fn insert(&mut self, first: u64, last: u64) {
        if last < first || last <= self.contiguous {
            return;
        }
        if first <= self.contiguous.saturating_add(1) {
            self.contiguous = last;
            self.absorb();
            return;
        }
        if self.ranges.len() >= MAX_RANGES && first > self.newest().saturating_add(1) {
            return;
        }
        if let Some(newest) = self.ranges.last_mut().filter(|newest| newest.1.checked_add(1) == Some(first)) {
            // Behind a gap, news still mostly comes in order.
            newest.1 = last;
            return;
        }
        // The ranges that touch or overlap the new one become one with it.
        let touches = |range: &(u64, u64)| range.0 <= last.saturating_add(1) && range.1.saturating_add(1) >= first;
        let at = self.ranges.partition_point(|range| range.1.saturating_add(1) < first);
        let end = at + self.ranges[at..].iter().take_while(|range| touches(range)).count();
        let merged =
            self.ranges[at..end].iter().fold((first, last), |all, range| (all.0.min(range.0), all.1.max(range.1)));
        self.ranges.splice(at..end, [merged]);
        self.ranges.truncate(MAX_RANGES);
    }

    /// Adds all that is in `other`.
    pub fn unite(&mut self, other: &Self) {
        self.insert_all(other.all_ranges());
        self.ranges.truncate(MAX_RANGES);
    }

    /// Adds ranges that come in ascending order, and forgets none, however many there are: for numbers that nobody will
    /// send again. Linear in all gaps.
    pub fn insert_all(&mut self, added: impl IntoIterator<Item = (u64, u64)>) {
        let mut added = added.into_iter().peekable();
        let mut present = std::mem::take(&mut self.ranges).into_iter().peekable();
        loop {
            let is_added_next = match (added.peek(), present.peek()) {
                (Some(added), Some(present)) => added.0 < present.0,
                (next, _) => next.is_some(),
            };
            let Some((first, last)) = (if is_added_next { added.next() } else { present.next() }) else { break };
            if first <= self.contiguous.saturating_add(1) {
                self.contiguous = self.contiguous.max(last);
                continue;
            }
            match self.ranges.last_mut() {
                Some(newest) if first <= newest.1.saturating_add(1) => newest.1 = newest.1.max(last),
                _ => self.ranges.push((first, last)),
            }
        }
    }

    /// What of the set is not above `until`.
    #[must_use]
    pub fn up_to(&self, until: u64) -> Self {
        let within = |(first, last): &(u64, u64)| (*first <= until).then_some((*first, (*last).min(until)));
        Self { contiguous: self.contiguous.min(until), ranges: self.ranges.iter().map_while(within).collect() }
    }

    /// How many of the other's numbers this set lacks.
    pub fn lacks_of(&self, other: &Self) -> u64 {
        let mut mine = self.all_ranges().peekable();
        let mut lacking = 0_u64;
        for (first, last) in other.all_ranges() {
            let mut next = Some(first);
            while let (Some(from), Some((begin, end))) = (next, mine.peek().copied()) {
                if end < from {
                    mine.next();
                    continue;
                }
                if begin > last {
                    break;
                }
                lacking += begin.saturating_sub(from);
                next = end.checked_add(1).filter(|next| *next <= last);
            }
            lacking += next.map_or(0, |from| last - from + 1);
        }
        lacking
    }

    /// The contiguous part and the ranges.
    fn all_ranges(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let start = (self.contiguous > 0).then_some((1, self.contiguous));
        start.into_iter().chain(self.ranges.iter().copied())
    }

    /// A hash of what is held beyond the contiguous part; 0 when there is nothing. Not secret, only short.
    pub fn hash_beyond(&self) -> u64 {
        // FNV-1a over the bounds (Fowler, Noll, Vo): the same on every node.
        let bounds = self.ranges.iter().flat_map(|(first, last)| [*first, *last]);
        let hash = bounds
            .flat_map(u64::to_le_bytes)
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        if self.ranges.is_empty() { 0 } else { hash.max(1) }
    }

    fn absorb(&mut self) {
        let taken = self.ranges.iter().take_while(|(first, _)| *first <= self.contiguous.saturating_add(1)).count();
        // Ranges are apart, so each one that is taken in may bring the next into reach; take them one by one.
        if taken > 0 {
            for (_, last) in self.ranges.drain(..taken) {
                self.contiguous = self.contiguous.max(last);
            }
            self.absorb();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_filled_gap_makes_the_set_contiguous() {
        let mut set = NumberSet::default();
        set.insert(1, 3);
        set.insert(6, 8);
        set.insert(10, 12);
        assert_eq!((set.contiguous(), set.ranges()), (3, &[(6, 8), (10, 12)][..]));
        assert_ne!(set.hash_beyond(), 0);
        set.insert(9, 9);
        assert_eq!(set.ranges(), &[(6, 12)]);
        set.insert(4, 5);
        assert_eq!((set.contiguous(), set.ranges(), set.hash_beyond()), (12, &[][..], 0));
    }

    #[test]
    fn hostile_bounds_neither_overflow_nor_grow_without_end() {
        let mut set = NumberSet::default();
        set.insert(u64::MAX, u64::MAX);
        set.insert(5, 2);
        for at in 0..10_000 {
            set.insert(at * 3 + 10, at * 3 + 10);
        }
        assert!(set.ranges().len() <= MAX_RANGES);
        set.insert(0, u64::MAX);
        assert_eq!(set.contiguous(), u64::MAX);
    }

    #[test]
    fn what_nobody_sends_again_is_not_forgotten() {
        let mut set = NumberSet::default();
        let (odd, even): (Vec<u64>, Vec<u64>) = (1..20_000).partition(|number| number % 2 == 1);
        set.insert_all(even.iter().map(|number| (*number, *number)));
        assert_eq!((set.contiguous(), set.ranges().len()), (0, even.len()));
        set.insert_all(odd.iter().map(|number| (*number, *number)));
        assert_eq!((set.contiguous(), set.ranges()), (19_999, &[][..]));
    }

    proptest! {
        #[test]
        fn it_is_the_set_of_what_was_inserted(inserts in proptest::collection::vec((1_u64..60, 0_u64..6), 0..40)) {
            let mut set = NumberSet::default();
            let mut plain = BTreeSet::new();
            for (first, length) in inserts {
                set.insert(first, first + length);
                plain.extend(first..=first + length);
            }
            for number in 1..80 {
                prop_assert_eq!(set.contains(number), plain.contains(&number), "{}", number);
            }
            let contiguous = (1..).take_while(|number| plain.contains(number)).count() as u64;
            prop_assert_eq!(set.contiguous(), contiguous);
            prop_assert_eq!(set.newest(), plain.last().copied().unwrap_or(0));
            let mut other = NumberSet::new(set.contiguous(), set.ranges().iter().rev().copied());
            prop_assert_eq!(&other, &set);
            other.unite(&set);
            prop_assert_eq!(other, set);
        }

        #[test]
        fn what_one_set_lacks_of_another_is_counted(
            a in proptest::collection::vec((1_u64..60, 0_u64..6), 0..12),
            b in proptest::collection::vec((1_u64..60, 0_u64..6), 0..12),
            until in 0_u64..80,
        ) {
            let set = |inserts: &[(u64, u64)]| NumberSet::new(0, inserts.iter().map(|(first, more)| (*first, first + more)));
            let (a, b) = (set(&a), set(&b));
            let lacking = (1..100).filter(|number| b.contains(*number) && !a.contains(*number)).count() as u64;
            prop_assert_eq!(a.lacks_of(&b), lacking);
            let some = b.up_to(until);
            for number in 1..100 {
                prop_assert_eq!(some.contains(number), number <= until && b.contains(number), "{}", number);
            }
            prop_assert_eq!(&some, &NumberSet::new(some.contiguous(), some.ranges().iter().copied()));
        }
    }
}
