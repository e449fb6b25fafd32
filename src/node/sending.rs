//! What leaves at once, and what leaves as soon as it may.

use super::input::Output;
use super::machine::Node;
use crate::base::{Monotonic, NodeId};
use crate::wire::MessageKind;
use std::sync::atomic::{AtomicU64, Ordering};

impl Node {
    pub(super) fn message(&mut self, to: NodeId, bytes: Vec<u8>) {
        self.send_message(to, bytes, false);
    }

    /// As [`Self::message`]; with `wants_sent` the node hears of it when it has left.
    pub(super) fn send_message(&mut self, to: NodeId, bytes: Vec<u8>, wants_sent: bool) {
        if self.count_message(to, &bytes) {
            self.outputs.push_back(Output::Message { to, bytes: bytes.into(), wants_sent });
        }
    }

    pub(super) fn datagram(&mut self, to: NodeId, bytes: bytes::Bytes) {
        if self.count_datagram(to, &bytes) {
            self.outputs.push_back(Output::Datagram { to, bytes });
        }
    }

    /// Counts a datagram. Answers false for one that the peer has no word for: it is not to be sent.
    pub(super) fn count_datagram(&self, to: NodeId, bytes: &[u8]) -> bool {
        self.count(to, bytes, &self.state.traffic.datagrams_sent)
    }

    /// As [`Self::count_datagram`], for a message.
    pub(super) fn count_message(&self, to: NodeId, bytes: &[u8]) -> bool {
        self.count(to, bytes, &self.state.traffic.messages_sent)
    }

    fn count(&self, to: NodeId, bytes: &[u8], sent: &AtomicU64) -> bool {
        let kind = MessageKind::of(bytes);
        let is_spoken = self.is_spoken_to(to, kind);
        if is_spoken {
            sent.fetch_add(1, Ordering::Relaxed);
            self.state.traffic.kinds.count_sent(kind, bytes.len());
        }
        is_spoken
    }

    /// Sends what says something of counters, as soon as that may be said.
    pub(super) fn state_message(&mut self, to: NodeId, bytes: Vec<u8>, wants_sent: bool, now: Monotonic) {
        if self.count_message(to, &bytes) {
            self.say(Output::Message { to, bytes: bytes.into(), wants_sent }, now);
        }
    }

    /// As [`Self::state_message`], and it may get lost.
    pub(super) fn state_datagram(&mut self, to: NodeId, bytes: bytes::Bytes, now: Monotonic) {
        if self.count_datagram(to, &bytes) {
            self.say(Output::Datagram { to, bytes }, now);
        }
    }
}
