//! What leaves at once, and what leaves as soon as it may.

use super::input::Output;
use super::machine::Node;
use crate::base::{Monotonic, NodeId};
use std::sync::atomic::Ordering;

impl Node {
    pub(super) fn message(&mut self, to: NodeId, bytes: Vec<u8>) {
        self.send_message(to, bytes, false);
    }

    /// As [`Self::message`]; with `wants_sent` the node hears of it when it has left.
    pub(super) fn send_message(&mut self, to: NodeId, bytes: Vec<u8>, wants_sent: bool) {
        self.count_message(&bytes);
        self.outputs.push_back(Output::Message { to, bytes: bytes.into(), wants_sent });
    }

    pub(super) fn datagram(&mut self, to: NodeId, bytes: bytes::Bytes) {
        self.count_datagram(&bytes);
        self.outputs.push_back(Output::Datagram { to, bytes });
    }

    pub(super) fn count_datagram(&self, bytes: &[u8]) {
        self.state.traffic.datagrams_sent.fetch_add(1, Ordering::Relaxed);
        self.state.traffic.kinds.count_sent(bytes);
    }

    pub(super) fn count_message(&self, bytes: &[u8]) {
        self.state.traffic.messages_sent.fetch_add(1, Ordering::Relaxed);
        self.state.traffic.kinds.count_sent(bytes);
    }

    /// Sends what says something of counters, as soon as that may be said.
    pub(super) fn state_message(&mut self, to: NodeId, bytes: Vec<u8>, wants_sent: bool, now: Monotonic) {
        self.count_message(&bytes);
        self.say(Output::Message { to, bytes: bytes.into(), wants_sent }, now);
    }

    /// As [`Self::state_message`], and it may get lost.
    pub(super) fn state_datagram(&mut self, to: NodeId, bytes: bytes::Bytes, now: Monotonic) {
        self.count_datagram(&bytes);
        self.say(Output::Datagram { to, bytes }, now);
    }
}
