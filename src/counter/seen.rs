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
    Some(Seen {
        own: share.map(|share| share.total),
        others: others.map(|held| (held.replica, held.share.total)).collect(),
        assignment: assignment.map(|assignment| assignment.stamp),
    })
}
