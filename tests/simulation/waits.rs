//! What clients that waited for their writes were told, and whether it was so: at that moment, and after crashes.

use crate::book::{Bits, Counter};
use crate::world::World;
use discnt::base::{Durability, Monotonic};
use discnt::node::{Input, RequestNumber};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// For so long a node may count on one that has fallen.
const UNNOTICED: Duration = Duration::from_secs(10);

struct Wait {
    request: u64,
    at: usize,
    since: Monotonic,
    /// What its client had counted before.
    made: BTreeMap<&'static str, Bits>,
    /// The most that it was told.
    told: usize,
    /// Who had all of it by then, and has kept it since.
    holders: BTreeSet<usize>,
}

#[derive(Default)]
pub(crate) struct Waits {
    waits: Vec<Wait>,
    next: u64,
    /// Answers of each node that were looked at.
    seen: BTreeMap<usize, usize>,
    /// When a node last lost what it had acknowledged.
    fallen: BTreeMap<usize, Monotonic>,
    /// Answers that somebody has it, and answers that it is on the own disk.
    pub(crate) elsewhere: u64,
    pub(crate) here: u64,
}

fn keeps(world: &World, at: usize) -> bool {
    world.disk(at).mode != Durability::Memory
}

impl Waits {
    /// A client of the node asks who has what was counted there before.
    pub(crate) fn begin(&mut self, world: &mut World, at: usize, counters: &BTreeMap<&'static str, Counter>) {
        let life = world.hosts[at].life;
        let bits = |counter: &Counter| {
            let made = counter.made.iter().enumerate().filter(|(_, made)| (made.at, made.life) == (at, life));
            made.fold(0, |bits: Bits, (index, _)| bits | 1 << index)
        };
        let made = counters.iter().map(|(key, counter)| (*key, bits(counter))).collect();
        self.next += 1;
        let (request, since) = (self.next, world.now);
        self.waits.push(Wait { request, at, since, made, told: 0, holders: BTreeSet::new() });
        let moment = world.moment(at);
        world.hosts[at].node.handle(Input::Confirm { request: RequestNumber(request) }, moment);
        world.carry_out(at);
    }

    /// Looks at the answers of a node that are new.
    pub(crate) fn check(
        &mut self,
        world: &World,
        at: usize,
        counters: &BTreeMap<&'static str, Counter>,
    ) -> Option<String> {
        let answers = &world.hosts[at].confirmations;
        let seen = self.seen.insert(at, answers.len()).unwrap_or(0);
        for (request, here, members) in &answers[seen..] {
            let Some(wait) = self.waits.iter_mut().find(|wait| wait.request == *request) else { continue };
            let holds = |node: usize| {
                wait.made.iter().all(|(key, made)| {
                    let counter = &counters[key];
                    let held = if keeps(world, node) {
                        world.disk(node).counters.get(key.as_bytes()).map_or(0, Counter::everything_stored)
                    } else {
                        Counter::everything_in(&world.inspect(node, key).unwrap_or_default())
                    };
                    made & !held & !counter.gone & !counter.observed_by_any() == 0
                })
            };
            let others = (0..world.nodes()).filter(|node| *node != at);
            let holders: BTreeSet<usize> = others.filter(|node| holds(*node)).collect();
            let since = wait.since.before(UNNOTICED);
            let is_excused = |node: &usize| self.fallen.get(node).is_some_and(|fell| *fell >= since);
            let excused = (0..world.nodes()).filter(|node| *node != at && !holders.contains(node) && is_excused(node));
            if holders.len() + excused.count() < *members {
                let made = &wait.made;
                return Some(format!("a client of {at} was told that {members} have {made:?}, and {holders:?} do"));
            }
            if *here && !holds(at) {
                return Some(format!("a client of {at} was told that its writes are on disk, and they are not"));
            }
            self.elsewhere += u64::from(*members > wait.told);
            self.here += u64::from(*here);
            if *members > wait.told {
                (wait.told, wait.holders) = (*members, holders);
            }
        }
        None
    }

    /// These have lost all that was not on disk.
    pub(crate) fn note_fallen(&mut self, world: &World, fallen: &[usize]) {
        for at in fallen.iter().filter(|at| !keeps(world, **at)) {
            self.note_lost(world, *at);
        }
    }

    /// This one has lost its disk, too.
    pub(crate) fn note_lost(&mut self, world: &World, at: usize) {
        self.fallen.insert(at, world.now);
        for wait in &mut self.waits {
            wait.holders.remove(&at);
        }
    }

    /// Whose answer says that somebody who has not lost anything has this.
    pub(crate) fn who_has(&self, key: &str, bits: Bits) -> Option<String> {
        let has = |wait: &&Wait| !wait.holders.is_empty() && wait.made.get(key).is_some_and(|made| made & bits != 0);
        let wait = self.waits.iter().find(has)?;
        Some(format!("a client of {} was told that {:?} have it", wait.at, wait.holders))
    }
}
