//! What befalls the nodes and the network.

use crate::world::{Event, OnlyIf, World};
use discnt::base::Monotonic;
use discnt::node::{Input, RequestNumber};
use std::time::Duration;

impl World {
    pub(crate) fn set_loss(&mut self, loss: f64) {
        self.loss = loss;
    }

    /// Datagrams take up to so long from now on.
    pub(crate) fn set_slowest(&mut self, slowest: Duration) {
        self.slowest = slowest.as_micros() as u64;
    }

    /// Nothing gets through between the two any more, or only one way; both find out at once, or each by itself later.
    pub(crate) fn cut(&mut self, a: usize, b: usize, one_way: bool, at_once: bool) {
        if a == b {
            return;
        }
        self.links.block(a, b);
        if !one_way {
            self.links.block(b, a);
        }
        for (at, peer) in [(a, b), (b, a)] {
            self.notice_loss(at, peer, at_once, OnlyIf::Cut);
        }
    }

    /// The link breaks, and can be made again at once.
    pub(crate) fn flap(&mut self, a: usize, b: usize) {
        for (at, peer) in [(a, b), (b, a)] {
            self.notice_loss(at, peer, true, OnlyIf::Always);
        }
    }

    /// The node's process is stopped for so long, and goes on with all it had. Its peers find out that it does not
    /// answer: at once, or each by itself later, if it still does not.
    pub(crate) fn pause(&mut self, at: usize, duration: Duration, at_once: bool) {
        for peer in (0..self.nodes()).filter(|peer| *peer != at) {
            self.notice_loss(peer, at, at_once, OnlyIf::Paused);
        }
        let host = &mut self.hosts[at];
        host.paused_until = host.paused_until.max(self.now.after(duration));
        self.post(duration, Event::Resume { at });
    }

    /// What has happened to a stopped process happens now.
    pub(crate) fn resume(&mut self, at: usize) {
        for event in std::mem::take(&mut self.hosts[at].parked) {
            self.post(Duration::ZERO, event);
        }
    }

    pub(crate) fn heal_all(&mut self) {
        self.links.unblock_all();
        for at in 0..self.nodes() {
            self.hosts[at].paused_until = Monotonic::ZERO;
            self.resume(at);
        }
    }

    /// An operator tells the node to leave its cluster.
    pub(crate) fn reset(&mut self, at: usize, hard: bool) {
        let moment = self.moment(at);
        self.hosts[at].node.handle(Input::Reset { request: RequestNumber(2), hard }, moment);
        self.carry_out(at);
    }
}
