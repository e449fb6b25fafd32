//! Random histories of nodes with disks, in which processes die and stop, several at once, disks are slow, fail and are lost,
//! and the network does what it does elsewhere.

use crate::Tally;
use crate::book::{Book, KEYS};
use crate::exiles::Exiles;
use crate::random::Random;
use crate::world::{Witness, World};
use discnt::base::Durability;
use discnt::node::Phase;
use std::time::Duration;

const HEALING: Duration = Duration::from_secs(20);

/// What happened in all histories together.
#[derive(Default, Debug)]
pub(crate) struct Figures {
    increments: u64,
    assignments: u64,
    kills: u64,
    stops: u64,
    pub(crate) lost_disks: u64,
    /// Nodes that were forgotten or left.
    pub(crate) partings: u64,
    /// Nodes that came back with nothing, and were looked at when they knew again what the others know.
    pub(crate) restored: u64,
    /// Clients that were told that another node has their writes, and that the own disk has.
    waited: u64,
    synced: u64,
    commits: u64,
    /// Increments that a crash took with it, rightly.
    pub(crate) lost: u64,
    /// Replicas beyond one a node.
    renewed: u64,
}

impl Figures {
    pub(crate) fn is_eventful(&self) -> bool {
        let Self { increments, assignments, kills, stops, lost_disks, commits, lost, renewed, .. } = *self;
        let Self { partings, restored, waited, synced, .. } = *self;
        let rest = [partings, restored, waited, synced];
        let all = [increments, assignments, kills, stops, lost_disks, commits, lost, renewed];
        all.iter().chain(&rest).all(|figure| *figure > 0)
    }
}

impl Tally for Figures {
    fn add(&mut self, other: &Self) {
        self.increments += other.increments;
        self.assignments += other.assignments;
        self.kills += other.kills;
        self.stops += other.stops;
        self.lost_disks += other.lost_disks;
        self.partings += other.partings;
        self.restored += other.restored;
        self.waited += other.waited;
        self.synced += other.synced;
        self.commits += other.commits;
        self.lost += other.lost;
        self.renewed += other.renewed;
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Odds {
    kill: f64,
    stop: f64,
    lose_disk: f64,
    cut: f64,
    pause: f64,
    assign: f64,
    delete: f64,
    pub(crate) part: f64,
    wait: f64,
}

pub(crate) struct History {
    pub(crate) random: Random,
    pub(crate) world: World,
    pub(crate) book: Book,
    pub(crate) odds: Odds,
    pub(crate) figures: Figures,
    pub(crate) exiles: Exiles,
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
        part: random.pick(&[0.0, 0.0, 0.02, 0.05]),
        wait: random.pick(&[0.0, 0.1]),
    };
    for at in 1..nodes {
        world.meet(at, 0);
    }
    let (book, figures, exiles) = (Book::default(), Figures::default(), Exiles::default());
    let mut history = History { random, world, book, odds, figures, exiles };
    history.world.run_for(Duration::from_secs(2), &mut history.book);
    for _ in 0..200 {
        history.operate();
        history.break_something();
        let pause = history.random.pick(&[0, 1, 3, 20, 100, 700, 1500]);
        history.world.run_for(Duration::from_millis(pause), &mut history.book);
        history.book.check_held_back(&history.world);
        history.check_restored();
        history.welcome();
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

    pub(crate) fn is_serving(&self, at: usize) -> bool {
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
        let may_assign = !self.world.node(at).state().view().catching_up && !self.exiles.is_away(at);
        if self.random.unit() < self.odds.wait {
            self.book.waits.begin(&mut self.world, at, &self.book.counters);
        }
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
        if self.random.unit() < self.odds.part {
            self.part(at, other);
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
        fallen.retain(|at| self.world.disk(*at).mode != Durability::Memory || self.exiles.may_forget(*at));
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
            if self.random.unit() < self.odds.lose_disk && self.exiles.may_forget(at) {
                self.lose_disk(at);
            }
        }
    }

    fn end(&mut self) -> Result<(), String> {
        self.world.heal_all();
        self.world.set_loss(0.0);
        for at in 0..self.world.nodes() {
            self.world.disk_mut(at).failing = 0.0;
        }
        self.call_home();
        self.world.run_for(HEALING, &mut self.book);
        self.agree("once all was well")?;
        for key in KEYS {
            self.figures.assignments += u64::from(self.book.assign(&mut self.world, 0, key, None));
        }
        self.world.run_for(Duration::from_secs(10), &mut self.book);
        self.agree("after all was deleted")?;
        (self.figures.waited, self.figures.synced) = (self.book.waits.elsewhere, self.book.waits.here);
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
