//! The replicas this process knows, each with a small dense index.

use crate::base::{MAX_CONTEXT_REPLICAS, NodeId, ReplicaId, ReplicaIndex};
use std::collections::HashMap;

/// One replica too many. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} would be one replica too many: there are {MAX_CONTEXT_REPLICAS}, one for each life of each node, and no more are kept. Nothing was changed, and nodes that run go on. To give up the old replicas, keep the counters with discnt-cli export on a node that runs, stop all nodes, start each with an empty --data-dir, link them by CLUSTER MEET, and import the counters into one"
)]
pub struct RegistryFull(pub ReplicaId);

/// Replicas in the order in which they were first heard of. Grows only; bounded.
#[derive(Debug)]
pub struct Registry {
    replicas: Vec<ReplicaId>,
    indexes: HashMap<ReplicaId, ReplicaIndex, ahash::RandomState>,
}

impl Default for Registry {
    fn default() -> Self {
        // Looked up for every datagram. The seeds are no secret: there is a bound, and ids are hashes already.
        Self { replicas: Vec::new(), indexes: HashMap::with_hasher(ahash::RandomState::with_seeds(1, 2, 3, 4)) }
    }
}

impl Registry {
    /// The index of a replica, given to it now if it is new.
    ///
    /// # Errors
    /// [`RegistryFull`] when it is new and there is no room.
    pub fn enter(&mut self, replica: ReplicaId) -> Result<ReplicaIndex, RegistryFull> {
        if let Some(index) = self.indexes.get(&replica) {
            return Ok(*index);
        }
        if self.replicas.len() >= MAX_CONTEXT_REPLICAS {
            return Err(RegistryFull(replica));
        }
        let index = ReplicaIndex(self.replicas.len() as u32);
        self.replicas.push(replica);
        self.indexes.insert(replica, index);
        Ok(index)
    }

    /// The index of a replica that is known.
    pub fn index(&self, replica: ReplicaId) -> Option<ReplicaIndex> {
        self.indexes.get(&replica).copied()
    }

    /// The replica behind an index.
    pub fn replica(&self, index: ReplicaIndex) -> Option<ReplicaId> {
        self.replicas.get(index.as_usize()).copied()
    }

    /// Every replica with its index.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaIndex, ReplicaId)> + '_ {
        (0..).map(ReplicaIndex).zip(self.replicas.iter().copied())
    }

    /// The lives of one node.
    pub fn of_node(&self, node: NodeId) -> impl Iterator<Item = ReplicaIndex> + '_ {
        self.iter().filter(move |(_, replica)| replica.node == node).map(|(index, _)| index)
    }

    /// How many replicas are known.
    pub fn len(&self) -> usize {
        self.replicas.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.replicas.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Incarnation;

    fn replica(node: u8, incarnation: u64) -> ReplicaId {
        ReplicaId { node: NodeId::new([node; 20]), incarnation: Incarnation(incarnation) }
    }

    #[test]
    fn a_replica_keeps_its_index_and_the_registry_its_bound() {
        let mut registry = Registry::default();
        let first = registry.enter(replica(1, 0)).expect("room");
        let second = registry.enter(replica(1, 1)).expect("room");
        assert_eq!(registry.enter(replica(1, 0)), Ok(first));
        assert_eq!(registry.of_node(NodeId::new([1; 20])).collect::<Vec<_>>(), [first, second]);
        assert_eq!(registry.replica(second), Some(replica(1, 1)));
        assert_eq!(registry.index(replica(2, 0)), None);
        for incarnation in 2..MAX_CONTEXT_REPLICAS as u64 {
            registry.enter(replica(1, incarnation)).expect("room");
        }
        let full = registry.enter(replica(2, 0)).expect_err("full");
        assert_eq!(full, RegistryFull(replica(2, 0)));
        for words in ["4096", "discnt-cli export", "empty --data-dir", "Nothing was changed"] {
            assert!(full.to_string().contains(words), "{full}");
        }
        assert_eq!(registry.enter(replica(1, 1)), Ok(second));
    }
}
