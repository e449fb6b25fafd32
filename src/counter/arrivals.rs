//! What is known of the arrivals at one share: their rate, and whether it can be relied on.
//!
//! Learns once per announcement, never per increment. It must never take one burst for a rate.

/// Seconds that arrivals must have been watched for before a rate is relied on; longer than a few flushes.
const EVIDENCE_SECONDS: f32 = 0.020;
/// Increments that must have been watched before a rate is relied on.
const EVIDENCE_INCREMENTS: u8 = 8;
/// How much of the past an announcement keeps: the estimate rests on some (1 + k) / (1 - k) = 9 intervals,
/// which costs about 1 / (3 * 9) more announcements than the true rate would.
const KEEP: f64 = 0.8;
/// Squared deviation (in variances) from which one interval contradicts the estimate.
const SURPRISE: f64 = 8.0;
/// The same for each of two intervals in a row with deviations in the same direction.
const DOUBT: f64 = 3.0;

/// What was seen between two announcements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    /// The sum of the increments.
    pub amount: f64,
    /// How long it was.
    pub seconds: f64,
    /// How many increments came.
    pub increments: u32,
}

impl Interval {
    /// The mean increment, in magnitude.
    pub(super) fn step(&self) -> f64 {
        self.amount.abs() / f64::from(self.increments.max(1))
    }
}

/// How far an activity has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing was announced yet: what came may have come once.
    Fresh,
    /// Announced before.
    Known,
    /// Arrivals failed to come; the rate is kept in case they come again as before.
    Stopped,
}

/// An exponentially weighted estimate of a rate, with tests for bursts, changes and stops.
///
/// The estimate is a ratio of two sums, amount over time, each forgetting at the announcements. That is
/// unbiased although announcements come at moments that the arrivals themselves choose (Wald's identity),
/// where a mean of the intervals' rates would not be. Narrow floats keep a predictor small; their rounding is
/// far below the noise.
#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    /// Estimated amount a second.
    rate: f32,
    /// Seconds of observation that the estimate rests on; 0 = none.
    weight: f32,
    /// Square root of the estimated variance a second.
    spread: f32,
    /// Seconds since this activity began.
    watched: f32,
    /// Increments since this activity began; saturating.
    evidence: u8,
    phase: Phase,
    /// -1 or 1: the last interval deviated in this direction more than chance does most times.
    suspicion: i8,
    /// Something fractional was counted.
    fractional: bool,
}

impl Arrivals {
    /// Nothing is known.
    pub(super) fn new(fractional: bool) -> Self {
        Self {
            rate: 0.0,
            weight: 0.0,
            spread: 0.0,
            watched: 0.0,
            evidence: 0,
            phase: Phase::Fresh,
            suspicion: 0,
            fractional,
        }
    }

    /// Estimated amount a second.
    pub(super) fn rate(&self) -> f32 {
        self.rate
    }

    /// Seconds of observation that the estimate rests on.
    pub(super) fn observed_seconds(&self) -> f32 {
        self.weight
    }

    /// Whether something fractional was counted.
    pub(super) fn is_fractional(&self) -> bool {
        self.fractional
    }

    /// Whether the last interval deviated more than chance does most times.
    pub(super) fn is_suspicious(&self) -> bool {
        self.suspicion != 0
    }

    /// Notes whether a total has something after the decimal point.
    pub(super) fn note_total(&mut self, is_whole: bool) {
        self.fractional |= !is_whole;
    }

    /// Notes that an announcement is made. True: arrivals were watched for long enough to rely on the rate,
    /// and this is not the first announcement.
    pub(super) fn may_be_relied_on(&mut self) -> bool {
        let fresh = self.phase == Phase::Fresh;
        self.phase = Phase::Known;
        !fresh && self.watched >= EVIDENCE_SECONDS && self.evidence >= EVIDENCE_INCREMENTS
    }

    /// Notes that arrivals fail to come.
    pub(super) fn stopped(&mut self) {
        self.phase = Phase::Stopped;
    }

    /// Takes the interval that an announcement ends into the estimate.
    pub(super) fn learn(&mut self, interval: Interval) {
        if interval.seconds <= 0.0 {
            return;
        }
        self.watched += interval.seconds as f32;
        let more = u8::try_from(interval.increments).unwrap_or(u8::MAX);
        self.evidence = self.evidence.saturating_add(more);
        if self.weight > 0.0 {
            self.refine(interval);
        } else if self.watched >= EVIDENCE_SECONDS || self.phase != Phase::Fresh {
            let rate = interval.amount / interval.seconds;
            self.rate = rate as f32;
            self.weight = interval.seconds as f32;
            self.spread = (rate.abs() * interval.step()).sqrt() as f32;
        }
    }

    /// Weighs an interval against the estimate so far.
    fn refine(&mut self, interval: Interval) {
        let seconds = interval.seconds;
        let rate = f64::from(self.rate);
        let deviation = interval.amount - rate * seconds;
        // Independent arrivals of one size have this variance at least.
        let variance = f64::from(self.spread).powi(2).max(rate.abs() * interval.step());
        let surprise = deviation * deviation / (variance * seconds);
        let direction = if deviation > 0.0 { 1 } else { -1 };
        let repeated = self.suspicion == direction && surprise > DOUBT;
        let fewer = deviation * rate < 0.0;
        self.suspicion = if surprise > DOUBT { direction } else { 0 };
        let mut kept = f64::from(self.weight) * KEEP;
        let mut taken = deviation;
        if repeated || surprise > SURPRISE {
            if self.phase == Phase::Stopped && fewer {
                // They did stop: what comes next needs evidence of its own.
                *self = Self::new(self.fractional);
                return;
            }
            if repeated || fewer {
                // The rate changed: the past counts for as much as makes this interval likely.
                kept = kept.min(seconds / (surprise - 1.0));
            } else {
                // A burst, perhaps: one interval is no evidence of a higher rate.
                taken = 0.0;
            }
        }
        let weight = kept + seconds;
        let squares = f64::from(self.spread).powi(2) * kept + deviation * deviation;
        self.rate = (rate + taken / weight) as f32;
        self.weight = weight as f32;
        self.spread = (squares / weight).sqrt() as f32;
    }
}
