//! Where what is read here is further off than asked, because more is counted within one flush interval than the
//! precision allows: the corrections that news in its order has made lately.

use super::Precision;
use super::remote::IncomingShare;
use super::shard::Shard;
use super::shared::Shared;
use super::table::Table;
use crate::base::{Amount, AmountSum, Monotonic, Name, ReplicaIndex};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// How long a correction is remembered.
const REMEMBERED: Duration = Duration::from_secs(10);
/// Corrections remembered by one shard; the busiest counters have one each time and find their place again.
const MAX_REMEMBERED: usize = 1024;

/// A correction that was larger than the counter's precision.
#[derive(Clone, Copy, Debug)]
struct Correction {
    units: i128,
    at: Monotonic,
}

/// The corrections of one shard, by counter and replica.
#[derive(Debug, Default)]
pub(super) struct Corrections(HashMap<(u32, ReplicaIndex), Correction>);

impl Corrections {
    fn note(&mut self, slot: u32, replica: ReplicaIndex, units: i128, at: Monotonic) {
        if self.0.len() >= MAX_REMEMBERED && !self.0.contains_key(&(slot, replica)) {
            self.0.retain(|_, correction| at.since(correction.at) <= REMEMBERED);
            if self.0.len() >= MAX_REMEMBERED {
                return;
            }
        }
        let known = self.0.entry((slot, replica)).or_insert(Correction { units, at });
        if units >= known.units || at.since(known.at) > REMEMBERED {
            *known = Correction { units, at };
        }
    }

    fn recent(&self, now: Monotonic) -> impl Iterator<Item = (u32, i128)> + '_ {
        let recent = self.0.iter().filter(move |(_, correction)| now.since(correction.at) <= REMEMBERED);
        recent.map(|((slot, _), correction)| (*slot, correction.units))
    }
}

impl Shard {
    /// Looks by how much news that came in its order corrects what was believed.
    pub(super) fn note_correction(&mut self, shared: &Shared, slot: u32, incoming: &IncomingShare) {
        let Some(said_at) = incoming.in_order_at else { return };
        let Some(counter) = self.counters.get(slot) else { return };
        let Some(held) = counter.state.other(incoming.replica) else { return };
        if held.share.born != incoming.share.born || held.share.revision >= incoming.share.revision {
            return;
        }
        let believed = held.forecast.as_ref().map_or(held.share.total, |forecast| forecast.at(said_at));
        let units = believed.units().saturating_sub(incoming.share.total.units()).saturating_abs();
        let precision =
            counter.state.precision().map_or_else(|| shared.default_precision.asked(), |register| register.precision);
        if units > precision.amount().units() && !counter.state.is_frozen(&held) {
            self.corrections.note(slot, incoming.replica, units, said_at);
        }
    }
}

impl Table {
    /// What a counter's precision really comes to here: its own, or the sum of the other members' largest corrections of the
    /// last ten seconds where that is more.
    pub fn effective_precision(&self, name: Name<'_>, now: Monotonic) -> Precision {
        let asked = self.precision(name);
        let hash = self.shared.hash(name.as_bytes());
        let shard = self.lock(hash);
        let Some(slot) = shard.find(hash, name.as_bytes()) else { return asked };
        let mut sum = AmountSum::default();
        for (_, units) in shard.corrections.recent(now).filter(|(of, _)| *of == slot) {
            sum.add(units);
        }
        Precision::new(sum.clamped().max(Amount::ZERO)).map_or(asked, |measured| measured.max(asked))
    }

    /// The largest of all counters' effective precisions of the last ten seconds, or the default precision if that is larger.
    pub fn largest_effective_precision(&self, now: Monotonic) -> Precision {
        let mut largest = self.default_precision();
        for number in 0..=255 {
            let Some(shard) = self.lock_at(crate::base::Location(number)) else { continue };
            let mut sums: HashMap<u32, AmountSum> = HashMap::new();
            for (slot, units) in shard.corrections.recent(now) {
                sums.entry(slot).or_default().add(units);
            }
            let measured = sums.values().map(|sum| Precision::new(sum.clamped().max(Amount::ZERO)));
            largest = measured.flatten().fold(largest, Precision::max);
        }
        largest
    }

    /// How many counters were further off than their precision within the last ten seconds, of those that are remembered.
    pub fn counters_beyond_precision(&self, now: Monotonic) -> u64 {
        let of_shard = |number| {
            let shard = self.lock_at(crate::base::Location(number))?;
            Some(shard.corrections.recent(now).map(|(slot, _)| slot).collect::<BTreeSet<u32>>().len() as u64)
        };
        (0..=255).filter_map(of_shard).sum()
    }
}
