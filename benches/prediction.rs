//! What predictions cost, in virtual time: announcements a second against the lower bound, then bursts,
//! stops and changes of rate. Nothing here is timed but the last table.
//!
//! eta = announcements per second * E^2 / s2, where E is the largest error and s2 the variance of the arrivals
//! a second (for unit increments their rate). 1 is the bound for a continuous walk.

#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use discnt::base::{Amount, Monotonic, Total};
use discnt::counter::{Band, Forecast, Look, Predictor};

const UNIT: i128 = Amount::ONE.units();
const SETTLE: Duration = Duration::from_secs(1);
const FLUSH: Duration = Duration::from_millis(5);
const SEEDS: u64 = 9;

/// xorshift64*, seeded: the same runs every time.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0xD1B5_4A32_D192_ED03) | 1)
    }

    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11;
        (bits as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Nanoseconds to the next arrival of a Poisson process.
    fn gap(&mut self, rate: f64) -> u64 {
        (-self.uniform().ln() / rate * 1e9) as u64
    }
}

/// One share, its owner, and a peer that hears at once.
struct Sender {
    predictor: Predictor,
    total: i128,
    band: Band,
    /// Announcements wait for the next multiple of this; zero: they go at once.
    flush: Duration,
    look_at: Monotonic,
    flush_at: Monotonic,
    announcements: u64,
    /// The largest error, with the instant that an announcement ends.
    worst: i128,
    /// The largest error that a peer could read: without the instant at which it was corrected.
    worst_read: i128,
    now: Monotonic,
}

impl Sender {
    fn new(precision: f64, flush: Duration) -> Self {
        let precision = Amount::from_units((precision * UNIT as f64) as i128).expect("in range");
        let start = Monotonic::from_nanos(1_000_000_000);
        Self {
            predictor: Predictor::new(Forecast::exact(Total::ZERO, start), start),
            total: 0,
            band: Band::share_of(precision, 1),
            flush,
            look_at: Monotonic::NEVER,
            flush_at: Monotonic::NEVER,
            announcements: 0,
            worst: 0,
            worst_read: 0,
            now: start,
        }
    }

    fn total(&self) -> Total {
        Total::from_units(self.total)
    }

    fn error(&self, now: Monotonic) -> i128 {
        self.predictor.believed().at(now).units() - self.total
    }

    /// Counts the error just before `now` and, where it stays for a while, at `now`.
    fn measure_until(&mut self, now: Monotonic) {
        let before = Monotonic::from_nanos(now.as_nanos().saturating_sub(1).max(self.now.as_nanos()));
        self.worst_read = self.worst_read.max(self.error(before).abs());
        self.worst = self.worst.max(self.error(now).abs()).max(self.worst_read);
    }

    /// Runs timers and flushes up to `until`.
    fn run(&mut self, until: Monotonic) {
        loop {
            let next = self.look_at.min(self.flush_at);
            if next > until {
                self.measure_until(until);
                self.now = until;
                return;
            }
            self.measure_until(next);
            self.now = next;
            if next == self.flush_at {
                self.announce();
            } else {
                self.look();
            }
        }
    }

    fn look(&mut self) {
        match self.predictor.look(self.total(), self.band, SETTLE, self.now) {
            Look::Later(at) => self.look_at = at,
            Look::Announce => self.flag(),
            Look::Settle => {
                self.predictor.announce_exact(self.total(), self.now);
                self.announcements += 1;
                self.look_at = Monotonic::NEVER;
                self.flush_at = Monotonic::NEVER;
            }
            Look::Idle => {
                self.look_at = Monotonic::NEVER;
                self.flush_at = Monotonic::NEVER;
            }
        }
    }

    fn flag(&mut self) {
        if self.flush == Duration::ZERO {
            self.announce();
            return;
        }
        self.look_at = Monotonic::NEVER;
        if self.flush_at == Monotonic::NEVER {
            let period = self.flush.as_nanos() as u64;
            let next = (self.now.as_nanos() / period + 1) * period;
            self.flush_at = Monotonic::from_nanos(next);
        }
    }

    fn announce(&mut self) {
        self.flush_at = Monotonic::NEVER;
        // As the node does: what came back into the band needs no word.
        match self.predictor.look(self.total(), self.band, SETTLE, self.now) {
            Look::Later(at) => self.look_at = at,
            Look::Idle => self.look_at = Monotonic::NEVER,
            Look::Announce | Look::Settle => {
                let total = self.total();
                self.predictor.announce(total, self.band, SETTLE, self.now);
                self.announcements += 1;
                self.look_at = self.predictor.next_look(total, self.band, SETTLE, self.now);
            }
        }
    }

    fn increment(&mut self, at: Monotonic, by: i128) {
        self.run(at);
        if self.look_at == Monotonic::NEVER && self.flush_at == Monotonic::NEVER && self.is_settled() {
            let believed = *self.predictor.believed();
            self.predictor = Predictor::new(believed, at);
            self.look_at = at.after(SETTLE);
        }
        self.total += by;
        let error = self.error(at).abs();
        self.worst = self.worst.max(error);
        if self.predictor.after_increment(self.total(), self.band, at) {
            self.flag();
        }
        self.worst_read = self.worst_read.max(self.error(at).abs());
    }

    fn is_settled(&self) -> bool {
        let believed = self.predictor.believed();
        believed.is_exact() && believed.total == self.total()
    }

    /// Arrivals of `by` at `rate` a second for `seconds`, evenly or as a Poisson process.
    fn arrivals(&mut self, random: &mut Option<&mut Random>, rate: f64, seconds: f64, by: f64) {
        let end = self.now.as_nanos() + (seconds * 1e9) as u64;
        let by = (by * UNIT as f64) as i128;
        let mut at = self.now.as_nanos();
        loop {
            at += match random {
                Some(random) => random.gap(rate),
                None => (1e9 / rate) as u64,
            };
            if at > end {
                self.run(Monotonic::from_nanos(end));
                return;
            }
            self.increment(Monotonic::from_nanos(at), by);
        }
    }

    fn quiet(&mut self, seconds: f64) {
        self.run(self.now.after(Duration::from_secs_f64(seconds)));
    }

    /// Forgets what was measured so far.
    fn restart(&mut self) {
        self.announcements = 0;
        self.worst = 0;
        self.worst_read = 0;
    }
}

struct Figures {
    eta: f64,
    eta_read: f64,
    worst: f64,
    per_second: f64,
}

fn steady(rate: f64, precision: f64, flush: Duration, seed: u64, by: f64) -> Figures {
    // Long enough for hundreds of announcements, not for billions of arrivals.
    let arrivals = (400.0 * (precision + 1.0).powi(2)).max(20_000.0);
    let seconds = arrivals / rate;
    let mut random = Random::new(seed);
    let mut sender = Sender::new(precision * by, flush);
    sender.arrivals(&mut Some(&mut random), rate, seconds / 10.0, by);
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

fn main() {
    efficiency("ideal, unit increments", Duration::ZERO, 1.0);
    efficiency("ideal, increments of 0.1 (no whole steps)", Duration::ZERO, 0.1);
    efficiency("5 ms flush, unit increments", FLUSH, 1.0);
    let _ = black_box(Instant::now());
}
