//! How much this node knows of what the other members have counted: what a reading may promise.
//!
//! Written by the node, read by anyone. It must never claim more than has been applied to the table: whoever reads
//! the standings first and a counter after that finds at least what they say.

use super::Precision;
use crate::base::{Amount, Monotonic, NodeId, ReplicaIndex};
use std::time::Duration;

/// What a member has told, as of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Everything that the member counted before this has been received, to within its bands.
    pub as_of: Monotonic,
    /// When that was on the scale on which its forecasts begin; up to a round trip later than `as_of`.
    pub evaluate_at: Monotonic,
    /// Over how many members it splits precision.
    pub members: u32,
}

/// One other member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberStanding {
    /// Who.
    pub node: NodeId,
    /// The replica that it counts as, once it has said so.
    pub replica: Option<ReplicaIndex>,
    /// Its promise about counters without a precision of their own.
    pub default_precision: Precision,
    /// None until everything that it had told was received.
    pub told: Option<Told>,
    /// By how much the beginnings of its forecasts may be off when they lie before that time: its clock was measured anew.
    pub shifted: (Monotonic, Duration),
}

/// All other members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standings {
    /// One entry a member, this node aside.
    pub members: Vec<MemberStanding>,
    /// By replica: every member has told, after taking them in, that it has all of it up to this number.
    pub confirmed: Vec<u64>,
}

impl Standings {
    /// The member whose present replica this is.
    pub(super) fn of(&self, replica: ReplicaIndex) -> Option<&MemberStanding> {
        self.members.iter().find(|member| member.replica == Some(replica))
    }

    /// Whether every member goes by a register that `origin` wrote under `number`.
    pub(super) fn is_confirmed(&self, origin: ReplicaIndex, number: u64) -> bool {
        self.members.is_empty() || self.confirmed.get(origin.as_usize()).is_some_and(|confirmed| *confirmed >= number)
    }
}

/// A reading that says how good it is: everything that the members within their lease had counted by `as_of` is in
/// `value`, to within `bound`. What was counted later may be in it or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundedReading {
    /// The value; none if the counter does not exist.
    pub value: Option<Amount>,
    /// How far the value may be from the truth.
    pub bound: Amount,
    /// As of when.
    pub as_of: Monotonic,
    /// The members that were not heard of within their lease, or never wholly: what they counted since is not in it.
    pub outside_lease: Vec<NodeId>,
}
