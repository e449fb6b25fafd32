//! Which counters are watched by a pattern of their names, and which of those changed.
//!
//! Whether a counter is watched is found out once: when a pattern comes, by a walk through the shards, or when the
//! counter is made. From then on a change costs a look at a flag and, the first time between two looks, a place in a
//! list. Nobody searches for what changed.

use super::entry::{Counter, ReadAt};
use super::label::Flag;
use super::shard::Shard;
use super::table::Table;
use crate::base::{Amount, Location, Monotonic};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A list of counters that is shorter than this is not worth making smaller.
const SMALL: usize = 1024;

/// A watched counter that has another value than when it was last told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Where it lives; none if it is gone.
    pub location: Option<Location>,
    /// Its name.
    pub name: Arc<[u8]>,
    /// Its value, 0 if it does not exist any more.
    pub value: Amount,
}

/// What one shard knows of who watches it.
#[derive(Debug, Default)]
pub(super) struct Watching {
    /// There are patterns: a new counter counts as watched until it is found that none takes it in.
    pub(super) has_patterns: bool,
    /// Up to which place the counters were held against a pattern that has come; until all are, every change is noted.
    walk: Option<u32>,
    /// Counters that changed since the last look, or that are extrapolated and so move by themselves.
    noted: Vec<u32>,
    /// Those that the present look has yet to see.
    leaving: Vec<u32>,
    is_looking: bool,
    /// What was last told of each counter.
    told: BTreeMap<u32, Amount>,
    /// Counters that are gone and of which something else than 0 was told.
    gone: Vec<Arc<[u8]>>,
}

impl Watching {
    /// A counter changed.
    #[inline]
    pub(super) fn note(&mut self, slot: u32, counter: &mut Counter) {
        if (counter.is(Flag::Watched) || self.walk.is_some()) && !counter.is(Flag::Noted) {
            counter.set(Flag::Noted, true);
            self.noted.push(slot);
        }
    }

    /// A counter leaves the table.
    pub(super) fn note_removal(&mut self, slot: u32, counter: &Counter) {
        // In any case: the place may be another counter's soon.
        let told = self.told.remove(&slot);
        if counter.is(Flag::Watched) && told.is_some_and(|told| told != Amount::ZERO) {
            self.gone.push(Arc::from(counter.name()));
        }
    }
}

impl Table {
    /// A pattern has come, or more than one. Every change from here on is told by [`Self::look_at_watched`] if it is of a
    /// counter that a pattern takes in. Takes every shard's lock for a moment.
    pub fn begin_matching(&self) {
        for shard in self.shards() {
            let watching = &mut shard.lock().saving.watching;
            watching.has_patterns = true;
            watching.walk = Some(0);
        }
    }

    /// There is no pattern any more. The next look at each shard forgets what was watched.
    pub fn end_matching(&self) {
        for shard in self.shards() {
            let watching = &mut shard.lock().saving.watching;
            watching.has_patterns = false;
            watching.walk = None;
        }
    }

    /// Appends the watched counters of one shard that have changed since the last look, `limit` of them or so. `matches`
    /// says whether a pattern takes a name in; it is asked under the shard's lock about counters that were made before
    /// the pattern came. Answers whether there is more: whoever begins a look has to go on until there is not.
    ///
    /// What is appended may be watched by nobody: then [`Self::unwatch`] is to be told so.
    pub fn look_at_watched(
        &self,
        shard: u8,
        limit: usize,
        now: Monotonic,
        matches: &dyn Fn(&[u8]) -> bool,
        changed: &mut Vec<Changed>,
    ) -> bool {
        let Some(mut shard) = self.lock_at(Location(u32::from(shard))) else { return false };
        shard.look_at_watched(limit, self.read_at(now), matches, changed)
    }

    /// No pattern takes in the counter that lives there.
    pub fn unwatch(&self, location: Location) {
        let Some(mut shard) = self.lock_at(location) else { return };
        let Shard { counters, saving, .. } = &mut *shard;
        let slot = location.0 >> 8;
        saving.watching.told.remove(&slot);
        if let Some(counter) = counters.get_mut(slot) {
            counter.set(Flag::Watched, false);
        }
    }

    /// How many counters a pattern takes in, for tests. Takes every shard's lock for a moment.
    #[cfg(test)]
    pub(super) fn watched(&self) -> usize {
        self.shards().map(|shard| shard.lock().saving.watching.told.len()).sum()
    }
}

impl Shard {
    fn look_at_watched(
        &mut self,
        limit: usize,
        at: ReadAt<'_>,
        matches: &dyn Fn(&[u8]) -> bool,
        changed: &mut Vec<Changed>,
    ) -> bool {
        if !self.saving.watching.has_patterns {
            return self.forget_watched(limit);
        }
        if self.saving.watching.walk.is_some() {
            self.walk(limit, at, matches);
            return true;
        }
        let watching = &mut self.saving.watching;
        if !watching.is_looking {
            watching.is_looking = true;
            std::mem::swap(&mut watching.noted, &mut watching.leaving);
        }
        let gone = watching.gone.len().saturating_sub(limit)..;
        let gone = watching.gone.drain(gone).map(|name| Changed { location: None, name, value: Amount::ZERO });
        changed.extend(gone);
        for _ in 0..limit {
            let Some(slot) = self.saving.watching.leaving.pop() else { break };
            changed.extend(self.look_at(slot, at));
        }
        let watching = &mut self.saving.watching;
        watching.is_looking = !watching.leaving.is_empty() || !watching.gone.is_empty();
        if !watching.is_looking && watching.leaving.capacity() > SMALL {
            // Keep what the last second needed, but not what a rare burst did.
            watching.leaving.shrink_to(watching.noted.capacity() / 2);
        }
        watching.is_looking
    }

    /// Holds some counters against the patterns. What changes meanwhile is noted, whoever it is.
    fn walk(&mut self, limit: usize, at: ReadAt<'_>, matches: &dyn Fn(&[u8]) -> bool) {
        let own = self.own.index;
        let end = self.counters.end();
        let Self { counters, saving, .. } = self;
        let watching = &mut saving.watching;
        let first = watching.walk.unwrap_or(end);
        let last = end.min(first.saturating_add(u32::try_from(limit).unwrap_or(u32::MAX)));
        for slot in first..last {
            let Some(counter) = counters.get_mut(slot) else { continue };
            // One that was noted is looked at anyway.
            if counter.is(Flag::Watched) || counter.is(Flag::Noted) || !matches(counter.name()) {
                continue;
            }
            counter.set(Flag::Watched, true);
            if counter.is(Flag::Exists) {
                watching.told.insert(slot, counter.value(own, at).clamped());
            }
            if counter.is_extrapolated() {
                counter.set(Flag::Noted, true);
                watching.noted.push(slot);
            }
        }
        watching.walk = (last < end).then_some(last);
    }

    fn look_at(&mut self, slot: u32, at: ReadAt<'_>) -> Option<Changed> {
        let (own, location) = (self.own.index, self.location(slot));
        let Self { counters, saving, .. } = self;
        let counter = counters.get_mut(slot)?;
        let watching = &mut saving.watching;
        counter.set(Flag::Noted, false);
        // Watched until whoever is told of it says otherwise.
        counter.set(Flag::Watched, true);
        if counter.is_extrapolated() {
            counter.set(Flag::Noted, true);
            watching.noted.push(slot);
        }
        let told = watching.told.get(&slot).copied();
        let value =
            if counter.is(Flag::Exists) { Some(counter.value(own, at).clamped()) } else { told.map(|_| Amount::ZERO) };
        let value = value.filter(|value| told != Some(*value))?;
        watching.told.insert(slot, value);
        Some(Changed { location: Some(location), name: Arc::from(counter.name()), value })
    }

    /// Forgets some of what was watched while there were patterns. Answers whether there is more.
    fn forget_watched(&mut self, limit: usize) -> bool {
        let Self { counters, saving, .. } = self;
        let watching = &mut saving.watching;
        watching.is_looking = false;
        watching.gone = Vec::new();
        for _ in 0..limit {
            let next = watching.noted.pop().or_else(|| watching.leaving.pop());
            let Some(slot) = next.or_else(|| watching.told.pop_first().map(|(slot, _)| slot)) else {
                (watching.noted, watching.leaving) = (Vec::new(), Vec::new());
                return false;
            };
            watching.told.remove(&slot);
            if let Some(counter) = counters.get_mut(slot) {
                counter.set(Flag::Watched, false);
                counter.set(Flag::Noted, false);
            }
        }
        true
    }
}
