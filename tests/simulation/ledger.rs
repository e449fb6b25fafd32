//! A second, stricter oracle, which knows nothing of shares, cuts, revisions or numbers.
//!
//! Every increment of a counter is a power of two of its own, so what a node reads says which increments it
//! has, at any moment of a history. The rules are those a user would name: an assignment replaces exactly what its
//! writer had ever seen; nothing that a node has seen is lost to it again but by an assignment that had seen it too;
//! nothing is counted twice; and what no node that is left has seen may be gone.

use crate::world::{Witness, World};
use discnt::base::{Amount, Name, ReplicaId, Stamp};
use discnt::counter::CounterState;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Increments of one counter in one history.
const MOST: u32 = 110;
/// Those with an odd index are negative.
const NEGATIVE: u128 = 0xaaaa_aaaa_aaaa_aaaa_aaaa_aaaa_aaaa & ((1 << MOST) - 1);

struct Assigned {
    base: i128,
    deleted: bool,
    observed: u128,
    /// Somebody who knew of it made one with an earlier stamp: it had been given up, and its stamp with it.
    outlived: bool,
}

#[derive(Default)]
struct Counter {
    made_by: Vec<ReplicaId>,
    assigned: BTreeMap<Stamp, Assigned>,
    /// By node: the increments, and the assignments, that it has ever had an effect of.
    seen: Vec<u128>,
    won: Vec<BTreeSet<Stamp>>,
    /// By node: the shares of its own lives that it holds.
    lives: Vec<BTreeSet<ReplicaId>>,
    /// By node: what it held when it was last checked; none when something else has happened since.
    checked: Vec<Option<CounterState>>,
    /// Deleted, and then given up by common consent: not even an assignment that never heard of them brings them back.
    gone: u128,
    /// The last deletion that was given up: who was parted meanwhile gives up what came before it, and never hears of it.
    over: Option<Stamp>,
}

pub(crate) struct Ledger {
    counters: BTreeMap<&'static str, Counter>,
    /// Whoever has assigned anything.
    writers: Vec<ReplicaId>,
    /// By node: up to where it had everything of each of them when it was last checked.
    received: Vec<Vec<u64>>,
    /// The first thing that was wrong.
    pub(crate) complaint: Option<String>,
}

fn name(key: &str) -> Name<'_> {
    Name::new(key.as_bytes()).expect("short")
}

impl Ledger {
    pub(crate) fn new(keys: &[&'static str], nodes: usize) -> Self {
        let counter = || Counter {
            seen: vec![0; nodes],
            won: vec![BTreeSet::new(); nodes],
            lives: vec![BTreeSet::new(); nodes],
            checked: vec![None; nodes],
            ..Counter::default()
        };
        Self {
            counters: keys.iter().map(|key| (*key, counter())).collect(),
            writers: Vec::new(),
            received: vec![Vec::new(); nodes],
            complaint: None,
        }
    }

    pub(crate) fn increment(&mut self, world: &World, at: usize, key: &'static str) {
        let counter = self.counters.get_mut(key).expect("a known key");
        let index = counter.made_by.len() as u32;
        if index == MOST {
            return;
        }
        let units = if NEGATIVE >> index & 1 == 1 { -(1_i128 << index) } else { 1 << index };
        let by = Amount::from_units(units).expect("in range");
        let table = world.node(at).table();
        let before = table.read(name(key), world.clock(at)).unwrap_or_default();
        let after = table.increment(name(key), by, world.clock(at)).expect("in range");
        counter.made_by.push(world.node(at).replica());
        counter.checked[at] = None;
        if before.checked_add(by) != Ok(after) {
            self.complain(world, at, key, &format!("{by} made {before} into {after}"));
        }
        self.look(world, at);
    }

    pub(crate) fn assign(&mut self, world: &World, at: usize, key: &'static str, value: Option<i64>) {
        self.look(world, at);
        let table = world.node(at).table();
        match value {
            Some(value) => table.assign(name(key), Amount::from(value), world.moment(at)).expect("room"),
            None => {
                if !table.delete(name(key), world.moment(at)).expect("room") {
                    return;
                }
            }
        }
        if world.read(at, key) != value.map(Amount::from) {
            self.complain(world, at, key, "what was assigned is not what is read next");
        }
        let state = world.inspect(at, key).expect("it was just assigned");
        let counter = self.counters.get_mut(key).expect("a known key");
        let assigned = Assigned {
            base: Amount::from(value.unwrap_or(0)).units(),
            deleted: value.is_none(),
            observed: counter.seen[at],
            outlived: false,
        };
        let stamp = state.assignment().expect("it was just assigned").stamp;
        counter.checked.fill(None);
        let node = world.node(at);
        if !self.writers.contains(&node.replica()) {
            self.writers.push(node.replica());
        }
        let later = counter.assigned.range_mut(stamp..);
        for (_, known) in later.filter(|(later, _)| node.received(later.replica) >= later.number) {
            known.outlived = true;
        }
        counter.assigned.insert(stamp, assigned);
        self.look(world, at);
    }

    /// The node has lost its memory.
    pub(crate) fn forget(&mut self, at: usize) {
        for counter in self.counters.values_mut() {
            counter.seen[at] = 0;
            counter.won[at].clear();
            counter.lives[at].clear();
            counter.checked[at] = None;
        }
    }

    /// What every node must read in the end.
    pub(crate) fn expected(&self, world: &World, key: &str) -> Option<Amount> {
        let counter = &self.counters[key];
        let present: Vec<ReplicaId> = (0..world.nodes()).map(|at| world.node(at).replica()).collect();
        let is_left =
            |stamp: &Stamp| present.contains(&stamp.replica) || counter.won.iter().any(|stamps| stamps.contains(stamp));
        let winner = counter.assigned.iter().filter(|(stamp, won)| is_left(stamp) && !won.outlived);
        let winner = winner.map(|(_, won)| won).next_back();
        let seen = counter.seen.iter().fold(0, |all, seen| all | seen);
        let own = (0_u32..).zip(&counter.made_by).filter(|(_, by)| present.contains(by));
        let left = own.fold(seen, |all, (index, _)| all | 1 << index);
        let counted = left & !winner.map_or(0, |won| won.observed) & !counter.gone;
        let exists = counted != 0 || winner.is_some_and(|won| !won.deleted);
        let units = winner.map_or(0, |won| won.base) + (counted & !NEGATIVE) as i128 - (counted & NEGATIVE) as i128;
        exists.then(|| Amount::from_units(units).expect("in range"))
    }

    fn complain(&mut self, world: &World, at: usize, key: &str, what: &str) {
        if self.complaint.is_none() {
            let when = world.now.as_nanos() / 1_000_000;
            let mut history = String::new();
            let counter = &self.counters[key];
            for (stamp, assigned) in &counter.assigned {
                let Assigned { base, deleted, observed, outlived } = assigned;
                let _ = writeln!(
                    history,
                    "  {stamp:?}: base {base}, deleted {deleted}, outlived {outlived}, had seen {observed:b}"
                );
            }
            for at in 0..world.nodes() {
                let received: Vec<u64> =
                    counter.assigned.keys().map(|stamp| world.node(at).received(stamp.replica)).collect();
                let _ = writeln!(history, "  node {at} has seen {:b}, {received:?}", counter.seen[at]);
            }
            for (index, by) in counter.made_by.iter().enumerate() {
                let _ = writeln!(history, "  {index} by {by}");
            }
            self.complaint =
                Some(format!("{key} at node {at} after {when} ms: {what}\n{}{history}", world.describe(key)));
        }
    }

    fn check(&mut self, world: &World, at: usize, key: &'static str) -> Result<(), String> {
        let state = world.inspect(at, key).unwrap_or_default();
        let counter = self.counters.get_mut(key).expect("a known key");
        let present = state.assignment().map(|assignment| assignment.stamp);
        counter.won[at].extend(present);
        if present.is_none() {
            let buried =
                counter.won[at].last().filter(|last| counter.assigned.get(last).is_some_and(|won| won.deleted));
            counter.over = counter.over.max(buried.copied());
        }
        counter.note_given_up(world, at, &state);
        let mut newest = counter.won[at].iter();
        // Those that were outlived count only while nothing came after them.
        let is_left = |stamp: &&Stamp| present.is_none() || counter.assigned.get(stamp).is_none_or(|won| !won.outlived);
        let newest = newest.rfind(is_left).filter(|newest| present.is_some() || Some(**newest) > counter.over);
        let winner = newest.map(|stamp| counter.assigned.get(stamp).ok_or("an assignment that nobody made"));
        let winner = winner.transpose()?;
        if present != newest.copied() && !(present.is_none() && winner.is_some_and(|won| won.deleted)) {
            return Err(format!("{newest:?} gave way to {present:?}"));
        }
        let (base, observed) = winner.map_or((0, 0), |won| (won.base, won.observed));
        let counted = world.exact(at, &state) - base + NEGATIVE as i128;
        let counted = u128::try_from(counted).map_err(|_| "less than any increments make")? ^ NEGATIVE;
        let made = (1 << counter.made_by.len()) - 1_u128;
        if counted & !made != 0 {
            return Err(format!("no increments add up to this: {counted:b} of {made:b}"));
        }
        if counted & observed != 0 {
            return Err(format!("{:b} was assigned over and counts still", counted & observed));
        }
        let replica = world.node(at).replica();
        let seen = counter.seen[at] | counter.made_by(|by| by == replica);
        let known = counter.known(world, at) | observed;
        // Without an assignment there is nothing but what was given up, and of that it is enough to have heard.
        let explained = counter.gone | if present.is_none() { known | counter.buried(at) } else { observed };
        let lost = seen & !counted & !explained;
        if lost != 0 {
            return Err(format!("{lost:b} had been seen here, was not assigned over, and is gone"));
        }
        counter.seen[at] = seen | counted | known;
        let exists = counted != 0 || winner.is_some_and(|won| !won.deleted);
        if exists != world.read(at, key).is_some() {
            return Err(format!("it should exist: {exists}"));
        }
        counter.checked[at] = Some(state);
        Ok(())
    }
}

impl Counter {
    fn made_by(&self, is_one: impl Fn(ReplicaId) -> bool) -> u128 {
        let made = (0_u32..).zip(&self.made_by).filter(|(_, by)| is_one(**by));
        made.fold(0, |all, (index, _)| all | 1 << index)
    }

    /// Whoever has all that a writer said, knows what its assignments had seen.
    fn known(&self, world: &World, at: usize) -> u128 {
        let node = world.node(at);
        let known = self.assigned.iter().filter(|(stamp, _)| node.received(stamp.replica) >= stamp.number);
        known.fold(0, |all, (_, assigned)| all | assigned.observed)
    }

    /// What the assignments that this node heard of, and that were given up with a later deletion, had seen.
    fn buried(&self, at: usize) -> u128 {
        let buried = self.won[at].iter().filter(|stamp| Some(**stamp) <= self.over);
        buried.filter_map(|stamp| self.assigned.get(stamp)).fold(0, |all, assigned| all | assigned.observed)
    }

    /// A node may give up its deleted shares when no member has assigned without having seen them, and kept that from it.
    fn note_given_up(&mut self, world: &World, at: usize, state: &CounterState) {
        let node = world.node(at);
        let held = state.others().filter_map(|held| node.replica_at(held.replica));
        let held = held.filter(|replica| replica.node == node.replica().node);
        let lives: BTreeSet<ReplicaId> = held.chain(state.own().map(|_| node.replica())).collect();
        let before = std::mem::replace(&mut self.lives[at], lives.clone());
        let given_up = self.made_by(|by| before.contains(&by) && !lives.contains(&by));
        let deleted = self.won[at].iter().filter(|stamp| self.assigned[stamp].deleted);
        let deleted = deleted.fold(0, |all, stamp| all | self.assigned[stamp].observed);
        let knows = |stamp: &Stamp| self.won[at].contains(stamp) || node.received(stamp.replica) >= stamp.number;
        let kept_from_it = |other: usize| {
            let replica = world.node(other).replica();
            let made = self.assigned.iter().filter(move |(stamp, _)| stamp.replica == replica && !knows(stamp));
            made.fold(0, |all, (_, assigned)| all | !assigned.observed)
        };
        let members = (0..world.nodes()).filter(|other| world.are_members(at, *other));
        let disputed = members.map(kept_from_it).fold(0, |all, other| all | other);
        self.gone |= given_up & deleted & !disputed;
    }
}

impl Witness for Ledger {
    /// Nothing that is checked depends on more than what the node holds of the counter and has of the writers, and on
    /// what was done to the counter.
    /// Who was parted from the others relies on nothing until it has taken over what they have, and says so.
    fn look(&mut self, world: &World, at: usize) {
        if world.is_away(at) {
            // What it hears on its way home it may have given up by the time it is there.
            for (key, counter) in &mut self.counters {
                let present = |state: &CounterState| state.assignment().map(|assignment| assignment.stamp);
                counter.won[at].extend(world.node(at).table().inspect_with(name(key), present).flatten());
            }
            return;
        }
        let received: Vec<u64> = self.writers.iter().map(|writer| world.node(at).received(*writer)).collect();
        let heard_more = self.received[at] != received;
        self.received[at] = received;
        let table = world.node(at).table();
        let is_same = |key: &str, checked: &CounterState| {
            table
                .inspect_with(name(key), |state| state == checked)
                .unwrap_or_else(|| *checked == CounterState::default())
        };
        let changed = |(key, counter): (&&'static str, &Counter)| {
            let same = !heard_more && counter.checked[at].as_ref().is_some_and(|checked| is_same(key, checked));
            (!same).then_some(*key)
        };
        let changed: Vec<&'static str> = self.counters.iter().filter_map(changed).collect();
        for key in changed {
            if let Err(what) = self.check(world, at, key) {
                self.complain(world, at, key, &what);
            }
        }
    }
}
