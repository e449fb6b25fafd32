//! A look at one counter with all that is known of it, for those who look for a fault.

use super::label::Flag;
use super::share::Share;
use super::state::{CounterState, HeldShare};
use super::table::Table;
use super::{Band, Forecast, Precision};
use crate::base::{Amount, Monotonic, Name, ReplicaIndex, Total};

/// One counter at one moment.
#[derive(Clone, Debug)]
pub struct Examination {
    /// All that is replicated.
    pub state: CounterState,
    /// The present replica.
    pub own: ReplicaIndex,
    /// Whether the counter exists.
    pub exists: bool,
    /// What a reader gets.
    pub value: Amount,
    /// The same from what owners said last, with nothing extrapolated.
    pub value_told: Amount,
    /// The precision in force.
    pub precision: Precision,
    /// How far the own share may be from what the peers believe.
    pub band: Band,
    /// What the peers believe of the own share, while it moves.
    pub believed: Option<Forecast>,
    /// The own share is to be announced at the next flush.
    pub waits: bool,
    /// When the own share is looked at again, if nobody increments it before.
    pub looked_at: Monotonic,
    /// The shares of others by their replica, each with what a reader gets of it.
    pub others: Vec<(HeldShare, Total)>,
}

impl Examination {
    /// How much of a share the assignment has replaced by its base.
    pub fn cut_of(&self, replica: ReplicaIndex, share: &Share) -> Total {
        share.seen_by(self.state.assignment().and_then(|assignment| assignment.cut_of(replica)))
    }
}

impl Table {
    /// A copy of all that is held of a counter at `now`; also of one that does not exist but left something behind.
    pub fn examine(&self, name: Name<'_>, now: Monotonic) -> Option<Examination> {
        let hash = self.shared.hash(name.as_bytes());
        let at = self.read_at(now);
        let shard = self.lock(hash);
        let counter = shard.counters.get(shard.find(hash, name.as_bytes())?)?;
        let (own, state, active) = (shard.own.index, &counter.state, counter.active());
        let mut others: Vec<_> = state.others().map(|held| (held, at.total(&held))).collect();
        others.sort_unstable_by_key(|(held, _)| held.replica);
        Some(Examination {
            own,
            exists: counter.is(Flag::Exists),
            value: counter.value(own, at).clamped(),
            value_told: state.value(own, |held| held.share.total).clamped(),
            precision: state.precision().map_or_else(|| self.default_precision(), |register| register.precision),
            band: self.shared.band_of(shard.default_band, state),
            believed: active.map(|active| *active.predictor.believed()),
            waits: counter.is(Flag::Queued),
            looked_at: active.map_or(Monotonic::NEVER, |active| active.timer),
            others,
            state: state.clone(),
        })
    }
}
