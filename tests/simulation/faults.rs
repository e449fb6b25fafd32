//! What befalls the nodes and the network.

use crate::world::{Event, OnlyIf, World};
use discnt::base::Monotonic;
use discnt::counter::CounterState;
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

    /// The node has been parted from the cluster of the first.
    pub(crate) fn send_away(&mut self, at: usize) {
        self.hosts[at].away = true;
    }

    pub(crate) fn is_away(&self, at: usize) -> bool {
        self.hosts[at].away
    }

    /// Whether the node belongs to the cluster of the first, and knows what was done there while it did not.
    pub(crate) fn is_at_home(&mut self, at: usize) -> bool {
        if !self.are_members(0, at) {
            return false;
        }
        if !self.hosts[at].away {
            return true;
        }
        // While some have not heard that they were parted, they count each other as members still.
        let others: Vec<usize> = self.members_of_first().filter(|other| *other != at).collect();
        let is_member = others.iter().all(|other| self.are_members(at, *other) && self.are_members(*other, at));
        if !is_member || self.node(at).state().view().catching_up {
            return false;
        }
        let said = others.iter().flat_map(|other| self.said_by(*other)).collect();
        (self.hosts[at].to_learn, self.hosts[at].away) = (said, false);
        true
    }

    pub(crate) fn members_of_first(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes()).filter(|at| *at == 0 || self.are_members(0, *at))
    }

    /// Whether all others of the cluster of the first know what this node knows to be set or deleted.
    pub(crate) fn is_known_by_all(&self, at: usize, key: &str) -> bool {
        let state = self.inspect(at, key).unwrap_or_default();
        let Some(assignment) = state.assignment() else { return true };
        let stamp = assignment.stamp;
        self.members_of_first().all(|other| {
            // A later one may be a deletion that is given up before they meet again.
            let holds = |state: CounterState| state.assignment().is_some_and(|held| held.stamp == stamp);
            self.node(other).received(stamp.replica) >= stamp.number || self.inspect(other, key).is_some_and(holds)
        })
    }
}
