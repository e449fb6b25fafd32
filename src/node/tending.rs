//! Giving up deleted counters: deciding, from what every member says it has, what nobody needs any more.

use super::machine::Node;
use crate::base::ReplicaIndex;
use crate::counter::{Assignment, Stability};
use crate::replication::Digest;

/// Shards looked at each time.
const SHARDS_A_ROUND: u16 = 32;

impl Node {
    /// Looks at a part of the counters that may be given up.
    pub(super) fn tend(&mut self) {
        // Those that this node was parted from may come back, and must hear of what was deleted meanwhile.
        if self.doubt.is_open() {
            return;
        }
        let others: Option<Vec<&Digest>> =
            self.peers.values().map(|peer| peer.link.as_ref()?.digest.as_ref()).collect();
        // While one member is out of hearing, nobody knows what it has.
        let Some(others) = others else { return };
        let held = |replica: ReplicaIndex| self.sequences[replica.as_usize()].held.contiguous();
        let everyone_has =
            |replica: ReplicaIndex, number: u64| others.iter().all(|digest| digest.entry(replica).durable >= number);
        let has_all_of_theirs = others.iter().all(|digest| {
            digest.iter().all(|(replica, entry)| replica == self.own_index || held(replica) >= entry.received)
        });
        let is_stable = |assignment: &Assignment| {
            let (origin, number) = (assignment.origin, assignment.stamp.number);
            has_all_of_theirs && held(origin) >= number && everyone_has(origin, number)
        };
        let is_settled = |replica: ReplicaIndex, revision: u64| {
            revision <= held(replica)
                && others.iter().all(|digest| {
                    let entry = digest.entry(replica);
                    entry.received == held(replica) && entry.beyond == 0
                })
        };
        let is_own_past = |replica: ReplicaIndex| {
            replica != self.own_index && self.registry.replica(replica).is_some_and(|id| id.node == self.own.node)
        };
        let stability = Stability {
            is_stable: &is_stable,
            is_settled: &is_settled,
            is_own_past: &is_own_past,
            everyone_has: &everyone_has,
        };
        for _ in 0..SHARDS_A_ROUND {
            self.table.tend(self.tend_from, &stability);
            self.tend_from = self.tend_from.wrapping_add(1);
        }
    }
}
