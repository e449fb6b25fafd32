//! Latencies in buckets that grow with the time: known to within 1.6 %, in a few kilobytes however many there are.

/// Each doubling is split into so many buckets.
const SPLIT_BITS: u32 = 6;
const BUCKETS_A_DOUBLING: usize = 1 << SPLIT_BITS;
/// Nanoseconds have 64 bits, of which the lowest buckets hold one each.
const BUCKETS: usize = (64 - SPLIT_BITS as usize + 1) * BUCKETS_A_DOUBLING;

/// How long requests took.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    buckets: Box<[u64]>,
    count: u64,
    total_nanos: u128,
    longest_nanos: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS].into(), count: 0, total_nanos: 0, longest_nanos: 0 }
    }
}

impl Histogram {
    /// One more request.
    pub(super) fn add(&mut self, nanos: u64) {
        self.buckets[bucket_of(nanos)] += 1;
        self.count += 1;
        self.total_nanos += u128::from(nanos);
        self.longest_nanos = self.longest_nanos.max(nanos);
    }

    /// Those of another client as well.
    pub(super) fn take_in(&mut self, other: &Self) {
        for (sum, count) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum += count;
        }
        self.count += other.count;
        self.total_nanos += other.total_nanos;
        self.longest_nanos = self.longest_nanos.max(other.longest_nanos);
    }

    /// The mean in nanoseconds; 0 of nothing.
    pub(super) fn mean_nanos(&self) -> u64 {
        self.total_nanos.checked_div(u128::from(self.count)).unwrap_or(0) as u64
    }

    /// The longest, exactly.
    pub(super) fn longest_nanos(&self) -> u64 {
        self.longest_nanos
    }

    /// What this part of a hundred did not exceed; 0 of nothing.
    pub(super) fn percentile_nanos(&self, percentile: f64) -> u64 {
        let wanted = (self.count as f64 * percentile / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper_bound(at).min(self.longest_nanos);
            }
        }
        self.longest_nanos
    }
}

fn bucket_of(nanos: u64) -> usize {
    let shift = nanos.checked_ilog2().unwrap_or(0).saturating_sub(SPLIT_BITS);
    let doubling = if nanos < BUCKETS_A_DOUBLING as u64 { 0 } else { shift as usize + 1 };
    let within = (nanos >> shift) as usize & (BUCKETS_A_DOUBLING - 1);
    doubling * BUCKETS_A_DOUBLING + within
}

/// The longest time that falls into the bucket.
fn upper_bound(bucket: usize) -> u64 {
    let (doubling, within) = (bucket / BUCKETS_A_DOUBLING, (bucket % BUCKETS_A_DOUBLING) as u64);
    match doubling {
        0 => within,
        doubling => {
            let shift = doubling as u32 - 1;
            let first = (BUCKETS_A_DOUBLING as u64 + within) << shift;
            first + ((1 << shift) - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_falls_into_the_bucket_that_it_is_read_from() {
        for nanos in
            (0..200).chain((0..64).flat_map(|bits| [1 << bits, (1 << bits) + (1 << bits) / 3])).chain([u64::MAX])
        {
            let upper = upper_bound(bucket_of(nanos));
            assert!(upper >= nanos, "{nanos}: {upper}");
            assert!((upper - nanos) as f64 <= nanos as f64 / 64.0, "{nanos}: {upper}");
        }
        let buckets: Vec<usize> = (0..10_000).map(bucket_of).collect();
        assert!(buckets.is_sorted() && bucket_of(u64::MAX) < BUCKETS);
    }

    #[test]
    fn percentiles_are_those_of_the_times() {
        let (mut low, mut high) = (Histogram::default(), Histogram::default());
        (1..=500).for_each(|micros| low.add(micros * 1000));
        (501..=1000).for_each(|micros| high.add(micros * 1000));
        low.take_in(&high);
        assert_eq!((low.count, low.longest_nanos(), low.mean_nanos()), (1000, 1_000_000, 500_500));
        for (percentile, micros) in [(50.0, 500.0), (90.0, 900.0), (99.0, 990.0), (99.9, 999.0), (100.0, 1000.0)] {
            let found = low.percentile_nanos(percentile) as f64 / 1000.0;
            assert!((found / micros - 1.0).abs() < 0.02, "{percentile}: {found}");
        }
        assert_eq!(Histogram::default().percentile_nanos(99.0), 0);
    }
}
