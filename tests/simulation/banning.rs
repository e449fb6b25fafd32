//! Keys that are banned while the network is cut and processes fall: in the end all the others know it, nobody is linked
//! with a banned one whoever dials, and those who are left agree on what was counted.

use crate::Tally;
use crate::partings::{KEYS, add, reads};
use crate::random::Random;
use crate::staged::run;
use crate::world::World;
use discnt::base::Amount;
use discnt::node::LinkView;
use std::collections::BTreeSet;

/// Steps of a history, each a tenth of a second.
const STEPS: u32 = 120;
/// Without a fault all must be well again within so many seconds.
const CALM_SECONDS: u32 = 60;

/// What happened in one history, or in many.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    banned: u64,
    /// Bans that were said while the one who said it could not reach everybody.
    banned_in_a_cut: u64,
    falls: u64,
    /// Dials and meetings of banned nodes.
    knocks: u64,
}

impl Figures {
    pub(crate) fn is_eventful(&self) -> bool {
        self.banned > 0 && self.banned_in_a_cut * 8 > self.banned && self.falls > 0 && self.knocks > 0
    }
}

impl Tally for Figures {
    fn add(&mut self, other: &Self) {
        self.banned += other.banned;
        self.banned_in_a_cut += other.banned_in_a_cut;
        self.falls += other.falls;
        self.knocks += other.knocks;
    }
}

struct History {
    world: World,
    random: Random,
    banned: BTreeSet<usize>,
    figures: Figures,
}

impl History {
    fn others(&self) -> Vec<usize> {
        (0..self.world.nodes()).filter(|at| !self.banned.contains(at)).collect()
    }

    fn step(&mut self) {
        let nodes = self.world.nodes() as u64;
        let (at, other) = (self.random.below(nodes) as usize, self.random.below(nodes) as usize);
        add(&self.world, at, self.random.pick(&KEYS), 1 + self.random.below(5) as i64);
        match self.random.unit() {
            chance if chance < 0.08 && at != other => {
                let at_once = self.random.unit() < 0.5;
                self.world.cut(at, other, at_once, self.random.unit() < 0.7);
            }
            chance if chance < 0.12 => self.world.heal_all(),
            chance if chance < 0.14 => {
                self.figures.falls += 1;
                self.world.restart(at, self.random.unit() < 0.5);
            }
            chance if chance < 0.20 => self.ban(at, other),
            chance if chance < 0.26 && at != other => {
                self.figures.knocks += u64::from(self.banned.contains(&at) || self.banned.contains(&other));
                self.world.meet(at, other);
            }
            _ => {}
        }
        run(&mut self.world, 100);
    }

    /// Said by somebody who is not banned; two are always left.
    fn ban(&mut self, by: usize, whom: usize) {
        if by == whom || self.banned.contains(&by) || self.banned.contains(&whom) || self.others().len() <= 3 {
            return;
        }
        let is_cut = (0..self.world.nodes()).any(|at| at != by && self.world.links.is_cut(by, at));
        self.world.ban(by, whom);
        self.banned.insert(whom);
        self.figures.banned += 1;
        self.figures.banned_in_a_cut += u64::from(is_cut);
    }

    /// What is not as it must be in the end.
    fn complaint(&self) -> Option<String> {
        let (world, others) = (&self.world, self.others());
        for at in others.iter().copied() {
            for banned in self.banned.iter().copied() {
                if !world.has_banned(at, banned) {
                    return Some(format!("{at} has not heard that {banned} is banned"));
                }
                if world.links.view(at, banned).is_some() || world.links.view(banned, at).is_some() {
                    return Some(format!("{at} is linked with {banned}, which is banned"));
                }
                if world.are_members(at, banned) {
                    return Some(format!("{at} takes {banned} for a member, which is banned"));
                }
            }
            for other in others.iter().copied().filter(|other| *other != at) {
                let id = world.hosts[other].id;
                let view = world.node(at).state().view();
                let is_linked = view.members.iter().any(|member| member.id == id && member.link == LinkView::Linked);
                if !is_linked {
                    return Some(format!("{at} is not linked with {other}, and neither is banned"));
                }
            }
        }
        for key in KEYS {
            let read = reads(world, key);
            let of_others: BTreeSet<Option<Amount>> = others.iter().map(|at| read[*at]).collect();
            if of_others.len() > 1 {
                return Some(format!("{key}: those who are left read {read:?}\n{}", world.describe(key)));
            }
        }
        None
    }

    /// Runs until all is well, or for as long as that may take.
    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..CALM_SECONDS {
            run(&mut self.world, 1000);
            if self.complaint().is_none() {
                return Ok(());
            }
        }
        self.complaint().map_or(Ok(()), Err)
    }
}

pub(crate) fn live(seed: u64) -> Result<Figures, String> {
    let mut random = Random::new(seed ^ 0xba55);
    let nodes = random.between(3, 7) as usize;
    let mut world = World::new(seed, nodes, random.pick(&[0.0, 0.05, 0.2]));
    for at in 1..nodes {
        world.meet(at, 0);
    }
    run(&mut world, 5000);
    let mut history = History { world, random, banned: BTreeSet::new(), figures: Figures::default() };
    for _ in 0..STEPS {
        history.step();
    }
    history.world.heal_all();
    history.settle()?;
    // Nothing lets them in again: no meeting from either side, and no fall of those who remember.
    for banned in history.banned.clone() {
        for other in history.others() {
            history.world.meet(banned, other);
            history.world.meet(other, banned);
            history.figures.knocks += 2;
        }
        let one = history.random.pick(&history.others());
        history.world.restart(one, true);
        history.figures.falls += 1;
        history.settle()?;
    }
    Ok(history.figures)
}
