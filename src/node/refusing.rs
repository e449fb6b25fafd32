//! Telling of what peers send and this node does not understand: each peer's first at once, then a line now and then.

use super::event::Event;
use super::machine::Node;
use crate::base::{Monotonic, NodeId};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A peer of another version sends several such packets a second.
const PAUSE: Duration = Duration::from_secs(60);

/// What of one peer was not understood.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    told_at: Option<Monotonic>,
    untold: u64,
}

impl Refusals {
    /// One more. Answers how many came since the last that was told of, if this one is to be told of.
    pub(super) fn count(&mut self, now: Monotonic) -> Option<u64> {
        if self.told_at.is_some_and(|told_at| now.since(told_at) < PAUSE) {
            self.untold += 1;
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

impl Node {
    /// A peer sent what is not understood.
    pub(super) fn refuse(&mut self, from: NodeId, reason: &dyn std::error::Error, now: Monotonic) {
        self.state.traffic.messages_refused.fetch_add(1, Ordering::Relaxed);
        let told = match self.peers.get_mut(&from) {
            Some(peer) => peer.refusals.count(now),
            None => Some(0),
        };
        if let Some(untold) = told {
            self.emit(Event::Refused { peer: from, reason: reason.to_string(), untold });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_of_once_a_minute_and_counted() {
        let mut refusals = Refusals::default();
        let at = |seconds: u64| Monotonic::from_nanos(seconds * 1_000_000_000);
        let told: Vec<_> = (0..200).filter_map(|second| refusals.count(at(second)).map(|n| (second, n))).collect();
        assert_eq!(told, [(0, 0), (60, 59), (120, 59), (180, 59)]);
    }
}
