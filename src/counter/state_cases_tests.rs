//! One counter's state in cases that are told apart by hand: predictions, lives, and old copies of what was given up.

use super::state_tests::{replica_id, units};
use super::*;
use crate::base::{Amount, HybridTime, Monotonic, ReplicaIndex, Stamp, Total};
use std::sync::Arc;

#[test]
fn a_set_is_what_is_read_next_whatever_was_predicted() {
    let mut state = CounterState::default();
    let (own, other) = (ReplicaIndex(0), ReplicaIndex(1));
    let share = Share { born: 1, revision: 1, total: Total::from_units(5) };
    let moving = Forecast { total: share.total, rate: 100.0, whole: true, since: Monotonic::ZERO };
    assert!(state.take_share(other, share, Some(moving)));
    let late = Monotonic::from_nanos(3_000_000_000);
    let read = |state: &CounterState| {
        state.value(own, |held| held.forecast.as_ref().map_or(held.share.total, |forecast| forecast.at(late))).clamped()
    };
    assert_eq!(read(&state).units(), 5 + Amount::from(300).units());
    let stamp = Stamp { time: HybridTime(1), replica: replica_id(0), number: 1 };
    let cut = state.others().map(|held| (held.replica, held.share)).collect();
    let base = Amount::from(7);
    let assignment = Assignment { stamp, origin: own, base, cut, context: Context::new([1, 1]), deleted: false };
    assert!(state.take_assignment(Arc::new(assignment), own, |_| 0));
    assert_eq!(read(&state), base);
    // The owner speaks again, and what it added since then is added.
    let share = Share { revision: 2, total: Total::from_units(8), ..share };
    assert!(state.take_share(other, share, None));
    assert_eq!(read(&state).units(), base.units() + 3);
}

#[test]
fn a_new_life_is_not_cut_by_an_old_cut() {
    let mut state = CounterState::default();
    let (own, other) = (ReplicaIndex(0), ReplicaIndex(1));
    let old = Share { born: 1, revision: 3, total: Total::from_units(100) };
    let stamp = Stamp { time: HybridTime(1), replica: replica_id(0), number: 1 };
    let cut = vec![(other, old)];
    let deletion =
        Assignment { stamp, origin: own, base: Amount::ZERO, cut, context: Context::new([1, 3]), deleted: true };
    state.take_assignment(Arc::new(deletion), own, |_| 0);
    assert!(!state.exists(own));
    state.take_retirement(Retired { replica: other, born: 1, by: other, number: 4 });
    assert!(state.take_share(other, Share { born: 5, revision: 5, total: Total::from_units(2) }, None));
    assert_eq!((units(&state, 0), state.exists(own)), (2, true));
    assert!(state.retired().is_empty());
}

#[test]
fn a_share_that_the_writer_knew_to_be_given_up_does_not_come_back() {
    let (own, other) = (ReplicaIndex(0), ReplicaIndex(1));
    let stamp = Stamp { time: HybridTime(1), replica: replica_id(2), number: 1 };
    let context = Context::new([0, 4, 1]);
    let set =
        Assignment { stamp, origin: ReplicaIndex(2), base: Amount::ONE, cut: Vec::new(), context, deleted: false };
    let stale = Share { born: 1, revision: 3, total: Total::from_units(100) };
    let later = Share { born: 5, revision: 5, total: Total::from_units(2) };
    for share_first in [true, false] {
        let mut state = CounterState::default();
        if share_first {
            state.take_share(other, stale, None);
        }
        state.take_assignment(Arc::new(set.clone()), own, |_| 0);
        assert!(!state.take_share(other, stale, None));
        assert_eq!(units(&state, 0), Amount::ONE.units());
        assert!(state.take_share(other, later, None));
        assert_eq!(units(&state, 0), Amount::ONE.units() + 2);
    }
}

/// Whoever was parted may bring back an old copy of what was given up meanwhile.
#[test]
fn an_old_copy_of_a_share_counts_nothing_beside_an_assignment_that_had_seen_more_of_it() {
    let (own, other) = (ReplicaIndex(0), ReplicaIndex(1));
    let stamp = Stamp { time: HybridTime(1), replica: replica_id(2), number: 1 };
    let seen = Share { born: 1, revision: 9, total: Total::from_units(100) };
    let context = Context::new([0, 9, 1]);
    let set = Assignment { stamp, origin: ReplicaIndex(2), base: Amount::ONE, cut: vec![], context, deleted: false };
    let old = Share { born: 1, revision: 3, total: Total::from_units(40) };
    let seen_of_a_later_life = Share { born: 7, ..seen };
    let cases = [(true, seen), (false, seen), (true, seen_of_a_later_life), (false, seen_of_a_later_life)];
    for (share_first, seen) in cases {
        let mut state = CounterState::default();
        if share_first {
            assert!(state.take_share(other, old, None));
        }
        // Everything of it was received, and given up.
        let set = Assignment { cut: vec![(other, seen)], ..set.clone() };
        state.take_assignment(Arc::new(set), own, |_| 9);
        assert!(!state.take_share(other, old, None));
        assert_eq!(units(&state, 0), Amount::ONE.units(), "{share_first}");
        assert!(state.take_share(other, Share { born: 12, revision: 12, total: Total::from_units(2) }, None));
        assert_eq!(units(&state, 0), Amount::ONE.units() + 2);
    }
}

#[test]
fn what_an_assignment_had_seen_and_was_given_up_since_does_not_count_again_beside_the_next_one() {
    let (own, other) = (ReplicaIndex(0), ReplicaIndex(1));
    let last_word = Share { born: 1, revision: 12, total: Total::from_units(5) };
    let deletion = |number, cut, context| Assignment {
        stamp: Stamp { time: HybridTime(number), replica: replica_id(2), number },
        origin: ReplicaIndex(2),
        base: Amount::ZERO,
        cut,
        context,
        deleted: true,
    };
    // The writer heard of the share's last revision alone, and has all that its replica said up to the one before.
    let received = Context::new([0, 11, 1]);
    let first = deletion(1, vec![(other, last_word)], received.clone());
    let mut holder = CounterState::default();
    assert!(holder.take_share(other, last_word, None));
    assert!(holder.take_assignment(Arc::new(first.clone()), own, |_| 0));
    let held = first.context_after(&first.cut, received.clone());
    assert!(held.is_shared_with(&received), "what is in the cut needs no context");
    // The share was given up at the writer, and not yet at who holds it.
    let context = first.context_after(&[], received);
    assert_eq!(context.iter().collect::<Vec<_>>(), [(other, 12), (ReplicaIndex(2), 1)]);
    assert!(holder.take_assignment(Arc::new(deletion(2, Vec::new(), context)), own, |_| 0));
    assert_eq!((units(&holder, 0), holder.exists(own)), (0, false));
}
