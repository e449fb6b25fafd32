//! When a counter at nothing is deleted, and when it is not.

use super::*;
use crate::base::{Amount, Incarnation, Moment, Monotonic, Name, NodeId, ReplicaId, ReplicaIndex, Total, WallMillis};
use std::time::Duration;

const PEER: ReplicaIndex = ReplicaIndex(1);
const SECOND: u64 = 1_000_000_000;
const STEP: u64 = SECOND / 10;
/// With the default `settle`, whoever made it nothing deletes it after this time.
const OWN_PAUSE: u64 = 4 * SECOND;

struct Clocked {
    table: Table,
    now: u64,
    may_delete: bool,
}

impl Clocked {
    fn new(config: Config, members: u32) -> Self {
        let table = Table::new(TableSettings {
            config,
            lease: Duration::from_secs(3),
            replica: ReplicaId { node: NodeId::new([1; 20]), incarnation: Incarnation(1) },
            replica_index: ReplicaIndex(0),
            hash_seeds: [1, 2, 3, 4],
            wake: Box::new(|| ()),
        });
        table.set_members(members);
        let clocked = Self { table, now: SECOND, may_delete: true };
        clocked.table.collect_zeros(true, clocked.moment());
        clocked
    }

    fn collecting() -> Self {
        Self::new(Config { collect_zero: true, ..Config::default() }, 2)
    }

    fn moment(&self) -> Moment {
        Moment {
            monotonic: Monotonic::from_nanos(self.now),
            wall: WallMillis(1_700_000_000_000 + self.now / 1_000_000),
        }
    }

    fn pass(&mut self, nanos: u64) -> Vec<Announcement> {
        let (until, mut said) = (self.now + nanos, Vec::new());
        while self.now < until {
            self.now += STEP;
            let now = self.moment();
            self.table.run_timers(now.monotonic);
            self.table.collect_zeros(self.may_delete, now);
            while self.table.has_news() {
                self.table.drain(100, now.monotonic, &mut said);
            }
        }
        said
    }

    fn increment(&self, by: i64) {
        self.table.increment(name(), Amount::from(by), self.moment().monotonic).expect("in range");
    }

    fn hear(&self, revision: u64, total: i64, rate: f32) {
        let total = Total::from_units(Amount::from(total).units());
        let share = Share { born: 1, revision, total };
        let since = self.moment().monotonic;
        let forecast = Some(Forecast { total, rate, whole: true, since });
        self.table.take_share(name(), IncomingShare { replica: PEER, share, forecast, in_order_at: None });
    }

    fn value(&self) -> Option<Amount> {
        self.table.read(name(), self.moment().monotonic)
    }
}

fn name() -> Name<'static> {
    Name::new(b"a").expect("a name")
}

fn deletions(said: &[Announcement]) -> usize {
    let is_deletion =
        |body: &AnnouncementBody| matches!(body, AnnouncementBody::Assignment { assignment, .. } if assignment.deleted);
    said.iter().filter(|announcement| is_deletion(&announcement.body)).count()
}

#[test]
fn who_brought_a_counter_to_nothing_deletes_it_after_a_while_and_once() {
    let mut clocked = Clocked::collecting();
    clocked.increment(5);
    clocked.pass(SECOND);
    clocked.increment(-5);
    assert_eq!(deletions(&clocked.pass(OWN_PAUSE - 2 * STEP)), 0);
    assert_eq!(clocked.value(), Some(Amount::ZERO));
    assert_eq!(deletions(&clocked.pass(4 * STEP)), 1);
    assert_eq!(clocked.value(), None);
    assert_eq!(deletions(&clocked.pass(20 * SECOND)), 0);
    clocked.increment(2);
    clocked.pass(20 * SECOND);
    assert_eq!(clocked.value(), Some(Amount::from(2)));
}

#[test]
fn a_counter_that_was_set_to_nothing_goes_too_and_one_that_is_used_stays() {
    let mut clocked = Clocked::collecting();
    clocked.table.assign(name(), Amount::ZERO, clocked.moment()).expect("room");
    for _ in 0..5 {
        clocked.pass(3 * SECOND);
        clocked.increment(1);
        clocked.pass(SECOND / 2);
        clocked.increment(-1);
    }
    assert_eq!(deletions(&clocked.pass(OWN_PAUSE - 2 * STEP)), 0, "each time it is left alone for as long");
    assert_eq!(deletions(&clocked.pass(4 * STEP)), 1);
}

#[test]
fn who_only_heard_of_it_waits_longer() {
    let mut clocked = Clocked::collecting();
    clocked.increment(5);
    clocked.pass(SECOND);
    clocked.hear(2, -5, 0.0);
    assert_eq!(deletions(&clocked.pass(OWN_PAUSE + SECOND)), 0);
    assert_eq!(deletions(&clocked.pass(6 * SECOND)), 1);
    assert_eq!(clocked.value(), None);
}

#[test]
fn nothing_that_is_extrapolated_is_deleted() {
    let mut clocked = Clocked::collecting();
    clocked.increment(5);
    clocked.hear(2, -5, 1e-9);
    assert_eq!(clocked.value(), Some(Amount::ZERO));
    clocked.increment(0);
    assert_eq!(deletions(&clocked.pass(30 * SECOND)), 0);
    clocked.hear(3, -5, 0.0);
    assert_eq!(deletions(&clocked.pass(12 * SECOND)), 1, "until its owner has said what it is");
}

#[test]
fn nothing_is_deleted_while_a_member_is_out_of_reach() {
    let mut clocked = Clocked::collecting();
    clocked.table.assign(name(), Amount::ZERO, clocked.moment()).expect("room");
    clocked.may_delete = false;
    assert_eq!(deletions(&clocked.pass(60 * SECOND)), 0);
    assert_eq!(clocked.value(), Some(Amount::ZERO));
    clocked.may_delete = true;
    assert_eq!(deletions(&clocked.pass(SECOND)), 1);
}

#[test]
fn a_node_that_is_alone_deletes_what_it_counted_down() {
    let mut clocked = Clocked::new(Config { collect_zero: true, ..Config::default() }, 1);
    clocked.increment(1);
    clocked.increment(-1);
    clocked.pass(OWN_PAUSE + SECOND);
    assert_eq!(clocked.value(), None);
}

#[test]
fn a_counter_that_was_kept_at_nothing_goes_after_a_restart() {
    let set = Clocked::collecting();
    set.table.assign(name(), Amount::ZERO, set.moment()).expect("room");
    let mut kept = StoredCounter::default();
    let mut keep = |_: &[u8], stored: Option<&StoredCounter>| kept = stored.cloned().expect("it is there");
    for shard in 0..=u8::MAX {
        set.table.take_unsaved(shard, 100, set.moment().monotonic, &mut keep);
    }
    let mut clocked = Clocked::collecting();
    clocked.table.restore(name(), kept, ReplicaIndex(0));
    assert_eq!(clocked.value(), Some(Amount::ZERO));
    assert_eq!(deletions(&clocked.pass(OWN_PAUSE)), 0, "whoever made it nothing goes first");
    assert_eq!(deletions(&clocked.pass(7 * SECOND)), 1);
    assert_eq!(clocked.value(), None);
}

#[test]
fn a_counter_that_what_was_never_said_brings_to_nothing_goes() {
    let mut clocked = Clocked::collecting();
    let total = Total::from_units(Amount::from(5).units());
    let share = Share { born: 1, revision: 1, total };
    let amount = Total::from_units(Amount::from(-5).units());
    let remainder = Remainder { replica: PEER, revision: 1, amount };
    let stored = StoredCounter { own: Some(share), remainders: vec![remainder], ..StoredCounter::default() };
    clocked.table.restore(name(), stored, PEER);
    assert_eq!(clocked.value(), Some(Amount::from(5)));
    assert_eq!(clocked.table.count_remainders(PEER), 1);
    assert_eq!(clocked.value(), Some(Amount::ZERO));
    assert_eq!(deletions(&clocked.pass(OWN_PAUSE + SECOND)), 1);
}

#[test]
fn without_the_setting_nothing_is_deleted() {
    let mut clocked = Clocked::new(Config::default(), 2);
    clocked.table.assign(name(), Amount::ZERO, clocked.moment()).expect("room");
    clocked.increment(1);
    clocked.increment(-1);
    clocked.hear(2, 0, 0.0);
    assert_eq!(deletions(&clocked.pass(60 * SECOND)), 0);
    assert_eq!(clocked.value(), Some(Amount::ZERO));
}

#[test]
fn many_at_nothing_go_a_few_at_a_time() {
    let mut clocked = Clocked::collecting();
    for number in 0..20_000 {
        let text = format!("n{number}");
        let name = Name::new(text.as_bytes()).expect("a name");
        clocked.table.assign(name, Amount::ZERO, clocked.moment()).expect("room");
    }
    clocked.pass(OWN_PAUSE - STEP);
    let (mut most, mut all) = (0, 0);
    for _ in 0..100 {
        let at_once = deletions(&clocked.pass(STEP));
        (most, all) = (most.max(at_once), all + at_once);
    }
    assert_eq!((all, clocked.table.len()), (20_000, 0));
    assert!(most <= 1024, "{most} at once");
}
