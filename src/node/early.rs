//! Retirements that arrived before what was said before them: kept until that has come, up to a bound.
//!
//! One that finds no room must come again. So of the replica that said it, nothing from its number on counts as received
//! when the repair that brought it ends, nor when another does that may have brought it too: it is lacking still, and the
//! next repair brings it. Those with the lowest numbers are kept, so that each repair comes further than the one before.

use crate::base::{NodeId, ReplicaIndex};
use crate::counter::Retired;
use crate::replication::NumberSet;
use std::collections::{BTreeMap, BTreeSet};

/// The most that wait for what was said before them: some 30 MB with names of usual length.
const MOST: usize = 1 << 18;

/// The replica that said it, and its number.
type Said = (ReplicaIndex, u64);
/// The counter's name, and what was given up of it.
type Named = (Box<[u8]>, Retired);
type Waiting = BTreeMap<Said, Named>;

/// Retirements that wait.
#[derive(Debug)]
pub(super) struct EarlyRetirements {
    most: usize,
    /// Their numbers do not count as received yet.
    fresh: Waiting,
    /// Their numbers do, so none may be dropped any more.
    counted: Waiting,
    /// Peers that have sent some, and not yet the end of the repair they belong to. A repair that was given up belongs to
    /// them: its end may still come, and be taken for the end of the next.
    senders: BTreeSet<NodeId>,
    /// The lowest number of a replica that was dropped, of what such a peer sent or may have sent.
    dropped: BTreeMap<(NodeId, ReplicaIndex), u64>,
}

impl Default for EarlyRetirements {
    fn default() -> Self {
        Self::with_room_for(MOST)
    }
}

impl EarlyRetirements {
    fn with_room_for(most: usize) -> Self {
        let (fresh, counted) = (Waiting::new(), Waiting::new());
        Self { most, fresh, counted, senders: BTreeSet::new(), dropped: BTreeMap::new() }
    }

    /// Keeps one, or drops the one with the highest number of those that the same replica said.
    pub(super) fn keep(&mut self, from: NodeId, name: &[u8], retired: Retired) {
        self.senders.insert(from);
        let key = (retired.by, retired.number);
        self.fresh.insert(key, (name.into(), retired));
        if self.fresh.len() <= self.most {
            return;
        }
        // There is one at least: the one that just came.
        let last =
            self.fresh.range((retired.by, 0)..=(retired.by, u64::MAX)).next_back().map_or(key, |(last, _)| *last);
        self.fresh.remove(&last);
        for sender in &self.senders {
            let lowest = self.dropped.entry((*sender, last.0)).or_insert(last.1);
            *lowest = last.1.min(*lowest);
        }
    }

    /// What of the numbers that a peer had at the end of a repair counts as received.
    pub(super) fn received(&self, from: NodeId, replica: ReplicaIndex, theirs: &NumberSet) -> NumberSet {
        // With too many that cannot be dropped, no more are made such.
        let ranges = if self.counted.len() < self.most { theirs.ranges() } else { &[] };
        let below = self.dropped.get(&(from, replica)).map_or(u64::MAX, |dropped| dropped.saturating_sub(1));
        let ranges = ranges.iter().filter(|(first, _)| *first <= below).map(|(first, last)| (*first, below.min(*last)));
        NumberSet::new(theirs.contiguous().min(below), ranges)
    }

    /// Those whose numbers count as received, from this number of this replica on: a peer may be told of them.
    pub(super) fn counted_from(&self, by: ReplicaIndex, number: u64) -> impl Iterator<Item = (&Said, &Named)> {
        self.counted.range((by, number)..)
    }

    /// Whether one of this replica's waits for nothing any more, where everything up to a number has been received.
    pub(super) fn is_any_due(&self, by: ReplicaIndex, contiguous: u64) -> bool {
        self.counted.range((by, 0)..=(by, contiguous)).next().is_some()
    }

    /// A peer has sent the end of a repair, and what it had has been taken over.
    pub(super) fn end(&mut self, from: NodeId) {
        self.senders.remove(&from);
        self.dropped.retain(|(sender, _), _| *sender != from);
    }

    /// Takes those out before which nothing is lacking any more, in the order of their numbers.
    pub(super) fn take_due<'a>(&mut self, held: impl Fn(ReplicaIndex) -> &'a NumberSet) -> Vec<Named> {
        let is_counted = |(by, number): &Said| held(*by).contains(*number);
        let counted = self.fresh.extract_if(.., |key, _| is_counted(key));
        self.counted.extend(counted);
        let is_due = |(by, number): &Said| held(*by).contiguous() >= *number;
        self.counted.extract_if(.., |key, _| is_due(key)).map(|(_, retirement)| retirement).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BY: ReplicaIndex = ReplicaIndex(1);

    fn node(byte: u8) -> NodeId {
        NodeId::new([byte; 20])
    }

    fn retired(number: u64) -> Retired {
        Retired { replica: BY, born: number, by: BY, number }
    }

    fn numbers(taken: &[Named]) -> Vec<u64> {
        taken.iter().map(|(_, retired)| retired.number).collect()
    }

    /// What a receiver does at the end of a repair.
    fn end(early: &mut EarlyRetirements, held: &mut NumberSet, from: NodeId, theirs: &NumberSet) -> Vec<u64> {
        held.unite(&early.received(from, BY, theirs));
        early.end(from);
        numbers(&early.take_due(|_| held))
    }

    #[test]
    fn they_wait_for_what_was_said_before_them() {
        let (mut early, mut held) = (EarlyRetirements::default(), NumberSet::default());
        early.keep(node(2), b"a", retired(5));
        assert!(early.take_due(|_| &held).is_empty());
        let theirs = NumberSet::new(3, [(5, 5)]);
        assert!(end(&mut early, &mut held, node(2), &theirs).is_empty());
        assert!(held.contains(5));
        held.insert(4, 4);
        assert_eq!(numbers(&early.take_due(|_| &held)), [5]);
        assert!(early.take_due(|_| &held).is_empty());
    }

    #[test]
    fn an_end_that_comes_late_does_not_count_what_was_dropped_since() {
        let (mut early, mut held) = (EarlyRetirements::with_room_for(1), NumberSet::default());
        early.keep(node(2), b"a", retired(7));
        // That repair was given up, and the next peer sends a lower number, for which there is room then.
        early.keep(node(3), b"b", retired(4));
        assert_eq!(end(&mut early, &mut held, node(2), &NumberSet::new(9, [])), [4]);
        assert_eq!(held.contiguous(), 6, "7 is to come again");
        assert_eq!(end(&mut early, &mut held, node(3), &NumberSet::new(9, [])), Vec::<u64>::new());
        assert_eq!(held.contiguous(), 6, "the third may have had it among what it sent");
        early.keep(node(3), b"a", retired(7));
        assert_eq!(end(&mut early, &mut held, node(3), &NumberSet::new(9, [])), [7]);
        assert_eq!(held.contiguous(), 9);
    }

    #[test]
    fn what_counts_as_received_is_never_dropped_and_does_not_pile_up() {
        let (mut early, mut held) = (EarlyRetirements::with_room_for(3), NumberSet::default());
        for number in (10..100).step_by(2) {
            early.keep(node(2), b"a", retired(number));
            end(&mut early, &mut held, node(2), &NumberSet::new(0, [(number, number)]));
        }
        assert!(early.fresh.len() <= 3 && early.counted.len() <= 3);
        let waiting: Vec<u64> = early.counted.keys().map(|(_, number)| *number).collect();
        let counted: Vec<u64> = (10..100).filter(|number| held.contains(*number)).collect();
        assert_eq!(waiting, counted);
    }

    proptest! {
        /// A peer has many, and sends all that is lacking in any order, again and again.
        #[test]
        fn all_are_taken_once_and_in_a_few_rounds(
            order in Just((1..=200_u64).collect::<Vec<_>>()).prop_shuffle(),
            most in 1_usize..60,
        ) {
            let (mut early, mut held) = (EarlyRetirements::with_room_for(most), NumberSet::default());
            let (mut taken, mut rounds) = (Vec::new(), 0);
            while held.contiguous() < 200 {
                rounds += 1;
                prop_assert!(rounds <= 200 / most + 1, "no end");
                for number in order.iter().filter(|number| !held.contains(**number)) {
                    early.keep(node(2), b"a", retired(*number));
                    prop_assert!(early.fresh.len() <= most);
                }
                taken.extend(end(&mut early, &mut held, node(2), &NumberSet::new(200, [])));
            }
            prop_assert_eq!(taken, (1..=200).collect::<Vec<_>>());
        }
    }
}
