//! The virtual world: nodes, packets on their way, and a clock that jumps from event to event.

use crate::links::Links;
use crate::random::Random;
use discnt::base::{Amount, Incarnation, Moment, Monotonic, Name, NodeId, ReplicaId, ReplicaIndex, WallMillis};
use discnt::counter::CounterState;
use discnt::node::{CloseCause, DialNumber, Input, KnownMember, LinkEnd, Node, NodeSettings, Output, RequestNumber};
use discnt::wire::Message;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const LONGEST_DATAGRAM: usize = 1162;
/// A silent loss is found out within this many milliseconds.
const LATEST_DETECTION: u64 = 4000;

/// Whoever checks the histories: told of every change at a node.
pub(crate) trait Witness {
    /// Something may be another at node `at`.
    fn look(&mut self, world: &World, at: usize);
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Datagram {
        to: usize,
        from: usize,
        link: u64,
        bytes: Vec<u8>,
    },
    Stream {
        to: usize,
        from: usize,
        link: u64,
    },
    Sent {
        at: usize,
        to: usize,
        link: u64,
    },
    Dial {
        from: usize,
        life: u64,
        dial: u64,
        to: usize,
    },
    Meet {
        from: usize,
        to: usize,
    },
    /// `at` finds out that its link is gone; or only looks whether it is.
    Lost {
        at: usize,
        peer: usize,
        link: u64,
        only_if_cut: bool,
    },
}

struct Host {
    node: Node,
    id: NodeId,
    incarnation: u64,
    members: Vec<KnownMember>,
    barred: Vec<NodeId>,
    /// This machine's wall clock is off by so many milliseconds.
    skew: u64,
    /// When the node wants to be called next, if nothing has happened to it since it was asked.
    deadline: Option<Monotonic>,
    /// What the others had when this node lost its memory.
    to_learn: Vec<(ReplicaId, u64)>,
}

pub(crate) struct World {
    pub(crate) now: Monotonic,
    hosts: Vec<Host>,
    random: Random,
    loss: f64,
    queue: BinaryHeap<Reverse<(Monotonic, u64, Event)>>,
    sequence: u64,
    links: Links,
    /// When the last message of a stream arrives.
    last_arrival: Vec<Vec<Monotonic>>,
    seed: u64,
    /// How often a node has asked another for what it lacks.
    pub(crate) pulls: u64,
    /// How many items were sent in answer.
    pub(crate) repair_items: u64,
}

fn first_id(at: usize) -> NodeId {
    NodeId::new([at as u8 + 1; 20])
}

impl World {
    pub(crate) fn new(seed: u64, nodes: usize, loss: f64) -> Self {
        let mut random = Random::new(seed ^ 0xabcd);
        let now = Monotonic::from_nanos(1_000_000_000);
        let mut host = |at| Host {
            node: make_node(at, first_id(at), 1, (&[], &[]), seed, now),
            id: first_id(at),
            incarnation: 1,
            members: Vec::new(),
            barred: Vec::new(),
            skew: random.pick(&[0, 0, 3_600_000, 7_777]),
            deadline: None,
            to_learn: Vec::new(),
        };
        let hosts = (0..nodes).map(&mut host).collect();
        Self {
            now,
            hosts,
            random,
            loss,
            queue: BinaryHeap::new(),
            sequence: 0,
            links: Links::default(),
            last_arrival: vec![vec![Monotonic::ZERO; nodes]; nodes],
            seed,
            pulls: 0,
            repair_items: 0,
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

    /// Whether the node does not know again what all others knew when it lost its memory.
    pub(crate) fn is_ignorant(&self, at: usize) -> bool {
        let host = &self.hosts[at];
        host.to_learn.iter().any(|(replica, number)| host.node.received(*replica) < *number)
    }

    fn said_by_all(&self) -> Vec<(ReplicaId, u64)> {
        let known =
            |host: &Host| (0..).map_while(|index| host.node.replica_at(ReplicaIndex(index))).collect::<Vec<_>>();
        let of = |host| known(host).into_iter().map(|replica| (replica, host.node.received(replica)));
        self.hosts.iter().flat_map(of).collect()
    }

    /// Whether `at` counts `other` among the members of its cluster.
    pub(crate) fn are_members(&self, at: usize, other: usize) -> bool {
        at != other && self.hosts[at].members.iter().any(|member| member.id == self.hosts[other].id)
    }

    /// What a node holds of a counter, without anything extrapolated, in units.
    pub(crate) fn exact(&self, at: usize, state: &CounterState) -> i128 {
        let node = self.node(at);
        let own = (0..).map(ReplicaIndex).find(|index| node.replica_at(*index) == Some(node.replica()));
        let sum = state.value(own.expect("a node knows itself"), |held| held.share.total);
        sum.to_amount().expect("the simulated amounts stay in the range").units()
    }

    /// `from` is told to meet `to`.
    pub(crate) fn meet(&mut self, from: usize, to: usize) {
        self.post(Duration::ZERO, Event::Meet { from, to });
    }

    pub(crate) fn set_loss(&mut self, loss: f64) {
        self.loss = loss;
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
            self.notice_loss(at, peer, at_once, true);
        }
    }

    /// The link breaks, and can be made again at once.
    pub(crate) fn flap(&mut self, a: usize, b: usize) {
        for (at, peer) in [(a, b), (b, a)] {
            self.notice_loss(at, peer, true, false);
        }
    }

    pub(crate) fn heal_all(&mut self) {
        self.links.unblock_all();
    }

    /// The node loses all it had in memory and is back at once, under a new incarnation.
    pub(crate) fn restart(&mut self, at: usize, noticed_at_once: bool) {
        for other in (0..self.hosts.len()).filter(|other| *other != at) {
            if let Some(link) = self.links.view(at, other) {
                self.links.lose(at, other, link);
            }
            self.notice_loss(other, at, noticed_at_once, false);
        }
        let to_learn = self.said_by_all();
        let host = &mut self.hosts[at];
        (host.incarnation, host.to_learn) = (host.incarnation + 1, to_learn);
        let known = (&host.members[..], &host.barred[..]);
        host.node = make_node(at, host.id, host.incarnation, known, self.seed, self.now);
        self.carry_out(at);
    }

    /// An operator tells the node to leave its cluster.
    pub(crate) fn reset(&mut self, at: usize, hard: bool) {
        let moment = self.moment(at);
        self.hosts[at].node.handle(Input::Reset { request: RequestNumber(2), hard }, moment);
        self.carry_out(at);
    }

    pub(crate) fn run_for(&mut self, duration: Duration, witness: &mut dyn Witness) {
        let end = self.now.after(duration);
        for at in 0..self.hosts.len() {
            self.carry_out(at);
        }
        loop {
            let deadlines =
                self.hosts.iter_mut().map(|host| *host.deadline.get_or_insert_with(|| host.node.next_deadline()));
            let (tick_at, who) = deadlines.zip(0..).min().expect("there are nodes");
            let event_at = self.queue.peek().map_or(Monotonic::NEVER, |Reverse((at, ..))| *at);
            let next = tick_at.min(event_at).max(self.now);
            if next > end {
                break;
            }
            self.now = next;
            if event_at <= tick_at {
                let Reverse((_, _, event)) = self.queue.pop().expect("it was peeked");
                self.happen(event, witness);
            } else {
                let moment = self.moment(who);
                self.hosts[who].node.tick(moment);
                self.carry_out(who);
                witness.look(self, who);
            }
        }
        self.now = end;
    }

    fn post(&mut self, after: Duration, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse((self.now.after(after), self.sequence, event)));
    }

    fn input(&mut self, at: usize, input: Input<'_>, witness: &mut dyn Witness) {
        let moment = self.moment(at);
        self.hosts[at].node.handle(input, moment);
        self.carry_out(at);
        witness.look(self, at);
    }

    fn happen(&mut self, event: Event, witness: &mut dyn Witness) {
        match event {
            Event::Datagram { to, from, link, bytes } => {
                if self.links.view(to, from) == Some(link) && !self.links.is_blocked(from, to) {
                    let from = self.hosts[from].id;
                    self.input(to, Input::Datagram { from, bytes: &bytes }, witness);
                }
            }
            Event::Stream { to, from, link } => {
                if self.links.view(to, from) != Some(link) {
                    return;
                }
                if self.links.is_cut(from, to) {
                    // It is sent again and again until the link is given up.
                    self.post(Duration::from_millis(50), Event::Stream { to, from, link });
                } else if let Some(bytes) = self.links.pop(from, to) {
                    let from = self.hosts[from].id;
                    self.input(to, Input::Message { from, bytes: &bytes }, witness);
                }
            }
            Event::Sent { at, to, link } => {
                if self.links.view(at, to) == Some(link) {
                    let to = self.hosts[to].id;
                    self.input(at, Input::Sent { to }, witness);
                }
            }
            Event::Meet { from, to } => {
                let meet = Input::Meet { request: RequestNumber(1), host: to.to_string(), port: 1 };
                self.input(from, meet, witness);
            }
            Event::Dial { from, life, dial, to } => {
                if self.hosts[from].incarnation == life {
                    self.dial(from, DialNumber(dial), to, witness);
                }
            }
            Event::Lost { at, peer, link, only_if_cut } => {
                if !only_if_cut || self.links.is_cut(at, peer) {
                    self.lose(at, peer, link, LinkEnd::Lost("cut".to_owned()));
                    witness.look(self, at);
                }
            }
        }
    }

    fn dial(&mut self, from: usize, dial: DialNumber, to: usize, witness: &mut dyn Witness) {
        if self.links.is_cut(from, to) || from == to {
            self.input(from, Input::DialFailed { dial, reason: "no answer".to_owned() }, witness);
            return;
        }
        let (from_id, to_id) = (self.hosts[from].id, self.hosts[to].id);
        if self.links.view(from, to).is_some() {
            self.input(from, Input::AlreadyLinked { dial, peer: to_id }, witness);
            return;
        }
        if let Some(stale) = self.links.view(to, from) {
            self.lose(to, from, stale, LinkEnd::Lost("replaced".to_owned()));
        }
        let link = self.links.join(from, to);
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.input(from, Input::LinkUp { peer: to_id, address, dial: Some(dial) }, witness);
        self.input(to, Input::LinkUp { peer: from_id, address, dial: None }, witness);
        for (at, other, peer) in [(from, to, to_id), (to, from, from_id)] {
            if self.links.view(at, other) == Some(link) {
                let round_trip = Duration::from_millis(2);
                let figures = Input::LinkFigures { peer, round_trip, max_datagram_bytes: LONGEST_DATAGRAM };
                self.input(at, figures, witness);
            }
        }
    }

    /// `at` finds out that its link with `peer` is gone: at once, or some time later (if it is still cut then).
    fn notice_loss(&mut self, at: usize, peer: usize, at_once: bool, only_if_cut: bool) {
        let Some(link) = self.links.view(at, peer) else { return };
        if at_once {
            self.lose(at, peer, link, LinkEnd::Lost("cut".to_owned()));
        } else {
            let after = Duration::from_millis(self.random.below(LATEST_DETECTION));
            self.post(after, Event::Lost { at, peer, link, only_if_cut });
        }
    }

    fn lose(&mut self, at: usize, peer: usize, link: u64, end: LinkEnd) {
        if !self.links.lose(at, peer, link) {
            return;
        }
        let moment = self.moment(at);
        let id = self.hosts[peer].id;
        self.hosts[at].node.handle(Input::LinkDown { peer: id, end }, moment);
        self.carry_out(at);
        // What one side gives up the other finds out about sooner or later.
        if self.links.view(peer, at) == Some(link) {
            let after = Duration::from_millis(self.random.below(LATEST_DETECTION));
            self.post(after, Event::Lost { at: peer, peer: at, link, only_if_cut: false });
        }
    }

    /// Does what a node wants done.
    fn carry_out(&mut self, at: usize) {
        self.hosts[at].deadline = None;
        while let Some(output) = self.hosts[at].node.poll_output() {
            match output {
                Output::Datagram { to, bytes } => self.send_datagram(at, to, &bytes),
                Output::Message { to, bytes, wants_sent } => self.send_message(at, to, &bytes, wants_sent),
                Output::Dial { dial, host, .. } => {
                    let to = host.parse().unwrap_or_else(|_| panic!("{host:?} is no node of this world"));
                    let life = self.hosts[at].incarnation;
                    self.post(Duration::from_millis(2), Event::Dial { from: at, life, dial: dial.0, to });
                }
                Output::Remember(members) => self.hosts[at].members = members,
                Output::Bar(barred) => self.hosts[at].barred = barred,
                Output::Close { peer, cause } => self.close(at, peer, cause),
                Output::NewIdentity => self.rebirth(at),
                Output::NewIncarnation(_) => panic!("node {at} wants another incarnation"),
                Output::Answer { result: Err(_), request: RequestNumber(2) } => panic!("node {at} could not be reset"),
                Output::Answer { .. } | Output::Event(_) => {}
            }
        }
    }

    fn close(&mut self, at: usize, peer: NodeId, cause: CloseCause) {
        let Some(to) = self.index(peer) else { return };
        let Some(link) = self.links.view(at, to) else { return };
        self.links.lose(at, to, link);
        let moment = self.moment(at);
        self.hosts[at].node.handle(Input::LinkDown { peer, end: LinkEnd::Closed }, moment);
        if self.links.view(to, at) == Some(link) {
            let left = cause == CloseCause::Left && !self.links.is_cut(at, to);
            self.lose(to, at, link, if left { LinkEnd::Left } else { LinkEnd::Lost("closed".to_owned()) });
        }
    }

    /// A new key, so a new id.
    fn rebirth(&mut self, at: usize) {
        let host = &mut self.hosts[at];
        let mut bytes = *host.id.as_bytes();
        bytes[19] = bytes[19].wrapping_add(0x40);
        (host.id, host.incarnation) = (NodeId::new(bytes), host.incarnation + 1);
        let (node, incarnation) = (host.id, Incarnation(host.incarnation));
        let moment = self.moment(at);
        self.hosts[at].node.handle(Input::Reborn { node, incarnation }, moment);
    }

    fn send_datagram(&mut self, from: usize, to: NodeId, bytes: &[u8]) {
        let Some(to) = self.index(to) else { return };
        let Some(link) = self.links.view(from, to) else { return };
        assert!(bytes.len() <= LONGEST_DATAGRAM, "a datagram of {} bytes", bytes.len());
        let copies = 1 + u64::from(self.random.unit() < 0.1);
        for _ in 0..copies {
            if self.random.unit() >= self.loss {
                let after = Duration::from_micros(self.random.between(200, 6_000));
                self.post(after, Event::Datagram { to, from, link, bytes: bytes.to_vec() });
            }
        }
    }

    fn send_message(&mut self, from: usize, to: NodeId, bytes: &[u8], wants_sent: bool) {
        let Some(to) = self.index(to) else { return };
        let Some(link) = self.links.view(from, to) else { return };
        match Message::decode(bytes) {
            Ok(Message::Pull(_)) => self.pulls += 1,
            Ok(Message::RepairItems(_, items)) => self.repair_items += items.len() as u64,
            _ => {}
        }
        let after = Duration::from_micros(self.random.between(300, 20_000));
        let arrival = self.now.after(after).max(self.last_arrival[from][to]);
        self.last_arrival[from][to] = arrival;
        self.links.push(from, to, bytes.to_vec());
        self.post(arrival.since(self.now), Event::Stream { to, from, link });
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

    /// Where the node with this id runs; none for an id that was given up.
    fn index(&self, id: NodeId) -> Option<usize> {
        self.hosts.iter().position(|host| host.id == id)
    }
}

fn make_node(
    at: usize,
    id: NodeId,
    incarnation: u64,
    known: (&[KnownMember], &[NodeId]),
    seed: u64,
    now: Monotonic,
) -> Node {
    let settings = NodeSettings {
        node: id,
        incarnation: Incarnation(incarnation),
        host: at.to_string(),
        client_port: 1,
        mesh_port: 1,
        counters: discnt::counter::Config::default(),
        cluster: discnt::membership::Config::default(),
        replication: discnt::replication::Config { backlog_numbers: if seed.is_multiple_of(2) { 1 << 16 } else { 8 } },
        members: known.0.to_vec(),
        barred: known.1.to_vec(),
        hash_seeds: [seed, 2, 3, 4],
        seed: seed ^ (at as u64) << 32 ^ incarnation << 48,
        wake: Box::new(|| ()),
    };
    Node::new(settings, now).expect("the settings are in range")
}
