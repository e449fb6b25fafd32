use super::{AnnouncementBody, Config, Table, TableSettings};
use crate::base::{Amount, Incarnation, Moment, Monotonic, Name, NodeId, ReplicaId, ReplicaIndex, WallMillis};
use std::collections::BTreeMap;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

fn table() -> Table {
    Table::new(TableSettings {
        config: Config::default(),
        lease: Duration::from_secs(3),
        replica: ReplicaId { node: NodeId::new([1; 20]), incarnation: Incarnation(1) },
        replica_index: ReplicaIndex::default(),
        hash_seeds: [1, 2, 3, 4],
        wake: Box::new(|| {}),
    })
}

fn at(nanos: u64) -> Moment {
    Moment { monotonic: Monotonic::from_nanos(nanos), wall: WallMillis(1_700_000_000_000 + nanos / 1_000_000) }
}

fn increment(table: &Table, name: &str, nanos: u64) {
    let name = Name::new(name.as_bytes()).expect("a name");
    table.increment(name, Amount::ONE, at(nanos).monotonic).expect("in range");
}

/// What peers would know after all that is drained: totals of shares by location, and the names told.
fn drained(table: &Table, nanos: u64) -> (BTreeMap<u32, i128>, Vec<String>) {
    let (mut totals, mut names) = (BTreeMap::new(), Vec::new());
    while table.has_news() {
        let mut out = Vec::new();
        table.drain(100, at(nanos).monotonic, &mut out);
        assert!(out.len() < 200, "no more than the limit and one shard");
        for announcement in out {
            if let AnnouncementBody::Share { name, total, .. } = announcement.body {
                totals.insert(announcement.location.0, total.units());
                names.extend(name.map(|name| String::from_utf8_lossy(&name).into_owned()));
            }
        }
    }
    names.sort();
    (totals, names)
}

#[test]
fn what_was_counted_alone_is_announced_when_a_second_member_comes() {
    let table = table();
    for round in 0..5 {
        for counter in 0..1000 {
            increment(&table, &format!("n{counter}"), SECOND * (round + 1));
        }
    }
    assert!(!table.has_news(), "there is nobody to tell");
    assert_eq!(table.next_timer(), Monotonic::NEVER, "nothing is predicted");
    table.set_members(2);
    let (totals, names) = drained(&table, 6 * SECOND);
    assert_eq!((totals.len(), names.len()), (1000, 1000));
    assert!(totals.values().all(|total| *total == Amount::from(5).units()));
    assert_eq!(drained(&table, 7 * SECOND).0.len(), 0, "once is enough");
}

#[test]
fn what_is_counted_after_the_last_peer_has_gone_is_announced_to_the_next() {
    let table = table();
    table.set_members(2);
    for step in 0..100 {
        increment(&table, "a", SECOND + step * 20_000_000);
        drained(&table, SECOND + step * 20_000_000);
    }
    table.set_members(1);
    increment(&table, "a", 4 * SECOND);
    table.run_timers(at(10 * SECOND).monotonic);
    increment(&table, "a", 10 * SECOND);
    assert!(!table.has_news());
    table.set_members(3);
    let (totals, names) = drained(&table, 11 * SECOND);
    assert_eq!(totals.into_values().collect::<Vec<_>>(), [Amount::from(102).units()]);
    assert!(names.is_empty(), "peers know it by its place");
}

#[test]
fn a_set_alone_has_seen_the_increments_before_it() {
    let table = table();
    let name = Name::new(b"a").expect("a name");
    increment(&table, "a", SECOND);
    table.assign(name, Amount::from(10), at(SECOND)).expect("room");
    increment(&table, "a", SECOND);
    assert_eq!(table.read(name, at(SECOND).monotonic), Some(Amount::from(11)));
    let state = table.inspect(name).expect("it is held");
    let cut = state.assignment().and_then(|assignment| assignment.cut_of(ReplicaIndex::default())).copied();
    let cut = cut.expect("the share was numbered for the cut");
    assert_eq!((cut.total.units(), cut.born > 0), (Amount::ONE.units(), true));
}
