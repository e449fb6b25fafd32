//! The replicated state of one counter and the rules by which copies of it converge.
//!
//! A state-based, delta-shipped CRDT: taking the same news twice, late or in any order ends in the same state.
//! It must never use an extrapolated figure in a rule, and never touch the present replica's own share on
//! somebody else's word.

use super::Precision;
use super::active::Active;
use super::assignment::{Assignment, PrecisionRegister};
use super::attached::Attached;
use super::forecast::Forecast;
use super::share::{OwnShare, Retired, Share};
use super::stored::{Remainder, StoredCounter};
use crate::base::{AmountSum, ReplicaIndex, Total};
use prefetch_index::prefetch_index;
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

/// What few counters have, kept apart so that the many do not pay for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Rest {
    assignment: Option<Arc<Assignment>>,
    precision: Option<PrecisionRegister>,
    /// While not everybody is known to have heard of `precision`; differs from node to node.
    precisions_before: Option<PrecisionsBefore>,
    retired: Vec<Retired>,
    /// What this node's replicas had counted and never said; differs from node to node.
    remainders: Vec<Remainder>,
}

/// The precisions that somebody who has not heard of the present one may go by. Until all have, a share's owner keeps to
/// the narrowest of them, and a reader reckons with the widest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PrecisionsBefore {
    pub(super) narrowest: Precision,
    pub(super) widest: Precision,
    /// And the default of whoever it is.
    pub(super) or_default: bool,
}

impl PrecisionsBefore {
    fn only(precision: Precision, or_default: bool) -> Self {
        Self { narrowest: precision, widest: precision, or_default }
    }

    fn and(self, other: Precision) -> Self {
        Self { narrowest: self.narrowest.min(other), widest: self.widest.max(other), ..self }
    }
}

impl Rest {
    fn is_spent(&self) -> bool {
        let is_plain = self.assignment.is_none() && self.precision.is_none();
        is_plain && self.retired.is_empty() && self.remainders.is_empty()
    }
}

impl PartialEq for Rest {
    fn eq(&self, other: &Self) -> bool {
        // What is only known here of who has heard what is no part of the state.
        self.assignment == other.assignment && self.precision == other.precision && self.retired == other.retired
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
    pub(super) fn take_forecast(&mut self, replica: ReplicaIndex, revision: u64, forecast: Forecast) -> bool {
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
    pub(super) fn confirm_precision(&mut self) {
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

    /// What is kept of it across restarts, with `remainder` as what the own share has beyond what was said of it.
    pub(super) fn to_stored(&self, own: ReplicaIndex, told: Option<Share>) -> StoredCounter {
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
    pub(super) fn from_stored(stored: StoredCounter, kept_by: ReplicaIndex, own: ReplicaIndex) -> Self {
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
    pub(super) fn has_remainder(&self, replica: ReplicaIndex) -> bool {
        self.remainders().iter().any(|remainder| remainder.replica == replica)
    }

    /// Takes out what `replica` had counted and never said: nothing, where a later revision of its share is held, which
    /// has it already.
    pub(super) fn take_remainder(&mut self, replica: ReplicaIndex, own: ReplicaIndex) -> Option<Total> {
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
    pub(super) fn adopt(&mut self, replica: ReplicaIndex) {
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
