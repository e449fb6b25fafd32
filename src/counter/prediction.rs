//! When a share's owner speaks, and what it tells its peers to expect.
//!
//! One [`Predictor`] belongs to one share that is being counted on. It must never let the true total be outside
//! the band around what the peers believe without saying so, and never extrapolate on a guess: a rate needs
//! evidence of sustained arrivals.

use std::time::Duration;

use crate::base::{Monotonic, Total};

use super::{Band, Forecast, forecast::UNITS_PER_ONE};

/// Announcements of an activity that carry no rate: what came once may not go on.
const SILENT_ANNOUNCEMENTS: u8 = 2;
/// Seconds that arrivals must have been watched for before a rate is announced; longer than a flush or two.
const EVIDENCE_SECONDS: f32 = 0.010;
/// How much of the past an announcement keeps: the estimate rests on some (1 + k) / (1 - k) = 9 intervals,
/// which costs about 1 / (3 * 9) more announcements than the true rate would.
const KEEP: f64 = 0.8;
/// Squared deviations (in variances) from which an interval contradicts the estimate.
const SURPRISE: f64 = 8.0;
/// The same for an interval that follows one that contradicted it in the same direction.
const CONFIRMED: f64 = 3.0;
/// Missing increments that tell a stop from chance, when they are also half a band.
const STOP_INCREMENTS: f64 = 6.0;

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
    /// Estimated amount a second.
    rate: f32,
    /// Seconds of observation that the estimate rests on; 0 = none.
    weight: f32,
    /// Square root of the estimated variance a second.
    spread: f32,
    /// Seconds since this activity began.
    watched: f32,
    /// Announcements of this activity, saturating.
    announced: u8,
    /// -1 or 1: the last interval contradicted the estimate in this direction.
    suspicion: i8,
    /// Something fractional was counted.
    fractional: bool,
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
            rate: 0.0,
            weight: 0.0,
            spread: 0.0,
            watched: 0.0,
            announced: 0,
            suspicion: 0,
            fractional: !believed.total.is_whole(),
        }
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
        let room = (band.units() - ahead) as f64 / UNITS_PER_ONE as f64;
        let until_look = self.look_by.as_nanos().saturating_sub(now.as_nanos()) as f64 * 1e-9;
        // Mostly there is more room than the belief can cross; only if in doubt is the exact instant found.
        room < rate.abs() * until_look * (1.0 + 1e-9) && self.believed.leaves(total, band, now) < self.look_by
    }

    /// Chooses what to tell the peers now, at a flush. The caller sends it.
    pub fn announce(&mut self, total: Total, band: Band, settle: Duration, now: Monotonic) -> Forecast {
        self.fractional |= !total.is_whole();
        self.learn(total, now);
        let forecast =
            Forecast { total, rate: self.choose_rate(total, band, settle, now), whole: !self.fractional, since: now };
        self.tell(forecast);
        self.look_by = self.next_look(total, band, settle, now);
        self.believed
    }

    /// Tells the peers the exact total, without a rate. The caller sends it.
    pub fn announce_exact(&mut self, total: Total, now: Monotonic) -> Forecast {
        self.fractional |= !total.is_whole();
        self.learn(total, now);
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

    /// What comes next needs evidence of its own.
    fn forget(&mut self) {
        self.weight = 0.0;
        self.rate = 0.0;
        self.spread = 0.0;
        self.watched = 0.0;
        self.announced = 0;
        self.suspicion = 0;
    }

    fn tell(&mut self, mut forecast: Forecast) {
        if forecast.rate == 0.0 || !forecast.rate.is_finite() {
            forecast = Forecast::exact(forecast.total, forecast.since);
        }
        self.believed = forecast;
        self.longest_gap = 0;
        self.increments = 0;
        self.announced = self.announced.saturating_add(1);
    }

    /// Takes the interval since the last announcement into the estimates.
    fn learn(&mut self, total: Total, now: Monotonic) {
        let seconds = now.since(self.believed.since).as_secs_f64();
        self.watched += seconds as f32;
        if self.announced == 0 || seconds <= 0.0 {
            return;
        }
        let amount = total.minus_f64(self.believed.total);
        if self.weight == 0.0 {
            self.rate = (amount / seconds) as f32;
            self.weight = seconds as f32;
            self.spread = (amount.abs() / seconds * self.step(amount)).sqrt() as f32;
            return;
        }
        let rate = f64::from(self.rate);
        let weight = f64::from(self.weight);
        let deviation = amount - rate * seconds;
        let step = self.step(amount);
        let variance = f64::from(self.spread).powi(2).max(rate.abs() * step);
        let surprise = deviation * deviation / (variance * seconds);
        let direction = if deviation > 0.0 { 1 } else { -1 };
        let mut kept = weight * KEEP;
        let mut taken = deviation;
        let limit = if self.suspicion == direction { CONFIRMED } else { SURPRISE };
        if surprise > limit {
            if self.suspicion == direction || deviation * rate < 0.0 {
                kept = kept.min(seconds / (surprise - 1.0));
            } else {
                taken = 0.0;
            }
            self.suspicion = direction;
        } else {
            self.suspicion = 0;
        }
        let weight = kept + seconds;
        self.rate = (rate + taken / weight) as f32;
        self.weight = weight as f32;
        let old = f64::from(self.spread).powi(2) * kept;
        self.spread = ((old + deviation * deviation) / weight).sqrt() as f32;
    }

    /// The mean increment since the last announcement, in magnitude.
    fn step(&self, amount: f64) -> f64 {
        amount.abs() / f64::from(self.increments.max(1))
    }

    /// The rate to announce; 0 where extrapolating would not pay or the evidence is thin.
    fn choose_rate(&mut self, total: Total, band: Band, settle: Duration, now: Monotonic) -> f32 {
        let silence = now.since(self.last_increment);
        let rate = f64::from(self.rate).abs();
        let half_width = band.to_f64();
        let step = self.step(total.minus_f64(self.believed.total));
        if self.announced < SILENT_ANNOUNCEMENTS
            || self.watched < EVIDENCE_SECONDS
            || silence >= settle
            || half_width < step
            || (!self.fractional && band.units() < UNITS_PER_ONE)
        {
            return 0.0;
        }
        let missing = silence.as_secs_f64() * rate;
        if missing > (half_width / 2.0).max(STOP_INCREMENTS * step) {
            self.forget();
            return 0.0;
        }
        let gap = (self.longest_gap as f64 * 1e-9).max(silence.as_secs_f64()) * rate;
        if gap > 2.0 * half_width + STOP_INCREMENTS * step {
            return 0.0;
        }
        self.rate
    }
}
