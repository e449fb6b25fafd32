//! Own shares on their way out of a shard: queued where they moved, numbered at the flush.
//!
//! Numbers are drawn under the shard's lock and in the same breath as the state they number, so whoever has looked
//! at every shard after reading a number has everything up to it.

use super::announcement::{Announcement, AnnouncementBody};
use super::entry::Counter;
use super::label::Flag;
use super::shard::Shard;
use super::shared::Shared;
use super::{Band, Forecast, Look};
use crate::base::Monotonic;

/// So many counters are asked for before they are looked at: enough for their ways from memory to overlap.
const AHEAD: usize = 16;

impl Shard {
    pub(super) fn queue(&mut self, shared: &Shared, slot: u32) {
        if let Some(counter) = self.counters.get_mut(slot)
            && !counter.is(Flag::Queued)
        {
            counter.set(Flag::Queued, true);
            self.announceable.push(slot);
            if !self.alone {
                self.signal(shared);
            }
        }
    }

    /// The members are others: the default band changes, and what waited for somebody to hear it is news.
    pub(super) fn set_members(&mut self, shared: &Shared, default_band: Band, alone: bool) {
        self.default_band = default_band;
        self.alone = alone;
        self.hurry_timers(shared);
        if !alone && !self.announceable.is_empty() {
            self.signal(shared);
        }
    }

    /// Puts a numbered announcement among those that leave at the next flush.
    pub(super) fn post(&mut self, shared: &Shared, announcement: Announcement) {
        self.outbox.push(announcement);
        self.signal(shared);
    }

    /// Tells the table once that there is something to drain.
    pub(super) fn signal(&mut self, shared: &Shared) {
        if !std::mem::replace(&mut self.signalled, true) {
            shared.mark_news(self.number);
        }
    }

    /// What waits while there is nobody to hear it is news now.
    pub(super) fn signal_waiting(&mut self, shared: &Shared) {
        if self.waiting() > 0 {
            self.signal(shared);
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.announceable.len() + self.outbox.len()
    }

    /// What [`Self::drain`] looks at first is wanted in a moment.
    pub(super) fn prefetch_announceable(&self) {
        self.announceable.iter().take(AHEAD).for_each(|slot| self.counters.prefetch(*slot));
    }

    /// Numbers what became announceable and hands over all that waits to leave. [`Self::prefetch_announceable`] comes before.
    pub(super) fn drain(&mut self, shared: &Shared, now: Monotonic, out: &mut Vec<Announcement>) {
        // What is put into the outbox here leaves here.
        self.signalled = true;
        let mut announceable = std::mem::take(&mut self.announceable);
        let mut slots = announceable.drain(..);
        while self.own.has_numbers()
            && let Some(slot) = slots.next()
        {
            if let Some(later) = slots.as_slice().get(AHEAD - 1) {
                self.counters.prefetch(*later);
            }
            self.announce_own(shared, slot, now);
        }
        // What found no number waits until there are more.
        let starved: Vec<u32> = slots.collect();
        // Keep the allocation, but not one made by a rare burst.
        announceable.shrink_to(1024);
        self.announceable = announceable;
        self.announceable.extend(starved);
        out.append(&mut self.outbox);
        self.outbox.shrink_to(64);
        self.signalled = false;
        if !self.announceable.is_empty() {
            self.signal(shared);
        }
    }

    /// Numbers a queued own share and puts it into the outbox.
    pub(super) fn announce_own(&mut self, shared: &Shared, slot: u32, now: Monotonic) {
        let location = self.location(slot);
        let default_band = self.default_band;
        let Some(counter) = self.counters.get_mut(slot) else { return };
        if !counter.set(Flag::Queued, false) {
            return;
        }
        let band = shared.band_of(default_band, &counter.state);
        if counter.is_back_within(band, shared, now) {
            self.rearm(shared, slot, band, now);
            return;
        }
        if !self.alone {
            self.outcomes.announce(counter, counter.own_total(), band);
            if let Some(observation) = self.observed.get(slot) {
                observation.records_sent += 1;
            }
        }
        let forecast = counter.forecast_to_tell(band, shared, now);
        let named = counter.state.own().is_some_and(|share| share.born == 0);
        let number = self.own.draw();
        let Some(share) = counter.number_own(number) else { return };
        self.saving.touch_state(shared, slot, counter);
        debug_assert_eq!(share.total, forecast.total, "what is told is the total at its number");
        let body = AnnouncementBody::Share {
            name: named.then(|| Box::from(counter.name())),
            born: share.born,
            total: share.total,
            rate: forecast.rate,
            whole: forecast.whole,
        };
        let active = counter.active().is_some();
        self.post(shared, Announcement { number, location, body });
        if active {
            self.rearm(shared, slot, band, now);
        }
    }

    /// Numbers the own share now, exactly, if it has moved since its last number or peers extrapolate it.
    ///
    /// Before a cut or a repair can speak of a share, what it says must be what left under its revision.
    pub(super) fn announce_now(&mut self, shared: &Shared, slot: u32, now: Monotonic) {
        let Some(counter) = self.counters.get_mut(slot) else { return };
        if counter.state.own().is_none() || (counter.active().is_none() && !counter.is(Flag::Queued)) {
            return;
        }
        if let Some(active) = counter.active_mut() {
            active.exact_wanted = true;
        }
        // The queue may still hold the slot; one that is not marked is passed over there.
        counter.set(Flag::Queued, true);
        self.announce_own(shared, slot, now);
    }

    /// Queues every own share that has moved since its last number, and wants it exact.
    pub(super) fn queue_all_moved(&mut self, shared: &Shared) {
        for slot in self.moving() {
            let Some(counter) = self.counters.get_mut(slot) else { continue };
            if let Some(active) = counter.active_mut() {
                active.exact_wanted = true;
                self.queue(shared, slot);
            }
        }
    }
}

impl Counter {
    /// Whether what made the share announceable has passed: it came back into its band before the flush.
    fn is_back_within(&mut self, band: Band, shared: &Shared, now: Monotonic) -> bool {
        let total = self.own_total();
        let is_born = self.state.own().is_some_and(|share| share.born != 0);
        let Some(active) = self.active_mut().filter(|active| is_born && !active.exact_wanted) else { return false };
        match active.predictor.look(total, band, shared.settle, now) {
            Look::Later(_) => true,
            Look::Idle => {
                self.calm();
                true
            }
            Look::Settle => {
                active.exact_wanted = true;
                false
            }
            Look::Announce => false,
        }
    }

    /// What to tell peers of the own share now, and whether the owner's side is still needed after that.
    fn forecast_to_tell(&mut self, band: Band, shared: &Shared, now: Monotonic) -> Forecast {
        let total = self.own_total();
        let Some(active) = self.active_mut() else {
            return Forecast::exact(total, now);
        };
        if std::mem::take(&mut active.exact_wanted) {
            // What follows starts from rest: the settled and the reassigned counter alike.
            let forecast = active.predictor.announce_exact(total, now);
            self.calm();
            return forecast;
        }
        active.predictor.announce(total, band, shared.settle, now)
    }
}
