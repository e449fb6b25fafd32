//! How long commands took: counts in buckets whose width grows with the time, in a fixed amount of memory.

use std::sync::atomic::{AtomicU64, Ordering};

/// Each doubling of the time is split into so many buckets: a time is known to within a sixteenth.
const BUCKETS_A_DOUBLING: usize = 1 << SPLIT_BITS;
const SPLIT_BITS: u32 = 4;
/// Times below are not told apart, in nanoseconds.
const SHORTEST_BITS: u32 = 7;
/// Times from here on (137 seconds) are not told apart.
const LONGEST_BITS: u32 = 37;
const BUCKETS: usize = (LONGEST_BITS - SHORTEST_BITS) as usize * BUCKETS_A_DOUBLING + 1;

/// The times of one command as one thread took them.
pub(super) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    total_nanos: AtomicU64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { buckets: std::array::from_fn(|_| AtomicU64::new(0)), total_nanos: AtomicU64::new(0) }
    }

    pub(super) fn add(&self, nanos: u64) {
        self.buckets[bucket_of(nanos)].fetch_add(1, Ordering::Relaxed);
        self.total_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(super) fn clear(&self) {
        self.buckets.iter().chain([&self.total_nanos]).for_each(|value| value.store(0, Ordering::Relaxed));
    }
}

/// The times of one command, of all threads together.
#[derive(Clone, Debug)]
pub(super) struct Times {
    buckets: Box<[u64]>,
    count: u64,
    total_nanos: u64,
}

impl Default for Times {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS].into(), count: 0, total_nanos: 0 }
    }
}

impl Times {
    pub(super) fn take_in(&mut self, histogram: &Histogram) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&histogram.buckets) {
            let count = bucket.load(Ordering::Relaxed);
            *sum += count;
            self.count += count;
        }
        self.total_nanos += histogram.total_nanos.load(Ordering::Relaxed);
    }

    /// How many times were taken.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// All times together, in nanoseconds.
    pub(super) fn total_nanos(&self) -> u64 {
        self.total_nanos
    }

    /// How many took at most each of these times in nanoseconds, which go up; to within a sixteenth.
    pub(super) fn at_most(&self, bounds_nanos: &[u64]) -> Vec<u64> {
        let (mut at, mut seen) = (0, 0);
        let up_to = |bound: &u64| {
            while at < BUCKETS && upper_nanos(at) <= bound + bound / BUCKETS_A_DOUBLING as u64 {
                seen += self.buckets[at];
                at += 1;
            }
            seen
        };
        bounds_nanos.iter().map(up_to).collect()
    }

    /// The mean in microseconds; 0 if no time was taken.
    pub(super) fn mean_micros(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.total_nanos as f64 / self.count as f64 / 1000.0 }
    }

    /// The time in microseconds that this part of a hundred did not exceed.
    pub(super) fn percentile_micros(&self, percentile: f64) -> f64 {
        let wanted = (self.count as f64 * percentile / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper_nanos(at) as f64 / 1000.0;
            }
        }
        0.0
    }

    /// How many took no longer than a power of two of microseconds, for each power at which there is news.
    pub(super) fn cumulative(&self) -> Vec<(u64, u64)> {
        let (mut powers, mut seen) = (Vec::new(), 0);
        let (mut at, mut power) = (0, 1_u64);
        while at < BUCKETS {
            let before = seen;
            while at < BUCKETS && (upper_nanos(at) <= power * 1000 || power == LARGEST_POWER) {
                seen += self.buckets[at];
                at += 1;
            }
            if seen > before {
                powers.push((power, seen));
            }
            power *= 2;
        }
        powers
    }
}

/// In microseconds; all that took longer is among these.
const LARGEST_POWER: u64 = 1 << 28;

fn bucket_of(nanos: u64) -> usize {
    if nanos < 1 << SHORTEST_BITS {
        return 0;
    }
    if nanos >= 1 << LONGEST_BITS {
        return BUCKETS - 1;
    }
    let doubling = nanos.ilog2();
    let within = (nanos >> (doubling - SPLIT_BITS)) as usize % BUCKETS_A_DOUBLING;
    1 + (doubling - SHORTEST_BITS) as usize * BUCKETS_A_DOUBLING + within.min(BUCKETS_A_DOUBLING - 1)
}

/// The end of a bucket.
fn upper_nanos(bucket: usize) -> u64 {
    let Some(above) = bucket.checked_sub(1) else { return 1 << SHORTEST_BITS };
    let doubling = SHORTEST_BITS + (above / BUCKETS_A_DOUBLING) as u32;
    let width = 1_u64 << (doubling - SPLIT_BITS);
    (1 << doubling) + (above % BUCKETS_A_DOUBLING + 1) as u64 * width
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn times(nanos: impl IntoIterator<Item = u64>) -> Times {
        let histogram = Histogram::new();
        nanos.into_iter().for_each(|nanos| histogram.add(nanos));
        let mut times = Times::default();
        times.take_in(&histogram);
        times
    }

    proptest! {
        #[test]
        fn a_time_is_known_to_within_a_sixteenth(nanos in 128_u64..(1 << 37)) {
            let upper = upper_nanos(bucket_of(nanos));
            prop_assert!(nanos < upper && upper <= nanos + nanos / 16 + 1, "{nanos} under {upper}");
        }

        #[test]
        fn longer_times_are_in_later_buckets(times in prop::array::uniform2(any::<u64>())) {
            let [one, other] = times;
            prop_assert_eq!(one.min(other) == one || bucket_of(other) <= bucket_of(one), true);
            prop_assert!(bucket_of(one) < BUCKETS);
        }
    }

    #[test]
    fn percentiles_are_those_of_what_was_added() {
        let times = times((1..=1000).map(|micros| micros * 1000));
        for (percentile, expected) in [(50.0, 500.0), (99.0, 990.0), (99.9, 999.0), (100.0, 1000.0)] {
            let found = times.percentile_micros(percentile);
            assert!((expected..expected * 1.07).contains(&found), "p{percentile}: {found}");
        }
        assert_eq!((times.count(), times.mean_micros()), (1000, 500.5));
        assert_eq!(Times::default().percentile_micros(50.0), 0.0);
    }

    #[test]
    fn powers_of_two_count_up() {
        let times = times([100, 900, 3_000, 3_500, 1_000_000, u64::MAX >> 1]);
        assert_eq!(times.cumulative(), [(1, 2), (4, 4), (1024, 5), (1 << 28, 6)]);
        assert_eq!(Times::default().cumulative(), []);
    }

    #[test]
    fn what_is_cleared_is_gone() {
        let histogram = Histogram::new();
        histogram.add(5_000);
        histogram.clear();
        let mut times = Times::default();
        times.take_in(&histogram);
        assert_eq!((times.count(), times.mean_micros()), (0, 0.0));
    }
}
