//! A share's owner and a peer that hears at once, in virtual time, with seeded arrivals.

use std::time::Duration;

use discnt::base::{Amount, Monotonic, Total};
use discnt::counter::{Band, Forecast, Look, Predictor};

use crate::random::Random;
use crate::{SETTLE, UNIT};

/// One share, its owner, and a peer that hears at once.
pub(crate) struct Sender {
    predictor: Predictor,
    total: i128,
    pub(crate) band: Band,
    /// Announcements wait for the next multiple of this; zero: they go at once.
    flush: Duration,
    look_at: Monotonic,
    flush_at: Monotonic,
    pub(crate) announcements: u64,
    /// The largest error, with the instant that an announcement ends.
    pub(crate) worst: i128,
    /// The largest error that a peer could read: without the instant at which it was corrected.
    pub(crate) worst_read: i128,
    pub(crate) now: Monotonic,
}

impl Sender {
    pub(crate) fn new(precision: f64, flush: Duration) -> Self {
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

    pub(crate) fn total(&self) -> Total {
        Total::from_units(self.total)
    }

    pub(crate) fn error(&self, now: Monotonic) -> i128 {
        self.predictor.believed().at(now).units() - self.total
    }

    /// Counts the error just before `now` and, where it stays for a while, at `now`.
    pub(crate) fn measure_until(&mut self, now: Monotonic) {
        let before = Monotonic::from_nanos(now.as_nanos().saturating_sub(1).max(self.now.as_nanos()));
        self.worst_read = self.worst_read.max(self.error(before).abs());
        self.worst = self.worst.max(self.error(now).abs()).max(self.worst_read);
    }

    /// Runs timers and flushes up to `until`.
    pub(crate) fn run(&mut self, until: Monotonic) {
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

    pub(crate) fn look(&mut self) {
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

    pub(crate) fn flag(&mut self) {
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

    pub(crate) fn announce(&mut self) {
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

    pub(crate) fn increment(&mut self, at: Monotonic, by: i128) {
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

    pub(crate) fn is_settled(&self) -> bool {
        let believed = self.predictor.believed();
        believed.is_exact() && believed.total == self.total()
    }

    /// Arrivals of `by` at `rate` a second for `seconds`, evenly or as a Poisson process.
    pub(crate) fn arrivals(&mut self, random: &mut Option<&mut Random>, rate: f64, seconds: f64, by: f64) {
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

    pub(crate) fn quiet(&mut self, seconds: f64) {
        self.run(self.now.after(Duration::from_secs_f64(seconds)));
    }

    /// Forgets what was measured so far.
    pub(crate) fn restart(&mut self) {
        self.announcements = 0;
        self.worst = 0;
        self.worst_read = 0;
    }
}
