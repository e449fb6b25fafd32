use proptest::prelude::*;

use super::*;
use crate::base::Amount;

const SETTLE: Duration = Duration::from_secs(1);
const START: Monotonic = Monotonic::from_nanos(5_000_000_000);

/// An owner that announces at once, and what its peers read.
struct Owner {
    predictor: Predictor,
    total: Total,
    band: Band,
    timer: Monotonic,
    now: Monotonic,
    announcements: u32,
    done: bool,
}

impl Owner {
    fn new(precision: Amount) -> Self {
        Self::holding(Total::ZERO, precision)
    }

    fn holding(total: Total, precision: Amount) -> Self {
        Self {
            predictor: Predictor::new(Forecast::exact(total, Monotonic::ZERO), START),
            total,
            band: Band::share_of(precision, 1),
            timer: START.after(SETTLE),
            now: START,
            announcements: 0,
            done: false,
        }
    }

    fn is_outside(&self, at: Monotonic) -> bool {
        self.predictor
            .believed()
            .is_outside(self.total, self.band, at)
    }

    /// Lets time pass; whenever a timer fires, the peers must have been within the band up to then.
    fn wait(&mut self, by: Duration) {
        let until = self.now.after(by);
        while self.timer <= until && !self.done {
            let before = Monotonic::from_nanos(self.timer.as_nanos() - 1);
            assert!(
                before < self.now || !self.is_outside(before),
                "the timer came late"
            );
            self.now = self.timer.max(self.now);
            self.look();
        }
        self.now = until;
        assert!(!self.is_outside(until), "nobody looked in time");
    }

    fn look(&mut self) {
        match self.predictor.look(self.total, self.band, SETTLE, self.now) {
            Look::Later(at) => {
                assert!(at > self.now, "a look must not ask for itself");
                self.timer = at;
            }
            Look::Announce => self.announce(),
            Look::Settle => {
                self.predictor.announce_exact(self.total, self.now);
                self.announcements += 1;
                self.finish();
            }
            Look::Idle => self.finish(),
        }
    }

    fn finish(&mut self) {
        assert_eq!(self.predictor.believed().total, self.total);
        assert!(self.predictor.believed().is_exact());
        self.done = true;
        self.timer = Monotonic::NEVER;
    }

    fn announce(&mut self) {
        let forecast = self
            .predictor
            .announce(self.total, self.band, SETTLE, self.now);
        self.announcements += 1;
        assert!(forecast.rate.is_finite());
        assert_eq!(forecast, *self.predictor.believed());
        assert_eq!(forecast.at(self.now), self.total);
        self.timer = self
            .predictor
            .next_look(self.total, self.band, SETTLE, self.now);
    }

    fn add(&mut self, by: Amount) {
        let Ok(total) = self.total.checked_add(by) else {
            return;
        };
        if self.done {
            self.predictor = Predictor::new(*self.predictor.believed(), self.now);
            self.timer = self.now.after(SETTLE);
            self.done = false;
        }
        self.total = total;
        let due = self
            .predictor
            .after_increment(self.total, self.band, self.now);
        assert!(due || !self.is_outside(self.now), "an exit was not noticed");
        if due {
            self.look();
        }
        assert!(!self.is_outside(self.now));
    }

    fn stream(&mut self, by: Amount, gap: Duration, count: u32) {
        for _ in 0..count {
            self.wait(gap);
            self.add(by);
        }
    }
}

fn tenth() -> Amount {
    Amount::parse(b"0.1").expect("a number")
}

#[test]
fn a_predictor_is_small() {
    assert!(size_of::<Predictor>() <= 80);
}

#[test]
fn a_lone_increment_costs_one_announcement_and_never_overshoots() {
    for precision in [0, 1, 10, 1_000] {
        let mut owner = Owner::new(Amount::from(precision));
        owner.add(Amount::ONE);
        for _ in 0..1_000 {
            owner.wait(Duration::from_millis(3));
            let believed = owner.predictor.believed().at(owner.now);
            assert!(believed <= owner.total, "overshot at precision {precision}");
        }
        assert_eq!(owner.announcements, 1);
        assert!(owner.done);
    }
}

#[test]
fn a_burst_between_two_flushes_costs_one_announcement_and_no_overshoot() {
    let mut predictor = Predictor::new(Forecast::exact(Total::ZERO, START), START);
    let band = Band::share_of(Amount::from(10), 1);
    let mut total = Total::ZERO;
    let mut due = false;
    for step in 0..1_000 {
        total = total.checked_add(Amount::ONE).expect("small");
        let now = START.after(Duration::from_micros(step));
        due |= predictor.after_increment(total, band, now);
    }
    assert!(due);
    let flush = START.after(Duration::from_millis(5));
    let told = predictor.announce(total, band, SETTLE, flush);
    assert_eq!(told, Forecast::exact(total, flush));
    let settled = predictor.next_look(total, band, SETTLE, flush);
    assert_eq!(
        settled,
        START.after(Duration::from_micros(999)).after(SETTLE)
    );
    assert_eq!(predictor.look(total, band, SETTLE, settled), Look::Idle);
}

#[test]
fn repeated_bursts_never_earn_a_rate() {
    let mut owner = Owner::new(Amount::from(10));
    for _ in 0..20 {
        owner.wait(Duration::from_millis(500));
        owner.add(Amount::from(1_000));
        assert!(owner.predictor.believed().is_exact());
    }
    assert_eq!(owner.announcements, 20);
}

#[test]
fn a_burst_on_a_steady_stream_does_not_change_its_rate() {
    let mut owner = Owner::new(Amount::from(10));
    owner.stream(Amount::ONE, Duration::from_millis(1), 5_000);
    let before = owner.predictor.believed().rate;
    assert!((900.0..1_100.0).contains(&before), "{before}");
    owner.add(Amount::from(5_000));
    let after = owner.predictor.believed().rate;
    assert!((0.0..=1_200.0).contains(&after), "{after}");
}

#[test]
fn a_steady_stream_costs_far_fewer_announcements_than_without_a_rate() {
    for by in [Amount::ONE, -Amount::ONE, tenth(), -tenth()] {
        let precision = Amount::from_units(by.units().abs() * 10).expect("in range");
        let mut owner = Owner::new(precision);
        owner.stream(by, Duration::from_millis(1), 10_000);
        // Without a rate it would be one in each 11 increments.
        assert!(owner.announcements < 40, "{by}: {}", owner.announcements);
    }
}

#[test]
fn streams_up_and_down_are_treated_alike() {
    let run = |by: Amount| {
        let mut owner = Owner::new(Amount::from(4));
        let mut told = Vec::new();
        for step in 0..3_000_u64 {
            owner.wait(Duration::from_micros(500 + step * 7_919 % 1_000));
            owner.add(by);
            told.push((owner.announcements, owner.predictor.believed().rate.abs()));
        }
        told
    };
    assert_eq!(run(Amount::ONE), run(-Amount::ONE));
}

#[test]
fn a_stop_costs_a_couple_of_announcements_and_ends_exact() {
    for precision in [4, 10, 32, 100] {
        let mut owner = Owner::new(Amount::from(precision));
        owner.stream(Amount::ONE, Duration::from_millis(1), 20_000);
        assert!(!owner.predictor.believed().is_exact());
        let before = owner.announcements;
        owner.wait(Duration::from_secs(5));
        let spent = owner.announcements - before;
        assert!((1..=3).contains(&spent), "{precision}: {spent}");
        assert!(owner.done);
        assert_eq!(owner.predictor.believed().at(owner.now), owner.total);
    }
}

#[test]
fn a_rate_follows_a_change_within_a_few_announcements() {
    for (gap_micros, expected) in [
        (2_000, 500.0),
        (500, 2_000.0),
        (100, 10_000.0),
        (10_000, 100.0),
    ] {
        let mut owner = Owner::new(Amount::from(10));
        owner.stream(Amount::ONE, Duration::from_millis(1), 10_000);
        let before = owner.announcements;
        owner.stream(Amount::ONE, Duration::from_micros(gap_micros), 3_000);
        let rate = f64::from(owner.predictor.believed().rate);
        assert!((rate / expected - 1.0).abs() < 0.1, "{rate} for {expected}");
        let spent = owner.announcements - before;
        assert!(spent < 20, "{expected}: {spent}");
    }
}

#[test]
fn precision_zero_announces_every_change_without_a_rate() {
    let mut owner = Owner::new(Amount::ZERO);
    for step in 1..=500 {
        owner.wait(Duration::from_millis(1));
        owner.add(tenth());
        assert_eq!(owner.announcements, step);
        assert!(owner.predictor.believed().is_exact());
    }
    owner.wait(Duration::from_secs(3));
    assert_eq!(owner.announcements, 500);
    assert!(owner.done);
}

#[test]
fn a_band_narrower_than_an_increment_earns_no_rate() {
    for (by, precision) in [
        (Amount::ONE, "0.5"),
        (tenth(), "0.05"),
        (Amount::from(50), "10"),
    ] {
        let mut owner = Owner::new(precision.parse().expect("a number"));
        for _ in 0..500 {
            owner.wait(Duration::from_millis(1));
            owner.add(by);
            assert!(owner.predictor.believed().is_exact());
        }
    }
}

#[test]
fn a_decrement_brings_the_next_look_forward() {
    let mut owner = Owner::new(Amount::from(100));
    owner.stream(Amount::ONE, Duration::from_millis(1), 30_000);
    assert!(owner.predictor.believed().rate > 0.0);
    owner.look();
    let promised = owner.timer;
    owner.add(Amount::from(-50));
    // The stream stands: wait() fails if the band is left before anyone looks.
    assert!(owner.timer < promised);
    owner.wait(Duration::from_secs(3));
    assert!(owner.done);
}

#[test]
fn a_narrower_band_is_noticed_by_a_look() {
    let mut owner = Owner::new(Amount::from(10));
    for _ in 0..10 {
        owner.add(Amount::ONE);
    }
    assert_eq!(owner.announcements, 0);
    owner.band = Band::share_of(Amount::from(10), 2);
    let look = owner
        .predictor
        .look(owner.total, owner.band, SETTLE, owner.now);
    assert_eq!(look, Look::Announce);
}

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
    let gap = prop_oneof![
        Just(0_u64),
        0_u64..3_000_000,
        0_u64..300_000_000,
        0_u64..100_000_000_000,
    ];
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
