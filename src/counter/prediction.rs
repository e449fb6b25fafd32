//! When a share's owner speaks, and what it tells its peers to expect.
//!
//! One [`Predictor`] belongs to one share that is being counted on. It must never let the true total be outside
//! the band around what the peers believe without saying so, and never extrapolate on a guess: a rate needs
//! evidence of sustained arrivals.

use std::time::Duration;

use crate::base::{Monotonic, Total};

use super::arrivals::{Arrivals, Interval};
use super::forecast::UNITS_PER_ONE;
use super::{Band, Forecast, PredictorKnowledge};

/// Missing increments that tell a stop from chance (e^-10 for Poisson arrivals), when they are also half a
/// band.
const STOP_INCREMENTS: f64 = 10.0;

const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

/// What a timer's look at a share found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing to say; look again then.
    Later(Monotonic),
    /// The true total is outside the band: announce at the next flush.
    Announce,
    /// Quiet for long enough: announce the exact total and drop the predictor.
    Settle,
    /// Quiet for long enough and the peers hold the exact total: drop the predictor.
    Idle,
}

/// The owner's side of one share's prediction.
#[derive(Clone, Debug)]
pub struct Predictor {
    believed: Forecast,
    last_increment: Monotonic,
    /// When the owner has promised itself to look again.
    look_by: Monotonic,
    /// The longest time without an increment since the last announcement, in nanoseconds.
    longest_gap: u64,
    /// Increments since the last announcement.
    increments: u32,
    arrivals: Arrivals,
}

impl Predictor {
    /// A share becomes active; its peers hold `believed`, usually exact.
    pub fn new(believed: Forecast, now: Monotonic) -> Self {
        let mut believed = believed;
        if believed.is_exact() {
            // The same belief; observation starts now.
            believed.since = now;
        }
        Self {
            believed,
            last_increment: now,
            look_by: Monotonic::NEVER,
            longest_gap: 0,
            increments: 0,
            arrivals: Arrivals::new(!believed.total.is_whole()),
        }
    }

    /// What is known, of a share with this total and band that is looked at again then.
    pub(super) fn knowledge(&self, total: Total, band: Band, look_at: Monotonic) -> PredictorKnowledge {
        PredictorKnowledge {
            total,
            band,
            believed: self.believed,
            estimated_rate: self.arrivals.rate(),
            observed_seconds: self.arrivals.observed_seconds(),
            increments: self.increments,
            longest_gap: Duration::from_nanos(self.longest_gap),
            last_increment: self.last_increment,
            is_suspicious: self.arrivals.is_suspicious(),
            look_at,
        }
    }

    /// How many increments came since the last announcement, and how large they were in the mean.
    pub(super) fn since_announced(&self, total: Total) -> (u32, f64) {
        let amount = total.minus_f64(self.believed.total);
        (self.increments, Interval { amount, seconds: 0.0, increments: self.increments }.step())
    }

    /// What the peers believe.
    pub fn believed(&self) -> &Forecast {
        &self.believed
    }

    /// Notes that an increment made the total `total`. True: look at this share at the next flush, because
    /// it left the band, or because it will sooner than the last look foresaw. Constant time, a few
    /// nanoseconds.
    pub fn after_increment(&mut self, total: Total, band: Band, now: Monotonic) -> bool {
        let gap = now.as_nanos().saturating_sub(self.last_increment.as_nanos());
        self.longest_gap = self.longest_gap.max(gap);
        self.last_increment = self.last_increment.max(now);
        self.increments = self.increments.saturating_add(1);
        if self.believed.is_exact() {
            return self.believed.total.units().abs_diff(total.units()) > band.units().unsigned_abs();
        }
        let ahead = i128::saturating_sub(self.believed.at(now).units(), total.units());
        if ahead.unsigned_abs() > band.units().unsigned_abs() {
            return true;
        }
        self.leaves_before_the_next_look(total, ahead, band, now)
    }

    /// Whether the belief, `ahead` of the total, leaves the band before the promised look: an increment
    /// against the rate brings that forward.
    fn leaves_before_the_next_look(&self, total: Total, ahead: i128, band: Band, now: Monotonic) -> bool {
        let rate = f64::from(self.believed.rate);
        let ahead = if rate < 0.0 { -ahead } else { ahead };
        // In whole steps the belief may be almost a step further than it shows.
        let hidden = if self.believed.whole { UNITS_PER_ONE } else { 0 };
        let room = band.units() - ahead - hidden;
        // Not `room as f64`, which is a call: halves convert in an instruction each.
        let room = (room >> 64) as i64 as f64 * TWO_TO_64 + (room as u64) as f64;
        let until_look = self.look_by.as_nanos().saturating_sub(now.as_nanos()) as f64 * 1e-9;
        // Mostly there is more room than the belief can cross; only if in doubt is the exact instant found.
        room < rate.abs() * until_look * (1.0 + 1e-9) * UNITS_PER_ONE as f64
            && self.believed.leaves(total, band, now) < self.look_by
    }

    /// Chooses what to tell the peers now, at a flush. The caller sends it.
    pub fn announce(&mut self, total: Total, band: Band, settle: Duration, now: Monotonic) -> Forecast {
        let interval = self.close_interval(total, now);
        let rate = self.choose_rate(interval, band, settle, now);
        let forecast = Forecast { total, rate, whole: !self.arrivals.is_fractional(), since: now };
        self.tell(if rate == 0.0 || !rate.is_finite() { Forecast::exact(total, now) } else { forecast });
        self.look_by = self.next_look(total, band, settle, now);
        self.believed
    }

    /// Tells the peers the exact total, without a rate. The caller sends it.
    pub fn announce_exact(&mut self, total: Total, now: Monotonic) -> Forecast {
        self.close_interval(total, now);
        self.tell(Forecast::exact(total, now));
        self.look_by = Monotonic::NEVER;
        self.believed
    }

    /// A timer came due, or a flush: is there something to say?
    pub fn look(&mut self, total: Total, band: Band, settle: Duration, now: Monotonic) -> Look {
        if now >= self.last_increment.after(settle) {
            if self.believed.is_exact() && self.believed.total == total {
                return Look::Idle;
            }
            return Look::Settle;
        }
        let next = self.next_look(total, band, settle, now);
        if next <= now {
            return Look::Announce;
        }
        self.look_by = next;
        Look::Later(next)
    }

    /// When a timer must look again if nothing happens: when the belief leaves the band, or when the share
    /// settles.
    pub fn next_look(&self, total: Total, band: Band, settle: Duration, now: Monotonic) -> Monotonic {
        let leaves = self.believed.leaves(total, band, now);
        leaves.min(self.last_increment.after(settle))
    }

    fn tell(&mut self, forecast: Forecast) {
        self.believed = forecast;
        self.longest_gap = 0;
        self.increments = 0;
    }

    /// Learns from the interval since the last announcement.
    fn close_interval(&mut self, total: Total, now: Monotonic) -> Interval {
        let interval = Interval {
            amount: total.minus_f64(self.believed.total),
            seconds: now.since(self.believed.since).as_secs_f64(),
            increments: self.increments,
        };
        self.arrivals.note_total(total.is_whole());
        self.arrivals.learn(interval);
        interval
    }

    /// The rate to announce; 0 where extrapolating would not pay or the evidence is thin.
    fn choose_rate(&mut self, interval: Interval, band: Band, settle: Duration, now: Monotonic) -> f32 {
        let half_width = band.to_f64();
        let step = interval.step();
        let silence = now.since(self.last_increment);
        if !self.arrivals.may_be_relied_on()
            || silence >= settle
            // A belief that moves less than an increment at a time only leaves the band earlier.
            || half_width < step
            || (!self.arrivals.is_fractional() && band.units() < UNITS_PER_ONE)
        {
            return 0.0;
        }
        let silence = silence.as_secs_f64();
        let rate = self.arrivals.rate();
        let expected = f64::from(rate.abs().max(self.believed.rate.abs()));
        let stopped = silence * expected > (half_width / 2.0).max(STOP_INCREMENTS * step);
        if stopped || (interval.increments == 0 && self.arrivals.is_suspicious()) {
            self.arrivals.stopped();
            return 0.0;
        }
        // They come in bursts if a gap alone would leave the band twice over; chance gaps grow with the
        // logarithm of the number of arrivals.
        let chance = STOP_INCREMENTS + f64::from(interval.increments.max(1)).ln();
        let gap = (self.longest_gap as f64 * 1e-9).max(silence);
        if gap * expected > 2.0 * half_width + chance * step {
            return 0.0;
        }
        rate
    }
}

#[cfg(test)]
mod tests;
