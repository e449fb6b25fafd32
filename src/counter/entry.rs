//! One counter in the table: its replicated state and what this node still has to say about it.

use super::progress::Progress;
use super::share::Share;
use super::state::{CounterState, HeldShare};
use super::stored_name::StoredName;
use super::{Band, Forecast, Predictor};
use crate::base::{Amount, AmountError, AmountSum, Monotonic, ReplicaIndex, Total};
use std::time::Duration;

/// The owner's side of a share that has moved lately.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) predictor: Predictor,
    /// The one timer that counts; others in the heap are out of date.
    pub(super) timer: Monotonic,
    /// Somebody assigned: peers read what was set until they hear the exact total.
    pub(super) exact_wanted: bool,
}

/// A counter's name, its state, and its place in the queues of its shard.
///
/// What every lookup reads comes first, in the order of reading: the memory of a large table is far away, and comes in
/// lines of 64 bytes.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Counter {
    /// Counted as existing.
    pub(super) exists: bool,
    /// In the shard's announceable queue.
    pub(super) queued: bool,
    /// In the shard's list of counters that may be given up.
    pub(super) tended: bool,
    /// In the shard's list of counters that changed since they were last handed over to be kept.
    pub(super) unsaved: bool,
    /// There may be a record of it on disk.
    pub(super) kept: bool,
    /// Somebody watches it by a pattern, or it is yet to be found out that nobody does.
    pub(super) watched: bool,
    /// In the shard's list of counters that changed since they were last looked at for whoever watches.
    pub(super) noted: bool,
    /// In the shard's list of counters that are extrapolated.
    pub(super) listed: bool,
    pub(super) name: StoredName,
    pub(super) state: CounterState,
    pub(super) active: Option<Box<Active>>,
}

/// What it takes to read a counter: when, and how long a silent node's shares may be extrapolated.
#[derive(Clone, Copy)]
pub(super) struct ReadAt<'a> {
    pub(super) now: Monotonic,
    pub(super) lease: Duration,
    pub(super) progress: &'a Progress,
}

impl ReadAt<'_> {
    pub(super) fn total(&self, held: &HeldShare) -> Total {
        match &held.forecast {
            None => held.share.total,
            Some(_) if self.progress.has_ended(held.replica) => held.share.total,
            Some(_) if self.progress.is_void(held.replica, held.share.revision) => held.share.total,
            Some(forecast) => {
                let lease_ends = self.progress.heard_at(held.replica).after(self.lease);
                forecast.at(self.now.min(lease_ends))
            }
        }
    }

    /// What [`Self::total`] moves in a second.
    pub(super) fn rate(&self, held: &HeldShare) -> f64 {
        let Some(forecast) = &held.forecast else { return 0.0 };
        let is_over = self.progress.has_ended(held.replica)
            || self.progress.is_void(held.replica, held.share.revision)
            || self.now > self.progress.heard_at(held.replica).after(self.lease);
        if is_over || !forecast.rate.is_finite() { 0.0 } else { forecast.rate.into() }
    }
}

impl Counter {
    pub(super) fn new(name: &[u8]) -> Self {
        Self {
            name: StoredName::new(name),
            state: CounterState::default(),
            active: None,
            queued: false,
            tended: false,
            unsaved: false,
            kept: false,
            watched: false,
            noted: false,
            listed: false,
            exists: false,
        }
    }

    pub(super) fn value(&self, own: ReplicaIndex, at: ReadAt<'_>) -> AmountSum {
        self.state.value(own, |held| at.total(held))
    }

    /// Whether the value may move though nobody says anything.
    pub(super) fn is_extrapolated(&self) -> bool {
        self.state.others().iter().any(|held| held.forecast.is_some())
    }

    /// The value and the own share's total after `by`, without doing it.
    pub(super) fn plan_increment(
        &self,
        own: ReplicaIndex,
        by: Amount,
        at: ReadAt<'_>,
    ) -> Result<(Amount, Total), AmountError> {
        let mut sum = self.value(own, at);
        sum.add(by.units());
        let value = sum.to_amount().ok_or(AmountError::OutOfRange)?;
        let total = self.own_total().checked_add(by)?;
        Ok((value, total))
    }

    pub(super) fn own_total(&self) -> Total {
        self.state.own.map_or(Total::ZERO, |share| share.total)
    }

    /// Does a planned increment. Answers whether peers must hear of it at the next flush, or else by when to look again.
    ///
    /// Without a band there are no peers: nobody believes anything of the share, so nothing is predicted.
    pub(super) fn commit_increment(&mut self, by: Amount, total: Total, band: Option<Band>, now: Monotonic) -> Spoken {
        let before = self.own_total();
        let share = self.state.own.get_or_insert_default();
        share.total = total;
        let born = share.born;
        let Some(band) = band else {
            self.active = None;
            return Spoken::AtNextFlush;
        };
        if let Some(active) = &mut self.active {
            let outside = active.predictor.after_increment(total, band, now);
            return if outside || born == 0 { Spoken::AtNextFlush } else { Spoken::WithinBand };
        }
        // What waits for the next flush without a predictor has moved already: peers do not hold `before`.
        if self.queued || band.forbids_prediction(by, total) {
            return Spoken::AtNextFlush;
        }
        let mut predictor = Predictor::new(Forecast::exact(before, now), now);
        let outside = predictor.after_increment(total, band, now);
        self.active = Some(Box::new(Active { predictor, timer: Monotonic::NEVER, exact_wanted: false }));
        if outside || born == 0 { Spoken::AtNextFlush } else { Spoken::WithinBand }
    }

    /// Numbers the own share as it is now; its first number is its birth.
    pub(super) fn number_own(&mut self, number: u64) -> Option<Share> {
        let share = self.state.own.as_mut()?;
        share.revision = number;
        if share.born == 0 {
            share.born = number;
        }
        Some(*share)
    }
}

/// Whether an increment is to be spoken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    AtNextFlush,
    WithinBand,
}
