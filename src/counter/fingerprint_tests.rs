//! The hash of all counters: the same where two tables mean the same, another where anything differs.

use super::*;
use crate::base::{
    Amount, Incarnation, Location, Moment, Monotonic, Name, NodeId, ReplicaId, ReplicaIndex, WallMillis,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

type Change = fn(&Table);

/// A table with a registry of its own.
struct Side {
    table: Table,
    replicas: Vec<ReplicaId>,
}

impl Side {
    /// The first of the replicas is its own.
    fn new(replicas: [u8; 3]) -> Self {
        let replicas: Vec<ReplicaId> = replicas.map(replica).to_vec();
        let [own, ..] = replicas.as_slice() else { panic!("three replicas") };
        let table = Table::new(TableSettings {
            config: Config::default(),
            lease: Duration::from_secs(3),
            replica: *own,
            replica_index: ReplicaIndex(0),
            hash_seeds: [own.incarnation.0, 2, 3, 4],
            wake: Box::new(|| ()),
        });
        table.set_members(3);
        Self { table, replicas }
    }

    fn fingerprint(&self) -> Fingerprint {
        self.table.fingerprint(&|index| self.replicas.get(index.as_usize()).copied()).expect("all are known")
    }

    fn index_of(&self, replica: ReplicaId) -> ReplicaIndex {
        let at = self.replicas.iter().position(|known| *known == replica).expect("one of the three");
        ReplicaIndex(at as u32)
    }

    fn increment(&self, counter: &str, by: i64) {
        self.table.increment(name(counter), Amount::from(by), now(1).monotonic).expect("in range");
    }

    /// Tells others all that is new here, exactly.
    fn tell(&self, others: &[&Side]) {
        let mut announcements = Vec::new();
        for second in 0..4 {
            self.table.run_timers(now(second).monotonic);
            self.table.drain(usize::MAX, now(second).monotonic, &mut announcements);
        }
        for other in others {
            let here = other.index_of(self.replicas[0]);
            for announcement in &announcements {
                let number = announcement.number;
                match &announcement.body {
                    AnnouncementBody::Share { born, total, .. } => {
                        let share = Share { born: *born, revision: number, total: *total };
                        let incoming = IncomingShare { replica: here, share, forecast: None, in_order_at: None };
                        other.table.take_share(name_of(&self.name_at(announcement.location)), incoming);
                    }
                    AnnouncementBody::Assignment { name, assignment } => {
                        other.table.take_assignment(name_of(name), Arc::new(other.translate(assignment, self)));
                    }
                    AnnouncementBody::Precision { name, register } => {
                        let register = PrecisionRegister { origin: here, ..*register };
                        other.table.take_precision(name_of(name), register, now(4).monotonic);
                    }
                    AnnouncementBody::Retirement { .. } => panic!("nothing is given up here"),
                }
            }
        }
    }

    fn name_at(&self, place: Location) -> Vec<u8> {
        let mut found = Vec::new();
        self.table.visit_items_at(place, &|_, _| false, now(5).monotonic, &mut |name, _, _| found = name.to_vec());
        found
    }

    fn translate(&self, assignment: &Assignment, from: &Side) -> Assignment {
        let here = |index: ReplicaIndex| self.index_of(from.replicas[index.as_usize()]);
        let mut context = vec![0; 3];
        for (index, number) in assignment.context.iter() {
            context[here(index).as_usize()] = number;
        }
        Assignment {
            origin: here(assignment.origin),
            cut: assignment.cut.iter().map(|(index, share)| (here(*index), *share)).collect(),
            context: Context::new(context),
            ..assignment.clone()
        }
    }

    /// Gives up all that may be, as if every member had everything.
    fn give_up(&self) {
        let stability = Stability {
            is_stable: &|_| true,
            is_settled: &|_, _| true,
            is_own_past: &|_| false,
            everyone_has: &|_, _| true,
        };
        for shard in 0..=u8::MAX {
            self.table.tend(shard, u64::MAX, &stability);
        }
    }
}

fn replica(number: u8) -> ReplicaId {
    ReplicaId { node: NodeId::new([number; 20]), incarnation: Incarnation(u64::from(number)) }
}

fn name(text: &str) -> Name<'_> {
    name_of(text.as_bytes())
}

fn name_of(bytes: &[u8]) -> Name<'_> {
    Name::new(bytes).expect("a name")
}

fn now(second: u64) -> Moment {
    let wall = WallMillis(1_700_000_000_000 + second * 1000);
    Moment { monotonic: Monotonic::from_nanos(second * 1_000_000_000), wall }
}

fn three() -> [Side; 3] {
    [Side::new([1, 2, 3]), Side::new([2, 3, 1]), Side::new([3, 1, 2])]
}

#[test]
fn tables_that_agree_have_one_hash_whatever_their_indexes_and_places() {
    let [a, b, c] = three();
    assert_eq!(a.fingerprint(), b.fingerprint());
    let mut seen = BTreeSet::from([a.fingerprint().to_string()]);
    for round in 0..300 {
        a.increment(&format!("a{round}"), round);
        b.increment(&format!("a{}", 299 - round), 1);
        c.increment(&format!("c{}", round % 7), -2);
    }
    a.table.assign(name("a1"), Amount::from(9), now(2)).expect("room");
    c.table.delete(name("c1"), now(2)).expect("room");
    b.table.set_precision(name("p"), Precision::ONE, now(2)).expect("room");
    assert_ne!(a.fingerprint(), b.fingerprint());
    a.tell(&[&b, &c]);
    b.tell(&[&c, &a]);
    assert_ne!(b.fingerprint(), c.fingerprint(), "the third has not spoken");
    c.tell(&[&a, &b]);
    assert_eq!(a.fingerprint(), b.fingerprint());
    assert_eq!(b.fingerprint(), c.fingerprint());
    assert!(seen.insert(a.fingerprint().to_string()));
    // Every kind of change shows, and shows alike once it was told.
    let changes: [(&Side, Change); 5] = [
        (&a, |table| table.increment(name("a2"), Amount::ONE, now(3).monotonic).map(|_| ()).expect("in range")),
        (&b, |table| table.increment(name("new"), Amount::ZERO, now(3).monotonic).map(|_| ()).expect("in range")),
        (&c, |table| table.assign(name("a3"), Amount::ONE, now(3)).expect("room")),
        (&b, |table| table.assign(name("a3"), Amount::ONE, now(3)).expect("room")),
        (&a, |table| table.set_precision(name("p"), Precision::default(), now(3)).expect("room")),
    ];
    for (side, change) in changes {
        change(&side.table);
        let others = [&a, &b, &c].into_iter().filter(|other| !std::ptr::eq(*other, side));
        side.tell(&others.collect::<Vec<_>>());
        assert!(seen.insert(a.fingerprint().to_string()), "a change that does not show");
        assert_eq!(a.fingerprint(), b.fingerprint());
        assert_eq!(b.fingerprint(), c.fingerprint());
    }
}

#[test]
fn what_a_deletion_left_and_when_it_was_given_up_does_not_show() {
    let [a, b, c] = three();
    let empty = a.fingerprint();
    a.increment("x", 5);
    b.increment("x", 6);
    a.tell(&[&b, &c]);
    b.tell(&[&a, &c]);
    let made = a.fingerprint();
    assert_eq!(made, b.fingerprint());
    c.table.delete(name("x"), now(2)).expect("room");
    assert_eq!(c.fingerprint(), empty);
    c.tell(&[&a, &b]);
    // Only one of them has given up anything.
    a.give_up();
    assert_eq!(a.table.inspect(name("x")).expect("b's share").own(), None);
    for side in [&a, &b, &c] {
        assert_eq!(side.fingerprint(), empty);
    }
    // The counter comes back: by one that keeps the deletion, and what it counted before.
    b.increment("x", 1);
    b.tell(&[&a, &c]);
    assert_ne!(a.fingerprint(), empty);
    assert_eq!(a.fingerprint(), b.fingerprint());
    assert_eq!(b.fingerprint(), c.fingerprint());
}

#[test]
fn a_deletion_that_takes_nothing_from_what_is_there_does_not_show() {
    let [a, b, _] = three();
    a.increment("x", 5);
    a.tell(&[&b]);
    a.table.delete(name("x"), now(2)).expect("room");
    a.tell(&[&b]);
    // The one forgets the deletion wholly before the share is born again, the other never heard of that.
    a.give_up();
    assert_eq!(
        a.table.inspect(name("x")).map(|state| (state.own(), state.assignment().is_some())),
        Some((None, false))
    );
    a.increment("x", 1);
    let mut last = Vec::new();
    a.table.drain(usize::MAX, now(3).monotonic, &mut last);
    for announcement in &last {
        if let AnnouncementBody::Share { born, total, .. } = announcement.body {
            let share = Share { born, revision: announcement.number, total };
            let incoming =
                IncomingShare { replica: b.index_of(a.replicas[0]), share, forecast: None, in_order_at: None };
            b.table.take_share(name("x"), incoming);
        }
    }
    assert!(b.table.inspect(name("x")).expect("the counter").assignment().is_some());
    assert_eq!(a.fingerprint(), b.fingerprint());
}

#[test]
fn a_replica_that_is_not_known_gives_no_hash() {
    let [a, ..] = three();
    a.increment("x", 1);
    assert_eq!(a.table.fingerprint(&|_| None), None);
}
