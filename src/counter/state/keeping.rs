//! A counter across restarts: what is kept of it, and what becomes of the shares of this node's earlier replicas.

use super::super::share::Share;
use super::super::stored::{Remainder, StoredCounter};
use super::{CounterState, HeldShare, Rest};
use crate::base::{ReplicaIndex, Total};

impl CounterState {
    /// What is kept of it across restarts, with `remainder` as what the own share has beyond what was said of it.
    pub(in super::super) fn to_stored(&self, own: ReplicaIndex, told: Option<Share>) -> StoredCounter {
        let mut remainders = self.remainders().to_vec();
        if let (Some(share), Some(told)) = (self.own(), told)
            && let Some(units) = share.total.units().checked_sub(told.total.units())
            && units != 0
        {
            let amount = Total::from_units(units);
            remainders.push(Remainder { replica: own, revision: told.revision, amount });
        }
        StoredCounter {
            own: told,
            shares: self.others().map(|held| (held.replica, held.share)).collect(),
            assignment: self.assignment().cloned(),
            precision: self.precision().copied(),
            retired: self.retired().to_vec(),
            remainders,
        }
    }

    /// As it was kept. `own` is the replica whose share is this table's own.
    pub(in super::super) fn from_stored(stored: StoredCounter, kept_by: ReplicaIndex, own: ReplicaIndex) -> Self {
        let mut shares = stored.shares;
        let mut own_share = None;
        match stored.own {
            Some(share) if kept_by == own => own_share = Some(share),
            Some(share) => shares.push((kept_by, share)),
            None => {}
        }
        // A replica that goes on after all may have been written as another's meanwhile.
        if let Some(at) = shares.iter().position(|(replica, _)| *replica == own) {
            let (_, written): (ReplicaIndex, Share) = shares.swap_remove(at);
            own_share = Some(own_share.map_or(written, |share: Share| share.merge(written)));
        }
        let mut state = Self::default();
        state.set_own(own_share);
        for (replica, share) in shares {
            // Nobody writes two of a replica; of such the newer counts.
            let share = state.other(replica).map_or(share, |held| held.share.merge(share));
            state.put(HeldShare { replica, share, forecast: None });
        }
        let rest = Rest {
            assignment: stored.assignment,
            precision: stored.precision,
            precisions_before: None,
            retired: stored.retired,
            remainders: stored.remainders,
        };
        if !rest.is_spent() {
            *state.rest_or_new() = rest;
        }
        state
    }

    /// What replicas of this node had counted and never said.
    pub fn remainders(&self) -> &[Remainder] {
        self.rest().map_or(&[], |rest| &rest.remainders)
    }

    /// Whether a replica had counted what it never said.
    pub(in super::super) fn has_remainder(&self, replica: ReplicaIndex) -> bool {
        self.remainders().iter().any(|remainder| remainder.replica == replica)
    }

    /// Takes out what `replica` had counted and never said: nothing, where a later revision of its share is held, which
    /// has it already.
    pub(in super::super) fn take_remainder(&mut self, replica: ReplicaIndex, own: ReplicaIndex) -> Option<Total> {
        let held = match self.own().filter(|_| replica == own) {
            Some(share) => Some(share),
            None => self.other(replica).map(|held| held.share),
        };
        let remainders = &mut self.rest_mut()?.remainders;
        let at = remainders.iter().position(|remainder| remainder.replica == replica)?;
        let remainder = remainders.swap_remove(at);
        self.trim();
        (held.map(|share| share.revision) == Some(remainder.revision)).then_some(remainder.amount)
    }

    /// The share of `replica` becomes the own one.
    pub(in super::super) fn adopt(&mut self, replica: ReplicaIndex) {
        if let Some(held) = self.other(replica) {
            self.retain_others(|other| other.replica != replica);
            self.set_own(Some(held.share));
        }
    }

    /// The present replica ends: its share becomes one like those of the others.
    pub fn end_own_replica(&mut self, own: ReplicaIndex) {
        if let Some(share) = self.own() {
            self.set_own(None);
            self.put(HeldShare { replica: own, share, forecast: None });
        }
    }
}
