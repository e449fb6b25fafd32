//! What a counter is made of, to be held against what it is made of later.

use super::state::CounterState;
use super::table::Table;
use crate::base::{Name, ReplicaIndex, Stamp, Total};

/// All that makes up the value of a counter that exists, without predictions. Equal as long as nobody counts or sets.
///
/// What a DEL had seen is no part of it: that is given up later, which changes nothing for anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    own: Option<Total>,
    others: Vec<(ReplicaIndex, Total)>,
    assignment: Option<Stamp>,
}

impl Table {
    /// What the counter is made of; none if it does not exist.
    pub fn seen(&self, name: Name<'_>) -> Option<Seen> {
        let hash = self.shared.hash(name.as_bytes());
        let shard = self.lock(hash);
        let counter = shard.counters.get(shard.find(hash, name.as_bytes())?)?;
        see(&counter.state, shard.own.index)
    }
}

fn see(state: &CounterState, own: ReplicaIndex) -> Option<Seen> {
    if !state.exists(own) {
        return None;
    }
    let assignment = state.assignment();
    let cut_of = |replica| assignment.and_then(|assignment| assignment.cut_of(replica));
    let (cut, nothing) = (cut_of(own), Total::ZERO);
    // Counted up and down again, a share that was not there before is as if it were not there still.
    let share = state.own().filter(|share| !share.is_covered_by(cut) && (cut.is_some() || share.total != nothing));
    let others = state.others().filter(|held| !held.share.is_covered_by(cut_of(held.replica)));
    let mut others: Vec<_> = others.map(|held| (held.replica, held.share.total)).collect();
    // The order in which they are held changes with how they move.
    others.sort_unstable_by_key(|(replica, _)| *replica);
    Some(Seen {
        own: share.map(|share| share.total),
        others,
        assignment: assignment.map(|assignment| assignment.stamp),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Monotonic;
    use crate::counter::{Forecast, Share};

    #[test]
    fn what_is_seen_stays_the_same_when_a_share_begins_or_ends_to_move() {
        let (a, b) = (ReplicaIndex(1), ReplicaIndex(2));
        let share = |revision| Share { born: 1, revision, total: Total::from_units(3) };
        let mut state = CounterState::default();
        state.take_share(a, share(1), None);
        state.take_share(b, share(1), None);
        let at_rest = see(&state, ReplicaIndex(0));
        let moving = Forecast { rate: 1.0, ..Forecast::exact(share(1).total, Monotonic::ZERO) };
        assert!(state.take_forecast(a, 1, moving));
        let order = |state: &CounterState| state.others().map(|held| held.replica).collect::<Vec<_>>();
        assert_eq!(order(&state), [b, a], "otherwise this tries nothing");
        assert_eq!(see(&state, ReplicaIndex(0)), at_rest);
        state.take_share(a, share(2), None);
        assert_eq!(see(&state, ReplicaIndex(0)), at_rest);
    }
}
