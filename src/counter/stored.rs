//! A counter as it is kept across restarts.

use super::assignment::{Assignment, PrecisionRegister};
use super::share::{Retired, Share};
use crate::base::{ReplicaIndex, Total};
use std::sync::Arc;

/// What a replica had counted beyond what it had said under a share's revision when that was written.
///
/// It is counted again once nobody can have heard of a higher revision of that share: such a copy would hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remainder {
    /// Whose share it goes with.
    pub replica: ReplicaIndex,
    /// The revision of the share that it goes beyond.
    pub revision: u64,
    /// How much.
    pub amount: Total,
}

/// The whole state of one counter, with replicas by their index in the registry. Nothing in it is extrapolated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredCounter {
    /// The present replica's share as it last left its owner. It has a number.
    pub own: Option<Share>,
    /// The shares of other replicas.
    pub shares: Vec<(ReplicaIndex, Share)>,
    /// The last SET or DEL.
    pub assignment: Option<Arc<Assignment>>,
    /// The precision.
    pub precision: Option<PrecisionRegister>,
    /// Shares that are given up, of which not everybody is known to know.
    pub retired: Vec<Retired>,
    /// What was counted and never said: at most one for each replica of this node.
    pub remainders: Vec<Remainder>,
}
