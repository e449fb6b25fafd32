//! One random history: clients, faults, healing, and what must be true then.

use crate::ledger::Ledger;
use crate::oracle::Oracle;
use crate::random::Random;
use crate::world::{Witness, World};
use discnt::base::{Amount, Name};
use discnt::counter::Precision;
use std::time::Duration;

const KEYS: [&str; 3] = ["apples", "pears", "plums"];
/// From the last fault to the same exact value everywhere: lost links are found out about, dialled, and repaired.
const HEALING: Duration = Duration::from_secs(14);

/// What happened in all histories together.
#[derive(Default, Debug)]
pub(crate) struct Figures {
    pub(crate) increments: u64,
    pub(crate) assignments: u64,
    pub(crate) crashes: u64,
    pub(crate) cuts: u64,
    pub(crate) flaps: u64,
    pub(crate) lost: u64,
    pub(crate) given_up: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Self) {
        self.increments += other.increments;
        self.assignments += other.assignments;
        self.crashes += other.crashes;
        self.cuts += other.cuts;
        self.flaps += other.flaps;
        self.lost += other.lost;
        self.given_up += other.given_up;
    }
}

/// Half of the histories are checked by each oracle: the ledger looks closer and all the time, but its increments never
/// add up to nothing, which is a case of its own.
enum Judge {
    Oracle(Oracle),
    Ledger(Ledger),
}

impl Judge {
    fn witness(&mut self) -> &mut dyn Witness {
        match self {
            Self::Oracle(oracle) => oracle,
            Self::Ledger(ledger) => ledger,
        }
    }

    fn increment(&mut self, world: &mut World, at: usize, key: &'static str, amount: i64) {
        match self {
            Self::Oracle(oracle) => oracle.increment(world, at, key, amount),
            Self::Ledger(ledger) => ledger.increment(world, at, key),
        }
    }

    fn assign(&mut self, world: &mut World, at: usize, key: &'static str, value: Option<i64>) {
        match (self, value) {
            (Self::Oracle(oracle), Some(value)) => oracle.assign(world, at, key, value),
            (Self::Oracle(oracle), None) => oracle.delete(world, at, key),
            (Self::Ledger(ledger), value) => ledger.assign(world, at, key, value),
        }
    }

    fn crash(&mut self, world: &mut World, at: usize, noticed_at_once: bool) -> u64 {
        match self {
            Self::Oracle(oracle) => oracle.crash(world, at),
            Self::Ledger(ledger) => {
                ledger.forget(at);
                world.restart(at, noticed_at_once);
                0
            }
        }
    }

    fn verdict(&self, world: &World, key: &str, read: Option<Amount>) -> Result<(), String> {
        let right = match self {
            Self::Oracle(oracle) => oracle.allows(key, read),
            Self::Ledger(ledger) => ledger.expected(world, key) == read,
        };
        if right { Ok(()) } else { Err("the oracle does not".to_owned()) }
    }
}

/// How likely what is, in one history.
struct Odds {
    loss: f64,
    crash: f64,
    cut: f64,
    flap: f64,
    delete: f64,
    precision: f64,
    /// Amounts that often add up to nothing.
    small: bool,
    /// Operations gather around the instants at which nodes tell each other what they have.
    crowded: bool,
}

impl Odds {
    fn draw(random: &mut Random) -> Self {
        Self {
            loss: random.pick(&[0.0, 0.05, 0.3]),
            crash: random.pick(&[0.0, 0.0, 0.01, 0.03]),
            cut: random.pick(&[0.0, 0.02, 0.05]),
            flap: random.pick(&[0.0, 0.02]),
            delete: random.pick(&[0.02, 0.15, 0.3]),
            precision: random.pick(&[0.0, 0.05, 0.15]),
            small: random.unit() < 0.4,
            crowded: random.unit() < 0.4,
        }
    }
}

struct History {
    random: Random,
    odds: Odds,
    world: World,
    judge: Judge,
    figures: Figures,
    /// Nodes that have not met the others yet.
    strangers: Vec<usize>,
}

/// Lives through one history. Answers what disagreed.
pub(crate) fn live(seed: u64) -> Result<Figures, String> {
    let mut random = Random::new(seed);
    let nodes = random.between(2, 7) as usize;
    let odds = Odds::draw(&mut random);
    let world = World::new(seed, nodes, odds.loss);
    let judge =
        if random.unit() < 0.5 { Judge::Oracle(Oracle::new(&KEYS)) } else { Judge::Ledger(Ledger::new(&KEYS, nodes)) };
    let mut history = History { random, odds, world, judge, figures: Figures::default(), strangers: Vec::new() };
    history.begin();
    for _ in 0..300 {
        history.operate();
        history.break_something();
        history.wait();
        if let Judge::Ledger(Ledger { complaint: Some(complaint), .. }) = &history.judge {
            return Err(complaint.clone());
        }
    }
    history.heal();
    history.judge_all()?;
    history.give_up()?;
    Ok(history.figures)
}

impl History {
    fn any_node(&mut self) -> usize {
        self.random.below(self.world.nodes() as u64) as usize
    }

    fn begin(&mut self) {
        for at in 1..self.world.nodes() {
            if self.random.unit() < 0.15 { self.strangers.push(at) } else { self.world.meet(at, 0) }
        }
        self.world.run_for(Duration::from_secs(2), self.judge.witness());
    }

    fn operate(&mut self) {
        let (at, key) = (self.any_node(), self.random.pick(&KEYS));
        let choice = self.random.unit();
        if choice < 0.55 - self.odds.delete / 2.0 {
            let amount =
                if self.odds.small { self.random.pick(&[1, -1]) } else { self.random.between(0, 14) as i64 - 5 };
            self.judge.increment(&mut self.world, at, key, amount);
            self.figures.increments += 1;
        } else if self.strangers.contains(&at) || self.world.is_ignorant(at) {
            // What two clusters deleted and set before they met has no common order; what they counted is simply added.
            // The same goes for a node that has lost its memory and does not yet know again what was deleted.
        } else if choice < 0.6 - self.odds.delete / 2.0 {
            let value = self.random.between(0, 100) as i64 - 50;
            self.judge.assign(&mut self.world, at, key, Some(value));
            self.figures.assignments += 1;
        } else if choice < 0.6 + self.odds.delete / 2.0 {
            self.judge.assign(&mut self.world, at, key, None);
            self.figures.assignments += 1;
        } else if choice > 1.0 - self.odds.precision {
            let precision = Precision::new(Amount::from(self.random.pick(&[0, 1, 5, 20]))).expect("not negative");
            let name = Name::new(key.as_bytes()).expect("short");
            self.world.node(at).table().set_precision(name, precision, self.world.moment(at)).expect("room");
        }
    }

    fn break_something(&mut self) {
        let (at, other) = (self.any_node(), self.any_node());
        if self.random.unit() < self.odds.crash {
            // Where one falls the next may follow.
            let mut falls = at;
            loop {
                let noticed_at_once = self.random.unit() < 0.5;
                self.figures.lost += self.judge.crash(&mut self.world, falls, noticed_at_once);
                self.figures.crashes += 1;
                if self.random.unit() < 0.7 {
                    break;
                }
                falls = self.any_node();
            }
        }
        if self.random.unit() < self.odds.cut {
            self.figures.cuts += 1;
            if self.random.unit() < 0.6 {
                let (one_way, at_once) = (self.random.unit() < 0.3, self.random.unit() < 0.5);
                self.world.cut(at, other, one_way, at_once);
            } else {
                self.world.heal_all();
            }
        }
        if at != other && self.random.unit() < self.odds.flap {
            self.world.flap(at, other);
            self.figures.flaps += 1;
        }
        self.strangers.retain(|other| !self.world.are_members(0, *other));
        if self.random.unit() < 0.02 {
            self.introduce_one();
        }
    }

    fn introduce_one(&mut self) {
        if let Some(stranger) = self.strangers.first().copied() {
            let nodes = self.world.nodes();
            self.world.meet(stranger, (stranger + 1 + self.random.below(nodes as u64 - 1) as usize) % nodes);
        }
    }

    fn wait(&mut self) {
        let pause = self.random.pick(&[0, 1, 3, 20, 100, 700]);
        let pause = if self.odds.crowded && pause >= 20 {
            // All nodes began at a full second, and look around at every one since then.
            let to_the_second = 1_000_000_000 - self.world.now.as_nanos() % 1_000_000_000;
            Duration::from_nanos(to_the_second).saturating_sub(Duration::from_micros(self.random.below(7_000)))
        } else {
            Duration::from_millis(pause)
        };
        self.world.run_for(pause, self.judge.witness());
    }

    fn heal(&mut self) {
        self.world.heal_all();
        self.world.set_loss(0.0);
        // Some have never met, and a meeting may have failed.
        for at in 1..self.world.nodes() {
            self.world.meet(at, 0);
        }
        self.world.run_for(HEALING, self.judge.witness());
    }

    fn judge_all(&self) -> Result<(), String> {
        let nodes = self.world.nodes();
        for key in KEYS {
            let values: Vec<_> = (0..nodes).map(|node| self.world.read(node, key)).collect();
            if values.iter().any(|value| *value != values[0]) {
                return Err(format!("{key}: nodes disagree, they read {values:?}\n{}", self.world.describe(key)));
            }
            if let Err(text) = self.judge.verdict(&self.world, key, values[0]) {
                let read = values[0];
                return Err(format!("{key}: all nodes read {read:?}, {text}\n{}", self.world.describe(key)));
            }
        }
        if let Judge::Ledger(Ledger { complaint: Some(complaint), .. }) = &self.judge {
            return Err(complaint.clone());
        }
        Ok(())
    }

    /// A deleted counter leaves no trace once everybody knows, but for a precision, and where a replica ended with last
    /// words that nobody heard whole.
    fn give_up(&mut self) -> Result<(), String> {
        for key in KEYS {
            self.judge.assign(&mut self.world, 0, key, None);
        }
        self.world.run_for(Duration::from_secs(8), self.judge.witness());
        for key in KEYS {
            let states: Vec<_> = (0..self.world.nodes()).map(|node| self.world.inspect(node, key)).collect();
            let gone = states.iter().flatten().all(|state| {
                state.own.is_none()
                    && state.others().is_empty()
                    && state.retired().is_empty()
                    && state.assignment().is_none()
            });
            if gone {
                self.figures.given_up += 1;
            } else if self.figures.crashes == 0 {
                return Err(format!("{key} was deleted and is not given up\n{}", self.world.describe(key)));
            }
        }
        let pulls = self.world.pulls;
        self.world.run_for(Duration::from_secs(3), self.judge.witness());
        if self.world.pulls != pulls {
            return Err("with nothing going on, nodes still ask each other for what they lack".to_owned());
        }
        self.judge_all()
    }
}
