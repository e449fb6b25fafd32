//! Looking at what is subscribed to, and handing out what changed.

use super::DEFAULT_INTERVAL;
use super::outbox::Topic;
use super::registry::{Due, Subscriptions, Timer};
use crate::base::{Monotonic, Name};
use crate::counter::{Changed, Table};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// So many are looked at with a lock held.
const LOOKS_AT_ONCE: usize = 128;
/// So many are looked at before the time is read again.
const LOOKS_A_TURN: usize = 4096;
/// Parts of the table.
const SHARDS: u16 = 256;

/// Looks at what is subscribed to. There is one, and whoever runs it owns the clock.
#[derive(Debug)]
pub struct Publisher {
    subscriptions: Arc<Subscriptions>,
    /// When each shard is to be looked at for changes that patterns take in, spread over an interval.
    shards: BTreeSet<(Monotonic, u8)>,
    /// So many shards may still hold something of patterns that are gone.
    to_clean: u16,
    changed: Vec<Changed>,
}

impl Publisher {
    /// The publisher of these.
    pub fn new(subscriptions: Arc<Subscriptions>, now: Monotonic) -> Self {
        let step = DEFAULT_INTERVAL / u32::from(SHARDS);
        let shards = (0..=u8::MAX).map(|shard| (now.after(step * u32::from(shard)), shard)).collect();
        Self { subscriptions, shards, to_clean: 0, changed: Vec::new() }
    }

    /// Looks at what is due, and puts what changed before those who are subscribed. Answers whether more is due: this
    /// does a bounded part.
    pub fn turn(&mut self, table: &Table, now: Monotonic) -> bool {
        let more_names = self.look_at_names(table, now);
        let more_patterns = self.look_at_patterns(table, now);
        more_names || more_patterns
    }

    /// Whether it has work though nobody is subscribed: to forget what was.
    pub fn is_cleaning(&self) -> bool {
        self.to_clean > 0 || self.subscriptions.matching.lock().is_told
    }

    fn look_at_names(&self, table: &Table, now: Monotonic) -> bool {
        for _ in 0..LOOKS_A_TURN / LOOKS_AT_ONCE {
            let due = self.due_names(now);
            if due.is_empty() {
                return false;
            }
            let looked: Vec<_> = due
                .into_iter()
                .map(|(timer, due)| {
                    // All of them are names, or they would not have been taken.
                    let value = Name::new(&due.name).ok().and_then(|name| table.read(name, now));
                    (timer, due, value)
                })
                .collect();
            let mut guard = self.subscriptions.state.lock();
            let state = &mut *guard;
            for (timer, due, value) in looked {
                let again = state.next_timer(now);
                let Some(client) = state.clients.get_mut(&due.client) else { continue };
                // It may have ended meanwhile, or have begun anew.
                let Some(subscription) = client.names.get_mut(&due.name).filter(|name| name.timer == timer) else {
                    continue;
                };
                // A counter that was never there is silent; one that is no more stands at 0.
                let value = value.or(subscription.told.map(|_| Default::default()));
                if let Some(value) = value.filter(|value| subscription.told != Some(*value)) {
                    subscription.told = Some(value);
                    let topic = Topic { pattern: None, name: Arc::clone(&due.name) };
                    client.outbox.put(topic, value, usize::MAX);
                }
                state.timers.remove(&timer);
                let again = (again.0.after(subscription.interval), again.1);
                subscription.timer = again;
                state.timers.insert(again, due);
            }
        }
        true
    }

    /// Some of the subscriptions whose interval is over. They stay where they are until they were looked at.
    fn due_names(&self, now: Monotonic) -> Vec<(Timer, Due)> {
        let state = self.subscriptions.state.lock();
        let due = state.timers.range(..=(now, u64::MAX)).take(LOOKS_AT_ONCE);
        due.map(|(timer, due)| (*timer, due.clone())).collect()
    }

    fn look_at_patterns(&mut self, table: &Table, now: Monotonic) -> bool {
        self.end_matching(table);
        let has_patterns = !self.subscriptions.state.lock().patterns.is_empty();
        let mut looks = 0;
        while has_patterns || self.to_clean > 0 {
            let Some((due, shard)) = self.shards.first().copied().filter(|(due, _)| *due <= now) else { return false };
            if looks >= LOOKS_A_TURN {
                return true;
            }
            let (looked, is_done) = self.look_at_shard(table, shard, now);
            looks += looked;
            if !is_done {
                // It goes on there; meanwhile those who are subscribed to names have their turn.
                return true;
            }
            self.shards.pop_first();
            // After a pause all shards are due at once; they keep their distance all the same.
            let late = now.since(due) >= DEFAULT_INTERVAL * 2;
            let spread = if late { DEFAULT_INTERVAL / u32::from(SHARDS) * u32::from(shard) } else { Duration::ZERO };
            self.shards.insert((now.after(DEFAULT_INTERVAL + spread), shard));
            if !has_patterns {
                self.to_clean -= 1;
            }
        }
        false
    }

    /// Tells the table that there are no patterns any more, if that is so.
    fn end_matching(&mut self, table: &Table) {
        let mut matching = self.subscriptions.matching.lock();
        if matching.is_told && self.subscriptions.state.lock().patterns.is_empty() {
            table.end_matching();
            matching.is_told = false;
            self.to_clean = SHARDS;
        }
    }

    /// Answers how many were looked at, about, and whether there is no more: a new pattern is held against all counters, and
    /// somebody may ask for one after the other.
    fn look_at_shard(&mut self, table: &Table, shard: u8, now: Monotonic) -> (usize, bool) {
        let subscriptions = Arc::clone(&self.subscriptions);
        let matches = |name: &[u8]| subscriptions.state.lock().patterns.matching(name).next().is_some();
        let mut looks = 0;
        loop {
            let more = table.look_at_watched(shard, LOOKS_AT_ONCE, now, &matches, &mut self.changed);
            looks += if more { LOOKS_AT_ONCE } else { self.changed.len().max(1) };
            for changed in self.changed.drain(..) {
                if !subscriptions.tell_matching(&changed)
                    && let Some(location) = changed.location
                {
                    table.unwatch(location);
                }
            }
            if !more || looks >= LOOKS_A_TURN {
                return (looks, !more);
            }
        }
    }
}

impl Subscriptions {
    /// Puts a change before all whose patterns take it in. Answers whether there is such a pattern.
    fn tell_matching(&self, changed: &Changed) -> bool {
        let state = self.state.lock();
        let mut is_watched = false;
        for (pattern, clients) in state.patterns.matching(&changed.name) {
            is_watched = true;
            for client in clients.iter().filter_map(|client| state.clients.get(client)) {
                let topic = Topic { pattern: Some(Arc::clone(pattern)), name: Arc::clone(&changed.name) };
                client.outbox.put(topic, changed.value, self.most_unsent());
            }
        }
        is_watched
    }
}
