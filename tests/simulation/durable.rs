//! Random histories of nodes with disks, in which processes die and stop, several at once, disks are slow, fail and are lost,
//! and the network does what it does elsewhere.
//!
//! Every increment is a power of four of its own, and a SET writes below all of them: what a node reads says which
//! increments it has, and one that is counted twice shows. The rules: nothing is lost that was in any process' memory, or on
//! any disk, after the last crash; nothing of what was acknowledged once it was on disk is lost in a crash; what others have
//! of a node that writes always is on its disk; and in the end all read the same.

use crate::Tally;
use crate::random::Random;
use crate::world::{Witness, World};
use discnt::base::{Amount, Durability, Name, ReplicaId, Stamp};
use discnt::counter::{CounterState, StoredCounter};
use discnt::node::Phase;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const KEYS: [&str; 3] = ["apples", "pears", "plums"];
/// Increments of one counter in one history: a digit of four each, above what SET writes.
const MOST: u32 = 52;
const FIRST_DIGIT: u32 = 4;
const HEALING: Duration = Duration::from_secs(20);

type Bits = u64;

fn name(key: &str) -> Name<'_> {
    Name::new(key.as_bytes()).expect("short")
}

/// What happened in all histories together.
#[derive(Default, Debug)]
pub(crate) struct Figures {
    increments: u64,
    assignments: u64,
    kills: u64,
    stops: u64,
    lost_disks: u64,
    commits: u64,
    /// Increments that a crash took with it, rightly.
    lost: u64,
    /// Replicas beyond one a node.
    renewed: u64,
}

impl Figures {
    pub(crate) fn is_eventful(&self) -> bool {
        let Self { increments, assignments, kills, stops, lost_disks, commits, lost, renewed } = *self;
        [increments, assignments, kills, stops, lost_disks, commits, lost, renewed].iter().all(|figure| *figure > 0)
    }
}

impl Tally for Figures {
    fn add(&mut self, other: &Self) {
        self.increments += other.increments;
        self.assignments += other.assignments;
        self.kills += other.kills;
        self.stops += other.stops;
        self.lost_disks += other.lost_disks;
        self.commits += other.commits;
        self.lost += other.lost;
        self.renewed += other.renewed;
    }
}

struct Made {
    at: usize,
    life: u64,
    ticket: u64,
}

struct Assigned {
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
struct Counter {
    made: Vec<Made>,
    /// Increments that were in no memory and on no disk after some crash.
    doubtful: Bits,
    /// Increments in shares that were given up.
    gone: Bits,
    assigned: BTreeMap<Stamp, Assigned>,
    /// By node: what it held when it was last looked at.
    seen: BTreeMap<usize, CounterState>,
}

/// Follows what happens.
#[derive(Default)]
struct Book {
    counters: BTreeMap<&'static str, Counter>,
    complaint: Option<String>,
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
    fn everything_in(state: &CounterState) -> Bits {
        let own = state.own.map_or(0, |share| bits_of(share.total.units()));
        let others = state.others().iter().fold(own, |bits, held| bits | bits_of(held.share.total.units()));
        let rest = state.remainders().iter().fold(others, |bits, one| bits | bits_of(one.amount.units()));
        let cut = state.assignment().into_iter().flat_map(|assignment| &assignment.cut);
        cut.fold(rest, |bits, (_, share)| bits | bits_of(share.total.units()))
    }

    fn everything_stored(stored: &StoredCounter) -> Bits {
        let shares = stored.own.iter().chain(stored.shares.iter().map(|(_, share)| share));
        let cut = stored.assignment.iter().flat_map(|assignment| assignment.cut.iter().map(|(_, share)| share));
        let told = shares.chain(cut).fold(0, |bits, share| bits | bits_of(share.total.units()));
        stored.remainders.iter().fold(told, |bits, one| bits | bits_of(one.amount.units()))
    }

    fn observed_by_any(&self) -> Bits {
        self.assigned.values().fold(0, |bits, assigned| bits | assigned.observed)
    }
}

impl Book {
    fn increment(&mut self, world: &mut World, at: usize, key: &'static str) -> bool {
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

    fn assign(&mut self, world: &mut World, at: usize, key: &'static str, base: Option<u64>) -> bool {
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
        let own_life = |replica: ReplicaId| replica.node == node.replica().node;
        let shares = |state: &CounterState| {
            let own = state.own.map_or(0, |share| bits_of(share.total.units()));
            let past = state.others().iter().filter(|held| node.replica_at(held.replica).is_some_and(own_life));
            past.fold(own, |bits, held| bits | bits_of(held.share.total.units()))
        };
        counter.gone |= shares(&before) & !shares(&state);
    }

    /// What is anywhere, after a crash and before anything else happens.
    fn take_stock(&mut self, world: &World, fallen: &[usize]) -> u64 {
        let mut lost = 0;
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
            for (stamp, assigned) in &mut counter.assigned {
                assigned.is_lost |= last.is_none_or(|last| last < *stamp);
                // An old SAVE brings back what nobody remembers to have given up.
                assigned.keepers.retain(|at| !fallen.contains(at) || world.disk(*at).mode != Durability::Memory);
                if assigned.is_buried && assigned.keepers.is_empty() {
                    (assigned.is_buried, assigned.is_lost) = (false, true);
                    counter.doubtful |= assigned.observed;
                }
            }
        }
        lost
    }

    /// What others have of a node that writes always is on its disk.
    fn check_held_back(&mut self, world: &World) {
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

    fn verdict(&self, world: &World, key: &str) -> Result<(), String> {
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
        let later = counter.assigned.iter().filter(|(one, _)| Some(**one) > stamp.max(over));
        if let Some((missing, _)) = later.filter(|(_, one)| !one.is_lost).next_back() {
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
        if !world.hosts[at].is_down && world.node(at).state().phase() != Phase::Loading {
            for key in KEYS {
                self.look_at(world, at, key);
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Odds {
    kill: f64,
    stop: f64,
    lose_disk: f64,
    cut: f64,
    pause: f64,
    assign: f64,
    delete: f64,
}

struct History {
    random: Random,
    world: World,
    book: Book,
    odds: Odds,
    figures: Figures,
}

/// Lives through one history. Answers what disagreed.
pub(crate) fn live(seed: u64) -> Result<Figures, String> {
    let mut random = Random::new(seed ^ 0xd15c);
    let nodes = random.between(1, 5) as usize;
    let all = [Durability::Always, Durability::EverySecond, Durability::Memory];
    let one = random.pick(&all);
    let modes: Vec<Durability> =
        if random.unit() < 0.6 { vec![one] } else { (0..nodes).map(|_| random.pick(&all)).collect() };
    let loss = random.pick(&[0.0, 0.05, 0.3]);
    let mut world = World::new(seed, nodes, loss).with_disks(&modes);
    for at in 0..nodes {
        let disk = world.disk_mut(at);
        disk.slowest = random.pick(&[500, 5_000, 300_000]);
        disk.failing = random.pick(&[0.0, 0.0, 0.2]);
    }
    let odds = Odds {
        kill: random.pick(&[0.01, 0.03, 0.06]),
        stop: random.pick(&[0.0, 0.01]),
        lose_disk: random.pick(&[0.0, 0.0, 0.1]),
        cut: random.pick(&[0.0, 0.02, 0.05]),
        pause: random.pick(&[0.0, 0.0, 0.01]),
        assign: random.pick(&[0.0, 0.02, 0.05]),
        delete: random.pick(&[0.0, 0.05, 0.2]),
    };
    for at in 1..nodes {
        world.meet(at, 0);
    }
    let mut history = History { random, world, book: Book::default(), odds, figures: Figures::default() };
    history.world.run_for(Duration::from_secs(2), &mut history.book);
    for _ in 0..200 {
        history.operate();
        history.break_something();
        let pause = history.random.pick(&[0, 1, 3, 20, 100, 700, 1500]);
        history.world.run_for(Duration::from_millis(pause), &mut history.book);
        history.book.check_held_back(&history.world);
        if let Some(complaint) = &history.book.complaint {
            return Err(history.report(complaint));
        }
    }
    history.end()?;
    Ok(history.figures)
}

impl History {
    fn report(&self, complaint: &str) -> String {
        let when = self.world.now.as_nanos() / 1_000_000;
        let modes: Vec<Durability> = (0..self.world.nodes()).map(|at| self.world.disk(at).mode).collect();
        let states: String = KEYS.iter().map(|key| format!(" {key}:\n{}", self.world.describe(key))).collect();
        format!("after {when} ms, {modes:?}: {complaint}\n{states}")
    }

    fn is_serving(&self, at: usize) -> bool {
        !self.world.is_paused(at) && self.world.node(at).state().phase() == Phase::Serving
    }

    fn operate(&mut self) {
        let at = self.random.below(self.world.nodes() as u64) as usize;
        let key = self.random.pick(&KEYS);
        if !self.is_serving(at) {
            return;
        }
        let choice = self.random.unit();
        let Odds { assign, delete, .. } = self.odds;
        // What was deleted and set apart from the others, by who does not know again what they did, has no common order.
        let may_assign = !self.world.node(at).state().view().catching_up;
        if choice < assign && may_assign {
            let base = self.random.below(250);
            self.figures.assignments += u64::from(self.book.assign(&mut self.world, at, key, Some(base)));
        } else if choice < assign + delete && may_assign {
            self.figures.assignments += u64::from(self.book.assign(&mut self.world, at, key, None));
        } else if choice > 0.4 {
            self.figures.increments += u64::from(self.book.increment(&mut self.world, at, key));
        } else if choice > 0.38 && self.world.disk(at).mode == Durability::Memory {
            // SAVE.
            self.world.commit(at);
        }
    }

    fn break_something(&mut self) {
        let nodes = self.world.nodes() as u64;
        let (at, other) = (self.random.below(nodes) as usize, self.random.below(nodes) as usize);
        if self.random.unit() < self.odds.kill {
            self.kill_some(at);
        }
        if self.random.unit() < self.odds.stop && !self.world.is_paused(at) {
            self.book.look(&self.world, at);
            let down_for = Duration::from_millis(self.random.pick(&[0, 50, 1000, 5000]));
            self.world.stop(at, down_for);
            self.figures.lost += self.book.take_stock(&self.world, &[at]);
            self.figures.stops += 1;
        }
        if at != other && self.random.unit() < self.odds.cut {
            if self.random.unit() < 0.5 {
                let (one_way, at_once) = (self.random.unit() < 0.3, self.random.unit() < 0.5);
                self.world.cut(at, other, one_way, at_once);
            } else {
                self.world.heal_all();
            }
        }
        if self.random.unit() < self.odds.pause && !self.world.is_paused(at) {
            let seconds = self.random.pick(&[1, 2, 5]);
            self.world.pause(at, Duration::from_secs(seconds), self.random.unit() < 0.3);
        }
    }

    /// One dies, or several at the same moment.
    fn kill_some(&mut self, first: usize) {
        let mut fallen = vec![first];
        while self.random.unit() < 0.3 {
            fallen.push(self.random.below(self.world.nodes() as u64) as usize);
        }
        fallen.sort_unstable();
        fallen.dedup();
        fallen.retain(|at| !self.world.hosts[*at].is_down);
        for at in &fallen {
            self.book.look(&self.world, *at);
            let down_for = Duration::from_millis(self.random.pick(&[0, 0, 50, 400, 3000, 8000]));
            let noticed_at_once = self.random.unit() < 0.5;
            self.world.kill(*at, down_for, noticed_at_once);
            self.figures.kills += 1;
        }
        // All are down: what is on disk or with the others is what there is.
        self.figures.lost += self.book.take_stock(&self.world, &fallen);
        for at in fallen {
            if self.random.unit() < self.odds.lose_disk {
                self.world.lose_disk(at);
                self.figures.lost_disks += 1;
                self.figures.lost += self.book.take_stock(&self.world, &[]);
            }
        }
    }

    fn end(&mut self) -> Result<(), String> {
        self.world.heal_all();
        self.world.set_loss(0.0);
        for at in 0..self.world.nodes() {
            self.world.disk_mut(at).failing = 0.0;
        }
        self.world.run_for(HEALING, &mut self.book);
        self.agree("once all was well")?;
        for key in KEYS {
            self.figures.assignments += u64::from(self.book.assign(&mut self.world, 0, key, None));
        }
        self.world.run_for(Duration::from_secs(10), &mut self.book);
        self.agree("after all was deleted")?;
        for at in 0..self.world.nodes() {
            self.figures.commits += self.world.disk(at).commits;
        }
        self.figures.renewed +=
            (0..).map_while(|index| self.world.node(0).replica_at(discnt::base::ReplicaIndex(index))).count() as u64;
        self.figures.renewed -= self.world.nodes() as u64;
        Ok(())
    }

    fn agree(&self, when: &str) -> Result<(), String> {
        for at in 0..self.world.nodes() {
            if !self.is_serving(at) {
                return Err(self.report(&format!("{when}: node {at} does not serve")));
            }
        }
        if let Some(complaint) = &self.book.complaint {
            return Err(self.report(complaint));
        }
        for key in self.book.counters.keys() {
            if let Err(what) = self.book.verdict(&self.world, key) {
                return Err(self.report(&format!("{when}, {key}: {what}")));
            }
        }
        Ok(())
    }
}
