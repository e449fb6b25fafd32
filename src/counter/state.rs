//! The replicated state of one counter and the rules by which copies of it converge.
//!
//! A state-based, delta-shipped CRDT: taking the same news twice, late or in any order ends in the same state.
//! It must never use an extrapolated figure in a rule, and never touch the present replica's own share on
//! somebody else's word.

mod keeping;
mod rest;
mod taking;

use super::Precision;
use super::active::Active;
use super::assignment::{Assignment, PrecisionRegister};
use super::attached::Attached;
use super::forecast::Forecast;
use super::share::{OwnShare, Retired, Share};
use crate::base::{AmountSum, ReplicaIndex, Total};
use prefetch_index::prefetch_index;
pub(super) use rest::{PrecisionsBefore, Rest};
use std::sync::Arc;

/// Another replica's share as this node holds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeldShare {
    /// Whose it is.
    pub replica: ReplicaIndex,
    /// The newest copy received.
    pub share: Share,
    /// How to extrapolate it until its owner speaks again; none for an exact share.
    pub forecast: Option<Forecast>,
}

impl HeldShare {
    /// Whether the writer of an assignment had this very copy, or a later one.
    pub(super) fn is_frozen_by(&self, cut: Option<&Share>) -> bool {
        cut.is_some_and(|cut| cut.revision >= self.share.revision)
    }
}

/// One item of a counter's state that carries a number of some replica's sequence.
#[derive(Clone, Copy, Debug)]
pub enum NumberedItem<'a> {
    /// A share of another replica.
    Held(HeldShare),
    /// The present replica's own share as it last left its owner, and how peers extrapolate it.
    Own(Share, Option<Forecast>),
    /// The last SET or DEL.
    Assignment(&'a Arc<Assignment>),
    /// The precision.
    Precision(&'a PrecisionRegister),
    /// A share that was given up.
    Retired(&'a Retired),
}

/// The replicated state of one counter.
#[derive(Clone, Debug, Default)]
pub struct CounterState {
    own: OwnShare,
    attached: Option<Box<Attached>>,
}

const _: () = assert!(size_of::<CounterState>() == 40);

impl PartialEq for CounterState {
    fn eq(&self, other: &Self) -> bool {
        let same_shares = || self.others().all(|held| other.other(held.replica) == Some(held));
        self.own() == other.own()
            && self.others().count() == other.others().count()
            && same_shares()
            && self.rest() == other.rest()
    }
}

impl CounterState {
    /// The present replica's own share.
    #[inline]
    pub fn own(&self) -> Option<Share> {
        self.own.get()
    }

    pub(super) fn set_own(&mut self, share: Option<Share>) {
        self.own = OwnShare::new(share);
    }

    /// The shares of other replicas, at most one of each.
    #[inline]
    pub fn others(&self) -> impl Iterator<Item = HeldShare> + '_ {
        self.attached.iter().flat_map(|attached| attached.shares())
    }

    /// Whether the share of another replica is extrapolated.
    #[inline]
    pub(super) fn has_forecast(&self) -> bool {
        self.attached.as_ref().is_some_and(|attached| attached.has_forecast())
    }

    /// The share of another replica.
    #[inline]
    pub(super) fn other(&self, replica: ReplicaIndex) -> Option<HeldShare> {
        self.attached.as_ref()?.share_of(replica)
    }

    /// Has the processor fetch what is attached, the shares of others first of all.
    pub(super) fn prefetch_attached(&self) {
        if let Some(attached) = &self.attached {
            prefetch_index(std::slice::from_ref(&**attached), 0);
        }
    }

    /// Whether nobody else has counted.
    pub fn has_no_others(&self) -> bool {
        self.others().next().is_none()
    }

    /// The owner's side of the own share, which is no part of what is replicated.
    #[inline]
    pub(super) fn active(&self) -> Option<&Active> {
        self.attached.as_ref()?.active()
    }

    #[inline]
    pub(super) fn active_mut(&mut self) -> Option<&mut Active> {
        self.attached.as_mut()?.active_mut()
    }

    pub(super) fn set_active(&mut self, active: Option<Active>) {
        if active.is_some() || self.active().is_some() {
            self.attached_mut().set_active(active);
            self.detach();
        }
    }

    /// Bytes that it takes elsewhere, but for what the assignment points to.
    pub(super) fn allocated(&self) -> usize {
        let notes = size_of_val(self.retired()) + size_of_val(self.remainders());
        notes + self.attached.as_ref().map_or(0, |attached| attached.memory())
    }

    /// The last SET or DEL.
    pub fn assignment(&self) -> Option<&Arc<Assignment>> {
        self.rest()?.assignment.as_ref()
    }

    /// The precision that was set.
    pub fn precision(&self) -> Option<&PrecisionRegister> {
        self.rest()?.precision.as_ref()
    }

    /// What somebody may still go by instead of the precision that was set.
    pub(super) fn precisions_before(&self) -> Option<PrecisionsBefore> {
        self.rest()?.precisions_before
    }

    /// What the owner of a share keeps to.
    pub(super) fn precision_to_keep(&self, default: impl FnOnce() -> Precision) -> Precision {
        let Some(register) = self.precision() else { return default() };
        match self.precisions_before() {
            None => register.precision,
            Some(before) if before.or_default => register.precision.min(before.narrowest).min(default()),
            Some(before) => register.precision.min(before.narrowest),
        }
    }

    /// What a reader reckons with of an owner whose default this is; `confirmed` when that owner is known to keep to the
    /// present precision.
    pub(super) fn precision_to_reckon_with(&self, default: Precision, confirmed: bool) -> Precision {
        let Some(register) = self.precision() else { return default };
        match self.precisions_before().filter(|_| !confirmed) {
            None => register.precision,
            Some(before) if before.or_default => register.precision.max(before.widest).max(default),
            Some(before) => register.precision.max(before.widest),
        }
    }

    /// Whether the last assignment's writer had this copy of the share: its forecast is not read any more.
    pub fn is_frozen(&self, held: &HeldShare) -> bool {
        held.is_frozen_by(self.assignment().and_then(|assignment| assignment.cut_of(held.replica)))
    }

    /// The shares known to be given up, and not yet known to be known by all.
    pub fn retired(&self) -> &[Retired] {
        self.rest().map_or(&[], |rest| &rest.retired)
    }

    /// Whether there is nothing left to remember.
    pub fn is_empty(&self) -> bool {
        self.own().is_none() && self.has_no_others() && self.rest().is_none()
    }

    /// Base plus what every share added beyond the cut. `read` gives another replica's total, extrapolated or not. What an
    /// assignment's writer had is frozen until the owner speaks again, so that what was set is what is read.
    pub fn value(&self, own: ReplicaIndex, read: impl Fn(&HeldShare) -> Total) -> AmountSum {
        let mut sum = AmountSum::default();
        let assignment = self.assignment();
        if let Some(assignment) = assignment {
            sum.add(assignment.base.units());
        }
        let cut_of = |replica| assignment.and_then(|a| a.cut_of(replica));
        if let Some(share) = self.own() {
            sum.add(share.total.units());
            sum.subtract(share.seen_by(cut_of(own)).units());
        }
        for held in self.others() {
            let cut = cut_of(held.replica);
            let total = if held.is_frozen_by(cut) { held.share.total } else { read(&held) };
            sum.add(total.units());
            sum.subtract(held.share.seen_by(cut).units());
        }
        sum
    }

    /// Whether the counter exists: it was set, or somebody counted what no DEL had seen.
    pub fn exists(&self, own: ReplicaIndex) -> bool {
        match self.assignment() {
            None => self.own().is_some() || !self.has_no_others(),
            Some(assignment) if !assignment.deleted => true,
            Some(assignment) => {
                let unseen = |replica, share: &Share| !share.is_covered_by(assignment.cut_of(replica));
                self.own().is_some_and(|share| unseen(own, &share))
                    || self.others().any(|held| unseen(held.replica, &held.share))
            }
        }
    }

    /// Every item, but the own share, of which `has` says that somebody has not the number under which its replica said it.
    pub fn items_beyond<'a>(
        &'a self,
        has: impl Fn(ReplicaIndex, u64) -> bool,
        mut visit: impl FnMut(NumberedItem<'a>),
    ) {
        for held in self.others().filter(|held| !has(held.replica, held.share.revision)) {
            visit(NumberedItem::Held(held));
        }
        if let Some(assignment) = self.assignment().filter(|a| !has(a.origin, a.stamp.number)) {
            visit(NumberedItem::Assignment(assignment));
        }
        if let Some(precision) = self.precision().filter(|p| !has(p.origin, p.stamp.number)) {
            visit(NumberedItem::Precision(precision));
        }
        for retired in self.retired().iter().filter(|r| !has(r.by, r.number)) {
            visit(NumberedItem::Retired(retired));
        }
    }

    fn attached_mut(&mut self) -> &mut Attached {
        self.attached.get_or_insert_default()
    }

    fn put(&mut self, held: HeldShare) {
        self.attached_mut().put(held);
    }

    fn retain_others(&mut self, is_kept: impl Fn(&HeldShare) -> bool) {
        if let Some(attached) = &mut self.attached {
            attached.retain_shares(is_kept);
            self.detach();
        }
    }

    fn rest(&self) -> Option<&Rest> {
        self.attached.as_ref()?.rest()
    }

    fn rest_mut(&mut self) -> Option<&mut Rest> {
        self.attached.as_mut()?.rest_mut()
    }

    fn rest_or_new(&mut self) -> &mut Rest {
        self.attached_mut().rest_or_new()
    }

    fn trim(&mut self) {
        if self.rest().is_some_and(Rest::is_spent) {
            self.attached_mut().drop_rest();
            self.detach();
        }
    }

    /// Gives back what holds nothing any more.
    fn detach(&mut self) {
        self.attached.take_if(|attached| attached.is_empty());
    }
}
