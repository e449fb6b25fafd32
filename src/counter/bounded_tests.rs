//! Readings that promise something: what they evaluate, what they leave out, and when the promise is wider.

use super::*;
use crate::base::{
    Amount, HybridTime, Incarnation, Moment, Monotonic, Name, NodeId, ReplicaId, ReplicaIndex, Stamp, Total, WallMillis,
};
use std::time::Duration;

const PEER: ReplicaIndex = ReplicaIndex(1);

fn node(number: u8) -> NodeId {
    NodeId::new([number; 20])
}

fn replica(number: u8) -> ReplicaId {
    ReplicaId { node: node(number), incarnation: Incarnation(1) }
}

fn ms(milliseconds: u64) -> Monotonic {
    Monotonic::from_nanos(milliseconds * 1_000_000)
}

fn moment(milliseconds: u64) -> Moment {
    Moment { monotonic: ms(milliseconds), wall: WallMillis(milliseconds) }
}

fn precision(value: i64) -> Precision {
    Precision::new(Amount::from(value)).expect("not negative")
}

fn name() -> Name<'static> {
    Name::new(b"clicks").expect("a name")
}

fn total(value: i64) -> Total {
    Total::from_units(Amount::from(value).units())
}

fn stamp(time: u64, number: u64) -> Stamp {
    Stamp { time: HybridTime(time), replica: replica(2), number }
}

/// A table with one peer, which had told everything at `told_ms` and splits precision over two.
fn table(told_ms: u64) -> Table {
    let table = Table::new(TableSettings {
        config: Config::default(),
        lease: Duration::from_secs(3),
        replica: replica(1),
        replica_index: ReplicaIndex(0),
        hash_seeds: [1, 2, 3, 4],
        wake: Box::new(|| ()),
    });
    table.set_members(2);
    let told = Told { as_of: ms(told_ms - 1), evaluate_at: ms(told_ms), members: 2 };
    let member = MemberStanding {
        node: node(2),
        replica: Some(PEER),
        default_precision: precision(8),
        told: Some(told),
        shifted: (Monotonic::ZERO, Duration::ZERO),
    };
    table.progress().set_heard_at(PEER, ms(told_ms));
    table.progress().update_standings(|standings| {
        standings.members = vec![member];
        standings.confirmed = vec![0, 0];
    });
    table
}

fn take(table: &Table, revision: u64, value: i64, rate: f32, said_ms: u64) {
    let share = Share { born: 1, revision, total: total(value) };
    let forecast = Some(Forecast { total: total(value), rate, whole: true, since: ms(said_ms) });
    table.take_share(name(), IncomingShare { replica: PEER, share, forecast, in_order_at: None });
}

fn read(table: &Table, at_ms: u64) -> (Amount, Amount, u64, usize) {
    let reading = table.read_bounded(name(), ms(at_ms));
    let value = reading.value.unwrap_or_default();
    (value, reading.bound, reading.as_of.as_nanos() / 1_000_000, reading.outside_lease.len())
}

#[test]
fn a_prediction_is_evaluated_when_its_owner_last_vouched_for_it() {
    let table = table(1_000);
    take(&table, 1, 100, 10.0, 500);
    assert_eq!(table.read(name(), ms(1_200)), Some(Amount::from(107)));
    assert_eq!(read(&table, 1_200), (Amount::from(105), Amount::from(4), 999, 0));
    table.increment(name(), Amount::from(7), ms(1_200)).expect("in range");
    assert_eq!(read(&table, 1_200).0, Amount::from(112));
}

#[test]
fn a_member_that_is_silent_for_longer_than_its_lease_is_named_and_no_longer_counts_for_the_age() {
    let table = table(1_000);
    take(&table, 1, 100, 0.0, 500);
    assert_eq!(read(&table, 4_000), (Amount::from(100), Amount::from(4), 999, 0));
    assert_eq!(read(&table, 4_001), (Amount::from(100), Amount::from(4), 4_001, 1));
}

#[test]
fn what_a_set_left_out_is_in_the_bound_until_its_owner_speaks() {
    let table = table(1_000);
    take(&table, 1, 100, 10.0, 500);
    table.assign(name(), Amount::from(3), moment(1_000)).expect("room");
    assert_eq!(table.read(name(), ms(1_000)), Some(Amount::from(3)));
    // Five were expected beyond what the SET had seen.
    assert_eq!(read(&table, 1_000), (Amount::from(3), Amount::from(9), 999, 0));
    take(&table, 2, 106, 0.0, 1_000);
    assert_eq!(read(&table, 1_000), (Amount::from(9), Amount::from(4), 999, 0));
}

#[test]
fn a_forecast_that_comes_after_the_cut_that_told_of_its_share_is_kept_for_the_bound() {
    let table = table(1_000);
    let share = Share { born: 1, revision: 1, total: total(100) };
    let assignment = Assignment {
        stamp: stamp(5, 2),
        origin: PEER,
        base: Amount::from(3),
        cut: vec![(PEER, share)],
        context: Context::new([]),
        deleted: false,
    };
    table.take_assignment(name(), std::sync::Arc::new(assignment));
    take(&table, 1, 100, 10.0, 500);
    assert_eq!(table.read(name(), ms(1_000)), Some(Amount::from(3)));
    assert_eq!(read(&table, 1_000).1, Amount::from(9));
}

#[test]
fn a_replica_that_has_ended_is_read_as_it_was_last_told_and_exactly() {
    let table = table(1_000);
    take(&table, 1, 100, 10.0, 500);
    assert_eq!(table.read(name(), ms(900)), Some(Amount::from(104)));
    table.progress().set_ended(PEER, true);
    assert_eq!(table.read(name(), ms(900)), Some(Amount::from(100)));
    let (value, bound, ..) = read(&table, 1_200);
    assert_eq!((value, bound), (Amount::from(100), Amount::ZERO));
}

#[test]
fn a_clock_that_was_measured_anew_widens_the_bound_of_what_began_before() {
    let table = table(1_000);
    take(&table, 1, 100, 10.0, 500);
    table.progress().update_standings(|standings| {
        standings.members[0].shifted = (ms(600), Duration::from_millis(200));
    });
    assert_eq!(read(&table, 1_000).1, Amount::from(6));
    take(&table, 2, 106, 10.0, 700);
    assert_eq!(read(&table, 1_000).1, Amount::from(4));
}

#[test]
fn until_all_have_heard_of_a_precision_its_owner_keeps_the_narrower_and_readers_reckon_with_the_wider() {
    let keeps = |table: &Table| table.inspect(name()).expect("it is there").precision_to_keep(|| precision(1));
    for (set, kept, reckoned) in [(0, 0, 4), (100, 1, 50)] {
        let table = table(1_000);
        take(&table, 1, 100, 0.0, 500);
        table.set_precision(name(), precision(set), moment(1_000)).expect("room");
        assert_eq!(table.precision(name()), precision(set));
        table.settle_precisions(ms(1_000));
        assert_eq!((keeps(&table), read(&table, 1_000).1), (precision(kept), Amount::from(reckoned)));
        table.progress().update_standings(|standings| standings.confirmed = vec![10, 10]);
        table.settle_precisions(ms(1_000));
        assert_eq!((keeps(&table), read(&table, 1_000).1), (precision(set), Amount::from(set / 2)));
        let outside = |table: &Table| table.read_bounded(name(), ms(1_000)).outside_lease;
        assert!(outside(&table).is_empty());
        // One that was away comes back, and goes by what nobody remembers.
        table.progress().update_standings(|standings| standings.confirmed = vec![0, 0]);
        assert_eq!(outside(&table).len(), 1);
    }
}

#[test]
fn corrections_that_are_larger_than_the_precision_make_the_effective_one() {
    let table = table(1_000);
    let location = {
        let share = Share { born: 1, revision: 1, total: total(100) };
        table.take_share(name(), IncomingShare { replica: PEER, share, forecast: None, in_order_at: None })
    };
    let news = |revision, value, in_order_at| {
        let share = Share { born: 1, revision, total: total(value) };
        assert!(table.take_share_at(location, IncomingShare { replica: PEER, share, forecast: None, in_order_at }));
    };
    news(2, 101, Some(ms(1_000)));
    assert_eq!(table.effective_precision(name(), ms(1_000)), precision(1));
    news(3, 150, None);
    assert_eq!(table.effective_precision(name(), ms(1_000)), precision(1), "what was lost is not the flush's doing");
    news(4, 157, Some(ms(1_100)));
    news(5, 160, Some(ms(1_200)));
    assert_eq!(table.effective_precision(name(), ms(1_300)), precision(7));
    assert_eq!(table.largest_effective_precision(ms(1_300)), precision(7));
    assert_eq!(table.counters_beyond_precision(ms(1_300)), 1);
    assert_eq!(table.effective_precision(name(), ms(11_101)), precision(1));
    assert_eq!(table.counters_beyond_precision(ms(11_101)), 0);
    assert_eq!(table.largest_effective_precision(ms(11_101)), precision(1));
}
