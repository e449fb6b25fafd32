//! What the predictor of one own share knows, for those who look for a fault.

use super::table::Table;
use super::{Band, Forecast, Precision};
use crate::base::{Monotonic, Name, Total};
use std::time::Duration;

/// What is known of an own share's arrivals, and what comes of it.
#[derive(Clone, Copy, Debug)]
pub struct PredictorKnowledge {
    /// The share's true total.
    pub total: Total,
    /// How far from that the peers' belief may be.
    pub band: Band,
    /// What the peers believe.
    pub believed: Forecast,
    /// Estimated amount a second.
    pub estimated_rate: f32,
    /// Seconds of observation that the estimate rests on; 0 for none.
    pub observed_seconds: f32,
    /// Increments since the share was last announced.
    pub increments: u32,
    /// The longest time without one since then.
    pub longest_gap: Duration,
    /// When the last one came.
    pub last_increment: Monotonic,
    /// Arrivals deviated lately more than chance does most times.
    pub is_suspicious: bool,
    /// When the owner looks again if nothing happens.
    pub look_at: Monotonic,
}

impl Table {
    /// The precision of counters for which none was set.
    pub fn default_precision(&self) -> Precision {
        self.shared.default_precision.asked()
    }

    /// What is known of how the own share of a counter moves; nothing of one that is at rest, or that nobody is told of.
    pub fn predictor_knowledge(&self, name: Name<'_>) -> Option<PredictorKnowledge> {
        let hash = self.shared.hash(name.as_bytes());
        let shard = self.lock(hash);
        let counter = shard.counters.get(shard.find(hash, name.as_bytes())?)?;
        let active = counter.active()?;
        let band = self.shared.band_of(shard.default_band, &counter.state);
        Some(active.predictor.knowledge(counter.own_total(), band, active.timer))
    }
}
