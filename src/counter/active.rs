//! The owner's side of a share that has moved lately.

use super::Predictor;
use crate::base::Monotonic;

/// The owner's side of a share that has moved lately.
#[derive(Clone, Debug)]
pub(super) struct Active {
    pub(super) predictor: Predictor,
    /// The one timer that counts; others in the heap are out of date.
    pub(super) timer: Monotonic,
    /// Somebody assigned: peers read what was set until they hear the exact total.
    pub(super) exact_wanted: bool,
}
