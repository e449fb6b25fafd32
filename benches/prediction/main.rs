//! What predictions cost, in virtual time: announcements a second against the lower bound, then bursts,
//! stops and changes of rate. Nothing here is timed but the last table.
//!
//! eta = announcements per second * E^2 / s2, where E is the largest error and s2 the variance of the arrivals
//! a second (for unit increments their rate). 1 is the bound for a continuous walk.

#![allow(clippy::print_stdout)]

#[path = "../support/random.rs"]
mod random;
mod sender;

use std::hint::black_box;
use std::time::{Duration, Instant};

use discnt::base::{Amount, Monotonic, Total};
use discnt::counter::{Band, Forecast, Predictor};

use random::Random;
use sender::Sender;

const UNIT: i128 = Amount::ONE.units();
const SETTLE: Duration = Duration::from_secs(1);
const FLUSH: Duration = Duration::from_millis(5);
const SEEDS: u64 = 9;

struct Figures {
    eta: f64,
    eta_read: f64,
    worst: f64,
    per_second: f64,
}

fn steady(rate: f64, precision: f64, flush: Duration, seed: u64, by: f64) -> Figures {
    // Long enough for hundreds of announcements, not for billions of arrivals.
    let arrivals = (400.0 * (precision + 1.0).powi(2)).max(20_000.0);
    let seconds = (arrivals / rate).max(200.0 * flush.as_secs_f64());
    let mut random = Random::new(seed);
    let mut sender = Sender::new(precision * by, flush);
    sender.arrivals(&mut Some(&mut random), rate, (seconds / 10.0).max(0.1), by);
    sender.restart();
    sender.arrivals(&mut Some(&mut random), rate, seconds, by);
    let per_second = sender.announcements as f64 / seconds;
    let amount = |units: i128| units as f64 / UNIT as f64 / by;
    let (worst, read) = (amount(sender.worst), amount(sender.worst_read));
    Figures { eta: per_second * worst * worst / rate, eta_read: per_second * read * read / rate, worst, per_second }
}

fn median(figures: &[Figures], of: impl Fn(&Figures) -> f64) -> (f64, f64, f64) {
    let mut values: Vec<f64> = figures.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
}

fn efficiency(title: &str, flush: Duration, by: f64) {
    println!("\n{title}");
    println!(
        "{:>8} {:>5} | {:>22} | {:>8} | {:>9} | {:>10}",
        "rate/s", "P", "eta (least..most)", "eta read", "largest E", "announced/s"
    );
    for rate in [10.0, 1_000.0, 100_000.0] {
        for precision in [1.0, 4.0, 10.0, 32.0] {
            let figures: Vec<Figures> = (1..=SEEDS).map(|seed| steady(rate, precision, flush, seed, by)).collect();
            let (least, eta, most) = median(&figures, |f| f.eta);
            let read = median(&figures, |f| f.eta_read).1;
            let worst = median(&figures, |f| f.worst).1;
            let per_second = median(&figures, |f| f.per_second).1;
            println!(
                "{rate:>8} {precision:>5} | {eta:>6.2} ({least:>5.2}..{most:>6.2}) | {read:>8.2} | {worst:>9.1} | {per_second:>10.2}"
            );
        }
    }
}

/// Announcements per event, over seeds, with the largest error meanwhile.
fn events(title: &str, flush: Duration, precision: f64, event: impl Fn(&mut Sender, &mut Random)) {
    let mut announcements = Vec::new();
    let mut worst = Vec::new();
    for seed in 1..=SEEDS * 11 {
        let mut random = Random::new(seed);
        let mut sender = Sender::new(precision, flush);
        event(&mut sender, &mut random);
        announcements.push(sender.announcements);
        worst.push(sender.worst_read / UNIT);
    }
    announcements.sort_unstable();
    worst.sort_unstable();
    let at = |percent: usize| (announcements.len() - 1) * percent / 100;
    println!(
        "{title:<58} P {precision:>4} | {:>3} {:>3} {:>3} | {:>6}",
        announcements[0],
        announcements[at(50)],
        announcements[at(90)],
        worst[at(50)],
    );
}

/// Steady arrivals at `rate`, long enough to be known.
fn learn(sender: &mut Sender, random: &mut Random, rate: f64) {
    let precision = sender.band.units() as f64 / UNIT as f64;
    let seconds = 30.0 * (precision + 1.0).powi(2) / rate;
    sender.arrivals(&mut Some(random), rate, seconds.max(0.1), 1.0);
    sender.restart();
}

fn changes(flush: Duration) {
    for precision in [4.0, 10.0, 32.0] {
        events("a lone increment", flush, precision, |sender, _| {
            sender.increment(sender.now.after(FLUSH), UNIT);
            sender.quiet(3.0);
        });
        events("a burst of 1,000 within 1 ms, then quiet", flush, precision, |sender, _| {
            sender.arrivals(&mut None, 1e6, 0.001, 1.0);
            sender.quiet(3.0);
        });
        events("a burst of 1,000 within 12 ms, then quiet", flush, precision, |sender, random| {
            sender.arrivals(&mut Some(random), 83_000.0, 0.012, 1.0);
            sender.quiet(3.0);
        });
        events("a burst of 1,000 within 1 ms on a steady 1,000/s, 0.1 s", flush, precision, |sender, random| {
            learn(sender, random, 1_000.0);
            sender.arrivals(&mut None, 1e6, 0.001, 1.0);
            sender.arrivals(&mut Some(random), 1_000.0, 0.1, 1.0);
        });
        events("ten bursts of 1,000 within 1 ms, one each 0.5 s", flush, precision, |sender, _| {
            for _ in 0..10 {
                sender.arrivals(&mut None, 1e6, 0.001, 1.0);
                sender.quiet(0.499);
            }
        });
        events("100 batches of 16 at once, one each 10 ms", flush, precision, |sender, _| {
            sender.arrivals(&mut None, 100.0, 1.0, 16.0);
        });
        events("1,000/s up mixed with 900/s down, 2 s", flush, precision, |sender, random| {
            for _ in 0..3_800 {
                let at = sender.now.after(Duration::from_nanos(random.gap(1_900.0)));
                let up = random.uniform() < 10.0 / 19.0;
                sender.increment(at, if up { UNIT } else { -UNIT });
            }
        });
        for rate in [10.0, 1_000.0] {
            events(&format!("a stop from {rate}/s"), flush, precision, |sender, random| {
                learn(sender, random, rate);
                sender.quiet(200.0);
            });
        }
        for factor in [1.0, 2.0, 0.5, 10.0, 0.1] {
            events(
                &format!("1,000/s times {factor}, until 6 (P + 1)^2 arrivals later"),
                flush,
                precision,
                |sender, random| {
                    learn(sender, random, 1_000.0);
                    let rate = 1_000.0 * factor;
                    sender.arrivals(&mut Some(random), rate, 6.0 * (precision + 1.0).powi(2) / rate, 1.0);
                },
            );
        }
    }
}

const EXPLANATION: &str = "\
One sender, k = 1, Poisson arrivals, medians over 9 seeds. Two largest errors are measured:
  largest E   with the instant at which the band is left: an increment that takes the error from P to P + 1
              counts as P + 1, although the announcement is made at that instant. eta is of this one.
  read        what a peer could read as of any instant; never above P where announcements go at once.
eta = announced/s * E^2 / s2. At 10/s and settle 1 s some pauses last a second by chance (one in 22,000); each
ends in an exact announcement and a fresh start, which is what the rows with large P show at that rate.";

const FLUSH_EXPLANATION: &str = "\
Announcements wait for the next multiple of 5 ms, so the largest E is the precision in effect: what comes in 5 ms
is added to P, and where the arrivals' chance alone, sqrt(5 ms * rate), leaves the band within a flush, the flush
interval decides and not P.";

fn main() {
    println!("{EXPLANATION}");
    efficiency("At once, unit increments (whole steps)", Duration::ZERO, 1.0);
    efficiency("At once, increments of 0.1 (no whole steps); rates, P and E in increments", Duration::ZERO, 0.1);
    println!("\n{FLUSH_EXPLANATION}");
    efficiency("5 ms flush, unit increments", FLUSH, 1.0);
    println!("\nAnnouncements spent: least, median, 90th percentile over 99 seeds | largest error read (median)");
    println!("\nAt once");
    changes(Duration::ZERO);
    println!("\n5 ms flush");
    changes(FLUSH);
    cost_of_an_increment();
}

/// Real time: what an increment pays under its lock.
fn cost_of_an_increment() {
    println!("\nafter_increment, nanoseconds a call on this machine");
    for (title, rate, whole) in
        [("exact", 0.0, false), ("with a rate, whole steps", 1e6, true), ("with a rate, any fraction", 1e6, false)]
    {
        let believed = Forecast { total: Total::ZERO, rate, whole, since: Monotonic::ZERO };
        let precision = Amount::from_units(1_000_000_000 * UNIT).expect("in range");
        let band = Band::share_of(precision, 1);
        let mut predictor = Predictor::new(believed, Monotonic::ZERO);
        let far = Duration::from_secs(1_000_000);
        predictor.look(Total::ZERO, band, far, Monotonic::ZERO);
        let calls = 10_000_000_u64;
        let start = Instant::now();
        let mut outside = 0_u64;
        for call in 1..=calls {
            let now = Monotonic::from_nanos(black_box(call * 1_000));
            let total = Total::from_units(i128::from(call) * UNIT);
            outside += u64::from(predictor.after_increment(black_box(total), band, now));
        }
        let nanos = start.elapsed().as_nanos() as f64 / calls as f64;
        println!("{title:<28} {nanos:>5.1}   (outside {outside} times)");
    }
}
