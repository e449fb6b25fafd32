use super::{Changed, Config, Forecast, IncomingShare, Share, Stability, Table, TableSettings};
use crate::base::{
    Amount, Glob, Incarnation, Moment, Monotonic, Name, NodeId, ReplicaId, ReplicaIndex, Total, WallMillis,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const OTHER: ReplicaIndex = ReplicaIndex(1);

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

fn at(seconds: u64) -> Moment {
    Moment { monotonic: Monotonic::from_nanos(seconds * 1_000_000_000), wall: WallMillis(1_700_000_000_000) }
}

fn name(text: &str) -> Name<'_> {
    Name::new(text.as_bytes()).expect("a name")
}

fn add(table: &Table, counter: &str, by: i64) {
    table.increment(name(counter), Amount::from(by), at(1).monotonic).expect("in range");
}

/// A look at all shards as whoever has this pattern does it: what has changed, and how many were told of for nothing.
fn look(table: &Table, pattern: &str, seconds: u64) -> (BTreeMap<String, Amount>, usize) {
    let matches = |name: &[u8]| Glob::new(pattern.as_bytes()).matches(name);
    let (mut changed, mut steps) = (Vec::new(), 0);
    for shard in 0..=u8::MAX {
        while table.look_at_watched(shard, 3, at(seconds).monotonic, &matches, &mut changed) {
            steps += 1;
            assert!(steps < 100_000, "a look ends");
        }
    }
    let mut told = BTreeMap::new();
    let mut for_nothing = 0;
    for Changed { location, name, value } in changed {
        if matches(&name) {
            told.insert(String::from_utf8_lossy(&name).into_owned(), value);
        } else {
            for_nothing += 1;
            table.unwatch(location.expect("what is gone was watched"));
        }
    }
    (told, for_nothing)
}

fn told(table: &Table, pattern: &str, seconds: u64) -> Vec<(String, i64)> {
    let (told, _) = look(table, pattern, seconds);
    told.into_iter().map(|(name, value)| (name, value.to_i64().expect("a whole number"))).collect()
}

fn pairs(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

#[test]
fn nothing_is_noted_while_nobody_watches() {
    let table = table();
    add(&table, "a", 1);
    assert_eq!(look(&table, "*", 1), (BTreeMap::new(), 0));
    table.begin_matching();
    assert_eq!(told(&table, "*", 1), [], "what was before the pattern is no news");
    assert_eq!(table.watched(), 1);
}

#[test]
fn what_was_counted_before_the_pattern_and_is_announced_after_it_is_no_news() {
    let table = table();
    table.set_members(2);
    add(&table, "a", 1);
    table.begin_matching();
    let mut announced = Vec::new();
    table.drain(usize::MAX, at(1).monotonic, &mut announced);
    assert_eq!(announced.len(), 1);
    assert_eq!(told(&table, "*", 1), []);
    add(&table, "a", 1);
    assert_eq!(told(&table, "*", 2), pairs(&[("a", 2)]));
}

#[test]
fn a_change_is_told_once_and_only_if_the_value_is_another() {
    let table = table();
    add(&table, "a", 1);
    add(&table, "b", 1);
    table.begin_matching();
    assert_eq!(told(&table, "*", 1), []);
    add(&table, "a", 1);
    add(&table, "a", 1);
    add(&table, "b", 1);
    add(&table, "b", -1);
    assert_eq!(told(&table, "*", 2), pairs(&[("a", 3)]));
    assert_eq!(told(&table, "*", 3), []);
}

#[test]
fn a_change_right_after_the_pattern_came_is_told_before_any_look() {
    let table = table();
    add(&table, "a", 1);
    table.begin_matching();
    add(&table, "a", 1);
    add(&table, "new", 7);
    assert_eq!(told(&table, "*", 1), pairs(&[("a", 2), ("new", 7)]));
}

#[test]
fn counters_that_no_pattern_takes_in_are_looked_at_once_when_they_are_made() {
    let table = table();
    table.begin_matching();
    assert_eq!(told(&table, "a*", 1), []);
    for round in 0..3 {
        for counter in ["a1", "a2", "b1", "b2", "b3"] {
            add(&table, counter, 1);
        }
        let (told, for_nothing) = look(&table, "a*", 2 + round);
        assert_eq!((told.len(), for_nothing), (2, if round == 0 { 3 } else { 0 }));
    }
    assert_eq!(table.watched(), 2);
    // Another pattern takes in what was there before it.
    table.begin_matching();
    assert_eq!(told(&table, "b*", 5), []);
    add(&table, "b1", 1);
    assert_eq!(told(&table, "b*", 6), pairs(&[("b1", 4)]));
}

#[test]
fn a_deleted_counter_is_told_as_nothing_and_again_when_it_is_back() {
    let table = table();
    add(&table, "a", 5);
    table.begin_matching();
    told(&table, "*", 1);
    table.delete(name("a"), at(2)).expect("room");
    assert_eq!(told(&table, "*", 2), pairs(&[("a", 0)]));
    assert_eq!(told(&table, "*", 3), []);
    add(&table, "a", 5);
    assert_eq!(told(&table, "*", 4), pairs(&[("a", 5)]));
}

#[test]
fn a_counter_that_is_given_up_before_a_look_is_told_as_nothing() {
    let table = table();
    for counter in ["a", "b"] {
        add(&table, counter, 5);
    }
    table.begin_matching();
    told(&table, "*", 1);
    for counter in ["a", "b"] {
        table.delete(name(counter), at(2)).expect("room");
    }
    // With nobody else, everything is stable at once; the second time nothing is left.
    let mut rounds = 0;
    while table.held() > 0 {
        let stability = Stability {
            is_stable: &|_| true,
            is_settled: &|_, _| true,
            is_own_past: &|_| false,
            everyone_has: &|_, _| true,
        };
        for shard in 0..=u8::MAX {
            table.tend(shard, u64::MAX, &stability);
        }
        rounds += 1;
        assert!(rounds < 10, "{} are held", table.held());
    }
    assert_eq!(told(&table, "*", 3), pairs(&[("a", 0), ("b", 0)]));
    assert_eq!((told(&table, "*", 4), table.watched()), (Vec::new(), 0));
    add(&table, "a", 2);
    assert_eq!(told(&table, "*", 5), pairs(&[("a", 2)]));
}

#[test]
fn an_extrapolated_counter_is_looked_at_though_nobody_says_anything() {
    let table = table();
    let total = Total::from_units(Amount::from(100).units());
    let since = at(10).monotonic;
    let forecast = Forecast { total, rate: 10.0, whole: true, since };
    table.begin_matching();
    table.progress().set_heard_at(OTHER, since);
    let share = Share { born: 1, revision: 1, total };
    let incoming = IncomingShare { replica: OTHER, share, forecast: Some(forecast), in_order_at: None };
    table.take_share(name("a"), incoming);
    assert_eq!(told(&table, "*", 10), pairs(&[("a", 100)]));
    assert_eq!(told(&table, "*", 11), pairs(&[("a", 110)]));
    assert_eq!(told(&table, "*", 12), pairs(&[("a", 120)]));
    // Held still once its node is not heard.
    assert_eq!(told(&table, "*", 20), pairs(&[("a", 130)]));
    assert_eq!(told(&table, "*", 21), []);
    // Exact again, and no longer looked at.
    let total = Total::from_units(Amount::from(125).units());
    let share = Share { born: 1, revision: 2, total };
    table.take_share(name("a"), IncomingShare { replica: OTHER, share, forecast: None, in_order_at: None });
    assert_eq!(told(&table, "*", 22), pairs(&[("a", 125)]));
    assert_eq!(told(&table, "*", 23), []);
}

#[test]
fn nothing_is_left_once_the_patterns_are_gone() {
    let table = table();
    for counter in 0..100 {
        add(&table, &format!("a{counter}"), 1);
    }
    table.begin_matching();
    told(&table, "*", 1);
    assert_eq!(table.watched(), 100);
    add(&table, "a1", 1);
    table.end_matching();
    assert_eq!((told(&table, "*", 2), table.watched()), (Vec::new(), 0));
    add(&table, "a1", 1);
    table.begin_matching();
    assert_eq!(told(&table, "*", 3), [], "it was not noted while nobody watched");
}

#[test]
fn patterns_that_go_and_come_again_find_what_changed_since() {
    let table = table();
    for counter in 0..2000 {
        add(&table, &format!("a{counter}"), 1);
    }
    table.begin_matching();
    told(&table, "*", 1);
    for counter in 0..2000 {
        add(&table, &format!("a{counter}"), 1);
    }
    table.end_matching();
    // One step of forgetting in each shard, then somebody watches again.
    let mut changed = Vec::new();
    for shard in 0..=u8::MAX {
        table.look_at_watched(shard, 2, at(2).monotonic, &|_| true, &mut changed);
    }
    assert_eq!(changed, []);
    table.begin_matching();
    for counter in 0..2000 {
        add(&table, &format!("a{counter}"), 1);
    }
    assert_eq!(told(&table, "*", 3).len(), 2000);
    add(&table, "a7", 1);
    assert_eq!(told(&table, "*", 4), pairs(&[("a7", 4)]));
}

proptest! {
    /// Whatever is done in between, after a look everybody has been told what the counters stand at.
    #[test]
    fn what_was_told_is_what_is(steps in proptest::collection::vec((0_u8..8, 0_u8..6, -2_i64..3), 1..200)) {
        let table = table();
        let mut known: BTreeMap<String, i64> = BTreeMap::new();
        let mut names = BTreeSet::new();
        table.begin_matching();
        for (number, (counter, action, by)) in steps.into_iter().enumerate() {
            // Half of them are taken in.
            let counter = format!("{}{counter}", if counter % 2 == 0 { "in" } else { "out" });
            match action {
                0 => drop(table.delete(name(&counter), at(1))),
                1 => table.assign(name(&counter), Amount::from(by), at(1)).expect("room"),
                2 => {
                    for (name, value) in told(&table, "in*", 2 + number as u64) {
                        prop_assert!(name.starts_with("in"));
                        prop_assert_ne!(known.insert(name, value), Some(value));
                    }
                    for name in names.iter().filter(|name: &&String| name.starts_with("in")) {
                        let value = table.read(self::name(name), at(1).monotonic).unwrap_or_default();
                        prop_assert_eq!(known.get(name).copied().unwrap_or(0), value.to_i64().expect("whole"));
                    }
                    continue;
                }
                _ => add(&table, &counter, by),
            }
            names.insert(counter);
        }
    }
}
