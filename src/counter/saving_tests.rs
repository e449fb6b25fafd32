use super::{
    Agreement, AnnouncementBody, Config, CounterState, Difference, IncomingShare, Precision, Retired, Share, Stability,
    StoredCounter, Table, TableSettings,
};
use crate::base::{Amount, Incarnation, Moment, Monotonic, Name, NodeId, ReplicaId, ReplicaIndex, Total, WallMillis};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const OWN: ReplicaIndex = ReplicaIndex(0);
const OTHER: ReplicaIndex = ReplicaIndex(1);
pub(super) const NAMES: [&str; 3] = ["a", "b", "a counter whose name is too long to lie in the counter itself"];

fn replica(incarnation: u64) -> ReplicaId {
    ReplicaId { node: NodeId::new([1; 20]), incarnation: Incarnation(incarnation) }
}

fn table_of(index: ReplicaIndex) -> Table {
    Table::new(TableSettings {
        config: Config { default_precision: precision(100), ..Config::default() },
        lease: Duration::from_secs(3),
        replica: replica(u64::from(index.0) + 1),
        replica_index: index,
        hash_seeds: [1, 2, 3, 4],
        wake: Box::new(|| {}),
    })
}

fn name(text: &str) -> Name<'_> {
    Name::new(text.as_bytes()).expect("a name")
}

fn precision(of: i64) -> Precision {
    Precision::new(Amount::from(of)).expect("not negative")
}

fn at(millis: u64) -> Moment {
    Moment {
        monotonic: Monotonic::from_nanos((1000 + millis) * 1_000_000),
        wall: WallMillis(1_700_000_000_000 + millis),
    }
}

pub(super) type Disk = BTreeMap<Vec<u8>, StoredCounter>;

/// Brings the disk up to what the table holds.
fn save(table: &Table, disk: &mut Disk, now: Moment) {
    let cycle = table.commits().begin();
    for shard in 0..=u8::MAX {
        while table.take_unsaved(shard, 2, now.monotonic, &mut |name, stored| {
            match stored {
                Some(stored) => disk.insert(name.to_vec(), stored.clone()),
                None => disk.remove(name),
            };
        }) {}
    }
    table.commits().finish(cycle);
}

fn load(disk: &Disk, kept_by: ReplicaIndex, own: ReplicaIndex) -> Table {
    let table = table_of(own);
    for (key, stored) in disk {
        table.restore(Name::new(key).expect("a name"), stored.clone(), kept_by);
    }
    table
}

fn state(table: &Table, key: &str) -> CounterState {
    table.inspect(name(key)).unwrap_or_default()
}

fn flush(table: &Table, now: Moment) -> BTreeMap<u64, (u64, Total)> {
    let mut out = Vec::new();
    table.drain(usize::MAX, now.monotonic, &mut out);
    out.into_iter()
        .filter_map(|announcement| match announcement.body {
            AnnouncementBody::Share { born, total, .. } => Some((announcement.number, (born, total))),
            _ => None,
        })
        .collect()
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Increment(usize, i64),
    Assign(usize, i64),
    Delete(usize),
    Precision(usize, i64),
    Hear(usize, i64),
    HearEnd(usize),
    Flush,
    Tend,
    Save,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..NAMES.len();
    prop_oneof![
        6 => (key(), -3_i64..9).prop_map(|(key, by)| Step::Increment(key, by)),
        2 => (key(), -9_i64..9).prop_map(|(key, to)| Step::Assign(key, to)),
        2 => key().prop_map(Step::Delete),
        1 => (key(), 0_i64..50).prop_map(|(key, precision)| Step::Precision(key, precision)),
        3 => (key(), -9_i64..9).prop_map(|(key, total)| Step::Hear(key, total)),
        1 => key().prop_map(Step::HearEnd),
        3 => Just(Step::Flush),
        2 => Just(Step::Tend),
        3 => Just(Step::Save),
        2 => (0_u64..3000).prop_map(Step::Wait),
    ]
}

/// A table and its disk, and what another replica has said.
pub(super) struct Bench {
    pub(super) table: Table,
    pub(super) disk: Disk,
    now: u64,
    said: u64,
}

impl Bench {
    pub(super) fn new(members: u32) -> Self {
        let table = table_of(OWN);
        table.set_members(members);
        Self { table, disk: Disk::new(), now: 0, said: 0 }
    }

    /// Holds what is kept against the table.
    pub(super) fn compare_with(&self, disk: &Disk) -> Result<Agreement, Difference> {
        let comparison = self.table.compare(OWN);
        for (key, stored) in disk {
            comparison.take(Name::new(key).expect("a name"), stored);
        }
        comparison.finish()
    }

    pub(super) fn take(&mut self, step: &Step) {
        self.now += 1;
        let (table, now) = (&self.table, at(self.now));
        match *step {
            Step::Increment(key, by) => {
                table.increment(name(NAMES[key]), Amount::from(by), now.monotonic).expect("in range");
            }
            Step::Assign(key, to) => table.assign(name(NAMES[key]), Amount::from(to), now).expect("room"),
            Step::Delete(key) => {
                table.delete(name(NAMES[key]), now).expect("room");
            }
            Step::Precision(key, to) => table.set_precision(name(NAMES[key]), precision(to), now).expect("room"),
            Step::Hear(key, total) => {
                self.said += 1;
                let held = state(table, NAMES[key]).others().next().map(|held| held.share.born);
                let total = Total::from_units(Amount::from(total).units());
                let share = Share { born: held.unwrap_or(self.said), revision: self.said, total };
                table.take_share(
                    name(NAMES[key]),
                    IncomingShare { replica: OTHER, share, forecast: None, in_order_at: None },
                );
                table.progress().set_received(OTHER, self.said);
            }
            Step::HearEnd(key) => {
                if let Some(held) = state(table, NAMES[key]).others().next() {
                    self.said += 1;
                    let retired = Retired { replica: OTHER, born: held.share.born, by: OTHER, number: self.said };
                    table.take_retirement(name(NAMES[key]), retired);
                }
            }
            Step::Flush => {
                table.run_timers(now.monotonic);
                flush(table, now);
            }
            Step::Tend => self.tend(),
            Step::Save => save(table, &mut self.disk, now),
            Step::Wait(millis) => self.now += millis,
        }
    }

    fn tend(&self) {
        let stability = Stability {
            is_stable: &|_| true,
            is_settled: &|_, _| true,
            is_own_past: &|_| false,
            everyone_has: &|_, _| true,
        };
        // A share first, then the note on it, then the counter.
        for _ in 0..3 {
            for shard in 0..=u8::MAX {
                self.table.tend(shard, 100, &stability);
            }
        }
    }
}

proptest! {
    #[test]
    fn what_was_saved_is_all_there_is(steps in proptest::collection::vec(step(), 1..80), members in 1_u32..4) {
        let mut bench = Bench::new(members);
        for step in &steps {
            bench.take(step);
            prop_assert_eq!(bench.compare_with(&bench.disk).err(), None, "{:?}", step);
        }
        let now = at(bench.now);
        save(&bench.table, &mut bench.disk, now);
        let agreement = Agreement { same: bench.disk.len() as u64, changed: 0 };
        prop_assert_eq!(bench.compare_with(&bench.disk), Ok(agreement));
        prop_assert_eq!(bench.table.unsaved(), 0);
        // A replica that is whole goes on as if nothing had been.
        let again = load(&bench.disk, OWN, OWN);
        for key in NAMES {
            let (before, after) = (state(&bench.table, key), state(&again, key));
            prop_assert_eq!(before.own().map(|share| share.total), after.own().map(|share| share.total), "{}", key);
            prop_assert_eq!(before.own().map(|share| share.born), after.own().map(|share| share.born), "{}", key);
            let shares = |state: &CounterState| {
                let mut shares: Vec<_> = state.others().map(|held| (held.replica, held.share)).collect();
                shares.sort_unstable_by_key(|(replica, _)| *replica);
                shares
            };
            prop_assert_eq!(shares(&before), shares(&after), "{}", key);
            prop_assert_eq!(before.assignment(), after.assignment(), "{}", key);
            prop_assert_eq!(before.precision(), after.precision(), "{}", key);
            prop_assert_eq!(before.retired(), after.retired(), "{}", key);
            prop_assert_eq!(bench.table.read(name(key), now.monotonic), again.read(name(key), now.monotonic), "{}", key);
        }
        prop_assert_eq!(bench.table.held(), again.held());
        prop_assert_eq!(bench.table.len(), again.len());
    }
}

#[test]
fn what_was_said_and_what_was_only_counted_are_kept_apart() {
    let mut bench = Bench::new(2);
    bench.take(&Step::Increment(0, 5));
    let told = flush(&bench.table, at(bench.now));
    let (revision, (born, total)) = told.into_iter().next_back().expect("a birth");
    (0..7).for_each(|_| bench.take(&Step::Increment(0, 1)));
    save(&bench.table, &mut bench.disk, at(bench.now));
    let stored = &bench.disk[NAMES[0].as_bytes()];
    assert_eq!(stored.own, Some(Share { born, revision, total }));
    assert_eq!(stored.remainders.len(), 1);
    assert_eq!(stored.remainders[0].amount.units(), Amount::from(7).units());

    // The replica is whole: it goes on with all it had counted, and tells of it.
    let whole = load(&bench.disk, OWN, OWN);
    whole.go_on_after(1000, u64::MAX);
    whole.set_members(2);
    assert_eq!(whole.read(name("a"), at(0).monotonic), Some(Amount::from(12)));
    let again: Vec<_> = flush(&whole, at(0)).into_iter().collect();
    assert_eq!(again, [(1001, (born, Total::from_units(Amount::from(12).units())))]);

    // It is not known to be whole: only what was said counts until it is.
    let next = load(&bench.disk, OWN, ReplicaIndex(2));
    assert_eq!(next.read(name("a"), at(0).monotonic), Some(Amount::from(5)));
    assert_eq!(next.count_remainders(OWN), 1);
    assert_eq!(next.read(name("a"), at(0).monotonic), Some(Amount::from(12)));
    assert_eq!(next.count_remainders(OWN), 0, "once is enough");

    // Somebody had heard more of it: that has it already.
    let other = load(&bench.disk, OWN, ReplicaIndex(2));
    let share = Share { born, revision: revision + 3, total: Total::from_units(Amount::from(12).units()) };
    other.take_share(name("a"), IncomingShare { replica: OWN, share, forecast: None, in_order_at: None });
    assert_eq!(other.count_remainders(OWN), 0);
    assert_eq!(other.read(name("a"), at(0).monotonic), Some(Amount::from(12)));
}

#[test]
fn a_replica_that_is_found_to_be_whole_is_gone_on_with() {
    let mut bench = Bench::new(2);
    bench.take(&Step::Increment(0, 5));
    flush(&bench.table, at(bench.now));
    (0..7).for_each(|_| bench.take(&Step::Increment(0, 1)));
    save(&bench.table, &mut bench.disk, at(bench.now));
    let table = load(&bench.disk, OWN, ReplicaIndex(9));
    table.adopt_replica((replica(1), OWN), 500, u64::MAX);
    table.count_remainders(OWN);
    table.set_members(2);
    table.increment(name("a"), Amount::ONE, at(0).monotonic).expect("in range");
    assert!(state(&table, "a").has_no_others());
    assert_eq!(table.read(name("a"), at(0).monotonic), Some(Amount::from(13)));
    assert_eq!(flush(&table, at(0)).into_keys().collect::<Vec<_>>(), [501]);
}

#[test]
fn what_could_not_be_kept_is_handed_over_again() {
    let mut bench = Bench::new(1);
    bench.take(&Step::Increment(0, 5));
    bench.take(&Step::Increment(1, 5));
    save(&bench.table, &mut Disk::new(), at(bench.now));
    assert!(!bench.table.has_unsaved());
    bench.take(&Step::Delete(1));
    flush(&bench.table, at(bench.now));
    bench.tend();
    assert_eq!(bench.table.held(), 1);
    for key in &NAMES[..2] {
        bench.table.mark_unsaved(key.as_bytes());
    }
    let mut disk = Disk::from([(NAMES[1].as_bytes().to_vec(), StoredCounter::default())]);
    save(&bench.table, &mut disk, at(bench.now));
    assert_eq!(disk.keys().collect::<Vec<_>>(), [NAMES[0].as_bytes()]);
}

#[test]
fn without_numbers_nothing_is_said_and_nothing_is_lost() {
    let table = table_of(OWN);
    table.set_members(2);
    table.go_on_after(10, 10);
    assert!(!table.has_numbers());
    table.increment(name("a"), Amount::ONE, at(0).monotonic).expect("in range");
    assert!(table.assign(name("a"), Amount::ONE, at(0)).is_err(), "an assignment needs a number");
    assert_eq!(flush(&table, at(1)).len(), 0);
    let mut disk = Disk::new();
    save(&table, &mut disk, at(1));
    assert!(disk.is_empty() && table.has_unsaved() && table.take_passed_over());
    table.set_number_limit(1 << 20);
    assert_eq!(flush(&table, at(2)).len(), 1);
    save(&table, &mut disk, at(2));
    assert_eq!(disk.len(), 1);
}

#[test]
fn counters_that_come_and_go_unsaved_leave_no_list_behind() {
    let bench = Bench::new(1);
    for round in 0..20_000 {
        let key = format!("n{round}");
        bench.table.increment(name(&key), Amount::ONE, at(round).monotonic).expect("in range");
        bench.table.delete(name(&key), at(round)).expect("room");
        if round % 500 == 0 {
            flush(&bench.table, at(round));
            bench.tend();
        }
    }
    flush(&bench.table, at(20_000));
    bench.tend();
    assert_eq!((bench.table.held(), bench.table.unsaved()), (0, 0));
    let longest = bench.table.shards().map(|shard| shard.lock().saving.length()).max();
    assert!(longest.is_some_and(|longest| longest <= 2048), "{longest:?}");
}
