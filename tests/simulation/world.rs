//! The virtual network: nodes, links, packets on their way, and a clock that jumps from event to event.

use crate::oracle::Oracle;
use crate::random::Random;
use discnt::base::{Amount, Incarnation, Moment, Monotonic, Name, NodeId, WallMillis};
use discnt::counter::CounterState;
use discnt::node::{DialNumber, Input, KnownMember, LinkEnd, Node, NodeSettings, Output, RequestNumber};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const LONGEST_DATAGRAM: usize = 1162;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Datagram { to: usize, from: usize, link: u64, bytes: Vec<u8> },
    Message { to: usize, from: usize, link: u64, bytes: Vec<u8> },
    Sent { at: usize, to: usize, link: u64 },
    Dial { from: usize, life: u64, dial: u64, to: usize },
    Meet { from: usize, to: usize },
}

struct Host {
    node: Node,
    incarnation: u64,
    members: Vec<KnownMember>,
    /// This machine's wall clock is off by so many milliseconds.
    skew: u64,
}

pub(crate) struct World {
    pub(crate) now: Monotonic,
    hosts: Vec<Host>,
    random: Random,
    loss: f64,
    queue: BinaryHeap<Reverse<(Monotonic, u64, Event)>>,
    sequence: u64,
    /// The link between two nodes (smaller first), by its number, and when the last message on it arrives each way.
    links: BTreeMap<(usize, usize), u64>,
    last_arrival: BTreeMap<(usize, usize), Monotonic>,
    cuts: Vec<(usize, usize)>,
    seed: u64,
}

pub(crate) fn node_id(at: usize) -> NodeId {
    NodeId::new([at as u8 + 1; 20])
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl World {
    pub(crate) fn new(seed: u64, nodes: usize, loss: f64) -> Self {
        let mut random = Random::new(seed ^ 0xabcd);
        let now = Monotonic::from_nanos(1_000_000_000);
        let hosts = (0..nodes)
            .map(|at| Host {
                node: make_node(at, 1, Vec::new(), seed, now),
                incarnation: 1,
                members: Vec::new(),
                skew: random.pick(&[0, 0, 3_600_000, 7_777]),
            })
            .collect();
        Self {
            now,
            hosts,
            random,
            loss,
            queue: BinaryHeap::new(),
            sequence: 0,
            links: BTreeMap::new(),
            last_arrival: BTreeMap::new(),
            cuts: Vec::new(),
            seed,
        }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.hosts.len()
    }

    pub(crate) fn node(&self, at: usize) -> &Node {
        &self.hosts[at].node
    }

    pub(crate) fn moment(&self, at: usize) -> Moment {
        let wall = WallMillis(1_700_000_000_000 + self.now.as_nanos() / 1_000_000 + self.hosts[at].skew);
        Moment { monotonic: self.now, wall }
    }

    pub(crate) fn inspect(&self, at: usize, key: &str) -> Option<CounterState> {
        self.hosts[at].node.table().inspect(Name::new(key.as_bytes()).expect("short"))
    }

    pub(crate) fn read(&self, at: usize, key: &str) -> Option<Amount> {
        self.hosts[at].node.table().read(Name::new(key.as_bytes()).expect("short"), self.now)
    }

    /// Everybody meets the first node; the rest is up to them.
    pub(crate) fn meet_all(&mut self) {
        for from in 1..self.hosts.len() {
            self.post(Duration::ZERO, Event::Meet { from, to: 0 });
        }
    }

    pub(crate) fn set_loss(&mut self, loss: f64) {
        self.loss = loss;
    }

    pub(crate) fn cut(&mut self, a: usize, b: usize) {
        if a != b {
            self.cuts.push(pair(a, b));
            self.unlink(a, b);
        }
    }

    pub(crate) fn heal_all(&mut self) {
        self.cuts.clear();
    }

    /// The node loses all it had in memory and is back at once, under a new incarnation.
    pub(crate) fn restart(&mut self, at: usize) {
        for other in 0..self.hosts.len() {
            if other != at {
                self.unlink(at, other);
            }
        }
        let host = &mut self.hosts[at];
        host.incarnation += 1;
        host.node = make_node(at, host.incarnation, host.members.clone(), self.seed, self.now);
        self.carry_out(at);
    }

    pub(crate) fn run_for(&mut self, duration: Duration, oracle: &mut Oracle) {
        let end = self.now.after(duration);
        for at in 0..self.hosts.len() {
            self.carry_out(at);
        }
        loop {
            let deadlines = self.hosts.iter().map(|host| host.node.next_deadline());
            let (tick_at, who) = deadlines.zip(0..).min().expect("there are nodes");
            let event_at = self.queue.peek().map_or(Monotonic::NEVER, |Reverse((at, ..))| *at);
            let next = tick_at.min(event_at).max(self.now);
            if next > end {
                break;
            }
            self.now = next;
            if event_at <= tick_at {
                let Reverse((_, _, event)) = self.queue.pop().expect("it was peeked");
                self.happen(event, oracle);
            } else {
                let moment = self.moment(who);
                self.hosts[who].node.tick(moment);
                self.carry_out(who);
                oracle.look(self, who);
            }
        }
        self.now = end;
    }

    fn post(&mut self, after: Duration, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse((self.now.after(after), self.sequence, event)));
    }

    fn input(&mut self, at: usize, input: Input<'_>, oracle: &mut Oracle) {
        let moment = self.moment(at);
        self.hosts[at].node.handle(input, moment);
        self.carry_out(at);
        oracle.look(self, at);
    }

    fn happen(&mut self, event: Event, oracle: &mut Oracle) {
        match event {
            Event::Datagram { to, from, link, bytes } => {
                if self.links.get(&pair(to, from)) == Some(&link) {
                    self.input(to, Input::Datagram { from: node_id(from), bytes: &bytes }, oracle);
                }
            }
            Event::Message { to, from, link, bytes } => {
                if self.links.get(&pair(to, from)) == Some(&link) {
                    self.input(to, Input::Message { from: node_id(from), bytes: &bytes }, oracle);
                }
            }
            Event::Sent { at, to, link } => {
                if self.links.get(&pair(at, to)) == Some(&link) {
                    self.input(at, Input::Sent { to: node_id(to) }, oracle);
                }
            }
            Event::Meet { from, to } => {
                let meet = Input::Meet { request: RequestNumber(1), host: to.to_string(), port: 1 };
                self.input(from, meet, oracle);
            }
            Event::Dial { from, life, dial, to } => {
                if self.hosts[from].incarnation == life {
                    self.dial(from, DialNumber(dial), to, oracle);
                }
            }
        }
    }

    fn dial(&mut self, from: usize, dial: DialNumber, to: usize, oracle: &mut Oracle) {
        if self.cuts.contains(&pair(from, to)) {
            self.input(from, Input::DialFailed { dial, reason: "no answer".to_owned() }, oracle);
            return;
        }
        if self.links.contains_key(&pair(from, to)) {
            self.input(from, Input::AlreadyLinked { dial, peer: node_id(to) }, oracle);
            return;
        }
        self.sequence += 1;
        self.links.insert(pair(from, to), self.sequence);
        self.last_arrival.remove(&(from, to));
        self.last_arrival.remove(&(to, from));
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.input(from, Input::LinkUp { peer: node_id(to), address, dial: Some(dial) }, oracle);
        self.input(to, Input::LinkUp { peer: node_id(from), address, dial: None }, oracle);
        for (at, peer) in [(from, to), (to, from)] {
            let figures = Input::LinkFigures {
                peer: node_id(peer),
                round_trip: Duration::from_millis(2),
                max_datagram_bytes: LONGEST_DATAGRAM,
            };
            self.input(at, figures, oracle);
        }
    }

    fn unlink(&mut self, a: usize, b: usize) {
        if self.links.remove(&pair(a, b)).is_some() {
            for (at, peer) in [(a, b), (b, a)] {
                let end = LinkEnd::Lost("cut".to_owned());
                let moment = self.moment(at);
                self.hosts[at].node.handle(Input::LinkDown { peer: node_id(peer), end }, moment);
            }
            self.carry_out(a);
            self.carry_out(b);
        }
    }

    /// Does what a node wants done.
    fn carry_out(&mut self, at: usize) {
        while let Some(output) = self.hosts[at].node.poll_output() {
            match output {
                Output::Datagram { to, bytes } => self.send_datagram(at, index(to), &bytes),
                Output::Message { to, bytes, wants_sent } => self.send_message(at, index(to), &bytes, wants_sent),
                Output::Dial { dial, host, .. } => {
                    let to = host.parse().unwrap_or_else(|_| panic!("{host:?} is no node of this world"));
                    let life = self.hosts[at].incarnation;
                    self.post(Duration::from_millis(2), Event::Dial { from: at, life, dial: dial.0, to });
                }
                Output::Remember(members) => self.hosts[at].members = members,
                Output::Close { peer, .. } => panic!("node {at} closed its link to {peer}"),
                Output::NewIdentity | Output::NewIncarnation(_) => panic!("node {at} wants another identity"),
                Output::Bar(_) | Output::Answer { .. } | Output::Event(_) => {}
            }
        }
    }

    fn send_datagram(&mut self, from: usize, to: usize, bytes: &[u8]) {
        let Some(link) = self.links.get(&pair(from, to)).copied() else { return };
        assert!(bytes.len() <= LONGEST_DATAGRAM, "a datagram of {} bytes", bytes.len());
        let copies = 1 + u64::from(self.random.unit() < 0.1);
        for _ in 0..copies {
            if self.random.unit() >= self.loss {
                let after = Duration::from_micros(self.random.between(200, 6_000));
                self.post(after, Event::Datagram { to, from, link, bytes: bytes.to_vec() });
            }
        }
    }

    fn send_message(&mut self, from: usize, to: usize, bytes: &[u8], wants_sent: bool) {
        let Some(link) = self.links.get(&pair(from, to)).copied() else { return };
        let after = Duration::from_micros(self.random.between(300, 20_000));
        let earliest = self.last_arrival.get(&(from, to)).copied().unwrap_or_default();
        let arrival = self.now.after(after).max(earliest.after(Duration::from_nanos(1)));
        self.last_arrival.insert((from, to), arrival);
        self.post(arrival.since(self.now), Event::Message { to, from, link, bytes: bytes.to_vec() });
        if wants_sent {
            self.post(Duration::from_millis(1), Event::Sent { at: from, to, link });
        }
    }

    /// What each node holds of a counter, for a failure's report.
    pub(crate) fn describe(&self, key: &str) -> String {
        let mut text = String::new();
        for (at, host) in self.hosts.iter().enumerate() {
            let _ = writeln!(text, "  node {at} ({}): {:?}", host.node.replica().incarnation.0, self.inspect(at, key));
        }
        text
    }
}

fn index(id: NodeId) -> usize {
    usize::from(id.as_bytes()[0]) - 1
}

fn make_node(at: usize, incarnation: u64, members: Vec<KnownMember>, seed: u64, now: Monotonic) -> Node {
    let settings = NodeSettings {
        node: node_id(at),
        incarnation: Incarnation(incarnation),
        host: at.to_string(),
        client_port: 1,
        mesh_port: 1,
        counters: discnt::counter::Config::default(),
        cluster: discnt::membership::Config::default(),
        replication: discnt::replication::Config { backlog_numbers: if seed.is_multiple_of(2) { 1 << 16 } else { 8 } },
        members,
        barred: Vec::new(),
        hash_seeds: [seed, 2, 3, 4],
        seed: seed ^ (at as u64) << 32 ^ incarnation << 48,
        wake: Box::new(|| ()),
    };
    Node::new(settings, now).expect("the settings are in range")
}
