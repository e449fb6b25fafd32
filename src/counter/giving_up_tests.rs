//! How deleted counters are given up, and that nothing brings them back.

use super::behaviour_tests::*;
use super::*;
use crate::base::{Amount, HybridTime, ReplicaIndex, Stamp};
use std::sync::Arc;

pub(super) fn tend_all(table: &Table, everyone_has: bool) -> Tended {
    let yes = |_: ReplicaIndex, _: u64| everyone_has;
    let stability = Stability {
        is_stable: &|_| everyone_has,
        is_settled: &yes,
        is_own_past: &|replica| replica == ReplicaIndex(2),
        everyone_has: &yes,
    };
    let mut all = Tended::default();
    for shard in 0..=u8::MAX {
        all.add(table.tend(shard, u64::MAX, &stability));
    }
    all.looked_at = 0;
    all
}

#[test]
fn deleted_counters_give_their_memory_back() {
    let table = table();
    for round in 1..=3_u64 {
        let now = round * 20 * SECOND;
        for n in 0..500 {
            let counter = format!("n{n}");
            increment(&table, &counter, 1, now);
            if n % 2 == 0 {
                // The round's numbers of the peer come after those of the last round.
                table.take_share(name(&counter), exact(PEER, round * 1000 + n, round * 1000 + n, 7));
            }
        }
        quiet(&table, now, now + 3 * SECOND);
        assert_eq!((table.len(), table.held()), (500, 500));
        for n in 0..500 {
            assert_eq!(table.delete(name(&format!("n{n}")), at(now + 3 * SECOND)), Ok(true));
        }
        quiet(&table, now + 3 * SECOND, now + 6 * SECOND);
        assert_eq!((table.len(), table.held()), (0, 500));
        assert_eq!(tend_all(&table, false), Tended::default(), "before all have it nothing is given up");
        let done = tend_all(&table, true);
        assert_eq!(
            (done.shares_retired, done.tombstones_dropped),
            (500, 250),
            "a peer's share is the peer's to give up"
        );
        let retired = drained(&table, now + 6 * SECOND);
        let said = |announcement: &&Announcement| matches!(announcement.body, AnnouncementBody::Retirement { .. });
        assert_eq!(retired.iter().filter(said).count(), 500);
        for n in (0..500).step_by(2) {
            let (born, number) = (round * 1000 + n, round * 1000 + 500 + n);
            table.take_retirement(name(&format!("n{n}")), Retired { replica: PEER, born, by: PEER, number });
        }
        tend_all(&table, true);
        tend_all(&table, true);
        assert_eq!((table.len(), table.held()), (0, 0));
    }
}

#[test]
fn a_share_that_came_back_to_the_cut_is_kept_until_all_have_seen_it_come_back() {
    let table = table();
    increment(&table, "a", 5, SECOND);
    drained(&table, SECOND);
    table.delete(name("a"), at(SECOND)).expect("room");
    let cut = table.last_number();
    for by in [1, -1] {
        increment(&table, "a", by, 2 * SECOND);
        quiet(&table, 2 * SECOND, 5 * SECOND);
    }
    let share = table.inspect(name("a")).and_then(|state| state.own()).expect("its share");
    assert!(share.revision > cut);
    let tend = |up_to: u64| {
        let stability = Stability {
            is_stable: &|_| true,
            is_settled: &|_, _| true,
            is_own_past: &|_| false,
            everyone_has: &|_, number| number <= up_to,
        };
        (0..=u8::MAX).map(|shard| table.tend(shard, u64::MAX, &stability).shares_retired).sum::<u64>()
    };
    assert_eq!(tend(share.revision - 1), 0);
    assert_eq!(tend(share.revision), 1);
}

#[test]
fn a_retirement_of_an_unknown_counter_is_passed_on_until_all_have_it() {
    let table = table();
    let retired = Retired { replica: PEER, born: 3, by: PEER, number: 9 };
    let place = table.take_retirement(name("a"), retired);
    let mut said = Vec::new();
    table.visit_items_at(place, &has_nothing, at(SECOND).monotonic, &mut |name, _, item| {
        if let NumberedItem::Retired(note) = item {
            said.push((name.to_vec(), *note));
        }
    });
    assert_eq!(said, [(b"a".to_vec(), retired)]);
    assert_eq!((table.len(), table.held(), table.read(name("a"), at(SECOND).monotonic)), (0, 1, None));
    tend_all(&table, true);
    assert_eq!(table.held(), 0);
}

#[test]
fn a_relayed_deletion_brings_no_share_back_that_was_given_up_since() {
    let deletion = |context: [u64; 2]| {
        let stamp = Stamp { time: HybridTime(1), replica: replica(2, 1), number: 9 };
        let share = exact(PEER, 1, 5, 3).share;
        let third = (ReplicaIndex(3), exact(ReplicaIndex(3), 2, 4, 1).share);
        let (cut, context) = (vec![(PEER, share), third], Context::new(context));
        Arc::new(Assignment { stamp, origin: PEER, base: Amount::ZERO, cut, context, deleted: true })
    };
    let (direct, relayed) = (table(), table());
    direct.take_assignment(name("a"), deletion([0, 9]));
    assert_eq!(direct.inspect(name("a")).map(|state| state.others().count()), Some(2), "a cut is news about shares");
    let relayer_has = |replica| if replica == PEER { 20 } else { 0 };
    relayed.take_relayed_assignment(name("a"), deletion([0, 9]), &relayer_has);
    let others = relayed.inspect(name("a")).map(|state| state.others().map(|held| held.replica).collect());
    assert_eq!(others, Some(vec![ReplicaIndex(3)]));
    assert_eq!(relayed.read(name("a"), at(SECOND).monotonic), None);
}

#[test]
fn a_reused_place_is_told_from_the_one_before() {
    let table = table();
    let place = table.take_share(name("a"), exact(PEER, 1, 1, 5));
    assert!(table.take_share_at(place, exact(PEER, 1, 2, 6)));
    assert!(!table.take_share_at(place, exact(PEER, 9, 9, 1)), "another life");
    assert!(!table.take_share_at(place, exact(ReplicaIndex(3), 1, 2, 6)), "another replica");
    table.delete(name("a"), at(SECOND)).expect("room");
    drained(&table, SECOND);
    table.take_retirement(name("a"), Retired { replica: PEER, born: 1, by: PEER, number: 3 });
    tend_all(&table, true);
    assert_eq!(table.held(), 0);
    assert!(!table.take_share_at(place, exact(PEER, 1, 4, 7)), "nothing is there any more");
    let mut again = 0;
    let taken = loop {
        let text = format!("b{again}");
        if table.take_share(name(&text), exact(PEER, 10 + again, 10 + again, 1)) == place {
            break text;
        }
        again += 1;
        assert!(again < 100_000, "the place is never used again");
    };
    assert!(!table.take_share_at(place, exact(PEER, 1, again + 100, 99)));
    assert_eq!(table.read(name(&taken), at(SECOND).monotonic), Some(Amount::ONE));
    assert_eq!(table.read(name("a"), at(SECOND).monotonic), None);
}
