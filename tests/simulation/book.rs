//! What is kept of histories with disks, and what must be true of them.
//!
//! Every increment is a power of four of its own, and a SET writes below all of them: what a node reads says which
//! increments it has, and one that is counted twice shows. The rules: nothing is lost that was in any process' memory, or on
//! any disk, after the last crash; nothing of what was acknowledged once it was on disk is lost in a crash; what others have
//! of a node that writes always is on its disk; and in the end all read the same.

use crate::waits::Waits;
use crate::world::{Witness, World};
use discnt::base::{Amount, Durability, Name, ReplicaId, Stamp};
use discnt::counter::{CounterState, StoredCounter};
use discnt::node::Phase;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const KEYS: [&str; 3] = ["apples", "pears", "plums"];
/// Increments of one counter in one history: a digit of four each, above what SET writes.
const MOST: u32 = 52;
const FIRST_DIGIT: u32 = 4;

pub(crate) type Bits = u64;

fn name(key: &str) -> Name<'_> {
    Name::new(key.as_bytes()).expect("short")
}

pub(crate) struct Made {
    pub(crate) at: usize,
    pub(crate) life: u64,
    ticket: u64,
}

pub(crate) struct Assigned {
    base: u64,
    deleted: bool,
    observed: Bits,
    /// No memory and no disk has it or a later one.
    is_lost: bool,
    /// A deletion that somebody has given up.
    is_buried: bool,
    /// Nodes that have not lost their memory since.
    keepers: BTreeSet<usize>,
}

#[derive(Default)]
pub(crate) struct Counter {
    pub(crate) made: Vec<Made>,
    /// Increments that were in no memory and on no disk after some crash.
    doubtful: Bits,
    /// Increments in shares that were given up.
    pub(crate) gone: Bits,
    assigned: BTreeMap<Stamp, Assigned>,
    /// By node: what it held when it was last looked at.
    seen: BTreeMap<usize, CounterState>,
}

/// Follows what happens.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) counters: BTreeMap<&'static str, Counter>,
    pub(crate) complaint: Option<String>,
    pub(crate) waits: Waits,
}

/// The increments in a sum of some, and what SET wrote.
fn parse(units: i128) -> Result<(Bits, u64), String> {
    let units = u128::try_from(units).map_err(|_| format!("{units} is less than anything that was made"))?;
    let mut bits = 0;
    for index in 0..MOST {
        match units >> (2 * (index + FIRST_DIGIT)) & 3 {
            0 => {}
            1 => bits |= 1 << index,
            times => return Err(format!("increment {index} was counted {times} times")),
        }
    }
    Ok((bits, (units & 255) as u64))
}

fn bits_of(units: i128) -> Bits {
    parse(units).map_or(0, |(bits, _)| bits)
}

impl Counter {
    pub(crate) fn everything_in(state: &CounterState) -> Bits {
        let own = state.own().map_or(0, |share| bits_of(share.total.units()));
        let others = state.others().fold(own, |bits, held| bits | bits_of(held.share.total.units()));
        let rest = state.remainders().iter().fold(others, |bits, one| bits | bits_of(one.amount.units()));
        let cut = state.assignment().into_iter().flat_map(|assignment| &assignment.cut);
        cut.fold(rest, |bits, (_, share)| bits | bits_of(share.total.units()))
    }

    pub(crate) fn everything_stored(stored: &StoredCounter) -> Bits {
        let shares = stored.own.iter().chain(stored.shares.iter().map(|(_, share)| share));
        let cut = stored.assignment.iter().flat_map(|assignment| assignment.cut.iter().map(|(_, share)| share));
        let told = shares.chain(cut).fold(0, |bits, share| bits | bits_of(share.total.units()));
        stored.remainders.iter().fold(told, |bits, one| bits | bits_of(one.amount.units()))
    }

    pub(crate) fn observed_by_any(&self) -> Bits {
        self.assigned.values().fold(0, |bits, assigned| bits | assigned.observed)
    }
}

impl Book {
    pub(crate) fn increment(&mut self, world: &mut World, at: usize, key: &'static str) -> bool {
        let counter = self.counters.entry(key).or_default();
        let index = counter.made.len() as u32;
        if index == MOST {
            return false;
        }
        let by = Amount::from_units(1 << (2 * (index + FIRST_DIGIT))).expect("in range");
        let table = world.node(at).table();
        table.increment(name(key), by, world.clock(at)).expect("in range");
        counter.made.push(Made { at, life: world.hosts[at].life, ticket: table.commits().ticket() });
        if world.disk(at).mode == Durability::Always {
            world.commit(at);
        }
        true
    }

    pub(crate) fn assign(&mut self, world: &mut World, at: usize, key: &'static str, base: Option<u64>) -> bool {
        self.look_at(world, at, key);
        let table = world.node(at).table();
        let done = match base {
            Some(base) => {
                let value = Amount::from_units(i128::from(base)).expect("in range");
                table.assign(name(key), value, world.moment(at)).is_ok()
            }
            None => table.delete(name(key), world.moment(at)).unwrap_or(false),
        };
        if !done {
            return false;
        }
        let state = world.inspect(at, key).expect("it was just assigned");
        let assignment = state.assignment().expect("it was just assigned");
        let observed = assignment.cut.iter().fold(0, |bits, (_, share)| bits | bits_of(share.total.units()));
        let stamp = assignment.stamp;
        let counter = self.counters.entry(key).or_default();
        let assigned = Assigned {
            base: base.unwrap_or(0),
            deleted: base.is_none(),
            observed,
            is_lost: false,
            keepers: BTreeSet::new(),
            is_buried: false,
        };
        if counter.assigned.insert(stamp, assigned).is_some() {
            self.complaint.get_or_insert(format!("{key}: stamp {stamp:?} was made twice"));
        }
        self.look_at(world, at, key);
        if world.disk(at).mode == Durability::Always {
            world.commit(at);
        }
        true
    }

    fn look_at(&mut self, world: &World, at: usize, key: &'static str) {
        let state = world.inspect(at, key).unwrap_or_default();
        let counter = self.counters.entry(key).or_default();
        let before = counter.seen.insert(at, state.clone()).unwrap_or_default();
        if let Some(assignment) = before.assignment().filter(|_| state.assignment().is_none())
            && let Some(buried) = counter.assigned.get_mut(&assignment.stamp)
        {
            if !buried.is_buried {
                buried.keepers = (0..world.nodes()).filter(|at| !world.hosts[*at].is_down).collect();
            }
            buried.is_buried = true;
        }
        let node = world.node(at);
        // Under whatever identity.
        let own_life = |replica: ReplicaId| usize::from(replica.node.as_bytes()[0]) == at + 1;
        let shares = |state: &CounterState| {
            let own = state.own().map_or(0, |share| bits_of(share.total.units()));
            let past = state.others().filter(|held| node.replica_at(held.replica).is_some_and(own_life));
            past.fold(own, |bits, held| bits | bits_of(held.share.total.units()))
        };
        counter.gone |= shares(&before) & !shares(&state);
        let explained = counter.gone | counter.observed_by_any();
        let less = Counter::everything_in(&before) & !Counter::everything_in(&state) & !explained;
        if less != 0 {
            let when = world.now.as_nanos() / 1_000_000;
            self.complaint.get_or_insert(format!("{key}: {at} had {less:b} until {when} ms, and has it no more"));
        }
    }

    /// What is anywhere, after a crash and before anything else happens.
    pub(crate) fn take_stock(&mut self, world: &World, fallen: &[usize]) -> u64 {
        let mut lost = 0;
        self.waits.note_fallen(world, fallen);
        for (key, counter) in &mut self.counters {
            let (mut bits, mut stamps) = (0, BTreeSet::new());
            for at in 0..world.nodes() {
                if let Some(stored) = world.disk(at).counters.get(key.as_bytes()) {
                    bits |= Counter::everything_stored(stored);
                    stamps.extend(stored.assignment.as_ref().map(|assignment| assignment.stamp));
                }
                if !world.hosts[at].is_down {
                    let state = world.inspect(at, key).unwrap_or_default();
                    bits |= Counter::everything_in(&state);
                    stamps.extend(state.assignment().map(|assignment| assignment.stamp));
                }
            }
            for (index, made) in counter.made.iter().enumerate() {
                let bit = 1 << index;
                let was_kept = fallen.contains(&made.at)
                    && world.hosts[made.at].life == made.life + 1
                    && world.node(made.at).table().commits().is_durable(made.ticket);
                if bits & bit != 0 {
                    continue;
                }
                if (counter.observed_by_any() | counter.gone) & bit == 0
                    && let Some(wait) = self.waits.who_has(key, bit)
                {
                    self.complaint
                        .get_or_insert(format!("{key}: increment {index} by {} is gone, though {wait}", made.at));
                }
                if was_kept && (counter.observed_by_any() | counter.gone | counter.doubtful) & bit == 0 {
                    self.complaint.get_or_insert(format!("{key}: increment {index} by {} was on disk", made.at));
                }
                lost += u64::from(counter.doubtful & bit == 0);
                counter.doubtful |= bit;
            }
            for at in fallen {
                counter.seen.remove(at);
            }
            let last = stamps.last().copied();
            let mut forgotten = None;
            for (stamp, assigned) in &mut counter.assigned {
                assigned.is_lost |= last.is_none_or(|last| last < *stamp);
                // An old SAVE brings back what nobody remembers to have given up.
                assigned.keepers.retain(|at| !fallen.contains(at) || world.disk(*at).mode != Durability::Memory);
                if assigned.is_buried && assigned.keepers.is_empty() {
                    assigned.is_buried = false;
                    counter.doubtful |= assigned.observed;
                    forgotten = Some(*stamp);
                }
            }
            // With it goes what it had taken the place of.
            for (_, assigned) in counter.assigned.iter_mut().filter(|(stamp, _)| Some(**stamp) <= forgotten) {
                assigned.is_lost = true;
            }
        }
        lost
    }

    /// What others have of a node that writes always is on its disk.
    pub(crate) fn check_held_back(&mut self, world: &World) {
        for (key, counter) in &self.counters {
            for always in (0..world.nodes()).filter(|at| world.disk(*at).mode == Durability::Always) {
                let host = &world.hosts[always];
                let by_it = |made: &&(usize, &Made)| made.1.at == always && made.1.life == host.life && !host.is_down;
                let made = counter.made.iter().enumerate().collect::<Vec<_>>();
                let bits = made.iter().filter(by_it).fold(0, |bits: Bits, (index, _)| bits | 1 << index);
                let kept = world.disk(always).counters.get(key.as_bytes()).map_or(0, Counter::everything_stored);
                for other in (0..world.nodes()).filter(|other| *other != always && !world.hosts[*other].is_down) {
                    let state = world.inspect(other, key).unwrap_or_default();
                    let early =
                        Counter::everything_in(&state) & bits & !kept & !counter.gone & !counter.observed_by_any();
                    if early != 0 {
                        self.complaint
                            .get_or_insert(format!("{key}: {other} has {early:b} of {always}, not on its disk"));
                    }
                }
            }
        }
    }

    pub(crate) fn verdict(&self, world: &World, key: &str) -> Result<(), String> {
        let counter = &self.counters[key];
        let read: Vec<Option<Amount>> = (0..world.nodes()).map(|at| world.read(at, key)).collect();
        if read.iter().any(|one| *one != read[0]) {
            return Err(format!("nodes disagree, they read {read:?}"));
        }
        let state = world.inspect(0, key).unwrap_or_default();
        let (bits, base) = parse(read[0].unwrap_or_default().units())?;
        let made = (1_u64 << counter.made.len()) - 1;
        if bits & !made != 0 {
            return Err(format!("{:b} was never made", bits & !made));
        }
        let buried = counter.assigned.values().filter(|one| one.is_buried).fold(0, |all, one| all | one.observed);
        if bits & buried != 0 {
            return Err(format!("{:b} is back though its deletion was given up", bits & buried));
        }
        let stamp = state.assignment().map(|assignment| assignment.stamp);
        // With a deletion that was given up goes all that came before it.
        let over = counter.assigned.iter().filter(|(_, one)| one.is_buried).map(|(stamp, _)| *stamp).next_back();
        let mut later = counter.assigned.iter().filter(|(one, _)| Some(**one) > stamp.max(over));
        if let Some((missing, _)) = later.rfind(|(_, one)| !one.is_lost) {
            return Err(format!("{missing:?} gave way to {stamp:?}"));
        }
        let winner =
            stamp.map(|stamp| counter.assigned.get(&stamp).ok_or(format!("nobody made {stamp:?}"))).transpose()?;
        let observed = winner.map_or(0, |one| one.observed);
        if base != winner.map_or(0, |one| one.base) {
            return Err(format!("{base} is not what was set"));
        }
        if bits & observed != 0 {
            return Err(format!("{:b} was assigned over", bits & observed));
        }
        let missing = made & !bits & !observed & !counter.doubtful & !counter.gone;
        if missing != 0 {
            return Err(format!("{missing:b} is missing"));
        }
        let exists = bits != 0 || winner.is_some_and(|one| !one.deleted);
        if exists != read[0].is_some() {
            return Err(format!("it should exist: {exists}"));
        }
        Ok(())
    }
}

impl Witness for Book {
    fn look(&mut self, world: &World, at: usize) {
        if let Some(complaint) = self.waits.check(world, at, &self.counters) {
            self.complaint.get_or_insert(complaint);
        }
        if !world.hosts[at].is_down && world.node(at).state().phase() != Phase::Loading {
            for key in KEYS {
                self.look_at(world, at, key);
            }
        }
    }
}
