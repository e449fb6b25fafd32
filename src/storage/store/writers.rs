//! As which replica the node counted, by the numbers that the engine gives to what is written.
//!
//! A stored counter does not name the replica whose share it calls its own. Where everything can be read that is the one
//! of the node's record; where only parts can, a part may be older or newer than the record.

use super::mark::Mark;
use crate::base::{Incarnation, ReplicaId};
use std::collections::HashMap;

/// What is certain of it.
#[derive(Debug, Default)]
pub(super) struct Writers {
    /// The first and the last number of each. A node never goes back to a replica that it was before, so what lies between
    /// the two is of the same one.
    spans: HashMap<ReplicaId, (u64, u64)>,
}

impl Writers {
    /// What was written with these numbers was written as this replica.
    pub(super) fn note(&mut self, replica: ReplicaId, first: u64, last: u64) {
        let span = self.spans.entry(replica).or_insert((first, last));
        *span = (span.0.min(first), span.1.max(last));
    }

    /// A mark was written with this number. One of a store that had not counted yet says nothing.
    pub(super) fn note_mark(&mut self, mark: &Mark, number: u64) {
        if mark.incarnation != Incarnation(0) {
            self.note(ReplicaId { node: mark.node, incarnation: mark.incarnation }, mark.own_since, number);
        }
    }

    /// As which replica something was written, where that is certain.
    pub(super) fn of(&self, number: u64) -> Option<ReplicaId> {
        let holds = |(_, (first, last)): &(&ReplicaId, &(u64, u64))| (*first..=*last).contains(&number);
        let mut found = self.spans.iter().filter(holds).map(|(replica, _)| *replica);
        found.next().filter(|_| found.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::NodeId;

    #[test]
    fn only_what_lies_between_two_words_of_one_replica_is_known_to_be_its_own() {
        let replica = |incarnation| ReplicaId { node: NodeId::new([7; 20]), incarnation: Incarnation(incarnation) };
        let mut writers = Writers::default();
        writers.note(replica(1), 10, 20);
        writers.note(replica(1), 15, 15);
        writers.note(replica(1), 30, 30);
        writers.note(replica(2), 40, 40);
        let known: Vec<_> = [9, 10, 25, 30, 31, 39, 40, 41].into_iter().map(|number| writers.of(number)).collect();
        let (none, one, two) = (None, Some(replica(1)), Some(replica(2)));
        assert_eq!(known, [none, one, one, one, none, none, two, none]);
        // What cannot be is not believed either.
        writers.note(replica(2), 20, 20);
        assert_eq!(writers.of(25), None);
    }
}
