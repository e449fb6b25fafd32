//! What a table promises its users: announcements, refusals that change nothing, complete scans, and threads.

use super::giving_up_tests::tend_all;
use super::*;
use crate::base::{
    Amount, Incarnation, Location, Moment, Monotonic, Name, NodeId, ReplicaId, ReplicaIndex, Total, WallMillis,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const OWN: ReplicaIndex = ReplicaIndex(0);
pub(super) const PEER: ReplicaIndex = ReplicaIndex(1);
pub(super) const MILLISECOND: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1_000_000_000;

pub(super) fn replica(node: u8, incarnation: u64) -> ReplicaId {
    ReplicaId { node: NodeId::new([node; 20]), incarnation: Incarnation(incarnation) }
}

fn table_of(config: Config) -> Table {
    let table = Table::new(TableSettings {
        config,
        lease: Duration::from_secs(3),
        replica: replica(1, 1),
        replica_index: OWN,
        hash_seeds: [1, 2, 3, 4],
        wake: Box::new(|| ()),
    });
    table.set_members(2);
    table
}

pub(super) fn table() -> Table {
    table_of(Config::default())
}

pub(super) fn name(text: &str) -> Name<'_> {
    Name::new(text.as_bytes()).expect("a name")
}

pub(super) fn has_nothing(_: ReplicaIndex, _: u64) -> bool {
    false
}

pub(super) fn at(nanos: u64) -> Moment {
    Moment { monotonic: Monotonic::from_nanos(nanos), wall: WallMillis(1_700_000_000_000 + nanos / MILLISECOND) }
}

pub(super) fn increment(table: &Table, counter: &str, by: i64, nanos: u64) -> Amount {
    table.increment(name(counter), Amount::from(by), at(nanos).monotonic).expect("in range")
}

pub(super) fn precision(value: i64) -> Precision {
    Precision::new(Amount::from(value)).expect("not negative")
}

/// All that waits to be announced.
pub(super) fn drained(table: &Table, nanos: u64) -> Vec<Announcement> {
    let mut out = Vec::new();
    while table.has_news() {
        table.drain(100, at(nanos).monotonic, &mut out);
    }
    out
}

/// Lets timers and flushes go on until nothing is due before `until`.
pub(super) fn quiet(table: &Table, from: u64, until: u64) -> Vec<Announcement> {
    let mut out = Vec::new();
    let mut now = from;
    while now < until {
        out.extend(drained(table, now));
        table.run_timers(at(now).monotonic);
        now += 5 * MILLISECOND;
    }
    out.extend(drained(table, until));
    out
}

pub(super) fn shares(announcements: &[Announcement]) -> Vec<(Option<String>, Amount, f32)> {
    let told = announcements.iter().filter_map(|announcement| match &announcement.body {
        AnnouncementBody::Share { name, total, rate, .. } => {
            let name = name.as_ref().map(|name| String::from_utf8_lossy(name).into_owned());
            Some((name, Amount::from_units(total.units()).expect("in range"), *rate))
        }
        _ => None,
    });
    told.collect()
}

pub(super) fn numbers(announcements: &[Announcement]) -> Vec<u64> {
    announcements.iter().map(|announcement| announcement.number).collect()
}

pub(super) fn exact(replica: ReplicaIndex, born: u64, revision: u64, total: i64) -> IncomingShare {
    let total = Total::from_units(Amount::from(total).units());
    IncomingShare { replica, share: Share { born, revision, total }, forecast: None, in_order_at: None }
}

#[test]
fn a_birth_is_announced_at_the_next_flush_whatever_the_precision() {
    let table = table();
    table.set_precision(name("a"), precision(1_000_000), at(SECOND)).expect("room");
    table.settle_precisions(at(SECOND).monotonic);
    increment(&table, "a", 1, SECOND);
    let told = shares(&drained(&table, SECOND));
    assert_eq!(told, [(Some("a".to_owned()), Amount::ONE, 0.0)]);
    increment(&table, "a", 1, SECOND + MILLISECOND);
    assert!(!table.has_news(), "within the band nothing is said");
    let settled = shares(&quiet(&table, SECOND + MILLISECOND, 4 * SECOND));
    assert_eq!(settled, [(None, Amount::from(2), 0.0)], "and what is quiet becomes exact, with one record");
    assert!(quiet(&table, 4 * SECOND, 9 * SECOND).is_empty());
}

#[test]
fn precision_nothing_announces_every_change_and_a_burst_costs_one_record() {
    let table = table();
    table.set_precision(name("a"), precision(0), at(SECOND)).expect("room");
    drained(&table, SECOND);
    for step in 1..=20_i64 {
        let now = SECOND + step.unsigned_abs() * 10 * MILLISECOND;
        increment(&table, "a", 1, now);
        let told = shares(&drained(&table, now));
        assert_eq!(told.len(), 1, "at step {step}");
        assert_eq!(told[0].1, Amount::from(step));
    }
    for _ in 0..1000 {
        increment(&table, "a", 1, 2 * SECOND);
    }
    assert_eq!(shares(&drained(&table, 2 * SECOND)), [(None, Amount::from(1020), 0.0)]);
    assert!(quiet(&table, 2 * SECOND, 6 * SECOND).is_empty(), "all was said exactly");
}

#[test]
fn registers_leave_in_order_with_what_they_had_seen_before_them() {
    let table = table();
    increment(&table, "a", 5, SECOND);
    table.assign(name("a"), Amount::from(100), at(SECOND)).expect("room");
    increment(&table, "a", 2, SECOND);
    assert_eq!(table.delete(name("a"), at(SECOND)), Ok(true));
    let out = drained(&table, SECOND);
    assert!(numbers(&out).is_sorted());
    let bodies: Vec<String> = out
        .iter()
        .map(|announcement| match &announcement.body {
            AnnouncementBody::Share { total, .. } => format!("share {total:?}"),
            AnnouncementBody::Assignment { assignment, .. } => {
                let cut = assignment.cut_of(OWN).expect("its own share");
                format!("assignment {:?} over {:?}", assignment.base, cut.total)
            }
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(bodies, ["share 5", "assignment 100 over 5", "share 7", "assignment 0 over 7"]);
}

proptest! {
    /// Whatever clients do, in whatever order flushes, timers and repairs come in between.
    #[test]
    fn every_number_drawn_is_announced_exactly_once(
        actions in proptest::collection::vec((0_u8..9, 0_u8..4, -3_i64..4), 0..120),
    ) {
        let table = table();
        let mut told = BTreeSet::new();
        let mut newest: BTreeMap<(u32, u64), (u64, i128)> = BTreeMap::new();
        let mut now = SECOND;
        for (action, counter, amount) in actions {
            now += MILLISECOND * u64::from(action) * 3;
            let text = format!("n{counter}");
            match action {
                0..=3 => { increment(&table, &text, amount, now); }
                4 => table.assign(name(&text), Amount::from(amount), at(now)).expect("room"),
                5 => { table.delete(name(&text), at(now)).expect("room"); }
                6 => table.set_precision(name(&text), precision(amount.abs() * 3), at(now)).expect("room"),
                7 => {
                    table.visit_items_from(Location(0), 1 << 20, &has_nothing, at(now).monotonic, &mut |_, _, _| ());
                    table.run_timers(at(now).monotonic);
                }
                _ => for announcement in drained(&table, now) {
                    prop_assert!(told.insert(announcement.number), "twice");
                },
            }
        }
        let rest = quiet(&table, now, now + 3 * SECOND);
        for announcement in rest {
            if let AnnouncementBody::Share { born, total, .. } = &announcement.body {
                newest.insert((announcement.location.0, *born), (announcement.number, total.units()));
            }
            prop_assert!(told.insert(announcement.number), "twice");
        }
        prop_assert_eq!(told.len() as u64, table.last_number(), "all that was drawn was said, and nothing else");
        prop_assert_eq!(told.last().copied().unwrap_or(0), table.last_number());
        for counter in 0..4 {
            let state = table.inspect(name(&format!("n{counter}")));
            if let Some(share) = state.and_then(|state| state.own()) {
                prop_assert!(share.revision > 0 && told.contains(&share.revision));
                let last = newest.values().find(|(number, _)| *number == share.revision);
                prop_assert!(last.is_none_or(|(_, total)| *total == share.total.units()), "settled means exact");
            }
        }
    }

    /// What a repair says under a number is what left under that number: two copies of one revision are the same.
    #[test]
    fn a_number_never_stands_for_two_totals(
        actions in proptest::collection::vec((0_u8..8, -3_i64..4), 0..80),
    ) {
        let table = table();
        let mut said: BTreeMap<u64, i128> = BTreeMap::new();
        let mut now = SECOND;
        let mut note = |number: u64, total: Total| -> Result<(), TestCaseError> {
            let before = *said.entry(number).or_insert(total.units());
            prop_assert_eq!(before, total.units(), "number {}", number);
            Ok(())
        };
        for (action, amount) in actions {
            now += MILLISECOND * u64::from(action);
            match action {
                0..=2 => { increment(&table, "a", amount, now); }
                3 => table.set_precision(name("a"), precision(amount.abs() * 5), at(now)).expect("room"),
                4 => table.set_members(1 + amount.unsigned_abs() as u32),
                5 => table.assign(name("a"), Amount::from(amount), at(now)).expect("room"),
                6 => {
                    let mut visited = Vec::new();
                    table.visit_items_from(Location(0), 1 << 20, &has_nothing, at(now).monotonic, &mut |_, _, _| ());
                    for shard in 0..256 {
                        let mut from = Some(Location(shard));
                        while let Some(place) = from {
                            let mut visit = |_: &[u8], _: Location, item: NumberedItem<'_>| match item {
                                NumberedItem::Own(share, _) => visited.push((share.revision, share.total)),
                                NumberedItem::Assignment(assignment) => {
                                    visited.extend(assignment.cut_of(OWN).map(|cut| (cut.revision, cut.total)));
                                }
                                _ => {}
                            };
                            from = table.visit_items_from(place, 64, &has_nothing, at(now).monotonic, &mut visit);
                            from = from.filter(|next| next.0 & 0xff == shard);
                        }
                    }
                    for (number, total) in visited {
                        note(number, total)?;
                    }
                }
                _ => for announcement in drained(&table, now) {
                    if let AnnouncementBody::Share { total, .. } = announcement.body {
                        note(announcement.number, total)?;
                    }
                },
            }
        }
    }
}

#[test]
fn what_is_refused_leaves_no_trace() {
    let table = table_of(Config { max_counters: 2, ..Config::default() });
    let now = at(SECOND);
    let out_of_range = Err(CounterError::Range(crate::base::AmountError::OutOfRange));
    table.assign(name("a"), Amount::MAX, now).expect("room");
    drained(&table, SECOND);
    let before = table.inspect(name("a"));
    assert_eq!(table.increment(name("a"), Amount::ONE, now.monotonic), out_of_range);
    assert_eq!(table.check_increment(name("a"), Amount::ONE, now.monotonic), out_of_range);
    assert_eq!(table.inspect(name("a")), before);
    assert!(!table.has_news());
    increment(&table, "b", 1, SECOND);
    drained(&table, SECOND);
    let full = CounterError::Full(2);
    assert_eq!(table.increment(name("c"), Amount::ONE, now.monotonic), Err(full));
    assert_eq!(table.assign(name("c"), Amount::ONE, now), Err(full));
    assert_eq!(table.set_precision(name("c"), Precision::ONE, now), Err(full));
    assert_eq!(table.delete(name("c"), now), Ok(false));
    assert_eq!((table.len(), table.held(), table.read(name("c"), now.monotonic)), (2, 2, None));
    assert!(table.inspect(name("c")).is_none() && !table.has_news());
    // What peers say is always taken.
    table.take_share(name("c"), exact(PEER, 1, 1, 5));
    assert_eq!((table.len(), table.read(name("c"), now.monotonic)), (3, Some(Amount::from(5))));
}

#[test]
fn a_total_that_would_not_fit_is_refused_though_the_value_would() {
    let table = table();
    let now = at(SECOND);
    for _ in 0..17 {
        table.increment(name("a"), Amount::MAX, now.monotonic).expect("from nothing to the end of the range");
        table.assign(name("a"), Amount::ZERO, now).expect("room");
    }
    let refused = table.increment(name("a"), Amount::MAX, now.monotonic);
    assert_eq!(refused, Err(CounterError::Range(crate::base::AmountError::OutOfRange)));
    assert_eq!(table.read(name("a"), now.monotonic), Some(Amount::ZERO));
    assert_eq!(table.increment(name("a"), Amount::MIN, now.monotonic), Ok(Amount::MIN));
}

#[test]
fn too_many_waiting_assignments_are_refused_until_the_next_flush() {
    let table = table();
    let mut made = 0_u64;
    let refused = loop {
        match table.assign(name("a"), Amount::from(1), at(SECOND)) {
            Ok(()) => made += 1,
            Err(error) => break error,
        }
        assert!(made < 1_000_000, "they wait without end");
    };
    assert_eq!(refused, CounterError::Busy);
    let number = table.last_number();
    assert_eq!(table.delete(name("a"), at(SECOND)), Err(CounterError::Busy));
    assert_eq!(table.set_precision(name("a"), Precision::ONE, at(SECOND)), Err(CounterError::Busy));
    assert_eq!((table.last_number(), table.read(name("a"), at(SECOND).monotonic)), (number, Some(Amount::ONE)));
    drained(&table, SECOND);
    assert_eq!(table.delete(name("a"), at(SECOND)), Ok(true));
}

#[test]
fn a_scan_visits_all_that_is_there_throughout_exactly_once() {
    let table = table();
    let stays: BTreeSet<String> = (0..3000).map(|n| format!("stays{n}")).collect();
    for counter in &stays {
        increment(&table, counter, 1, SECOND);
    }
    for n in 0..500 {
        increment(&table, &format!("goes{n}"), 1, SECOND);
    }
    for count in [1, 7, 100, 100_000] {
        let mut seen = BTreeMap::<String, u32>::new();
        let (mut cursor, mut step) = (0, 0);
        loop {
            cursor = table.scan(cursor, count, &mut |name| {
                *seen.entry(String::from_utf8_lossy(name).into_owned()).or_default() += 1;
            });
            step += 1;
            // Others come and go while the scan is under way.
            increment(&table, &format!("new{count}-{step}"), 1, SECOND);
            table.delete(name(&format!("goes{}", step % 500)), at(SECOND)).expect("room");
            drained(&table, SECOND);
            if step % 50 == 0 {
                tend_all(&table, true);
            }
            if cursor == 0 {
                break;
            }
        }
        for counter in &stays {
            assert_eq!(seen.get(counter), Some(&1), "{counter} with COUNT {count}");
        }
    }
    for cursor in [u64::MAX, 255 << 32 | 0xffff_ffff, 1 << 40, 5 << 32 | 77] {
        table.scan(cursor, 10, &mut |_| ());
    }
}

#[test]
fn a_new_replica_takes_over_without_losing_or_repeating_anything() {
    let table = table();
    for n in 0..100 {
        increment(&table, &format!("n{n}"), n, SECOND);
    }
    drained(&table, SECOND);
    for n in 0..100 {
        increment(&table, &format!("n{n}"), 1, SECOND);
    }
    let before = table.last_number();
    let mut last_words = Vec::new();
    table.begin_replica((replica(1, 2), ReplicaIndex(2)), u64::MAX, at(SECOND).monotonic, &mut last_words);
    let said = numbers(&last_words);
    assert_eq!(said, (before + 1..=before + 100).collect::<Vec<_>>());
    for n in 0..100 {
        let text = format!("n{n}");
        assert_eq!(table.read(name(&text), at(SECOND).monotonic), Some(Amount::from(n + 1)));
        assert_eq!(increment(&table, &text, 1, SECOND), Amount::from(n + 2));
    }
    let first = drained(&table, SECOND);
    assert_eq!(numbers(&first), (1..=100).collect::<Vec<_>>(), "its own sequence, from the start");
    assert_eq!(table.len(), 100);
}

#[test]
fn threads_lose_nothing_while_others_drain_set_and_scan() {
    const THREADS: u64 = 4;
    const TIMES: u64 = 3000;
    let table = table();
    let (done, told) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let table = &table;
                scope.spawn(move || {
                    for n in 0..TIMES {
                        increment(table, "shared", 1, SECOND + n);
                        increment(table, &format!("own{thread}"), 2, SECOND + n);
                        increment(table, &format!("many{}", n % 500), 1, SECOND + n);
                        if n % 7 == 0 {
                            table.assign(name(&format!("set{thread}")), Amount::ONE, at(SECOND + n)).expect("room");
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !done.load(Ordering::Acquire) || table.has_news() {
                for announcement in drained(&table, SECOND + 5000) {
                    assert!(seen.insert(announcement.number), "a number twice");
                }
                table.scan(0, 100, &mut |_| ());
            }
            assert_eq!(seen.len() as u64, table.last_number());
            told.store(seen.len() as u64, Ordering::Release);
        });
        for worker in workers {
            worker.join().expect("no panic");
        }
        done.store(true, Ordering::Release);
    });
    let read = |counter: &str| table.read(name(counter), at(SECOND + 5000).monotonic);
    assert_eq!(read("shared"), Some(Amount::from((THREADS * TIMES) as i64)));
    for thread in 0..THREADS {
        assert_eq!(read(&format!("own{thread}")), Some(Amount::from(2 * TIMES as i64)));
    }
    let many = (0..500).filter_map(|n| read(&format!("many{n}"))).map(|amount| amount.units()).sum::<i128>();
    assert_eq!(many, Amount::from((THREADS * TIMES) as i64).units());
    assert!(told.load(Ordering::Acquire) > 0);
    let rest = quiet(&table, 2 * SECOND, 5 * SECOND);
    let last: BTreeMap<u32, i128> = rest
        .iter()
        .filter_map(|announcement| match announcement.body {
            AnnouncementBody::Share { total, .. } => Some((announcement.location.0, total.units())),
            _ => None,
        })
        .collect();
    assert_eq!(told.load(Ordering::Acquire) + rest.len() as u64, table.last_number());
    assert!(last.values().all(|total| *total > 0));
}
