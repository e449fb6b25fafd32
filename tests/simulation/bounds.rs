//! What `GET name BOUND` promises, checked at every step of random histories: everything that the members within their
//! lease had counted until `as_of` is in the value, to within the bound.
//!
//! Streams of increments run at a pace, so that counters are predicted; links lose, are cut and flap; nodes restart, stop for
//! a while, are forgotten and met again; the precision changes, and in some histories the counter is set now and then: then
//! the last SET of those members is in the value, too, and what it had seen is not. What an ended replica alone had is lost
//! with it and may be missing.

use crate::Tally;
use crate::random::Random;
use crate::world::{Witness, World};
use discnt::base::{Amount, Durability, Monotonic, Name, NodeId, ReplicaId, Stamp};
use discnt::counter::Precision;
use discnt::node::Phase;
use std::collections::BTreeMap;
use std::time::Duration;

const KEY: &str = "clicks";

struct Nobody;

impl Witness for Nobody {
    fn look(&mut self, _world: &World, _at: usize) {}
}

struct Made {
    at: Monotonic,
    /// The commit cycle that it is on disk with.
    ticket: u64,
    by: ReplicaId,
    amount: i128,
}

struct Assigned {
    at: Monotonic,
    ticket: u64,
    by: ReplicaId,
    stamp: Stamp,
}

/// How a history's readings came out.
#[derive(Default, Debug)]
pub(crate) struct Readings {
    pub(crate) readings: u64,
    /// All members were within their lease.
    pub(crate) whole: u64,
    /// And the bound was no more than the precision.
    pub(crate) within_precision: u64,
    /// Milliseconds, summed.
    pub(crate) age_ms: u64,
    pub(crate) predicted: u64,
    /// The counter had been set.
    pub(crate) assigned: u64,
}

impl Tally for Readings {
    fn add(&mut self, other: &Self) {
        self.readings += other.readings;
        self.whole += other.whole;
        self.within_precision += other.within_precision;
        self.age_ms += other.age_ms;
        self.predicted += other.predicted;
        self.assigned += other.assigned;
    }
}

struct Bounds {
    random: Random,
    world: World,
    made: Vec<Made>,
    assigned: Vec<Assigned>,
    /// Nodes, and how often each is incremented in a second.
    paces: Vec<(u64, i64)>,
    precision: Amount,
    readings: Readings,
    /// All nodes write down what they count before they answer.
    on_disks: bool,
}

fn name() -> Name<'static> {
    Name::new(KEY.as_bytes()).expect("short")
}

impl Bounds {
    fn increment(&mut self, at: usize, amount: i64) {
        let node = self.world.node(at);
        let amount = Amount::from(amount);
        node.table().increment(name(), amount, self.world.clock(at)).expect("in range");
        let (by, ticket) = (node.replica(), node.table().commits().ticket());
        self.made.push(Made { at: self.world.now, ticket, by, amount: amount.units() });
        if self.on_disks {
            self.world.commit(at);
        }
    }

    fn set(&mut self, at: usize, value: Amount) {
        let moment = self.world.moment(at);
        let node = self.world.node(at);
        node.table().assign(name(), value, moment).expect("room");
        let (by, ticket) = (node.replica(), node.table().commits().ticket());
        let state = self.world.inspect(at, KEY).expect("it was set");
        let stamp = state.assignment().expect("it was set").stamp;
        self.assigned.push(Assigned { at: self.world.now, ticket, by, stamp });
        if self.on_disks {
            self.world.commit(at);
        }
    }

    /// How many of the increments by `replica` are in a total of its share.
    fn seen(&self, replica: ReplicaId, total: i128) -> Result<usize, String> {
        let mut sum = 0;
        let by_it = self.made.iter().filter(|made| made.by == replica);
        let sums = std::iter::once(0).chain(by_it.map(|made| (sum += made.amount, sum).1));
        sums.into_iter().position(|sum| sum == total).ok_or_else(|| format!("{replica:?} never stood at {total}"))
    }

    /// A hundredth of a second, in small steps.
    fn pass(&mut self) -> Result<(), String> {
        for _ in 0..10 {
            for at in 0..self.paces.len() {
                let (pace, amount) = self.paces[at];
                if self.random.below(1000) < pace && self.is_serving(at) {
                    self.increment(at, amount);
                }
            }
            self.world.run_for(Duration::from_millis(1), &mut Nobody);
        }
        let at = self.random.below(self.world.nodes() as u64) as usize;
        if self.is_serving(at) { self.check(at) } else { Ok(()) }
    }

    fn is_serving(&self, at: usize) -> bool {
        !self.world.is_paused(at) && self.world.node(at).state().phase() == Phase::Serving
    }

    /// The process dies. With a disk, the next goes on as it; what was not on disk yet was not acknowledged.
    fn crash(&mut self, at: usize) {
        let noticed_at_once = self.random.unit() < 0.5;
        if !self.on_disks {
            self.world.restart(at, noticed_at_once);
        } else if !self.world.is_paused(at) {
            let node = self.world.node(at);
            let (by, commits) = (node.replica(), node.table());
            self.made.retain(|made| made.by != by || commits.commits().is_durable(made.ticket));
            // Cycles are counted anew by every process.
            self.made.iter_mut().filter(|made| made.by == by).for_each(|made| made.ticket = 0);
            self.assigned.retain(|assigned| assigned.by != by || commits.commits().is_durable(assigned.ticket));
            self.assigned.iter_mut().filter(|assigned| assigned.by == by).for_each(|assigned| assigned.ticket = 0);
            let down_for = Duration::from_millis(self.random.pick(&[0, 30, 500, 4000]));
            self.world.kill(at, down_for, noticed_at_once);
        }
    }

    fn check(&mut self, at: usize) -> Result<(), String> {
        let world = &self.world;
        let node = world.node(at);
        let reading = node.table().read_bounded(name(), world.clock(at));
        let as_of = world.on_world_clock(at, reading.as_of);
        let present: Vec<ReplicaId> = (0..world.nodes()).map(|at| world.node(at).replica()).collect();
        let is_promised = |by: ReplicaId| {
            let outside = |id: NodeId| reading.outside_lease.contains(&id);
            let is_member = by.node == node.replica().node
                || (0..world.nodes())
                    .any(|other| world.node(other).replica().node == by.node && world.are_members(at, other));
            present.contains(&by) && !outside(by.node) && is_member
        };
        let state = world.inspect(at, KEY).unwrap_or_default();
        let last = state.assignment();
        let (mut base, mut seen) = (0, BTreeMap::new());
        for (replica, share) in last.iter().flat_map(|last| &last.cut) {
            let replica = node.replica_at(*replica).ok_or("a cut of nobody")?;
            seen.insert(replica, self.seen(replica, share.total.units())?);
        }
        if let Some(last) = last {
            base = last.base.units();
            self.readings.assigned += 1;
        }
        let promised = self.assigned.iter().filter(|assigned| is_promised(assigned.by) && assigned.at < as_of);
        let missed =
            promised.map(|assigned| assigned.stamp).max().filter(|stamp| last.is_none_or(|last| last.stamp < *stamp));
        if let Some(missed) = missed {
            return Err(format!("node {at} reads {reading:?} without {missed:?}\n{}", world.describe(KEY)));
        }
        let (mut least, mut most) = (base, base);
        for made in &self.made {
            match seen.get_mut(&made.by) {
                Some(left) if *left > 0 => *left -= 1,
                _ if is_promised(made.by) && made.at < as_of => {
                    (least, most) = (least + made.amount, most + made.amount);
                }
                _ => (least, most) = (least + made.amount.min(0), most + made.amount.max(0)),
            }
        }
        let (value, bound) = (reading.value.unwrap_or_default().units(), reading.bound.units());
        self.readings.readings += 1;
        if reading.outside_lease.is_empty() {
            self.readings.whole += 1;
            self.readings.within_precision += u64::from(reading.bound <= self.precision);
            self.readings.age_ms += u64::try_from(world.now.since(as_of).as_millis()).unwrap_or(u64::MAX);
        }
        self.readings.predicted += u64::from(state.others().any(|held| held.forecast.is_some()));
        if value < least - bound || value > most + bound {
            let amount = |units: i128| Amount::from_units(units).unwrap_or_default();
            return Err(format!(
                "node {at} at {} ms reads {reading:?}, but it is from {} to {}\n{:?}\n{}",
                world.now.as_nanos() / 1_000_000,
                amount(least),
                amount(most),
                *node.table().progress().standings(),
                world.describe(KEY)
            ));
        }
        Ok(())
    }

    fn break_something(&mut self, crashes: bool, sets: bool) {
        let nodes = self.world.nodes() as u64;
        let (a, b) = (self.random.below(nodes) as usize, self.random.below(nodes) as usize);
        match self.random.below(60) {
            0 if crashes => self.crash(a),
            8 if !self.world.is_paused(a) => {
                let (seconds, at_once) = (self.random.pick(&[1, 2, 4]), self.random.unit() < 0.3);
                self.world.pause(a, Duration::from_secs(seconds), at_once);
            }
            9 if !self.world.is_paused(a) => {
                // Whoever is forgotten may be met again at once, or never.
                self.world.forget(a, b);
            }
            10 if a != b && !self.world.is_paused(a) => self.world.meet(a, b),
            1 => {
                let (one_way, at_once) = (self.random.unit() < 0.5, self.random.unit() < 0.5);
                self.world.cut(a, b, one_way, at_once);
            }
            2 => self.world.flap(a, b),
            3 | 4 => self.world.heal_all(),
            5 if self.is_serving(a) => {
                let precision = self.random.pick(&[0, 3, 20, 200]);
                let set = Precision::new(Amount::from(precision)).expect("not negative");
                let moment = self.world.moment(a);
                if self.world.node(a).table().set_precision(name(), set, moment).is_ok() {
                    self.precision = self.precision.max(set.amount());
                }
            }
            6 | 7 => {
                let pace = self.random.pick(&[0, 0, 20, 300, 900]);
                self.paces[a] = (pace, self.random.pick(&[1, 1, 1, -1, 3]));
            }
            11 if sets && self.is_serving(a) => {
                let value = self.random.pick(&[0, 0, 100, -5]);
                self.set(a, Amount::from(value));
            }
            _ => {}
        }
    }
}

/// Lives through one history. Answers what was promised and not so.
pub(crate) fn live(seed: u64) -> Result<Readings, String> {
    let mut random = Random::new(seed ^ 0x5eed);
    let nodes = random.between(2, 5) as usize;
    let loss = random.pick(&[0.0, 0.0, 0.05, 0.3]);
    let (crashes, breaks) = (random.unit() < 0.5, random.unit() < 0.8);
    let on_disks = random.unit() < 0.5;
    let mut world = World::new(seed, nodes, loss);
    if on_disks {
        world = world.with_disks(&[Durability::Always]);
    }
    for at in 1..nodes {
        world.meet(at, 0);
    }
    world.run_for(Duration::from_secs(2), &mut Nobody);
    let paces = (0..nodes).map(|_| (random.pick(&[0, 20, 300, 900]), 1)).collect();
    let precision = Amount::from(random.pick(&[0, 3, 20, 200]));
    let set = Precision::new(precision).expect("not negative");
    world.node(0).table().set_precision(name(), set, world.moment(0)).expect("room");
    let readings = Readings::default();
    let (made, assigned) = (Vec::new(), Vec::new());
    let sets = random.unit() < 0.5;
    let mut history = Bounds { random, world, made, assigned, paces, precision, readings, on_disks };
    for _ in 0..600 {
        history.pass()?;
        if breaks {
            history.break_something(crashes, sets);
        }
    }
    Ok(history.readings)
}

#[test]
fn a_wider_precision_is_gone_by_once_all_have_heard_of_it() {
    let mut world = World::new(1, 3, 0.0);
    world.meet(1, 0);
    world.meet(2, 0);
    world.run_for(Duration::from_secs(3), &mut Nobody);
    let set = Precision::new(Amount::from(300)).expect("not negative");
    world.node(0).table().set_precision(name(), set, world.moment(0)).expect("room");
    let mut predicted_after = None;
    for step in 0..5_000 {
        world.node(1).table().increment(name(), Amount::ONE, world.clock(1)).expect("in range");
        world.run_for(Duration::from_millis(1), &mut Nobody);
        let state = world.inspect(2, KEY).unwrap_or_default();
        if predicted_after.is_none() && state.others().any(|held| held.forecast.is_some()) {
            predicted_after = Some(step);
        }
    }
    assert!(predicted_after.is_some_and(|after| (500..3_000).contains(&after)), "{predicted_after:?}");
}
