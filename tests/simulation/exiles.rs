//! Nodes with disks that are forgotten or leave, go on by themselves and come home; and nodes that come back with nothing.

use crate::book::{Bits, Counter, KEYS};
use crate::durable::History;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a node that came back with nothing must have when it knows again what the others know.
struct Restored {
    had: BTreeMap<&'static str, Bits>,
    /// The processes of the others that had it.
    lives: Vec<u64>,
}

#[derive(Default)]
pub(crate) struct Exiles {
    away: BTreeSet<usize>,
    /// Those at home that have not forgotten anything since somebody went.
    keepers: BTreeSet<usize>,
    restored: BTreeMap<usize, Restored>,
}

impl Exiles {
    pub(crate) fn is_away(&self, at: usize) -> bool {
        self.away.contains(&at)
    }

    /// What was given up while somebody was away is known only to those that were not: one of them must remember it.
    pub(crate) fn may_forget(&mut self, at: usize) -> bool {
        if self.away.is_empty() || self.away.contains(&at) {
            return true;
        }
        let may = self.keepers.iter().any(|keeper| *keeper != at);
        if may {
            self.keepers.remove(&at);
        }
        may
    }
}

impl History {
    fn is_well(&self, at: usize) -> bool {
        self.is_serving(at) && !self.world.hosts[at].is_down && !self.world.node(at).state().view().catching_up
    }

    /// `other` has `at` forgotten, or `at` leaves. What it alone knows to be set or deleted would have no common order
    /// with what the others do from then on.
    pub(crate) fn part(&mut self, at: usize, other: usize) {
        let nodes = self.world.nodes();
        let is_unfit = |at: usize| self.exiles.is_away(at) || !self.is_well(at);
        let is_one = (0..nodes).all(|one| (0..nodes).all(|two| one == two || self.world.are_members(one, two)));
        let knows_more = KEYS.iter().any(|key| !self.world.is_known_by_all(at, key));
        let is_whole = self.exiles.away.is_empty() && !is_one;
        if at == 0 || at == other || (0..nodes).any(|at| !self.exiles.is_away(at) && is_unfit(at)) {
            return;
        }
        if self.exiles.is_away(at) || self.exiles.is_away(other) || knows_more || is_whole {
            return;
        }
        if self.exiles.away.is_empty() {
            self.exiles.keepers = (0..nodes).collect();
        }
        let choice = self.random.unit();
        if choice < 0.6 {
            if choice < 0.3 {
                // It hears of it when it meets the others again.
                for peer in (0..nodes).filter(|peer| *peer != at) {
                    self.world.cut(at, peer, false, true);
                }
            }
            self.world.forget(other, at);
        } else {
            self.world.reset(at, choice > 0.85);
            // It leaves once the others have its last words, or have had the time for it.
            self.world.run_for(Duration::from_secs(3), &mut self.book);
        }
        self.exiles.away.insert(at);
        self.exiles.keepers.remove(&at);
        self.exiles.restored.clear();
        self.figures.partings += 1;
    }

    /// Now and then one that is away meets another.
    pub(crate) fn welcome(&mut self) {
        let away: Vec<usize> = self.exiles.away.iter().copied().collect();
        for at in away.iter().copied() {
            let is_member = |other: usize| self.world.are_members(at, other) && self.world.are_members(other, at);
            let others = (0..self.world.nodes()).filter(|other| *other != at && !self.exiles.is_away(*other));
            if others.clone().all(is_member) && others.clone().all(|other| self.is_well(other)) && self.is_well(at) {
                self.exiles.away.remove(&at);
            }
        }
        if !away.is_empty() && self.random.unit() < 0.02 {
            let (at, other) = (self.random.pick(&away), self.random.below(self.world.nodes() as u64) as usize);
            if at != other && self.is_serving(at) && self.is_serving(other) {
                self.world.meet(at, other);
            }
        }
    }

    /// All meet the first.
    pub(crate) fn call_home(&mut self) {
        if self.figures.partings == 0 {
            return;
        }
        // A meeting is of no use to who does not know yet what it undoes.
        self.world.run_for(Duration::from_secs(15), &mut self.book);
        for at in 1..self.world.nodes() {
            self.world.meet(at, 0);
        }
        self.exiles.away.clear();
    }

    pub(crate) fn lose_disk(&mut self, at: usize) {
        self.world.lose_disk(at);
        self.figures.lost_disks += 1;
        self.book.waits.note_lost(&self.world, at);
        self.figures.lost += self.book.take_stock(&self.world, &[]);
        let others: Vec<usize> = (0..self.world.nodes()).filter(|other| *other != at).collect();
        if !self.exiles.away.is_empty() || others.is_empty() || !others.iter().all(|other| self.is_well(*other)) {
            return;
        }
        let held = |key: &str| {
            let held = |other: &usize| Counter::everything_in(&self.world.inspect(*other, key).unwrap_or_default());
            others.iter().map(held).fold(Bits::MAX, |all, one| all & one)
        };
        let had = KEYS.iter().map(|key| (*key, held(key))).collect();
        let lives = (0..self.world.nodes()).map(|other| self.world.hosts[other].life).collect();
        self.exiles.restored.insert(at, Restored { had, lives });
    }

    /// Whoever came back with nothing, and says that it knows again what the others know, reads no less than they did.
    pub(crate) fn check_restored(&mut self) {
        let due: Vec<usize> = self.exiles.restored.keys().copied().collect();
        for at in due {
            let Restored { had, lives } = &self.exiles.restored[&at];
            let changed = (0..self.world.nodes()).any(|one| self.world.hosts[one].life != lives[one]);
            if changed {
                // Somebody else has fallen since, or it has again.
                self.exiles.restored.remove(&at);
                continue;
            }
            let is_linked = self.world.node(at).state().view().digests.len() + 1 == self.world.nodes();
            if !self.is_well(at) || !is_linked {
                continue;
            }
            for (key, had) in had {
                let counter = &self.book.counters.get(key);
                let explained = counter.map_or(0, |counter| counter.gone | counter.observed_by_any());
                let held = Counter::everything_in(&self.world.inspect(at, key).unwrap_or_default());
                if had & !held & !explained != 0 {
                    let less = format!("{key}: {at} came back with nothing and reads less than before");
                    self.book.complaint.get_or_insert(less);
                }
            }
            self.figures.restored += 1;
            self.exiles.restored.remove(&at);
        }
    }
}
