//! How own shares move, said again; and taken again for the shares of others.

use super::Forecast;
use super::shard::Shard;
use super::share::Share;
use super::table::Table;
use crate::base::{Location, Name, ReplicaIndex};

/// An own share that peers extrapolate.
#[derive(Clone, Copy, Debug)]
pub struct Predicted<'a> {
    /// The counter.
    pub name: &'a [u8],
    /// Where it lives here.
    pub location: Location,
    /// The share as it was last told.
    pub share: Share,
    /// How it is expected to move.
    pub forecast: Forecast,
}

impl Table {
    /// Visits the own shares of one shard that peers extrapolate, each as it was last told.
    pub fn visit_predicted(&self, shard: u8, visit: &mut dyn FnMut(Predicted<'_>)) {
        if let Some(shard) = self.lock_at(Location(u32::from(shard))) {
            shard.visit_predicted(visit);
        }
    }

    /// Takes again how a share moves that is held under this revision. Answers where it lives, if it is.
    pub fn take_forecast(
        &self,
        name: Name<'_>,
        replica: ReplicaIndex,
        revision: u64,
        forecast: Forecast,
    ) -> Option<Location> {
        let hash = self.shared.hash(name.as_bytes());
        let mut shard = self.lock(hash);
        let slot = shard.find(hash, name.as_bytes())?;
        let counter = shard.counters.get_mut(slot)?;
        let is_taken = counter.state.take_forecast(replica, revision, forecast);
        shard.list_extrapolated(slot);
        is_taken.then(|| shard.location(slot))
    }
}

impl Shard {
    fn visit_predicted(&self, visit: &mut dyn FnMut(Predicted<'_>)) {
        for slot in self.moving() {
            let Some(counter) = self.counters.get(slot) else { continue };
            let Some((share, active)) = counter.state.own().zip(counter.active()) else { continue };
            let believed = *active.predictor.believed();
            if share.born != 0 && !believed.is_exact() {
                let share = Share { total: believed.total, ..share };
                visit(Predicted { name: counter.name(), location: self.location(slot), share, forecast: believed });
            }
        }
    }
}
