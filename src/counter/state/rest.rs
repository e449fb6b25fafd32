//! What few counters have beside shares: what was set of them, and notes on shares that were given up or never said.

use super::super::Precision;
use super::super::assignment::{Assignment, PrecisionRegister};
use super::super::share::Retired;
use super::super::stored::Remainder;
use std::sync::Arc;

/// What few counters have, kept apart so that the many do not pay for it.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Rest {
    pub(super) assignment: Option<Arc<Assignment>>,
    pub(super) precision: Option<PrecisionRegister>,
    /// While not everybody is known to have heard of `precision`; differs from node to node.
    pub(super) precisions_before: Option<PrecisionsBefore>,
    pub(super) retired: Vec<Retired>,
    /// What this node's replicas had counted and never said; differs from node to node.
    pub(super) remainders: Vec<Remainder>,
}

/// The precisions that somebody who has not heard of the present one may go by. Until all have, a share's owner keeps to
/// the narrowest of them, and a reader reckons with the widest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct PrecisionsBefore {
    pub(in super::super) narrowest: Precision,
    pub(in super::super) widest: Precision,
    /// And the default of whoever it is.
    pub(in super::super) or_default: bool,
}

impl PrecisionsBefore {
    pub(super) fn only(precision: Precision, or_default: bool) -> Self {
        Self { narrowest: precision, widest: precision, or_default }
    }

    pub(super) fn and(self, other: Precision) -> Self {
        Self { narrowest: self.narrowest.min(other), widest: self.widest.max(other), ..self }
    }
}

impl Rest {
    pub(super) fn is_spent(&self) -> bool {
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
