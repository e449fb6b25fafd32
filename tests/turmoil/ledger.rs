//! What the clients did, and which values that allows in the end.
//!
//! Every increment of a counter is a power of two of its own, those with an odd exponent negative, so that a sum
//! says which increments are in it, and how often. Knows nothing of how nodes agree.

use crate::world::{World, name};
use discnt::base::{Amount, Stamp};
use discnt::counter::{CounterState, Precision};

/// Increments of one counter in one history.
const MOST: usize = 110;

/// A SET or a DEL.
#[derive(Debug)]
#[expect(dead_code, reason = "the host and the time are for people")]
struct Assigned {
    host: usize,
    elapsed: std::time::Duration,
    stamp: Stamp,
    base: i128,
    deleted: bool,
    /// The increments that its writer's node had ever heard of.
    observed: u128,
    /// It may be that nobody who is left has heard of it.
    may_be_lost: bool,
}

#[derive(Default)]
struct Counter {
    made: usize,
    /// Increments of which nobody who is left may have heard.
    may_be_lost: u128,
    /// By host: the increments that it has heard of in its present life.
    heard: Vec<u128>,
    /// In the order in which they were made.
    assigned: Vec<Assigned>,
}

pub(crate) struct Ledger {
    keys: Vec<&'static str>,
    counters: Vec<Counter>,
    pub(crate) increments: u64,
    pub(crate) assignments: u64,
    /// Increments that were excused in the end, because they were not heard of in time, and were not counted.
    pub(crate) lost: u64,
}

/// Which increments a sum is made of: every whole number has one spelling in base -2.
fn increments_of(mut sum: i128) -> u128 {
    let mut bits = 0;
    let mut index = 0;
    while sum != 0 {
        if sum & 1 != 0 {
            bits |= 1 << index;
        }
        // Half of what is left, and the sign turned: rounded down, so that the remainder stays 0 or 1.
        sum = -(sum >> 1);
        index += 1;
    }
    bits
}

/// The increments that a state shows: those in its shares, and those that its assignment says it had seen.
fn shown_by(state: &CounterState) -> u128 {
    let own = state.own().into_iter().map(|share| share.total);
    let others = state.others().map(|held| held.share.total);
    let cut = state.assignment().into_iter().flat_map(|assignment| assignment.cut.iter()).map(|(_, share)| share.total);
    own.chain(others).chain(cut).fold(0, |bits, total| bits | increments_of(total.units()))
}

impl Ledger {
    pub(crate) fn new(keys: &[&'static str]) -> Self {
        let counters = keys.iter().map(|_| Counter::default()).collect();
        Self { keys: keys.to_vec(), counters, increments: 0, assignments: 0, lost: 0 }
    }

    pub(crate) fn add_host(&mut self) {
        self.counters.iter_mut().for_each(|counter| counter.heard.push(0));
    }

    /// Notes what every node has heard of. What is heard and given up between two looks would be missed.
    pub(crate) fn look(&mut self, world: &World) {
        for (key, counter) in self.keys.iter().zip(&mut self.counters) {
            for at in world.up() {
                counter.heard[at] |= world.inspect(at, key).as_ref().map_or(0, shown_by);
            }
        }
    }

    /// Answers whether there was room for one more.
    pub(crate) fn increment(&mut self, world: &World, at: usize, which: usize) -> bool {
        let counter = &mut self.counters[which];
        if counter.made == MOST {
            return false;
        }
        let size = 1_i128 << counter.made;
        let by = if counter.made % 2 == 1 { -size } else { size };
        let by = Amount::from_units(by).expect("within the range");
        world.table(at).increment(name(self.keys[which]), by, world.now(at)).expect("within the range");
        counter.heard[at] |= 1 << counter.made;
        counter.made += 1;
        self.increments += 1;
        true
    }

    /// A SET, or a DEL where there is no value.
    pub(crate) fn assign(&mut self, world: &World, at: usize, which: usize, value: Option<i64>) {
        let key = self.keys[which];
        let counter = &mut self.counters[which];
        counter.heard[at] |= world.inspect(at, key).as_ref().map_or(0, shown_by);
        let (table, now) = (world.table(at), world.moment(at));
        match value {
            Some(value) => table.assign(name(key), Amount::from(value), now).expect("room"),
            None if table.delete(name(key), now).expect("room") => {}
            None => return,
        }
        assert_eq!(world.read(at, key), value.map(Amount::from), "what was assigned to {key} is what is read next");
        let state = world.inspect(at, key).expect("it was just assigned");
        counter.assigned.push(Assigned {
            host: at,
            elapsed: world.elapsed(),
            stamp: state.assignment().expect("it was just assigned").stamp,
            base: Amount::from(value.unwrap_or(0)).units(),
            deleted: value.is_none(),
            observed: counter.heard[at],
            may_be_lost: false,
        });
        self.assignments += 1;
    }

    pub(crate) fn set_precision(&self, world: &World, at: usize, which: usize, precision: Precision) {
        world.table(at).set_precision(name(self.keys[which]), precision, world.moment(at)).expect("room");
    }

    /// The host has lost its memory: what only it knew of is gone.
    pub(crate) fn forget(&mut self, world: &World, at: usize) {
        for (key, counter) in self.keys.iter().zip(&mut self.counters) {
            let left: Vec<CounterState> = world
                .up()
                .iter()
                .filter(|other| **other != at)
                .filter_map(|other| world.inspect(*other, key))
                .collect();
            let made = (1_u128 << counter.made) - 1;
            counter.may_be_lost |= made & !left.iter().fold(0, |bits, state| bits | shown_by(state));
            let newest = left.iter().filter_map(|state| Some(state.assignment()?.stamp)).max();
            for assigned in counter.assigned.iter_mut().filter(|assigned| newest < Some(assigned.stamp)) {
                assigned.may_be_lost = true;
            }
            counter.heard[at] = 0;
        }
    }

    /// What still keeps the running nodes from agreeing to the last digit.
    pub(crate) fn disagreement(&self, world: &World) -> Option<String> {
        let up = world.up();
        for key in &self.keys {
            let seen = |at: usize| {
                let state = world.inspect(at, key);
                let shown = state.as_ref().map_or(0, shown_by);
                let stamp = state.as_ref().and_then(|state| Some(state.assignment()?.stamp));
                (world.read(at, key), world.table(at).precision(name(key)), stamp, shown)
            };
            let first = seen(up[0]);
            if let Some((other, differing)) = up.iter().map(|at| (*at, seen(*at))).find(|(_, other)| *other != first) {
                return Some(format!("{key}: node {} has {first:?}, node {other} has {differing:?}", up[0]));
            }
        }
        None
    }

    /// Fails unless the value that all nodes agree on follows from what was done.
    pub(crate) fn settle(&mut self, world: &World) -> Result<(), String> {
        let at = world.up()[0];
        for (key, counter) in self.keys.iter().zip(&self.counters) {
            let stamp = world.inspect(at, key).and_then(|state| Some(state.assignment()?.stamp));
            let value = world.read(at, key);
            self.lost += counter
                .explain(stamp, value)
                .map_err(|why| format!("{key} is {value:?}: {why}; assigned were {:#?}", counter.assigned))?;
        }
        Ok(())
    }
}

impl Counter {
    /// Why the value may not be; or how many increments were lost and might be.
    fn explain(&self, winning: Option<Stamp>, value: Option<Amount>) -> Result<u64, String> {
        let newest =
            self.assigned.iter().filter(|assigned| !assigned.may_be_lost).max_by_key(|assigned| assigned.stamp);
        let position = |stamp| self.assigned.iter().position(|assigned| assigned.stamp == stamp);
        let winner = match winning {
            Some(stamp) => Some(position(stamp).ok_or("nobody made the assignment that won")?),
            None => None,
        };
        if let Some(newest) = newest {
            // A deletion may have been given up by common consent, and what is said after that may have any stamp.
            let later = newest.deleted && winner.is_none_or(|winner| Some(winner) > position(newest.stamp));
            let wins = winner.is_some_and(|winner| self.assigned[winner].stamp >= newest.stamp);
            if !later && !wins {
                return Err(format!("{:?} was assigned last, not {winning:?}", newest.stamp));
            }
        }
        let winner = winner.map(|winner| &self.assigned[winner]);
        let (base, observed) = winner.map_or((0, 0), |winner| (winner.base, winner.observed));
        let counted = increments_of(value.unwrap_or_default().units() - base);
        let made = (1_u128 << self.made) - 1;
        if counted & !made != 0 {
            return Err(format!("{:x} counts what nobody did, or something twice", counted & !made));
        }
        if counted & observed != 0 {
            return Err(format!("{:x} were counted beside an assignment that had seen them", counted & observed));
        }
        let given_up = self.assigned.iter().filter(|assigned| assigned.deleted).fold(0, |bits, by| bits | by.observed);
        let missing = made & !observed & !counted & !given_up;
        if missing & !self.may_be_lost != 0 {
            return Err(format!("{:x} were lost", missing & !self.may_be_lost));
        }
        if value.is_none() && (counted != 0 || winner.is_some_and(|winner| !winner.deleted)) {
            return Err("it does not exist, and should".to_owned());
        }
        Ok(u64::from(missing.count_ones()))
    }
}

#[test]
fn a_sum_says_which_increments_it_is_made_of() {
    assert_eq!(increments_of(0), 0);
    for bits in [1_u128, 2, 3, 0b1011_0110, (1 << MOST) - 1, 1 << (MOST - 1), 0x5555_5555, 0xaaaa_aaaa_aaaa] {
        let parts = (0..MOST).filter(|index| bits >> index & 1 == 1);
        let sum: i128 = parts.map(|index| if index % 2 == 1 { -(1_i128 << index) } else { 1 << index }).sum();
        assert_eq!(increments_of(sum), bits);
    }
}
