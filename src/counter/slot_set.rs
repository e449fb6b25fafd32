//! A set of slots of one shard, at a bit a slot: what all of millions of counters may be in at once.

/// Slots in a word, and words under a word of the summary.
const BITS: usize = u64::BITS as usize;

/// A set of slots. Takes about a bit for each slot up to the highest that was ever in it.
#[derive(Debug, Default)]
pub(super) struct SlotSet {
    words: Vec<u64>,
    /// A bit for each word that is not 0, so that nobody looks through those that are.
    summary: Vec<u64>,
    length: usize,
}

impl SlotSet {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Puts a slot in. Constant time, but when it is the highest so far.
    #[inline]
    pub(super) fn insert(&mut self, slot: u32) {
        let (word, bit) = split(slot as usize);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
            self.summary.resize(word / BITS + 1, 0);
        }
        self.length += usize::from(self.words[word] & bit == 0);
        self.words[word] |= bit;
        let (above, bit) = split(word);
        self.summary[above] |= bit;
    }

    /// Takes a slot out. Answers whether it was in.
    pub(super) fn remove(&mut self, slot: u32) -> bool {
        let (word, bit) = split(slot as usize);
        let Some(bits) = self.words.get_mut(word).filter(|bits| **bits & bit != 0) else { return false };
        *bits &= !bit;
        if *bits == 0 {
            let (above, bit) = split(word);
            self.summary[above] &= !bit;
        }
        self.length -= 1;
        true
    }

    /// Takes the lowest slot out. Looks at a word for every 4096 slots.
    pub(super) fn pop(&mut self) -> Option<u32> {
        let above = self.summary.iter().position(|bits| *bits != 0)?;
        let word = above * BITS + self.summary[above].trailing_zeros() as usize;
        let slot = (word * BITS) as u32 + self.words[word].trailing_zeros();
        self.remove(slot);
        Some(slot)
    }

    /// One in `stride` of the slots in their order, the one behind `first` others before all. Passes over 64 slots at a time.
    pub(super) fn each(&self, first: usize, stride: usize) -> impl Iterator<Item = u32> + '_ {
        let (mut to_skip, mut left) = (first, 0);
        let mut words = self.words.iter().enumerate();
        let mut word = 0;
        std::iter::from_fn(move || {
            while to_skip >= u64::count_ones(left) as usize {
                to_skip -= left.count_ones() as usize;
                (word, left) = words.next().map(|(at, bits)| (at, *bits))?;
            }
            for _ in 0..std::mem::replace(&mut to_skip, stride - 1) {
                left &= left - 1;
            }
            let slot = (word * BITS) as u32 + left.trailing_zeros();
            left &= left - 1;
            Some(slot)
        })
    }
}

/// Which word it is in, and the bit there.
fn split(number: usize) -> (usize, u64) {
    (number / BITS, 1 << (number % BITS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u32),
        Remove(u32),
        Pop,
    }

    fn step() -> impl Strategy<Value = Step> {
        let slot = || prop_oneof![0_u32..200, 0_u32..20_000];
        prop_oneof![4 => slot().prop_map(Step::Insert), 2 => slot().prop_map(Step::Remove), 1 => Just(Step::Pop)]
    }

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec(step(), 0..300), first in 0_usize..100, stride in 1_usize..80) {
            let (mut set, mut plain) = (SlotSet::default(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Insert(slot) => {
                        set.insert(slot);
                        plain.insert(slot);
                    }
                    Step::Remove(slot) => prop_assert_eq!(set.remove(slot), plain.remove(&slot)),
                    Step::Pop => prop_assert_eq!(set.pop(), plain.pop_first()),
                }
                prop_assert_eq!((set.len(), set.is_empty()), (plain.len(), plain.is_empty()));
            }
            let some: Vec<u32> = plain.iter().copied().skip(first).step_by(stride).collect();
            prop_assert_eq!(set.each(first, stride).collect::<Vec<_>>(), some);
            let mut popped = Vec::new();
            popped.extend(std::iter::from_fn(|| set.pop()));
            prop_assert_eq!(popped, plain.into_iter().collect::<Vec<_>>());
        }
    }
}
