//! Random histories: clients at work on every node while the network and the nodes fail, and then the network made
//! whole and everybody asked.

use crate::ledger::Ledger;
use crate::random::Random;
use crate::socket::lock;
use crate::world::{Climate, World};
use discnt::base::Amount;
use discnt::counter::Precision;
use std::time::Duration;

/// Only incremented: the plain sum.
const SUMS: usize = 2;
const KEYS: [&str; 4] = ["sum", "coarse sum", "assigned", "deleted"];
const MOST_HOSTS: usize = 5;
/// After the network is whole and every server runs, all nodes agree within this.
const HEALING: Duration = Duration::from_secs(15);
/// Nodes that know an address each are linked within this.
const FOUNDING: Duration = Duration::from_secs(10);
const HOUR_MILLIS: i64 = 3_600_000;

/// What was done and what happened, for people.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) increments: u64,
    pub(crate) assignments: u64,
    pub(crate) lost_with_a_crash: u64,
    pub(crate) crashes: u64,
    pub(crate) goodbyes: u64,
    pub(crate) joins: u64,
    pub(crate) cuts: u64,
    pub(crate) one_way_cuts: u64,
    pub(crate) held: u64,
    pub(crate) datagrams: u64,
    pub(crate) datagrams_lost: u64,
    pub(crate) datagrams_doubled: u64,
    pub(crate) virtual_time: Duration,
    pub(crate) slowest_agreement: Duration,
    /// Of every datagram of the history, and of what was read in the end.
    pub(crate) trace: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Self) {
        self.increments += other.increments;
        self.assignments += other.assignments;
        self.lost_with_a_crash += other.lost_with_a_crash;
        self.crashes += other.crashes;
        self.goodbyes += other.goodbyes;
        self.joins += other.joins;
        self.cuts += other.cuts;
        self.one_way_cuts += other.one_way_cuts;
        self.held += other.held;
        self.datagrams += other.datagrams;
        self.datagrams_lost += other.datagrams_lost;
        self.datagrams_doubled += other.datagrams_doubled;
        self.virtual_time += other.virtual_time;
        self.slowest_agreement = self.slowest_agreement.max(other.slowest_agreement);
        self.trace = self.trace.rotate_left(1) ^ other.trace;
    }
}

struct History {
    random: Random,
    world: World,
    ledger: Ledger,
    figures: Figures,
    /// By host: it knows all members, and they know it. What a node gives up by its own consent, before it has heard of
    /// all who are in the cluster, does not bind the others.
    joined: Vec<bool>,
}

/// Lives through the history of a seed.
pub(crate) fn live(seed: u64) -> Result<Figures, String> {
    let mut random = Random::new(seed);
    let slowest = Duration::from_millis(random.pick(&[10, 40, 100, 200]));
    let climate = Climate { tick: Duration::from_millis(4), latency: (Duration::from_millis(1), slowest) };
    let world = World::new(seed, &climate);
    let mut history =
        History { random, world, ledger: Ledger::new(&KEYS), figures: Figures::default(), joined: Vec::new() };
    history.begin();
    let turns = history.random.between(150, 400);
    for _ in 0..turns {
        history.turn();
    }
    history.end()
}

impl History {
    fn begin(&mut self) {
        let count = self.random.between(2, MOST_HOSTS as u64);
        for _ in 0..count {
            self.join();
        }
        let linked = self.world.wait(FOUNDING, |world| world.all_linked());
        assert!(linked.is_some(), "{count} nodes on a network without faults are not linked after {FOUNDING:?}");
        self.look();
        self.change_weather();
    }

    fn change_weather(&mut self) {
        let mut weather = lock(&self.world.weather);
        weather.loss = self.random.pick(&[0.0, 0.05, 0.15, 0.3]);
        weather.doubling = self.random.pick(&[0.0, 0.05, 0.2]);
    }

    fn join(&mut self) {
        let skew = self.random.pick(&[0, 0, HOUR_MILLIS, -HOUR_MILLIS, 250]);
        let knows_address = self.random.below(3) > 0;
        let members = self.members();
        let at = self.world.add(skew, knows_address);
        self.ledger.add_host();
        self.joined.push(at == 0);
        self.figures.joins += 1;
        if !members.is_empty() {
            let member = self.random.pick(&members);
            let (from, to) = if self.random.below(2) == 0 { (at, member) } else { (member, at) };
            self.world.meet(from, to);
        }
    }

    /// The hosts that clients use.
    fn members(&self) -> Vec<usize> {
        self.world.up().into_iter().filter(|at| self.joined[*at]).collect()
    }

    fn look(&mut self) {
        self.ledger.look(&self.world);
        let members = self.members();
        let knows = |at, other| at == other || self.world.member(at, other).is_some_and(|member| member.mesh_port != 0);
        for at in self.world.up() {
            self.joined[at] |= members.iter().all(|member| knows(at, *member) && knows(*member, at));
        }
    }

    fn turn(&mut self) {
        match self.random.below(100) {
            0..60 => self.increment(),
            60..72 => self.assign(),
            72..76 => self.set_precision(),
            76..92 => self.fault(),
            92..94 => self.calm(),
            _ => {
                let pause = self.random.pick(&[50, 300, 1_000, 3_000]);
                self.world.run_for(Duration::from_millis(pause));
            }
        }
        let pause = self.random.below(80);
        self.world.run_for(Duration::from_millis(pause));
        self.look();
    }

    fn a_node(&mut self) -> usize {
        let members = self.members();
        self.random.pick(&members)
    }

    fn increment(&mut self) {
        let (at, which) = (self.a_node(), self.random.below(KEYS.len() as u64) as usize);
        self.ledger.increment(&self.world, at, which);
    }

    fn assign(&mut self) {
        let at = self.a_node();
        let which = SUMS + self.random.below((KEYS.len() - SUMS) as u64) as usize;
        let value = self.random.between(0, 2_000) as i64 - 1_000;
        let deletes = self.random.below(4) < if KEYS[which] == "deleted" { 3 } else { 1 };
        self.ledger.assign(&self.world, at, which, (!deletes).then_some(value));
    }

    fn set_precision(&mut self) {
        let at = self.a_node();
        let which = self.random.below(KEYS.len() as u64) as usize;
        let amount = self.random.pick(&[0, 1, 100, 1_000_000]);
        let precision = Precision::new(Amount::from(amount)).expect("not negative");
        self.ledger.set_precision(&self.world, at, which, precision);
    }

    fn pair(&mut self) -> Option<(usize, usize)> {
        let hosts = self.world.hosts() as u64;
        let (one, other) = (self.random.below(hosts) as usize, self.random.below(hosts) as usize);
        (one != other).then_some((one, other))
    }

    fn fault(&mut self) {
        match self.random.below(13) {
            0 | 1 => {
                if let Some((one, other)) = self.pair() {
                    self.world.cut(one, other);
                    self.figures.cuts += 1;
                }
            }
            2 | 3 => {
                if let Some((from, to)) = self.pair() {
                    self.world.cut_one_way(from, to);
                    self.figures.one_way_cuts += 1;
                }
            }
            4 => {
                if let Some((one, other)) = self.pair() {
                    self.world.hold(one, other);
                    self.figures.held += 1;
                }
            }
            5 => self.cut_off(),
            6..=8 => self.change_weather(),
            9 => self.crash(),
            10 => self.goodbye(),
            11 => self.restart(),
            _ if self.world.hosts() < MOST_HOSTS => self.join(),
            _ => self.restart(),
        }
    }

    /// Cuts one host off from all others.
    fn cut_off(&mut self) {
        let alone = self.random.below(self.world.hosts() as u64) as usize;
        for other in (0..self.world.hosts()).filter(|other| *other != alone) {
            self.world.cut(alone, other);
        }
        self.figures.cuts += 1;
    }

    fn crash(&mut self) {
        if self.members().len() > 1 {
            let at = self.a_node();
            self.ledger.forget(&self.world, at);
            self.world.crash(at);
            self.figures.crashes += 1;
        }
    }

    /// What a node says in its last moments may be lost on the way, so this is no safer than a crash.
    fn goodbye(&mut self) {
        if self.members().len() > 1 {
            let at = self.a_node();
            self.ledger.forget(&self.world, at);
            self.world.stop(at);
            self.figures.goodbyes += 1;
        }
    }

    fn restart(&mut self) {
        let down: Vec<usize> = (0..self.world.hosts()).filter(|at| !self.world.is_up(*at)).collect();
        if !down.is_empty() {
            let at = self.random.pick(&down);
            self.world.restart(at);
            if !self.joined[at] {
                // Whoever was not told that it is a member meets again.
                let member = self.a_node();
                self.world.meet(at, member);
            }
        }
    }

    fn calm(&mut self) {
        self.world.heal();
    }

    fn end(mut self) -> Result<Figures, String> {
        self.world.heal();
        for at in 0..self.world.hosts() {
            if !self.world.is_up(at) {
                self.world.restart(at);
            }
        }
        // A MEET may have been lost on a network that was not whole.
        for at in 1..self.world.hosts() {
            self.world.meet(at, 0);
        }
        let ledger = &self.ledger;
        let agreed = |world: &mut World| world.all_linked() && ledger.disagreement(world).is_none();
        let Some(took) = self.world.wait(HEALING, agreed) else {
            let why = self.ledger.disagreement(&self.world);
            return Err(format!(
                "no agreement {HEALING:?} after healing: {}",
                why.as_deref().unwrap_or("not all are linked")
            ));
        };
        // Nothing that is still under way changes it.
        self.world.run_for(Duration::from_secs(3));
        if let Some(why) = self.ledger.disagreement(&self.world) {
            return Err(format!("they agreed, and then no longer: {why}"));
        }
        self.ledger.settle(&self.world)?;
        self.world.check_panics();
        Ok(self.tell(took))
    }

    fn tell(self, took: Duration) -> Figures {
        let mut weather = lock(&self.world.weather);
        for key in KEYS {
            weather.note(self.world.read(0, key).map(Amount::units));
        }
        Figures {
            increments: self.ledger.increments,
            assignments: self.ledger.assignments,
            lost_with_a_crash: self.ledger.lost,
            datagrams: weather.sent,
            datagrams_lost: weather.lost,
            datagrams_doubled: weather.doubled,
            virtual_time: self.world.elapsed(),
            slowest_agreement: took,
            trace: weather.trace(),
            ..self.figures
        }
    }
}
