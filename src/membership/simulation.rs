//! Whole clusters in virtual time over a network that loses packets, from a seed. Prints the seed that fails.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::{Config, MemberIdentity, MemberState, Membership, MembershipError, Output};
use crate::base::{Monotonic, NodeId};

const NODE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long dialling takes, and with it how soon a cut link is back.
const DIAL: Duration = Duration::from_millis(30);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    Deliver { to: NodeId, from: NodeId, bytes: Vec<u8> },
    Link(NodeId, NodeId),
}

struct Network {
    random: SmallRng,
    loss: f64,
    now: Monotonic,
    running: BTreeMap<NodeId, Membership>,
    /// Stopped as by SIGSTOP: neither ticks nor reads until the time given; what arrives meanwhile waits.
    stopped: BTreeMap<NodeId, Monotonic>,
    links: BTreeSet<(NodeId, NodeId)>,
    /// Ordered pairs whose packets get lost.
    cut: BTreeSet<(NodeId, NodeId)>,
    events: BinaryHeap<Reverse<(Monotonic, u64, Event)>>,
    scheduled: u64,
    history: Vec<(Monotonic, NodeId, Output)>,
}

fn id(number: u8) -> NodeId {
    NodeId::new([number; 20])
}

fn pair(a: NodeId, b: NodeId) -> (NodeId, NodeId) {
    (a.min(b), a.max(b))
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

impl Network {
    fn new(seed: u64, loss: f64) -> Self {
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
    fn whole(seed: u64, loss: f64, nodes: u8) -> Self {
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

    fn start(&mut self, node: NodeId, generation: u64) {
        let me = MemberIdentity { node, generation, host: "127.0.0.1".into(), client_port: 5262, mesh_port: 5262 };
        let membership =
            Membership::new(me, Config::default(), self.random.random()).expect("identity and settings are in range");
        self.running.insert(node, membership);
    }

    fn kill(&mut self, node: NodeId) {
        self.running.remove(&node);
        self.links.retain(|&(a, b)| a != node && b != node);
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.scheduled += 1;
        let entry = (self.now.after(after), self.scheduled, event);
        self.events.push(Reverse(entry));
    }

    fn dial(&mut self, a: NodeId, b: NodeId) {
        self.schedule(DIAL, Event::Link(a, b));
    }

    fn dial_all(&mut self, node: NodeId) {
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

    fn unlink(&mut self, a: NodeId, b: NodeId) {
        self.links.remove(&pair(a, b));
        self.with(a, |membership| membership.link_down(b));
        self.with(b, |membership| membership.link_down(a));
    }

    fn cut_groups(&mut self, left: &[NodeId], right: &[NodeId]) {
        for &a in left {
            for &b in right {
                self.cut.insert((a, b));
                self.cut.insert((b, a));
            }
        }
    }

    fn with(&mut self, node: NodeId, call: impl FnOnce(&mut Membership)) {
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
        if event == Some(next) {
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

    fn run(&mut self, time: Duration) {
        let until = self.now.after(time);
        while self.step(until) {}
    }

    /// Runs until the condition holds; how long that took, or nothing if it did not within `limit`.
    fn run_until(&mut self, limit: Duration, holds: impl Fn(&Self) -> bool) -> Option<Duration> {
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

    fn state(&self, of: NodeId, at: NodeId) -> Option<MemberState> {
        let mut members = self.running.get(&at)?.members();
        let member = members.find(|member| member.identity.node == of)?;
        Some(member.state)
    }

    fn every_pair(&self, mut holds: impl FnMut(NodeId, NodeId) -> bool) -> bool {
        let nodes: Vec<_> = self.running.keys().copied().collect();
        nodes.iter().all(|a| nodes.iter().all(|b| a == b || holds(*a, *b)))
    }

    fn all_know_all(&self) -> bool {
        self.every_pair(|at, of| {
            let identity = self.running.get(&of).map(|of| of.me().clone());
            let members = self.running.get(&at).map(Membership::members);
            members.is_some_and(|mut members| {
                members.any(|member| Some(&member.identity) == identity.as_ref() && member.state.is_active())
            })
        })
    }

    fn all_have(&self, node: NodeId, state: MemberState) -> bool {
        let mut others = self.running.keys().filter(|other| **other != node);
        others.all(|other| self.state(node, *other) == Some(state))
    }

    fn reported_down(&self) -> Vec<NodeId> {
        let down = self.history.iter().filter_map(|(_, _, output)| match output {
            Output::Down(node) => Some(*node),
            _ => None,
        });
        down.collect()
    }
}

#[test]
fn five_nodes_that_meet_in_a_chain_all_know_all_within_seconds() {
    for seed in 0..50 {
        let mut network = Network::new(seed, 0.05);
        for number in 0..5 {
            network.start(id(number), 1);
        }
        for number in 1..5 {
            network.dial(id(number - 1), id(number));
        }
        let took = network.run_until(seconds(3.0), Network::all_know_all);
        assert!(took.is_some(), "seed {seed}: not all know all after 3 s");
    }
}

fn a_killed_node_is_marked(nodes: u8, seeds: u64) {
    let mut slowest = Duration::ZERO;
    for seed in 0..seeds {
        let mut network = Network::whole(seed, 0.05, nodes);
        network.run(seconds(20.0));
        // A suspicion may come up and be cleared; nothing else may happen while all is well.
        let calm = |output: &Output| matches!(output, Output::Suspected(_) | Output::Cleared(_));
        let calm = network.history.iter().all(|(_, _, output)| calm(output));
        assert!(calm, "seed {seed}: a false alarm: {:?}", network.history);
        let victim = id(network.random.random_range(0..nodes));
        network.kill(victim);
        let took = network.run_until(NODE_TIMEOUT, |network| network.all_have(victim, MemberState::Down));
        let took = took.unwrap_or_else(|| panic!("seed {seed}: not marked by all in time"));
        slowest = slowest.max(took);
        network.run(seconds(10.0));
        let false_alarms = network.reported_down().iter().any(|node| *node != victim);
        assert!(!false_alarms, "seed {seed}: a false alarm");
    }
    println!("{nodes} nodes: slowest mark after {slowest:?}");
}

#[test]
fn a_killed_node_of_five_is_marked_in_time_and_no_living_one_ever() {
    a_killed_node_is_marked(5, 50);
}

#[test]
fn a_killed_node_of_two_is_marked_in_time_and_no_living_one_ever() {
    a_killed_node_is_marked(2, 50);
}

#[test]
fn a_killed_node_of_sixteen_is_marked_in_time_and_no_living_one_ever() {
    a_killed_node_is_marked(16, 5);
}

#[test]
fn a_restarted_node_is_back_within_two_seconds() {
    for seed in 0..50 {
        let mut network = Network::whole(seed, 0.05, 5);
        let node = id(2);
        network.kill(node);
        // Some of the seeds restart it before it was missed, some after it was marked.
        let away = seconds(f64::from((seed % 6) as u8));
        network.run(away);
        network.start(node, 2);
        network.dial_all(node);
        let back = network.run_until(seconds(2.0), Network::all_know_all);
        assert!(back.is_some(), "seed {seed}: not back after 2 s");
    }
}

#[test]
fn a_node_restarted_with_an_earlier_generation_is_back_within_two_seconds() {
    for seed in 0..50 {
        let mut network = Network::whole(seed, 0.05, 3);
        let node = id(2);
        for generation in [900, 7] {
            network.kill(node);
            network.run(seconds(f64::from((seed % 6) as u8)));
            network.start(node, generation);
            network.dial_all(node);
            let back = network.run_until(seconds(2.0), Network::all_know_all);
            assert!(back.is_some(), "seed {seed}: {generation} not back");
        }
    }
}

#[test]
fn a_partition_of_ten_seconds_heals_within_seconds_though_links_stayed_up() {
    for seed in 0..50 {
        let mut network = Network::whole(seed, 0.05, 5);
        network.cut_groups(&[id(0), id(1)], &[id(2), id(3), id(4)]);
        network.run(seconds(10.0));
        assert_eq!(network.state(id(2), id(0)), Some(MemberState::Down));
        assert_eq!(network.state(id(1), id(0)), Some(MemberState::Alive));
        network.cut.clear();
        let healed = network.run_until(seconds(4.0), Network::all_know_all);
        assert!(healed.is_some(), "seed {seed}: not healed after 4 s");
        network.run(seconds(10.0));
        assert!(network.all_know_all(), "seed {seed}: did not stay whole");
    }
}

#[test]
fn two_nodes_whose_link_was_down_longer_than_the_timeout_find_each_other_again() {
    for seed in 0..50 {
        let mut network = Network::whole(seed, 0.05, 2);
        network.unlink(id(0), id(1));
        network.run(seconds(12.0));
        assert_eq!(network.state(id(0), id(1)), Some(MemberState::Down));
        assert_eq!(network.state(id(1), id(0)), Some(MemberState::Down));
        network.dial(id(0), id(1));
        let healed = network.run_until(seconds(4.0), Network::all_know_all);
        assert!(healed.is_some(), "seed {seed}: not healed after 4 s");
        network.run(seconds(10.0));
        assert!(network.all_know_all(), "seed {seed}: did not stay whole");
    }
}

#[test]
fn nodes_cut_from_each_other_but_not_from_a_third_stay_members() {
    for seed in 0..50 {
        let mut network = Network::whole(seed, 0.05, 3);
        network.cut.insert((id(0), id(1)));
        if seed % 2 == 0 {
            network.cut.insert((id(1), id(0)));
        }
        network.run(seconds(30.0));
        assert_eq!(network.reported_down(), [], "seed {seed}");
    }
}

#[test]
fn a_node_that_says_goodbye_is_reported_as_left_not_as_failed() {
    for seed in 0..50 {
        let mut network = Network::whole(seed, 0.05, 5);
        let now = network.now;
        network.with(id(3), |membership| membership.leave(now));
        network.kill(id(3));
        let told = network.run_until(seconds(1.0), |network| network.all_have(id(3), MemberState::Left));
        assert!(told.is_some(), "seed {seed}: not all know of the goodbye");
        network.run(seconds(10.0));
        assert_eq!(network.reported_down(), [], "seed {seed}");
        network.start(id(3), 1);
        network.dial_all(id(3));
        let back = network.run_until(seconds(2.0), Network::all_know_all);
        assert!(back.is_some(), "seed {seed}: not back after its goodbye");
    }
}

#[test]
fn a_process_stopped_for_long_marks_nobody_on_waking_and_comes_back() {
    for seed in 0..30 {
        let mut network = Network::whole(seed, 0.0, 5);
        let node = id(1);
        let resumes = network.now.after(seconds(40.0));
        network.stopped.insert(node, resumes);
        network.run(seconds(39.9));
        assert!(network.all_have(node, MemberState::Down), "seed {seed}");
        let back = network.run_until(seconds(3.0), Network::all_know_all);
        assert!(back.is_some(), "seed {seed}: not back after it went on");
        network.run(seconds(10.0));
        let false_alarms = network.reported_down().iter().any(|down| *down != node);
        assert!(!false_alarms, "seed {seed}: a false alarm");
    }
}

#[test]
fn a_changed_address_reaches_all() {
    for seed in 0..30 {
        let mut network = Network::whole(seed, 0.05, 5);
        let now = network.now;
        network.with(id(4), |membership| {
            let result = membership.set_address("10.0.0.9".into(), 1, 2, now);
            assert_eq!(result, Ok(()));
        });
        let told = network.run_until(seconds(2.0), Network::all_know_all);
        assert!(told.is_some(), "seed {seed}: not all know of the address");
        network.run(seconds(10.0));
        assert_eq!(network.reported_down(), [], "seed {seed}: a false alarm");
        assert!(network.all_know_all(), "seed {seed}");
    }
}

#[test]
fn a_forgotten_node_stays_out_until_it_is_allowed_though_others_speak_of_it() {
    for seed in 0..30 {
        let mut network = Network::whole(seed, 0.0, 4);
        let (me, gone) = (id(0), id(3));
        network.unlink(me, gone);
        let now = network.now;
        network.with(me, |membership| {
            assert_eq!(membership.forget(gone, now), Ok(true));
        });
        network.history.clear();
        network.run(seconds(20.0));
        assert_eq!(network.state(gone, me), None, "seed {seed}: it came back");
        let spoken_of = network.history.iter().any(|(_, at, _)| *at == me);
        assert!(!spoken_of, "seed {seed}: {:?}", network.history);
        network.with(me, |membership| membership.allow(gone));
        network.dial(me, gone);
        let back = network.run_until(seconds(2.0), Network::all_know_all);
        assert!(back.is_some(), "seed {seed}: not back after it was met");
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let run = |seed| {
        let mut network = Network::whole(seed, 0.2, 5);
        network.kill(id(4));
        network.run(seconds(10.0));
        network.history
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
