//! Nodes that were never of a cluster, and take from one that was parted from it what the cluster has given up since: it
//! goes there, too, whoever of them all meets whom first, and whoever is there no more by then.

use crate::Tally;
use crate::partings::{KEYS, PARTINGS, Parting, add, all_read, delete, given_up_by_the_others, part, reads, set};
use crate::random::Random;
use crate::staged::run;
use crate::world::World;
use discnt::base::Amount;

/// The cluster, the node that it parts from, and two that it does not know.
const CLUSTER: [usize; 2] = [0, 2];
const PARTED: usize = 1;
const OUTSIDERS: [usize; 2] = [3, 4];
/// Keys from this one on are never assigned, so that what is read is the sum of what was counted.
const SUMMED_FROM: usize = 7;

/// What comes of the parted node before the cluster and the outsiders meet.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// Nobody hears of it any more.
    Gone,
    /// It loses its memory.
    Falls,
    /// It is home again before the outsiders hear of it, and they hear of it first.
    Home,
    /// It hears what became of it from the outsiders.
    Stays,
}

fn cut_all(world: &mut World, ones: &[usize], others: &[usize]) {
    for one in ones {
        for other in others {
            world.cut(*one, *other, false, true);
        }
    }
}

/// An outsider has been given by the parted node what the cluster gives up, and the other outsider by that one.
fn stage(seed: u64, parting: Parting) -> World {
    let mut world = World::new(seed, 5, 0.0);
    for (at, other) in [(1, 0), (2, 0), (4, 3)] {
        world.meet(at, other);
    }
    run(&mut world, 3000);
    add(&world, 0, "gone", 1);
    add(&world, 2, "gone", 2);
    add(&world, 3, "kept", 4);
    set(&world, 2, "set and gone", 70);
    run(&mut world, 2500);
    part(&mut world, PARTED, parting);
    for key in ["gone", "set and gone"] {
        delete(&world, 0, key);
    }
    run(&mut world, 5000);
    assert!(world.inspect(0, "gone").is_none(), "{parting:?}: not given up");
    world.heal_all();
    cut_all(&mut world, &CLUSTER, &[PARTED, 3, 4]);
    cut_all(&mut world, &[PARTED], &[4]);
    world.meet(PARTED, 3);
    run(&mut world, 4000);
    assert_eq!(reads(&world, "gone")[3..], [Some(Amount::from(3)); 2], "{parting:?}");
    world
}

#[test]
fn what_an_outsider_was_given_by_a_parted_node_goes_when_it_meets_the_cluster() {
    for (turn, parting) in PARTINGS.into_iter().enumerate() {
        for fate in [Fate::Gone, Fate::Falls, Fate::Home, Fate::Stays] {
            for first in OUTSIDERS {
                let mut world = stage(80 + turn as u64, parting);
                match fate {
                    Fate::Gone => cut_all(&mut world, &[PARTED], &OUTSIDERS),
                    Fate::Falls => world.restart(PARTED, true),
                    Fate::Stays => {}
                    Fate::Home => {
                        world.heal_all();
                        cut_all(&mut world, &OUTSIDERS, &[0, 1, 2]);
                        world.meet(PARTED, 0);
                        run(&mut world, 5000);
                        world.heal_all();
                        cut_all(&mut world, &OUTSIDERS, &CLUSTER);
                        run(&mut world, 4000);
                    }
                }
                run(&mut world, 500);
                if fate != Fate::Gone {
                    world.heal_all();
                }
                for outsider in OUTSIDERS {
                    for member in CLUSTER {
                        world.cut(outsider, member, false, true);
                    }
                }
                world.heal_all();
                if fate == Fate::Gone {
                    cut_all(&mut world, &[PARTED], &[0, 2, 3, 4]);
                }
                world.meet(first, 0);
                run(&mut world, 8000);
                let told: Vec<_> = reads(&world, "gone");
                for at in CLUSTER.into_iter().chain(OUTSIDERS) {
                    assert_eq!(told[at], None, "{parting:?}, {fate:?}, {first}: {told:?}\n{}", world.describe("gone"));
                }
                world.heal_all();
                run(&mut world, 5000);
                world.meet(PARTED, 0);
                world.meet(first, 0);
                run(&mut world, 8000);
                for key in ["gone", "set and gone"] {
                    all_read(&world, key, None);
                }
                all_read(&world, "kept", Some(4));
                let is_behind = |at: &usize| world.node(*at).state().view().catching_up;
                assert_eq!((0..5).find(is_behind), None, "{parting:?}, {fate:?}, {first}");
            }
        }
    }
}

/// A member that came back with nothing is met by the parted node before it has heard from the cluster again.
#[test]
fn a_member_that_remembers_nothing_takes_for_good_nothing_that_was_given_up() {
    for (turn, parting) in PARTINGS.into_iter().enumerate() {
        let mut world = given_up_by_the_others(90 + turn as u64, parting);
        cut_all(&mut world, &[0], &[1, 2]);
        world.restart(2, true);
        world.meet(1, 2);
        run(&mut world, 4000);
        world.heal_all();
        for at in [2, 1] {
            world.meet(at, 0);
            run(&mut world, 6000);
        }
        all_read(&world, "gone", None);
        assert!((0..3).all(|at| !world.node(at).state().view().catching_up), "{parting:?}");
    }
}

/// What happened in all histories together.
#[derive(Default, Debug)]
pub(crate) struct Figures {
    increments: u64,
    partings: u64,
    falls: u64,
    /// Outsiders that had what the cluster had given up, when they met it.
    pub(crate) behind: u64,
}

impl Tally for Figures {
    fn add(&mut self, other: &Self) {
        self.increments += other.increments;
        self.partings += other.partings;
        self.falls += other.falls;
        self.behind += other.behind;
    }
}

struct Scene {
    random: Random,
    world: World,
    sums: Vec<i64>,
    cluster: usize,
    leaver: usize,
    parted: Vec<Parting>,
    figures: Figures,
}

impl Scene {
    fn begin(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x07f5);
        let cluster = random.between(2, 4) as usize;
        let nodes = cluster + random.between(1, 2) as usize;
        let mut world = World::new(seed, nodes, 0.0);
        for at in 1..cluster {
            world.meet(at, 0);
        }
        if nodes > cluster + 1 && random.unit() < 0.5 {
            world.meet(cluster, cluster + 1);
        }
        run(&mut world, 3000);
        let (leaver, sums) = (random.between(1, cluster as u64 - 1) as usize, vec![0; KEYS.len()]);
        Self { random, world, sums, cluster, leaver, parted: Vec::new(), figures: Figures::default() }
    }

    /// Of the two sides only one assigns each counter: what both assign has no common order. Outsiders only count.
    fn operate(&mut self) {
        for (number, key) in KEYS.iter().enumerate() {
            let at = self.random.below(self.world.nodes() as u64) as usize;
            let may_assign = at < self.cluster && (at == self.leaver) == (number % 2 == 0) && number < SUMMED_FROM;
            match self.random.below(6) {
                0 | 1 => {
                    let by = self.random.between(1, 9) as i64;
                    add(&self.world, at, key, by);
                    self.sums[number] += by;
                    self.figures.increments += 1;
                }
                2 if may_assign => drop(delete(&self.world, at, key)),
                3 if may_assign => set(&self.world, at, key, self.random.below(50) as i64),
                _ => {}
            }
        }
    }

    fn befall(&mut self) {
        let Self { random, world, cluster, leaver, .. } = self;
        let outsider = random.between(*cluster as u64, world.nodes() as u64 - 1) as usize;
        let at = random.below(world.nodes() as u64) as usize;
        match random.below(20) {
            0..4 => world.meet(*leaver, outsider),
            4..6 => world.meet(outsider, *leaver),
            6..10 => world.heal_all(),
            10..14 => {
                let (others, at_once) = (0..world.nodes(), random.unit() < 0.5);
                for other in others.filter(|other| *other != at) {
                    world.cut(at, other, false, at_once);
                }
            }
            14..16 => cut_all(world, &[outsider], &[*leaver]),
            16..18 => world.set_loss(random.pick(&[0.0, 0.2])),
            18 if random.unit() < 0.3 => {
                // The cluster remembers what it gave up.
                let who = random.pick(&[outsider, *leaver]);
                world.restart(who, random.unit() < 0.5);
                self.figures.falls += 1;
            }
            _ => world.meet(at, outsider),
        }
    }

    fn part(&mut self) {
        let parting = self.random.pick(&PARTINGS);
        let other = (self.leaver + 1) % self.cluster;
        match parting {
            Parting::Forgotten => self.world.forget(other, self.leaver),
            Parting::ForgottenUnheard => {
                let members: Vec<usize> = (0..self.cluster).filter(|at| *at != self.leaver).collect();
                cut_all(&mut self.world, &[self.leaver], &members);
                self.world.forget(other, self.leaver);
            }
            Parting::Left => self.world.reset(self.leaver, false),
            Parting::LeftWithNewIdentity => self.world.reset(self.leaver, true),
        }
        run(&mut self.world, 2600);
        self.parted.push(parting);
        self.figures.partings += 1;
    }

    fn go_home(&mut self) {
        let outsiders = self.cluster..self.world.nodes();
        let is_behind = |key: &&str, at: usize| {
            self.world.inspect(0, key).is_none()
                && self.world.inspect(at, key).is_some_and(|state| state.own().is_none())
        };
        self.figures.behind += outsiders.filter(|at| KEYS.iter().any(|key| is_behind(key, *at))).count() as u64;
        self.world.heal_all();
        self.world.set_loss(0.0);
        // What was forgotten is heard of before the meetings that undo it.
        run(&mut self.world, 6000);
        for _ in 0..2 {
            let mut all: Vec<usize> = (1..self.world.nodes()).collect();
            while !all.is_empty() {
                let at = all.swap_remove(self.random.below(all.len() as u64) as usize);
                self.world.meet(at, 0);
                run(&mut self.world, self.random.pick(&[0, 20, 1000]));
            }
            run(&mut self.world, 9000);
        }
    }

    fn agree(&self) -> Result<(), String> {
        let (world, parted) = (&self.world, &self.parted);
        for (number, key) in KEYS.into_iter().enumerate() {
            let read = reads(world, key);
            let sum = (self.sums[number] != 0).then_some(Amount::from(self.sums[number]));
            let is_right = number < SUMMED_FROM || self.figures.falls > 0 || read[0] == sum;
            if !is_right || read.iter().any(|value| *value != read[0]) {
                let described = world.describe(key);
                return Err(format!("{parted:?} of {}: {key}: {read:?}, {sum:?}\n{described}", self.leaver));
            }
        }
        let is_behind = |at: &usize| world.node(*at).state().view().catching_up;
        (0..world.nodes()).find(is_behind).map_or(Ok(()), |at| Err(format!("{parted:?}: {at} is catching up still")))
    }
}

/// Lives through one history. Answers what disagreed.
pub(crate) fn live(seed: u64) -> Result<Figures, String> {
    let mut scene = Scene::begin(seed);
    for _ in 0..2 {
        for _ in 0..4 {
            scene.operate();
            run(&mut scene.world, 500);
        }
        run(&mut scene.world, 2000);
        scene.part();
        for _ in 0..14 {
            scene.operate();
            scene.befall();
            let pause = scene.random.pick(&[3, 100, 700, 2500]);
            run(&mut scene.world, pause);
        }
        scene.go_home();
        scene.agree()?;
        // They were one cluster, and are of two again.
        scene.cluster = scene.world.nodes() - 1;
        if scene.leaver == scene.cluster {
            scene.leaver = 1;
        }
        scene.world.reset(scene.cluster, true);
        run(&mut scene.world, 3000);
    }
    Ok(scene.figures)
}
