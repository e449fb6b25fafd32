//! SET, DEL, PRECISION and the giving up of shares, as this node says them, and what follows from another's.

use super::announcement::{Announcement, AnnouncementBody};
use super::assignment::{Assignment, PrecisionRegister};
use super::collecting::ZeroMaker;
use super::shard::Shard;
use super::share::{Retired, Share};
use super::shared::Shared;
use super::standing::Standings;
use super::{Look, Precision};
use crate::base::{Amount, Moment, Monotonic, ReplicaIndex, Stamp};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Shard {
    /// SET or DEL. The caller has checked that there is room.
    pub(super) fn assign(&mut self, shared: &Shared, slot: u32, base: Amount, deleted: bool, now: Moment) {
        self.announce_now(shared, slot, now.monotonic);
        let location = self.location(slot);
        let own = Arc::clone(&self.own);
        let Some(counter) = self.counters.get_mut(slot) else { return };
        let number = own.draw();
        let stamp = Stamp { time: shared.clock.tick(now.wall), replica: own.id, number };
        let mut cut: Vec<(ReplicaIndex, Share)> =
            counter.state.own().map(|share| (own.index, share)).into_iter().collect();
        cut.extend(counter.state.others().map(|held| (held.replica, held.share)));
        let context = shared.progress.context(own.index, number);
        let context = match counter.state.assignment() {
            Some(before) => before.context_after(&cut, context),
            None => context,
        };
        let assignment = Arc::new(Assignment { stamp, origin: own.index, base, cut, context, deleted });
        counter.state.take_assignment(Arc::clone(&assignment), own.index, |replica| shared.progress.received(replica));
        let name = Box::from(counter.name());
        self.saving.touch(shared, slot, counter);
        let body = AnnouncementBody::Assignment { name, assignment };
        self.post(shared, Announcement { number, location, body });
        self.after_assignment(shared, slot);
        self.watch_zero(shared, slot, ZeroMaker::ThisNode);
    }

    /// Gives up a share of this node under a number of its own.
    pub(super) fn announce_retirement(&mut self, shared: &Shared, slot: u32, replica: ReplicaIndex, born: u64) {
        let location = self.location(slot);
        let own = Arc::clone(&self.own);
        let Some(counter) = self.counters.get_mut(slot) else { return };
        let number = own.draw();
        counter.state.retire(own.index, Retired { replica, born, by: own.index, number });
        let name = Box::from(counter.name());
        self.saving.touch(shared, slot, counter);
        let body = AnnouncementBody::Retirement { name, replica, born };
        self.post(shared, Announcement { number, location, body });
    }

    /// What follows when a counter's assignment is another.
    pub(super) fn after_assignment(&mut self, shared: &Shared, slot: u32) {
        self.recount(slot);
        let Some(counter) = self.counters.get_mut(slot) else { return };
        let deleted = counter.state.assignment().is_some_and(|a| a.deleted);
        let moving = match counter.active_mut() {
            Some(active) => {
                // Peers froze what they extrapolated; they want the exact total, and soon.
                active.exact_wanted = true;
                true
            }
            None => false,
        };
        if moving {
            self.queue(shared, slot);
        }
        if deleted {
            self.tend_later(slot);
        }
    }

    /// PRECISION. The caller has checked that there is room.
    pub(super) fn set_precision(&mut self, shared: &Shared, slot: u32, precision: Precision, now: Moment) {
        let location = self.location(slot);
        let own = Arc::clone(&self.own);
        let Some(counter) = self.counters.get_mut(slot) else { return };
        let number = own.draw();
        let stamp = Stamp { time: shared.clock.tick(now.wall), replica: own.id, number };
        let register = PrecisionRegister { stamp, origin: own.index, precision };
        counter.state.take_precision(register);
        let name = Box::from(counter.name());
        self.saving.touch(shared, slot, counter);
        let body = AnnouncementBody::Precision { name, register };
        self.post(shared, Announcement { number, location, body });
        self.after_precision(shared, slot, now.monotonic);
    }

    /// Goes by the precisions of which everybody is known to have heard.
    pub(super) fn settle_precisions(&mut self, shared: &Shared, standings: &Standings, now: Monotonic) {
        let unsettled = std::mem::take(&mut self.unsettled_precisions);
        let before = unsettled.len();
        for slot in unsettled {
            let Some(counter) = self.counters.get_mut(slot) else { continue };
            let Some(register) = counter.state.precision() else { continue };
            if standings.is_confirmed(register.origin, register.stamp.number) {
                counter.state.confirm_precision();
                self.look_again(shared, slot, now);
            } else {
                self.unsettled_precisions.push(slot);
            }
        }
        let settled = before - self.unsettled_precisions.len();
        shared.unsettled_precisions.fetch_sub(settled as u64, Ordering::Relaxed);
    }

    /// A narrower band may have been left already; a wider one waits until everybody has heard of it.
    pub(super) fn after_precision(&mut self, shared: &Shared, slot: u32, now: Monotonic) {
        if self.unsettled_precisions.last() != Some(&slot) {
            self.unsettled_precisions.push(slot);
            shared.unsettled_precisions.fetch_add(1, Ordering::Relaxed);
        }
        self.look_again(shared, slot, now);
    }

    /// The band is another.
    pub(super) fn look_again(&mut self, shared: &Shared, slot: u32, now: Monotonic) {
        let default_band = self.default_band;
        let Some(counter) = self.counters.get_mut(slot) else { return };
        let total = counter.own_total();
        let band = shared.band_of(default_band, &counter.state);
        let Some(active) = counter.active_mut() else { return };
        match active.predictor.look(total, band, shared.settle, now) {
            Look::Announce => self.queue(shared, slot),
            _ => self.rearm(shared, slot, band, now),
        }
    }
}
