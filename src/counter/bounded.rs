//! Readings that say how far from the truth they may be, and as of when.
//!
//! A share that is extrapolated is evaluated at the last moment up to which its owner is known to have told everything,
//! and not now: until then it is within its owner's band, whatever has happened since.

use super::Band;
use super::entry::Counter;
use super::label::Flag;
use super::progress::Progress;
use super::standing::{BoundedReading, MemberStanding, Standings};
use super::state::HeldShare;
use super::table::Table;
use crate::base::{Amount, AmountSum, Monotonic, Name, NodeId, ReplicaIndex, Total};
use std::time::Duration;

impl Table {
    /// Reads a counter with the promise that goes with the value.
    pub fn read_bounded(&self, name: Name<'_>, now: Monotonic) -> BoundedReading {
        // Before the counter: what it holds then is at least what this says.
        let standings = self.shared.progress.standings().clone();
        let (as_of, mut outside_lease) = self.as_of(&standings, now);
        let hash = self.shared.hash(name.as_bytes());
        let shard = self.lock(hash);
        let counter = shard.find(hash, name.as_bytes()).and_then(|slot| shard.counters.get(slot));
        let (value, bound) = match counter {
            None => (None, Amount::ZERO),
            Some(counter) => {
                let (value, bound) = counter.bounded(shard.own.index, &standings, &self.shared.progress);
                if counter.goes_by_unknown(&standings) {
                    outside_lease = standings.members.iter().map(|member| member.node).collect();
                }
                (counter.is(Flag::Exists).then_some(value), bound)
            }
        };
        BoundedReading { value, bound, as_of, outside_lease }
    }

    /// Up to when everything is known that the members within their lease have counted, and the other members.
    fn as_of(&self, standings: &Standings, now: Monotonic) -> (Monotonic, Vec<NodeId>) {
        let mut as_of = now;
        let mut outside = Vec::new();
        for member in &standings.members {
            match (member.told, self.is_within_lease(member, now)) {
                (Some(told), true) => as_of = as_of.min(told.as_of),
                _ => outside.push(member.node),
            }
        }
        (as_of, outside)
    }

    /// How long a silent node's shares are extrapolated.
    pub fn lease(&self) -> Duration {
        self.shared.lease
    }

    /// Whether a member was heard within its lease.
    pub fn is_within_lease(&self, member: &MemberStanding, now: Monotonic) -> bool {
        let heard_at = member.replica.map(|replica| self.shared.progress.heard_at(replica));
        heard_at.is_some_and(|heard_at| now.since(heard_at) <= self.shared.lease)
    }
}

impl Counter {
    fn is_precision_confirmed(&self, standings: &Standings) -> bool {
        self.state.precision().is_none_or(|register| standings.is_confirmed(register.origin, register.stamp.number))
    }

    /// Everybody had heard of the precision, and now somebody is there, or there again, who has not: nobody remembers what
    /// that one goes by.
    fn goes_by_unknown(&self, standings: &Standings) -> bool {
        !self.is_precision_confirmed(standings) && self.state.precisions_before().is_none()
    }

    /// The value, and how far it may be from what the members had counted when they last told everything.
    fn bounded(&self, own: ReplicaIndex, standings: &Standings, progress: &Progress) -> (Amount, Amount) {
        let confirmed = self.is_precision_confirmed(standings);
        let owner = |held: &HeldShare| standings.of(held.replica).filter(|_| !progress.has_ended(held.replica));
        let is_void = |held: &HeldShare| progress.is_void(held.replica, held.share.revision);
        let value = self.state.value(own, |held| match owner(held) {
            Some(member) if !is_void(held) => believed(held, member),
            _ => held.share.total,
        });
        let mut bound = AmountSum::default();
        for held in self.state.others() {
            let Some(member) = owner(&held) else { continue };
            let precision = self.state.precision_to_reckon_with(member.default_precision, confirmed);
            let members = member.told.map_or(1, |told| told.members);
            bound.add(Band::share_of(precision.amount(), members).units());
            if !is_void(&held) {
                bound.add(slack(&held, member, self.state.is_frozen(&held)));
            }
        }
        (value.clamped(), bound.clamped())
    }
}

/// What the owner's peers believed of the share when it had last told everything.
fn believed(held: &HeldShare, member: &MemberStanding) -> Total {
    match (&held.forecast, member.told) {
        (Some(forecast), Some(told)) => forecast.at(told.evaluate_at),
        _ => held.share.total,
    }
}

/// What the value leaves out of what was believed, and what a new measurement of the owner's clock may have moved.
fn slack(held: &HeldShare, member: &MemberStanding, is_frozen: bool) -> i128 {
    let Some(forecast) = &held.forecast else { return 0 };
    let (shifted_at, shift) = member.shifted;
    let moved = if forecast.since < shifted_at { forecast.moved_in(shift) } else { 0 };
    let believed = believed(held, member).units();
    let frozen = if is_frozen { believed.saturating_sub(held.share.total.units()).saturating_abs() } else { 0 };
    moved.saturating_add(frozen)
}
