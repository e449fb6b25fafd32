mod owner;
mod properties;

use owner::Owner;

use super::*;
use crate::base::Amount;

const SETTLE: Duration = Duration::from_secs(1);
const START: Monotonic = Monotonic::from_nanos(5_000_000_000);

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
    assert_eq!(settled, START.after(Duration::from_micros(999)).after(SETTLE));
    assert_eq!(predictor.look(total, band, SETTLE, settled), Look::Idle);
}

/// Counts `count` ones in `over`, announcing every 5 ms. Returns the end and what was told.
fn burst(
    predictor: &mut Predictor,
    total: &mut Total,
    start: Monotonic,
    (count, over): (u32, Duration),
) -> (Monotonic, Vec<Forecast>) {
    let band = Band::share_of(Amount::from(10), 1);
    let mut told = Vec::new();
    let mut flush = start.after(Duration::from_millis(5));
    let mut due = false;
    for step in 0..count {
        let now = start.after(over / count * step);
        if now >= flush {
            assert!(due);
            told.push(predictor.announce(*total, band, SETTLE, flush));
            flush = flush.after(Duration::from_millis(5));
            due = false;
        }
        *total = total.checked_add(Amount::ONE).expect("small");
        due |= predictor.after_increment(*total, band, now);
    }
    told.push(predictor.announce(*total, band, SETTLE, flush));
    (flush, told)
}

#[test]
fn a_burst_over_three_flushes_is_not_extrapolated() {
    let mut predictor = Predictor::new(Forecast::exact(Total::ZERO, START), START);
    let mut total = Total::ZERO;
    let length = (1_000, Duration::from_millis(14));
    let (_, told) = burst(&mut predictor, &mut total, START, length);
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(Forecast::is_exact), "{told:?}");
}

#[test]
fn repeated_bursts_never_earn_a_rate() {
    let mut predictor = Predictor::new(Forecast::exact(Total::ZERO, START), START);
    let mut total = Total::ZERO;
    let mut start = START;
    for _ in 0..20 {
        let length = (1_000, Duration::from_millis(1));
        let (end, told) = burst(&mut predictor, &mut total, start, length);
        assert_eq!(told, [Forecast::exact(total, end)]);
        start = end.after(Duration::from_millis(500));
    }
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
    // In a wide band the silence alone tells a stop: one announcement, exact at once.
    for (precision, most) in [(4, 2), (10, 2), (32, 1), (100, 1)] {
        let mut owner = Owner::new(Amount::from(precision));
        owner.stream(Amount::ONE, Duration::from_millis(1), 20_000);
        assert!(!owner.predictor.believed().is_exact());
        let before = owner.announcements;
        owner.wait(Duration::from_secs(5));
        let spent = owner.announcements - before;
        assert!((1..=most).contains(&spent), "{precision}: {spent}");
        assert!(owner.done);
        assert_eq!(owner.predictor.believed().at(owner.now), owner.total);
    }
}

#[test]
fn a_rate_follows_a_change_within_a_few_announcements() {
    for (gap_micros, expected) in [(2_000, 500.0), (500, 2_000.0), (100, 10_000.0), (10_000, 100.0)] {
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
    for (by, precision) in [(Amount::ONE, "0.5"), (tenth(), "0.05"), (Amount::from(50), "10")] {
        let mut owner = Owner::new(precision.parse().expect("a number"));
        for _ in 0..500 {
            owner.wait(Duration::from_millis(1));
            owner.add(by);
            assert!(owner.predictor.believed().is_exact());
        }
    }
}

#[test]
fn decrements_bring_the_next_look_forward() {
    for down in 1..=60_u32 {
        let mut owner = Owner::new(Amount::from(100));
        owner.stream(Amount::ONE, Duration::from_millis(1), 5_000);
        assert!(owner.predictor.believed().rate > 0.0);
        owner.wait(Duration::from_micros(u64::from(down) * 137));
        owner.look();
        let promised = owner.timer;
        for _ in 0..down {
            owner.add(Amount::from(-1));
        }
        assert!(owner.timer < promised);
        // The stream stands: this fails if the band is left before anyone looks.
        owner.wait(Duration::from_secs(3));
        assert!(owner.done);
    }
}

#[test]
fn an_increment_against_a_rate_in_whole_steps_never_hides_an_earlier_exit() {
    let believed = Forecast { total: Total::ZERO, rate: 1_000.0, whole: true, since: START };
    let band = Band::share_of(Amount::parse(b"20.5").expect("a number"), 1);
    // The look is promised for settling, between two steps of the belief and before it would leave.
    let settle = Duration::from_micros(11_300);
    let cases = (0..11_000).step_by(50).flat_map(|at| (0..200).map(move |by| (at, by)));
    let mut earlier = 0;
    for (micros, tenths) in cases {
        let mut predictor = Predictor::new(believed, START);
        let Look::Later(promised) = predictor.look(Total::ZERO, band, settle, START) else {
            panic!("the belief starts within the band");
        };
        let now = START.after(Duration::from_micros(micros));
        let total = Total::from_units(-tenth().units() * tenths);
        let due = predictor.after_increment(total, band, now);
        let leaves = believed.leaves(total, band, now);
        assert_eq!(due, leaves < promised, "{micros} us, {tenths} tenths");
        earlier += u32::from(due);
    }
    assert!(earlier > 0);
}

#[test]
fn a_narrower_band_is_noticed_by_a_look() {
    let mut owner = Owner::new(Amount::from(10));
    for _ in 0..10 {
        owner.add(Amount::ONE);
    }
    assert_eq!(owner.announcements, 0);
    owner.band = Band::share_of(Amount::from(10), 2);
    let look = owner.predictor.look(owner.total, owner.band, SETTLE, owner.now);
    assert_eq!(look, Look::Announce);
}
