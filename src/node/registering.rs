//! Replicas as this node knows them: each has an index and a sequence.

use super::event::Event;
use super::machine::Node;
use super::sequence::Sequence;
use crate::base::{ReplicaId, ReplicaIndex};

impl Node {
    /// The sequence of a replica in the registry.
    pub(super) fn sequence_of(&mut self, replica: ReplicaIndex) -> &mut Sequence {
        let capacity = self.settings.replication.backlog_numbers;
        while self.sequences.len() <= replica.as_usize() {
            self.sequences.push(Sequence::new(capacity));
        }
        &mut self.sequences[replica.as_usize()]
    }

    /// A replica's index; none, and an event, when there is no room for one more.
    pub(super) fn enter(&mut self, replica: ReplicaId) -> Option<ReplicaIndex> {
        let known = self.registry.len();
        match self.registry.enter(replica) {
            Ok(index) => {
                if self.sequences.len() <= index.as_usize() {
                    self.members_changed = true;
                }
                self.sequence_of(index);
                if self.registry.len() > known {
                    self.publish_replicas();
                }
                Some(index)
            }
            Err(full) => {
                // A peer may speak as thousands of them.
                if !std::mem::replace(&mut self.is_full_told, true) {
                    self.emit(Event::TooManyReplicas(full.0));
                }
                None
            }
        }
    }

    pub(super) fn publish_replicas(&self) {
        self.state.publish_replicas(self.registry.iter().map(|(_, replica)| replica).collect());
    }
}
