//! Whole clusters in virtual time over a network that loses packets, from a seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::{Config, MemberIdentity, MemberState, Membership, MembershipError, Output};
use crate::base::{Monotonic, NodeId};

/// How long dialling takes, and with it how soon a cut link is back.
const DIAL: Duration = Duration::from_millis(30);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    Deliver { to: NodeId, from: NodeId, bytes: Vec<u8> },
    Link(NodeId, NodeId),
}

pub(super) struct Network {
    pub(super) random: SmallRng,
    loss: f64,
    pub(super) now: Monotonic,
    pub(super) running: BTreeMap<NodeId, Membership>,
    /// Stopped as by SIGSTOP: neither ticks nor reads until the time given; what arrives meanwhile waits.
    pub(super) stopped: BTreeMap<NodeId, Monotonic>,
    links: BTreeSet<(NodeId, NodeId)>,
    /// Ordered pairs whose packets get lost.
    pub(super) cut: BTreeSet<(NodeId, NodeId)>,
    events: BinaryHeap<Reverse<(Monotonic, u64, Event)>>,
    scheduled: u64,
    pub(super) history: Vec<(Monotonic, NodeId, Output)>,
}

pub(super) fn id(number: u8) -> NodeId {
    NodeId::new([number; 20])
}

fn pair(a: NodeId, b: NodeId) -> (NodeId, NodeId) {
    (a.min(b), a.max(b))
}

pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

impl Network {
    pub(super) fn new(seed: u64, loss: f64) -> Self {
        Self {
            random: SmallRng::seed_from_u64(seed),
            loss,
            now: Monotonic::ZERO.after(Duration::from_secs(1)),
            running: BTreeMap::new(),
            stopped: BTreeMap::new(),
            links: BTreeSet::new(),
            cut: BTreeSet::new(),
            events: BinaryHeap::new(),
            scheduled: 0,
            history: Vec::new(),
        }
    }

    /// Nodes that are all linked with each other and know each other.
    pub(super) fn whole(seed: u64, loss: f64, nodes: u8) -> Self {
        let mut network = Self::new(seed, loss);
        for number in 0..nodes {
            network.start(id(number), 1);
        }
        for number in 1..nodes {
            network.dial(id(0), id(number));
        }
        let met = network.run_until(seconds(30.0), Network::all_know_all);
        assert!(met.is_some(), "seed {seed}: the cluster did not form");
        network.run(seconds(1.0));
        network.history.clear();
        network
    }

    pub(super) fn start(&mut self, node: NodeId, generation: u64) {
        let me = MemberIdentity { node, generation, host: "127.0.0.1".into(), client_port: 5262, mesh_port: 5262 };
        let membership =
            Membership::new(me, Config::default(), self.random.random()).expect("identity and settings are in range");
        self.running.insert(node, membership);
    }

    pub(super) fn kill(&mut self, node: NodeId) {
        self.running.remove(&node);
        self.links.retain(|&(a, b)| a != node && b != node);
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.scheduled += 1;
        let entry = (self.now.after(after), self.scheduled, event);
        self.events.push(Reverse(entry));
    }

    pub(super) fn dial(&mut self, a: NodeId, b: NodeId) {
        self.schedule(DIAL, Event::Link(a, b));
    }

    pub(super) fn dial_all(&mut self, node: NodeId) {
        let others: Vec<_> = self.running.keys().copied().collect();
        for other in others.into_iter().filter(|other| *other != node) {
            self.dial(node, other);
        }
    }

    fn link(&mut self, a: NodeId, b: NodeId) {
        let now = self.now;
        let apart = self.cut.contains(&(a, b)) || self.cut.contains(&(b, a));
        if apart || !self.running.contains_key(&a) || !self.running.contains_key(&b) {
            return;
        }
        self.links.insert(pair(a, b));
        for (node, peer) in [(a, b), (b, a)] {
            self.with(node, |membership| membership.link_up(peer, now));
        }
    }

    pub(super) fn unlink(&mut self, a: NodeId, b: NodeId) {
        self.links.remove(&pair(a, b));
        self.with(a, |membership| membership.link_down(b));
        self.with(b, |membership| membership.link_down(a));
    }

    pub(super) fn cut_groups(&mut self, left: &[NodeId], right: &[NodeId]) {
        for &a in left {
            for &b in right {
                self.cut.insert((a, b));
                self.cut.insert((b, a));
            }
        }
    }

    pub(super) fn with(&mut self, node: NodeId, call: impl FnOnce(&mut Membership)) {
        let Some(membership) = self.running.get_mut(&node) else {
            return;
        };
        call(membership);
        while let Some(output) = self.running.get_mut(&node).and_then(Membership::poll_output) {
            self.carry_out(node, output);
        }
    }

    fn carry_out(&mut self, node: NodeId, output: Output) {
        match output {
            Output::Send { to, bytes } => {
                assert!(bytes.len() <= super::MAX_PACKET_BYTES);
                let lost = self.random.random_bool(self.loss) || self.cut.contains(&(node, to));
                if self.links.contains(&pair(node, to)) && !lost {
                    let latency = Duration::from_micros(self.random.random_range(50..20_000));
                    let from = node;
                    self.schedule(latency, Event::Deliver { to, from, bytes });
                }
            }
            Output::Trouble(error) => panic!("{node}: {error}"),
            other => {
                if let Output::Up(peer) = &other
                    && !self.links.contains(&pair(node, peer.node))
                {
                    self.dial(node, peer.node);
                }
                self.history.push((self.now, node, other));
            }
        }
    }

    fn step(&mut self, until: Monotonic) -> bool {
        let deadline = |(node, membership): (&NodeId, &Membership)| {
            let resumes = self.stopped.get(node).copied().unwrap_or(Monotonic::ZERO);
            (membership.next_deadline().max(resumes), *node)
        };
        let tick = self.running.iter().map(deadline).min();
        let event = self.events.peek().map(|Reverse((at, ..))| *at);
        let next = tick.map(|(at, _)| at).into_iter().chain(event).min();
        let Some(next) = next.filter(|at| *at <= until) else {
            self.now = until;
            return false;
        };
        self.now = self.now.max(next);
        let tick = tick.filter(|(at, _)| *at == next);
        // Whether a driver looks at its socket or at its clock first is not to matter.
        let read_first = tick.is_none() || self.random.random();
        if event == Some(next) && read_first {
            let Some(Reverse((_, _, event))) = self.events.pop() else {
                return false;
            };
            self.happen(event);
        } else if let Some((_, node)) = tick {
            let now = self.now;
            self.with(node, |membership| membership.tick(now));
        }
        true
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Link(a, b) => self.link(a, b),
            Event::Deliver { to, from, bytes } => {
                if let Some(resumes) = self.stopped.get(&to).filter(|at| **at > now) {
                    let wait = resumes.since(now);
                    self.schedule(wait, Event::Deliver { to, from, bytes });
                    return;
                }
                // What was on its way from a node when it was forgotten is refused; nothing else may be.
                self.with(to, |membership| {
                    let barred = membership.barred().any(|node| node == from);
                    match membership.handle(from, &bytes, now) {
                        Err(MembershipError::Barred(_)) if barred => {}
                        result => assert_eq!(result, Ok(()), "{from} to {to}"),
                    }
                });
            }
        }
    }

    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now.after(time);
        while self.step(until) {}
    }

    /// Runs until the condition holds; how long that took, or nothing if it did not within `limit`.
    pub(super) fn run_until(&mut self, limit: Duration, holds: impl Fn(&Self) -> bool) -> Option<Duration> {
        let begin = self.now;
        let until = begin.after(limit);
        loop {
            if holds(self) {
                return Some(self.now.since(begin));
            }
            if !self.step(until) {
                return None;
            }
        }
    }

    pub(super) fn state(&self, of: NodeId, at: NodeId) -> Option<MemberState> {
        let mut members = self.running.get(&at)?.members();
        let member = members.find(|member| member.identity.node == of)?;
        Some(member.state)
    }

    fn every_pair(&self, mut holds: impl FnMut(NodeId, NodeId) -> bool) -> bool {
        let nodes: Vec<_> = self.running.keys().copied().collect();
        nodes.iter().all(|a| nodes.iter().all(|b| a == b || holds(*a, *b)))
    }

    pub(super) fn all_know_all(&self) -> bool {
        self.every_pair(|at, of| {
            let identity = self.running.get(&of).map(|of| of.me().clone());
            let members = self.running.get(&at).map(Membership::members);
            members.is_some_and(|mut members| {
                members.any(|member| Some(&member.identity) == identity.as_ref() && member.state.is_active())
            })
        })
    }

    pub(super) fn all_have(&self, node: NodeId, state: MemberState) -> bool {
        let mut others = self.running.keys().filter(|other| **other != node);
        others.all(|other| self.state(node, *other) == Some(state))
    }

    pub(super) fn reported_down(&self) -> Vec<NodeId> {
        let down = self.history.iter().filter_map(|(_, _, output)| match output {
            Output::Down(node) => Some(*node),
            _ => None,
        });
        down.collect()
    }
}
