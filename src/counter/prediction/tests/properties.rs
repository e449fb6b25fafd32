use proptest::prelude::*;

use super::owner::Owner;
use super::*;

fn any_amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        4 => Just(Amount::ONE),
        2 => (-100_i64..100).prop_map(Amount::from),
        2 => (-1_000_000_i128..1_000_000).prop_map(|n| Amount::from_units(n * 1_000_000_000_000).expect("in range")),
        1 => (Amount::MIN.units()..=Amount::MAX.units()).prop_map(|n| Amount::from_units(n).expect("in range")),
    ]
}

fn any_precision() -> impl Strategy<Value = Amount> {
    prop_oneof![
        (0_i64..100).prop_map(Amount::from),
        (0_i128..10_i128.pow(20)).prop_map(|n| Amount::from_units(n).expect("in range")),
        (0..=Amount::MAX.units()).prop_map(|n| Amount::from_units(n).expect("in range")),
    ]
}

/// A stretch of equal increments: amount, gap in nanoseconds, how many.
fn any_stretch() -> impl Strategy<Value = (Amount, u64, u32)> {
    let gap = prop_oneof![Just(0_u64), 0_u64..3_000_000, 0_u64..300_000_000, 0_u64..100_000_000_000,];
    (any_amount(), gap, 1_u32..80)
}

proptest! {
    // The assertions are in `Owner`: within the band at every check, timers never late, exact when done.
    #[test]
    fn what_peers_believe_is_within_the_band_whenever_time_passes(
        precision in any_precision(),
        stretches in proptest::collection::vec((any_stretch(), any::<bool>(), 1_u32..9), 1..12),
    ) {
        let mut owner = Owner::new(precision);
        for ((by, gap, count), mixed, members) in stretches {
            owner.band = Band::share_of(precision, members);
            if !owner.done {
                owner.look();
            }
            for step in 0..count {
                owner.wait(Duration::from_nanos(gap));
                owner.add(if mixed && step % 3 == 0 { -by } else { by });
            }
        }
        owner.wait(Duration::from_secs(1_000));
        prop_assert!(owner.done);
        prop_assert_eq!(owner.predictor.believed().at(owner.now), owner.total);
    }

    #[test]
    fn readers_of_integer_counters_see_integers(
        precision in any_precision(),
        stretches in proptest::collection::vec((-100_i64..100, 0_u64..3_000_000, 1_u32..200), 1..8),
        later in any::<u32>(),
    ) {
        let mut owner = Owner::new(precision);
        for (by, gap, count) in stretches {
            owner.stream(Amount::from(by), Duration::from_nanos(gap), count);
            let at = owner.now.after(Duration::from_nanos(u64::from(later)));
            prop_assert!(owner.predictor.believed().at(at).is_whole());
        }
    }

    #[test]
    fn no_sequence_of_calls_panics_or_leaves_the_numbers(
        start in any::<i128>(),
        rate in any::<f32>(),
        whole in any::<bool>(),
        calls in proptest::collection::vec((0_u8..5, any::<i128>(), any::<u64>(), any_precision(), any::<u64>()), 1..40),
    ) {
        let believed = Forecast { total: Total::from_units(start), rate, whole, since: START };
        let mut predictor = Predictor::new(believed, START);
        for (call, total, nanos, precision, settle) in calls {
            let (total, now) = (Total::from_units(total), Monotonic::from_nanos(nanos));
            let (band, settle) = (Band::share_of(precision, 3), Duration::from_nanos(settle));
            match call {
                0 => { predictor.after_increment(total, band, now); }
                1 => {
                    let told = predictor.announce(total, band, settle, now);
                    prop_assert!(told.rate.is_finite());
                }
                2 => { prop_assert!(predictor.announce_exact(total, now).is_exact()); }
                3 => { predictor.look(total, band, settle, now); }
                _ => { predictor.next_look(total, band, settle, now); }
            }
            prop_assert!(predictor.arrivals.rate().is_finite());
        }
    }
}
