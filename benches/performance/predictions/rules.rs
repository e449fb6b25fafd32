//! Rules by which a sender tells a peer what it has counted. The peer hears at once, and reads what it was told last.

use std::collections::VecDeque;
use std::time::Duration;

use discnt::base::Monotonic;

use super::sender::Sender;
use crate::UNIT;

const SECOND_NANOS: u64 = 1_000_000_000;

/// One sender and its peer.
pub(crate) trait Rule {
    /// Counts one at this time, which is after all before.
    fn increment(&mut self, at_nanos: u64);
    /// Lets time pass.
    fn run_until(&mut self, at_nanos: u64);
    fn messages(&self) -> u64;
    fn largest_error(&self) -> f64;
}

impl Rule for Sender {
    fn increment(&mut self, at_nanos: u64) {
        // Its clock begins at one second.
        Sender::increment(self, Monotonic::from_nanos(SECOND_NANOS + at_nanos), UNIT);
    }

    fn run_until(&mut self, at_nanos: u64) {
        self.run(Monotonic::from_nanos(SECOND_NANOS + at_nanos));
    }

    fn messages(&self) -> u64 {
        self.announcements
    }

    fn largest_error(&self) -> f64 {
        self.worst_read as f64 / UNIT as f64
    }
}

/// A message at the end of each flush interval in which something was counted.
pub(crate) struct OnEveryChange {
    flush_nanos: u64,
    unsaid: u64,
    flush_at: u64,
    messages: u64,
    worst: u64,
}

impl OnEveryChange {
    pub(crate) fn new(flush: Duration) -> Self {
        Self { flush_nanos: flush.as_nanos() as u64, unsaid: 0, flush_at: 0, messages: 0, worst: 0 }
    }
}

impl Rule for OnEveryChange {
    fn increment(&mut self, at_nanos: u64) {
        self.run_until(at_nanos);
        if self.unsaid == 0 {
            self.flush_at = (at_nanos / self.flush_nanos + 1) * self.flush_nanos;
        }
        self.unsaid += 1;
        self.worst = self.worst.max(self.unsaid);
    }

    fn run_until(&mut self, at_nanos: u64) {
        if self.unsaid > 0 && at_nanos >= self.flush_at {
            self.messages += 1;
            self.unsaid = 0;
        }
    }

    fn messages(&self) -> u64 {
        self.messages
    }

    fn largest_error(&self) -> f64 {
        self.worst as f64
    }
}

/// A look once a second, and the average of ten seconds as the rate, as the C program had it.
pub(crate) struct OnceASecond {
    precision: f64,
    total: f64,
    /// What stood at each of the last looks, the oldest first.
    history: VecDeque<f64>,
    looks: u64,
    said_total: f64,
    said_rate: f64,
    said_at: u64,
    messages: u64,
    worst: f64,
}

impl OnceASecond {
    const LOOKS_REMEMBERED: usize = 10;

    pub(crate) fn new(precision: f64) -> Self {
        Self {
            precision,
            total: 0.0,
            history: VecDeque::from([0.0]),
            looks: 0,
            said_total: 0.0,
            said_rate: 0.0,
            said_at: 0,
            messages: 0,
            worst: 0.0,
        }
    }

    fn error(&self, at_nanos: u64) -> f64 {
        let age = (at_nanos - self.said_at) as f64 / SECOND_NANOS as f64;
        self.said_total + self.said_rate * age - self.total
    }

    fn see_error(&mut self, at_nanos: u64) {
        self.worst = self.worst.max(self.error(at_nanos).abs());
    }

    fn look(&mut self, at_nanos: u64) {
        let oldest = self.history.front().copied().unwrap_or(0.0);
        let rate = (self.total - oldest) / self.history.len() as f64;
        self.history.push_back(self.total);
        if self.history.len() > Self::LOOKS_REMEMBERED {
            self.history.pop_front();
        }
        if self.error(at_nanos).abs() > self.precision {
            (self.said_total, self.said_rate, self.said_at) = (self.total, rate, at_nanos);
            self.messages += 1;
        }
    }
}

impl Rule for OnceASecond {
    fn increment(&mut self, at_nanos: u64) {
        self.run_until(at_nanos);
        self.see_error(at_nanos);
        self.total += 1.0;
        self.see_error(at_nanos);
    }

    fn run_until(&mut self, at_nanos: u64) {
        while (self.looks + 1) * SECOND_NANOS <= at_nanos {
            self.looks += 1;
            let at_nanos = self.looks * SECOND_NANOS;
            self.see_error(at_nanos);
            self.look(at_nanos);
        }
    }

    fn messages(&self) -> u64 {
        self.messages
    }

    fn largest_error(&self) -> f64 {
        self.worst
    }
}
