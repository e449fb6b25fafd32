//! The last-writer-wins registers of a counter: its assignment (SET, DEL) and its precision.

use super::band::Precision;
use super::share::Share;
use crate::base::{Amount, ReplicaIndex, Stamp};
use std::sync::Arc;

/// Up to which number a writer had everything of each replica when it wrote.
///
/// Shared between all assignments that were made with the same knowledge.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Context(Arc<[u64]>);

impl Context {
    /// From one number a replica, in the registry's order.
    pub fn new(received: impl Into<Arc<[u64]>>) -> Self {
        Self(received.into())
    }

    /// The number for `replica`; 0 for one that the writer did not know.
    pub fn received(&self, replica: ReplicaIndex) -> u64 {
        self.0.get(replica.as_usize()).copied().unwrap_or(0)
    }

    /// As this one, but up to no less than `number` of `replica`.
    pub(super) fn raised(&self, replica: ReplicaIndex, number: u64) -> Self {
        let mut received = self.0.to_vec();
        received.resize(received.len().max(replica.as_usize() + 1), 0);
        received[replica.as_usize()] = received[replica.as_usize()].max(number);
        Self::new(received)
    }

    /// Whether the two share their memory.
    #[cfg(test)]
    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Every replica that the writer had anything of.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaIndex, u64)> + '_ {
        (0..).map(ReplicaIndex).zip(self.0.iter().copied()).filter(|(_, number)| *number > 0)
    }
}

/// The last SET or DEL of a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// When and by whom; the higher stamp wins.
    pub stamp: Stamp,
    /// The writer in this process' registry.
    pub origin: ReplicaIndex,
    /// The value that was set.
    pub base: Amount,
    /// What the writer had received of each share: exactly this much is replaced by `base`.
    pub cut: Vec<(ReplicaIndex, Share)>,
    /// A share that is not in the cut but is at or below the context is one that had been retired.
    pub context: Context,
    /// A DEL: the counter does not exist until an increment that the writer had not seen.
    pub deleted: bool,
}

impl Assignment {
    /// What the writer had of `replica`'s share. Linear in the number of shares, which is the number of replicas.
    pub fn cut_of(&self, replica: ReplicaIndex) -> Option<&Share> {
        self.cut.iter().find(|(of, _)| *of == replica).map(|(_, share)| share)
    }

    /// The context of an assignment that replaces this one and has this `cut`, by a writer of this `context`.
    ///
    /// What this one had seen of a share that was given up since may be numbered above the context: it was heard of before
    /// what its replica had said earlier. Who still holds it would count it again.
    pub(super) fn context_after(&self, cut: &[(ReplicaIndex, Share)], context: Context) -> Context {
        let is_given_up = |replica: ReplicaIndex| cut.iter().all(|(of, _)| *of != replica);
        // Hardly ever is there one above the context, so that is looked at first.
        let above = self.cut.iter().filter(|(replica, share)| share.revision > context.received(*replica));
        let given_up = above.filter(|(replica, _)| is_given_up(*replica));
        given_up.fold(context.clone(), |context, (replica, share)| context.raised(*replica, share.revision))
    }

    /// Whether the writer knew that this share had been given up.
    pub fn knows_retired(&self, replica: ReplicaIndex, revision: u64) -> bool {
        self.cut_of(replica).is_none() && revision <= self.context.received(replica)
    }
}

/// A counter's precision as somebody set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrecisionRegister {
    /// When and by whom; the higher stamp wins.
    pub stamp: Stamp,
    /// The writer in this process' registry.
    pub origin: ReplicaIndex,
    /// The promise about the cluster's total.
    pub precision: Precision,
}
