//! The names that a run uses, and in which order.

use std::fmt;
use std::io::Write;

/// All names: the prefix with each number below a bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    prefix: String,
    count: u64,
}

impl Names {
    /// So many names.
    pub(super) fn new(prefix: &str, count: u64) -> Self {
        Self { prefix: prefix.to_owned(), count }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// What they begin with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Writes the name with this number in place of what is in `name`.
    pub(super) fn write(&self, number: u64, name: &mut Vec<u8>) {
        name.clear();
        name.extend_from_slice(self.prefix.as_bytes());
        // Writing to memory does not fail.
        let _ = write!(name, "{number}");
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{0}0 to {0}{1}", self.prefix, self.count - 1)
    }
}

/// Numbers that look random and come again with the same seed. Splitmix64: one addition and a few shifts.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below this one, which is not 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // The high half of the product: no division, and even enough for names.
        ((u128::from(mixed) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_prefix_and_a_number() {
        let names = Names::new("bench:", 100);
        let mut name = b"what was there".to_vec();
        names.write(42, &mut name);
        assert_eq!(name, b"bench:42");
        assert_eq!(names.to_string(), "bench:0 to bench:99");
    }

    #[test]
    fn dice_reach_every_number_about_as_often_and_the_same_again() {
        let mut dice = Dice::new(7);
        let mut seen = [0_u32; 10];
        (0..10_000).for_each(|_| seen[dice.below(10) as usize] += 1);
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
        let roll = |seed| {
            std::iter::repeat_with({
                let mut dice = Dice::new(seed);
                move || dice.below(1000)
            })
            .take(5)
        };
        assert!(roll(1).eq(roll(1)) && !roll(1).eq(roll(2)));
    }
}
