//! When to look at own shares that nobody increments: one timer that counts for each active share, in a heap a shard.

use super::label::Flag;
use super::shard::Shard;
use super::shared::Shared;
use super::{Band, Look};
use crate::base::Monotonic;
use std::cmp::Reverse;

impl Shard {
    pub(super) fn arm(&mut self, shared: &Shared, due: Monotonic, slot: u32) {
        self.timers.push(Reverse((due, slot)));
        if self.next_timer() == due {
            shared.set_due(self.number, due);
        }
    }

    /// Arms the counter's timer, unless an earlier one is armed.
    pub(super) fn ensure_timer(&mut self, shared: &Shared, slot: u32, band: Band, now: Monotonic) {
        let Some(counter) = self.counters.get_mut(slot) else { return };
        let total = counter.own_total();
        let Some(active) = counter.active_mut() else { return };
        if active.timer != Monotonic::NEVER && active.timer <= now.after(shared.settle) {
            // It looks early enough to find out by itself; increments must not pay for the heap.
            return;
        }
        let due = active.predictor.next_look(total, band, shared.settle, now);
        active.timer = due;
        self.arm(shared, due, slot);
    }

    /// When the next timer is due.
    pub(super) fn next_timer(&self) -> Monotonic {
        self.timers.peek().map_or(Monotonic::NEVER, |Reverse((due, _))| *due)
    }

    /// The counters whose own share may be moving, each once: every such has a timer, or waits for a flush.
    pub(super) fn moving(&self) -> Vec<u32> {
        let armed = self.timers.iter().map(|Reverse((_, slot))| *slot);
        let mut moving: Vec<u32> = armed.chain(self.announceable.iter().copied()).collect();
        moving.sort_unstable();
        moving.dedup();
        moving
    }

    /// Makes every timer due: the bands are others now.
    pub(super) fn hurry_timers(&mut self, shared: &Shared) {
        for Reverse((due, slot)) in std::mem::take(&mut self.timers).into_vec() {
            let active = self.counters.get_mut(slot).and_then(|counter| counter.active_mut());
            if let Some(active) = active.filter(|active| active.timer == due) {
                active.timer = Monotonic::ZERO;
                self.timers.push(Reverse((Monotonic::ZERO, slot)));
            }
        }
        shared.set_due(self.number, self.next_timer());
    }

    /// Looks at the active shares whose time has come: settles the quiet ones, queues those that left their band.
    pub(super) fn run_timers(&mut self, shared: &Shared, now: Monotonic) {
        while let Some(Reverse((due, slot))) = self.timers.peek().copied() {
            if due > now {
                break;
            }
            self.timers.pop();
            let Some(counter) = self.counters.get_mut(slot) else { continue };
            let total = counter.own_total();
            let band = shared.band_of(self.default_band, &counter.state);
            let Some(active) = counter.active_mut() else { continue };
            if active.timer != due {
                continue;
            }
            active.timer = Monotonic::NEVER;
            if self.alone {
                // Whoever comes will be told the exact total.
                counter.calm();
                self.queue(shared, slot);
                continue;
            }
            match active.predictor.look(total, band, shared.settle, now) {
                Look::Later(again) => {
                    // Strictly later, or this loop would never end.
                    let again = again.max(Monotonic::from_nanos(now.as_nanos().saturating_add(1)));
                    active.timer = again;
                    self.timers.push(Reverse((again, slot)));
                }
                Look::Announce => self.queue(shared, slot),
                Look::Settle => {
                    active.exact_wanted = true;
                    self.queue(shared, slot);
                }
                Look::Idle if counter.is(Flag::Queued) => {}
                Look::Idle => counter.calm(),
            }
        }
        if self.timers.len() < self.timers.capacity() / 4 {
            // Keep the allocation, but not one made by a rare burst.
            self.timers.shrink_to(1024.max(self.timers.len() * 2));
        }
        shared.set_due(self.number, self.next_timer());
    }

    /// After an announcement the expectation is another: its timer may be due earlier than the armed one.
    pub(super) fn rearm(&mut self, shared: &Shared, slot: u32, band: Band, now: Monotonic) {
        let Some(counter) = self.counters.get_mut(slot) else { return };
        let total = counter.own_total();
        let Some(active) = counter.active_mut() else { return };
        let due = active.predictor.next_look(total, band, shared.settle, now);
        if due < active.timer {
            active.timer = due;
            self.arm(shared, due, slot);
        }
    }
}
