//! What a node knew of all replicas when it last wrote to disk.

use super::numbers::NumberSet;
use crate::base::{HybridTime, ReplicaId};

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
}
