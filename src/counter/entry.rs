//! One counter in the table: its replicated state and what this node still has to say about it.

use super::active::Active;
use super::label::{Flag, Label};
use super::progress::Progress;
use super::share::Share;
use super::state::{CounterState, HeldShare};
use super::{Band, Forecast, Predictor};
use crate::base::{Amount, AmountError, AmountSum, Monotonic, ReplicaIndex, Total};
use std::time::Duration;

/// A counter's name, its state, and its place in the queues of its shard.
///
/// As large as a line of a processor's cache and in just one of them: the memory of a large table is far away, and all that
/// a counter at rest needs comes at once.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Counter {
    label: Label,
    pub(super) state: CounterState,
}

const _: () = assert!(size_of::<Option<Counter>>() == 64);

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
        Self { label: Label::new(name), state: CounterState::default() }
    }

    #[inline]
    pub(super) fn name(&self) -> &[u8] {
        self.label.name()
    }

    #[inline]
    pub(super) fn is(&self, flag: Flag) -> bool {
        self.label.has(flag)
    }

    /// Answers how it was.
    #[inline]
    pub(super) fn set(&mut self, flag: Flag, is_so: bool) -> bool {
        self.label.set(flag, is_so)
    }

    /// The owner's side of the own share, while that moves.
    #[inline]
    pub(super) fn active(&self) -> Option<&Active> {
        self.state.active()
    }

    #[inline]
    pub(super) fn active_mut(&mut self) -> Option<&mut Active> {
        self.state.active_mut()
    }

    /// The own share is at rest.
    pub(super) fn calm(&mut self) {
        self.state.set_active(None);
    }

    /// Bytes that it takes elsewhere, but for what its assignment points to.
    pub(super) fn allocated(&self) -> usize {
        self.label.allocated() + self.state.allocated()
    }

    pub(super) fn value(&self, own: ReplicaIndex, at: ReadAt<'_>) -> AmountSum {
        self.state.value(own, |held| at.total(held))
    }

    /// Whether the value may move though nobody says anything.
    pub(super) fn is_extrapolated(&self) -> bool {
        self.state.has_forecast()
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
        self.state.own().map_or(Total::ZERO, |share| share.total)
    }

    /// Does a planned increment. Answers whether peers must hear of it at the next flush, or else by when to look again.
    ///
    /// Without a band there are no peers: nobody believes anything of the share, so nothing is predicted.
    pub(super) fn commit_increment(&mut self, by: Amount, total: Total, band: Option<Band>, now: Monotonic) -> Spoken {
        let before = self.own_total();
        let share = Share { total, ..self.state.own().unwrap_or_default() };
        self.state.set_own(Some(share));
        let born = share.born;
        let Some(band) = band else {
            self.calm();
            return Spoken::AtNextFlush;
        };
        if let Some(active) = self.active_mut() {
            let outside = active.predictor.after_increment(total, band, now);
            return if outside || born == 0 { Spoken::AtNextFlush } else { Spoken::WithinBand };
        }
        // What waits for the next flush without a predictor has moved already: peers do not hold `before`.
        if self.is(Flag::Queued) || band.forbids_prediction(by, total) {
            return Spoken::AtNextFlush;
        }
        let mut predictor = Predictor::new(Forecast::exact(before, now), now);
        let outside = predictor.after_increment(total, band, now);
        self.state.set_active(Some(Active { predictor, timer: Monotonic::NEVER, exact_wanted: false }));
        if outside || born == 0 { Spoken::AtNextFlush } else { Spoken::WithinBand }
    }

    /// Numbers the own share as it is now; its first number is its birth.
    pub(super) fn number_own(&mut self, number: u64) -> Option<Share> {
        let share = self.state.own()?;
        let born = if share.born == 0 { number } else { share.born };
        let share = Share { revision: number, born, ..share };
        self.state.set_own(Some(share));
        Some(share)
    }
}

/// Whether an increment is to be spoken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    AtNextFlush,
    WithinBand,
}
