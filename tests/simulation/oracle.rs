//! What a counter means, said a second time and without the machinery: the winning assignment's base plus every
//! increment that it had not observed. An increment may be missing only if nobody else had heard of it when its node
//! lost its memory.

use crate::world::{Witness, World};
use discnt::base::{Amount, Name, ReplicaId, Stamp};
use std::collections::BTreeMap;

struct Increment {
    amount: i128,
    /// The number under which it first left its owner's memory.
    number: Option<u64>,
    /// The share's revision when it was made: it leaves under a higher one.
    made_at: u64,
    /// Nobody who is left had heard of it when its node, or the last that had, lost its memory. What was on its way
    /// may have arrived since.
    doubtful: bool,
}

struct Assigned {
    stamp: Stamp,
    base: Amount,
    deleted: bool,
    /// Up to which number it had each replica's increments.
    observed: BTreeMap<ReplicaId, u64>,
    /// As with increments.
    doubtful: bool,
}

#[derive(Default)]
struct Counter {
    increments: BTreeMap<ReplicaId, Vec<Increment>>,
    assigned: Vec<Assigned>,
}

pub(crate) struct Oracle {
    counters: BTreeMap<&'static str, Counter>,
}

fn name(key: &str) -> Name<'_> {
    Name::new(key.as_bytes()).expect("short")
}

impl Oracle {
    pub(crate) fn new(keys: &[&'static str]) -> Self {
        Self { counters: keys.iter().map(|key| (*key, Counter::default())).collect() }
    }

    pub(crate) fn increment(&mut self, world: &mut World, at: usize, key: &str, amount: i64) {
        let replica = world.node(at).replica();
        let by = Amount::from(amount);
        world.node(at).table().increment(name(key), by, world.clock(at)).expect("in range");
        let counter = self.counters.get_mut(key).expect("a known key");
        let made_at = world.inspect(at, key).and_then(|state| state.own()).expect("it was just incremented").revision;
        counter.increments.entry(replica).or_default().push(Increment {
            amount: by.units(),
            number: None,
            made_at,
            doubtful: false,
        });
    }

    pub(crate) fn assign(&mut self, world: &mut World, at: usize, key: &str, value: i64) {
        let value = Amount::from(value);
        world.node(at).table().assign(name(key), value, world.moment(at)).expect("room");
        assert_eq!(world.read(at, key), Some(value), "what was set is what is read next");
        self.note_assignment(world, at, key);
    }

    pub(crate) fn delete(&mut self, world: &mut World, at: usize, key: &str) {
        let existed = world.node(at).table().delete(name(key), world.moment(at)).expect("room");
        assert_eq!(world.read(at, key), None, "what was deleted does not exist");
        if existed {
            self.note_assignment(world, at, key);
        }
    }

    fn note_assignment(&mut self, world: &World, at: usize, key: &str) {
        self.look_at(world, at, key);
        let node = world.node(at);
        let state = world.inspect(at, key).expect("it was just assigned");
        let assignment = state.assignment().expect("it was just assigned");
        let counter = self.counters.get_mut(key).expect("a known key");
        let replicas = counter.increments.keys().copied();
        // What is there no more of a share was given up, and had been seen: an assignment brings its writer's shares along,
        // and their numbers need not count as received where the last words of a replica came only that way.
        let known = counter.assigned.iter().filter(|one| is_heard(world, &[at], key, one.stamp));
        let known: Vec<&Assigned> = known.collect();
        let had = |replica: ReplicaId| {
            let seen = known.iter().filter_map(|one| one.observed.get(&replica)).copied().max();
            seen.unwrap_or(0).max(node.received(replica))
        };
        let cut: BTreeMap<ReplicaId, u64> = assignment
            .cut
            .iter()
            .map(|(index, share)| (node.replica_at(*index).expect("known"), share.revision))
            .collect();
        let observed =
            replicas.map(|replica| (replica, cut.get(&replica).copied().unwrap_or_else(|| had(replica)))).collect();
        let (stamp, base, deleted) = (assignment.stamp, assignment.base, assignment.deleted);
        counter.assigned.push(Assigned { stamp, base, deleted, observed, doubtful: false });
    }

    fn look_at(&mut self, world: &World, at: usize, key: &str) {
        let replica = world.node(at).replica();
        let Some(counter) = self.counters.get_mut(key) else { return };
        let Some(list) = counter.increments.get_mut(&replica) else { return };
        if list.last().is_none_or(|increment| increment.number.is_some()) {
            return;
        }
        let Some(own) = world.inspect(at, key).and_then(|state| state.own()) else { return };
        let leaves = |increment: &&mut Increment| increment.number.is_none() && own.revision > increment.made_at;
        for increment in list.iter_mut().filter(leaves) {
            increment.number = Some(own.revision);
        }
    }

    /// The node loses its memory. Answers how many increments nobody else had heard of.
    pub(crate) fn crash(&mut self, world: &mut World, at: usize, noticed_at_once: bool) -> u64 {
        self.look(world, at);
        let others: Vec<usize> = (0..world.nodes()).filter(|other| *other != at).collect();
        let present: Vec<ReplicaId> = others.iter().map(|other| world.node(*other).replica()).collect();
        let mut lost = 0;
        for (key, counter) in &mut self.counters {
            // What only this node held of replicas that ended before it is gone with it.
            for (replica, list) in counter.increments.iter_mut().filter(|(replica, _)| !present.contains(replica)) {
                let top = newest_heard(world, &others, key, *replica);
                for increment in list {
                    let is_doubtful = increment.number.is_none_or(|number| number > top);
                    lost += u64::from(is_doubtful && !increment.doubtful);
                    increment.doubtful = is_doubtful;
                }
            }
            for assigned in &mut counter.assigned {
                let is_left = present.contains(&assigned.stamp.replica);
                assigned.doubtful = !is_left && !is_heard(world, &others, key, assigned.stamp);
            }
        }
        world.restart(at, noticed_at_once);
        lost
    }

    /// Whether this is what every node may read in the end.
    pub(crate) fn allows(&self, world: &World, key: &str, read: Option<Amount>) -> bool {
        let counter = &self.counters[key];
        let nodes: Vec<usize> = (0..world.nodes()).collect();
        let assigned = counter.assigned.iter().filter(|a| !a.doubtful || is_heard(world, &nodes, key, a.stamp));
        let winner = assigned.max_by_key(|assigned| assigned.stamp);
        let mut unseen = BTreeMap::<ReplicaId, Vec<i128>>::new();
        for (replica, list) in &counter.increments {
            let observed = winner.and_then(|winner| winner.observed.get(replica)).copied().unwrap_or(0);
            let top = newest_heard(world, &nodes, key, *replica);
            let is_left =
                |increment: &&Increment| !increment.doubtful || increment.number.is_some_and(|number| number <= top);
            let later = list.iter().filter(is_left).filter(|i| i.number.is_none_or(|number| number > observed));
            unseen.entry(*replica).or_default().extend(later.map(|increment| increment.amount));
        }
        let sum: i128 = unseen.values().flatten().sum();
        let value = Amount::from_units(winner.map_or(0, |winner| winner.base.units()) + sum);
        match winner {
            None => read == value.filter(|_| !unseen.values().all(Vec::is_empty)),
            Some(winner) if !winner.deleted => read == value,
            // An unseen sum brings a deleted counter back; unseen increments that add up to nothing may or may not.
            Some(_) if unseen.values().any(|list| list.iter().sum::<i128>() != 0) => read == value,
            Some(_) if unseen.values().any(|list| !list.is_empty()) => read.is_none() || read == Some(Amount::ZERO),
            Some(_) => read.is_none(),
        }
    }
}

impl Witness for Oracle {
    /// Notes under which numbers the node's increments have left its memory.
    fn look(&mut self, world: &World, at: usize) {
        let keys: Vec<&'static str> = self.counters.keys().copied().collect();
        for key in keys {
            self.look_at(world, at, key);
        }
    }
}

/// The newest number of `replica` that any of the nodes has heard of, of this counter or of all.
fn newest_heard(world: &World, nodes: &[usize], key: &str, replica: ReplicaId) -> u64 {
    let by_one = |at: &usize| {
        let node = world.node(*at);
        let is_of = |index| node.replica_at(index) == Some(replica);
        let state = world.inspect(*at, key).unwrap_or_default();
        let held = state.others().filter(|held| is_of(held.replica)).map(|held| held.share.revision);
        let cut = state.assignment().into_iter().flat_map(|a| a.cut.iter());
        let cut = cut.filter(|(index, _)| is_of(*index)).map(|(_, share)| share.revision);
        held.chain(cut).max().unwrap_or(0).max(node.received(replica))
    };
    nodes.iter().map(by_one).max().unwrap_or(0)
}

/// Whether any of the nodes has heard of this assignment.
fn is_heard(world: &World, nodes: &[usize], key: &str, stamp: Stamp) -> bool {
    let by_one = |at: &usize| {
        world.node(*at).received(stamp.replica) >= stamp.number
            || world.inspect(*at, key).is_some_and(|state| state.assignment().is_some_and(|a| a.stamp == stamp))
    };
    nodes.iter().any(by_one)
}
