//! The rules by which news is taken, and by which what everybody knows is given up.

use super::super::assignment::{Assignment, PrecisionRegister};
use super::super::forecast::Forecast;
use super::super::share::{Retired, Share};
use super::{CounterState, HeldShare, PrecisionsBefore};
use crate::base::ReplicaIndex;
use std::sync::Arc;

impl CounterState {
    /// Takes a copy of another replica's share. Answers whether it was news.
    ///
    /// The caller has checked that its revision is above what it has contiguously received of the replica:
    /// what is at or below was taken before and may have been given up since.
    pub fn take_share(&mut self, replica: ReplicaIndex, share: Share, forecast: Option<Forecast>) -> bool {
        if self.retired().iter().any(|r| r.replica == replica && r.born == share.born) {
            return false;
        }
        if self.assignment().is_some_and(|a| a.knows_retired(replica, share.revision)) {
            return false;
        }
        // The cut tells of more than this copy does, and what it told of is gone: it was given up.
        let cut = self.assignment().and_then(|assignment| assignment.cut_of(replica));
        let is_old = cut.is_some_and(|cut| cut.revision > share.revision);
        let held = self.other(replica);
        if is_old && held.is_none() {
            return false;
        }
        let forecast = forecast.filter(|f| !f.is_exact());
        match held {
            Some(held) if held.share.revision == share.revision => {
                // A cut tells of a share without its forecast.
                self.put(HeldShare { forecast: held.forecast.or(forecast), ..held });
                return false;
            }
            Some(held) if held.share.revision > share.revision => return false,
            Some(held) => self.put(HeldShare { replica, share: held.share.merge(share), forecast }),
            None => self.put(HeldShare { replica, share, forecast }),
        }
        // A newer life is proof enough that an older one is over.
        self.forget_retired(|r| r.replica == replica && r.born != share.born);
        true
    }

    /// Takes how a share moves that is held under just this revision. Answers whether it is.
    pub(in super::super) fn take_forecast(&mut self, replica: ReplicaIndex, revision: u64, forecast: Forecast) -> bool {
        let Some(held) = self.other(replica).filter(|held| held.share.revision == revision) else { return false };
        if held.forecast.is_none() && !forecast.is_exact() {
            self.put(HeldShare { forecast: Some(forecast), ..held });
        }
        true
    }

    /// As [`Self::take_share`] for what most news is: one more copy of a life that is held already, of a counter that
    /// nobody ever assigned and of which nothing was given up. Answers false, and takes nothing, where that is not so.
    pub fn renew_share(&mut self, replica: ReplicaIndex, share: Share, forecast: Option<Forecast>) -> bool {
        let Some(attached) = self.attached.as_mut().filter(|attached| attached.rest().is_none()) else { return false };
        let Some(held) = attached.share_of(replica).filter(|held| held.share.born == share.born) else { return false };
        if held.share.revision < share.revision {
            attached.put(HeldShare { replica, share, forecast: forecast.filter(|f| !f.is_exact()) });
        }
        true
    }

    /// Takes an assignment. `own` is the present replica, `received` up to where everything of a replica was received.
    /// Answers whether it is now the counter's assignment.
    pub fn take_assignment(
        &mut self,
        assignment: Arc<Assignment>,
        own: ReplicaIndex,
        received: impl Fn(ReplicaIndex) -> u64,
    ) -> bool {
        for (replica, share) in &assignment.cut {
            // A cut entry is also news about that share. One that is held, and is older than what was received, came from
            // somebody who had not heard that it was given up: without the news it would count less than the cut takes off.
            let is_held = self.other(*replica).is_some();
            if *replica != own && (is_held || share.revision > received(*replica)) {
                self.take_share(*replica, *share, None);
            }
        }
        if self.assignment().is_some_and(|present| present.stamp >= assignment.stamp) {
            return false;
        }
        self.retain_others(|held| !assignment.knows_retired(held.replica, held.share.revision));
        self.rest_or_new().assignment = Some(assignment);
        true
    }

    /// Takes a precision. Answers whether it is now the counter's.
    pub fn take_precision(&mut self, register: PrecisionRegister) -> bool {
        let rest = self.rest_or_new();
        match &rest.precision {
            Some(present) if present.stamp == register.stamp => return false,
            Some(present) if present.stamp > register.stamp => {
                rest.precisions_before = rest.precisions_before.map(|before| before.and(register.precision));
                return false;
            }
            present => {
                let replaced = present.map_or(register.precision, |replaced| replaced.precision);
                let before = rest.precisions_before;
                let first = PrecisionsBefore::only(replaced, present.is_none());
                rest.precisions_before = Some(before.map_or(first, |before| before.and(replaced)));
            }
        }
        rest.precision = Some(register);
        true
    }

    /// Everybody has heard of the present precision.
    pub(in super::super) fn confirm_precision(&mut self) {
        if let Some(rest) = self.rest_mut() {
            rest.precisions_before = None;
        }
    }

    /// Takes the word that a life of a share is over, once everything before that word was received.
    pub fn take_retirement(&mut self, retired: Retired) {
        self.retain_others(|held| held.replica != retired.replica || held.share.born != retired.born);
        let alive = self.other(retired.replica).is_some();
        if !alive && !self.retired().contains(&retired) {
            self.rest_or_new().retired.push(retired);
        }
    }

    /// Gives up a share of this node: its present one, or one of its earlier lives.
    pub fn retire(&mut self, own: ReplicaIndex, retired: Retired) {
        if retired.replica == own {
            self.set_own(None);
        } else {
            self.retain_others(|held| held.replica != retired.replica);
        }
        self.rest_or_new().retired.push(retired);
    }

    /// Drops the notes on given-up shares that `is_done` says everyone has.
    pub fn forget_retired(&mut self, is_done: impl Fn(&Retired) -> bool) {
        if let Some(rest) = self.rest_mut() {
            rest.retired.retain(|retired| !is_done(retired));
            self.trim();
        }
    }

    /// Drops the tombstone of a counter that has no share left.
    pub fn drop_assignment(&mut self) {
        if let Some(rest) = self.rest_mut() {
            rest.assignment = None;
            self.trim();
        }
    }

    /// Drops all that `is_gone` says of its replica and number, but for the own share. Answers how many things that were.
    pub fn drop_gone(&mut self, is_gone: impl Fn(ReplicaIndex, u64) -> bool) -> u64 {
        let things = |state: &Self| {
            let rest = usize::from(state.assignment().is_some()) + usize::from(state.precision().is_some());
            state.others().count() + state.retired().len() + rest
        };
        let before = things(self);
        self.retain_others(|held| !is_gone(held.replica, held.share.revision));
        if let Some(rest) = self.rest_mut() {
            rest.assignment.take_if(|assignment| is_gone(assignment.origin, assignment.stamp.number));
            rest.precision.take_if(|precision| is_gone(precision.origin, precision.stamp.number));
            rest.retired.retain(|retired| !is_gone(retired.by, retired.number));
        }
        self.trim();
        (before - things(self)) as u64
    }
}
