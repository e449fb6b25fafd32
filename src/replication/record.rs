//! What a node knew of all replicas when it last wrote to disk.

use super::numbers::NumberSet;
use crate::base::{HybridTime, Incarnation, NodeId, ReplicaId, ReplicaIndex};

/// What has to be on disk beside the counters, to go on from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord {
    /// The replica that the node counted as.
    pub own: ReplicaId,
    /// Every replica it knew, in the order of their indexes, with what it held of each.
    pub replicas: Vec<(ReplicaId, NumberSet)>,
    /// Numbers of the own sequence up to this one may have been used; those above were not.
    pub reserved: u64,
    /// Somebody may have been told what the own replica numbered.
    pub has_told: bool,
    /// Later than every stamp that the node had made or heard of.
    pub time: HybridTime,
    /// The nodes that it was parted from, while it has not taken over what one of them has.
    pub parted: Vec<NodeId>,
}

impl NodeRecord {
    /// The index of a replica, which is its place in the list.
    pub fn index_of(&self, replica: ReplicaId) -> Option<ReplicaIndex> {
        let place = self.replicas.iter().position(|(known, _)| *known == replica)?;
        u32::try_from(place).ok().map(ReplicaIndex)
    }
}

impl Default for NodeRecord {
    fn default() -> Self {
        Self {
            own: ReplicaId { node: NodeId::new([0; 20]), incarnation: Incarnation(0) },
            replicas: Vec::new(),
            reserved: 0,
            has_told: false,
            time: HybridTime(0),
            parted: Vec::new(),
        }
    }
}
