//! The virtual world: nodes, packets on their way, and a clock that jumps from event to event.

use crate::disk::Disk;
use crate::links::Links;
use crate::random::Random;
use bytes::Bytes;
use discnt::base::{
    Amount, Durability, Incarnation, Moment, Monotonic, Name, NodeId, ReplicaId, ReplicaIndex, WallMillis,
};
use discnt::counter::CounterState;
use discnt::membership::Admission;
use discnt::node::{DialNumber, Input, KnownMember, LinkEnd, Node, NodeSettings, RequestNumber, Start};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write as _;
use std::time::Duration;

/// Whoever checks the histories: told of every change at a node.
pub(crate) trait Witness {
    /// Something may be another at node `at`.
    fn look(&mut self, world: &World, at: usize);
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    Datagram {
        to: usize,
        from: usize,
        link: u64,
        bytes: Bytes,
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
    /// A stopped process goes on.
    Resume {
        at: usize,
    },
    /// A process begins where one has ended.
    Boot {
        at: usize,
        life: u64,
    },
    /// A commit has reached the disk.
    Written {
        at: usize,
        life: u64,
    },
    /// It is time for a commit, or to try one again.
    CommitTimer {
        at: usize,
        life: u64,
    },
    CommitAgain {
        at: usize,
        life: u64,
    },
    /// `at` finds out that its link is gone; or only looks whether it is.
    Lost {
        at: usize,
        peer: usize,
        link: u64,
        only_if: OnlyIf,
    },
}

/// What a link has to suffer from still, to be given up.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
pub(crate) enum OnlyIf {
    /// It is gone.
    Always,
    Cut,
    /// The other side is paused.
    Paused,
}

pub(crate) struct Host {
    pub(crate) node: Node,
    pub(crate) id: NodeId,
    pub(crate) incarnation: u64,
    /// How many processes there have been.
    pub(crate) life: u64,
    /// No process runs.
    pub(crate) is_down: bool,
    pub(crate) disk: Option<Disk>,
    /// The last answer to a client that asked who has on disk what it counted.
    pub(crate) confirmed: Option<(bool, usize)>,
    /// All of them, each with the client's number.
    pub(crate) confirmations: Vec<(u64, bool, usize)>,
    pub(crate) members: Vec<KnownMember>,
    pub(crate) barred: Vec<NodeId>,
    pub(crate) admissions: Vec<Admission>,
    /// This machine's wall clock is off by so many milliseconds.
    skew: u64,
    /// For so long this machine has been up when the world begins.
    uptime: Duration,
    /// When the node wants to be called next, if nothing has happened to it since it was asked.
    pub(crate) deadline: Option<Monotonic>,
    /// Until then the process is stopped.
    pub(crate) paused_until: Monotonic,
    /// What has happened to it meanwhile.
    pub(crate) parked: Vec<Event>,
    /// What the others had when this node lost its memory, or met them again.
    pub(crate) to_learn: Vec<(ReplicaId, u64)>,
    /// It was parted from the others and has not met them again.
    pub(crate) away: bool,
}

/// What a process begins with, beside what it has on disk of counters.
pub(crate) struct Process {
    id: NodeId,
    incarnation: u64,
    life: u64,
    members: Vec<KnownMember>,
    barred: Vec<NodeId>,
    admissions: Vec<Admission>,
}

impl Host {
    pub(crate) fn process(&self) -> Process {
        Process {
            id: self.id,
            incarnation: self.incarnation,
            life: self.life,
            members: self.members.clone(),
            barred: self.barred.clone(),
            admissions: self.admissions.clone(),
        }
    }
}

pub(crate) struct World {
    pub(crate) now: Monotonic,
    pub(crate) hosts: Vec<Host>,
    pub(crate) random: Random,
    pub(crate) loss: f64,
    /// The longest that a datagram takes, in microseconds.
    pub(crate) slowest: u64,
    pub(crate) queue: BinaryHeap<Reverse<(Monotonic, u64, Event)>>,
    pub(crate) sequence: u64,
    pub(crate) links: Links,
    /// When the last message of a stream arrives.
    pub(crate) last_arrival: Vec<Vec<Monotonic>>,
    pub(crate) seed: u64,
    /// How often a node has asked another for what it lacks.
    pub(crate) pulls: u64,
    /// How many items were sent in answer.
    pub(crate) repair_items: u64,
    /// What all datagrams of the failure detector begin with.
    chatter: Vec<u8>,
    /// How many datagrams and messages were sent.
    pub(crate) said: u64,
}

fn first_id(at: usize) -> NodeId {
    NodeId::new([at as u8 + 1; 20])
}

impl World {
    pub(crate) fn new(seed: u64, nodes: usize, loss: f64) -> Self {
        let mut random = Random::new(seed ^ 0xabcd);
        let now = Monotonic::from_nanos(1_000_000_000);
        let mut host = |at| {
            let uptime = Duration::from_secs(random.pick(&[0, 1, 86_400, 400_000]));
            let beginning = (Durability::Memory, Start::Fresh, 0);
            let process = Process {
                id: first_id(at),
                incarnation: 1,
                life: 1,
                members: vec![],
                barred: vec![],
                admissions: vec![],
            };
            Host {
                node: make_node(at, process, seed, now.after(uptime), beginning),
                id: first_id(at),
                incarnation: 1,
                life: 1,
                is_down: false,
                disk: None,
                confirmed: None,
                confirmations: Vec::new(),
                members: Vec::new(),
                barred: Vec::new(),
                admissions: Vec::new(),
                skew: random.pick(&[0, 0, 3_600_000, 7_777]),
                uptime,
                deadline: None,
                paused_until: Monotonic::ZERO,
                parked: Vec::new(),
                to_learn: Vec::new(),
                away: false,
            }
        };
        let hosts = (0..nodes).map(&mut host).collect();
        // The last byte says how many follow.
        let mut chatter = discnt::wire::encode_membership(&[]);
        chatter.pop();
        Self {
            now,
            hosts,
            random,
            loss,
            slowest: 6_000,
            queue: BinaryHeap::new(),
            sequence: 0,
            links: Links::default(),
            last_arrival: vec![vec![Monotonic::ZERO; nodes]; nodes],
            seed,
            pulls: 0,
            repair_items: 0,
            chatter,
            said: 0,
        }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.hosts.len()
    }

    pub(crate) fn node(&self, at: usize) -> &Node {
        &self.hosts[at].node
    }

    /// What the clocks of this node show.
    pub(crate) fn moment(&self, at: usize) -> Moment {
        let wall = WallMillis(1_700_000_000_000 + self.now.as_nanos() / 1_000_000 + self.hosts[at].skew);
        Moment { monotonic: self.clock(at), wall }
    }

    /// This node's monotonic clock: no two agree on when it began.
    pub(crate) fn clock(&self, at: usize) -> Monotonic {
        self.now.after(self.hosts[at].uptime)
    }

    /// When this node's monotonic clock shows that.
    pub(crate) fn on_world_clock(&self, at: usize, shown: Monotonic) -> Monotonic {
        shown.before(self.hosts[at].uptime)
    }

    pub(crate) fn inspect(&self, at: usize, key: &str) -> Option<CounterState> {
        self.hosts[at].node.table().inspect(Name::new(key.as_bytes()).expect("short"))
    }

    pub(crate) fn read(&self, at: usize, key: &str) -> Option<Amount> {
        self.hosts[at].node.table().read(Name::new(key.as_bytes()).expect("short"), self.clock(at))
    }

    /// Whether the node does not know again what all others knew when it lost its memory.
    pub(crate) fn is_ignorant(&self, at: usize) -> bool {
        let host = &self.hosts[at];
        host.to_learn.iter().any(|(replica, number)| host.node.received(*replica) < *number)
    }

    /// Up to where a node has everything of each replica.
    pub(crate) fn said_by(&self, at: usize) -> Vec<(ReplicaId, u64)> {
        let node = &self.hosts[at].node;
        let known = (0..).map_while(|index| node.replica_at(ReplicaIndex(index)));
        known.map(|replica| (replica, node.received(replica))).collect()
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

    /// The node loses all it had in memory and is back at once, under a new incarnation.
    pub(crate) fn restart(&mut self, at: usize, noticed_at_once: bool) {
        for other in (0..self.hosts.len()).filter(|other| *other != at) {
            if let Some(link) = self.links.view(at, other) {
                self.links.lose(at, other, link);
            }
            self.notice_loss(other, at, noticed_at_once, OnlyIf::Always);
        }
        let to_learn = (0..self.nodes()).flat_map(|at| self.said_by(at)).collect();
        let now = self.clock(at);
        let host = &mut self.hosts[at];
        (host.incarnation, host.to_learn, host.paused_until) = (host.incarnation + 1, to_learn, Monotonic::ZERO);
        host.life += 1;
        host.node = make_node(at, host.process(), self.seed, now, (Durability::Memory, Start::Fresh, 0));
        self.carry_out(at);
    }

    /// When this host wants to do something next, on the world's clock.
    fn deadline(host: &mut Host) -> Monotonic {
        if host.is_down {
            return Monotonic::NEVER;
        }
        let deadline = *host.deadline.get_or_insert_with(|| host.node.next_deadline());
        let deadline = if deadline == Monotonic::NEVER { deadline } else { deadline.before(host.uptime) };
        deadline.max(host.paused_until)
    }

    /// An operator tells node `at` to keep another out of the cluster.
    pub(crate) fn forget(&mut self, at: usize, other: usize) {
        self.keep_out(at, other, false);
    }

    /// The same for good.
    pub(crate) fn ban(&mut self, at: usize, other: usize) {
        self.keep_out(at, other, true);
    }

    fn keep_out(&mut self, at: usize, other: usize, ban: bool) {
        let (moment, node) = (self.moment(at), self.hosts[other].id);
        self.hosts[at].node.handle(Input::Forget { request: RequestNumber(3), node, ban }, moment);
        self.carry_out(at);
    }

    /// Whether node `at` has on disk that the key of another is banned.
    pub(crate) fn has_banned(&self, at: usize, other: usize) -> bool {
        let id = self.hosts[other].id;
        self.hosts[at].admissions.iter().any(|admission| admission.node == id && admission.banned)
    }

    pub(crate) fn run_for(&mut self, duration: Duration, witness: &mut dyn Witness) {
        let end = self.now.after(duration);
        for at in 0..self.hosts.len() {
            if !self.is_paused(at) {
                self.carry_out(at);
            }
        }
        loop {
            let deadlines = self.hosts.iter_mut().map(Self::deadline);
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

    pub(crate) fn input(&mut self, at: usize, input: Input<'_>, witness: &mut dyn Witness) {
        let is_chatter = matches!(&input, Input::Datagram { bytes, .. } if bytes.starts_with(&self.chatter));
        let moment = self.moment(at);
        self.hosts[at].node.handle(input, moment);
        self.carry_out(at);
        if !is_chatter {
            witness.look(self, at);
        }
    }

    fn happen(&mut self, event: Event, witness: &mut dyn Witness) {
        let Some(event) = self.unless_paused(event) else { return };
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
                if self.hosts[from].life == life {
                    self.dial(from, DialNumber(dial), to, witness);
                }
            }
            Event::Resume { at } => self.resume(at),
            Event::Boot { at, life } if self.hosts[at].life == life => {
                self.boot(at);
                witness.look(self, at);
            }
            Event::Written { at, life } if self.hosts[at].life == life => {
                self.written(at);
                witness.look(self, at);
            }
            Event::CommitTimer { at, life } if self.hosts[at].life == life => self.commit_timer(at),
            Event::CommitAgain { at, life } if self.hosts[at].life == life => self.commit(at),
            Event::Boot { .. } | Event::Written { .. } | Event::CommitTimer { .. } | Event::CommitAgain { .. } => {}
            Event::Lost { at, peer, link, only_if } => {
                let is_gone = match only_if {
                    OnlyIf::Always => true,
                    OnlyIf::Cut => self.links.is_cut(at, peer),
                    OnlyIf::Paused => self.is_paused(peer),
                };
                if is_gone {
                    self.lose(at, peer, link, LinkEnd::Lost("cut".to_owned()));
                    witness.look(self, at);
                }
            }
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

pub(crate) fn make_node(
    at: usize,
    process: Process,
    seed: u64,
    now: Monotonic,
    (durability, start, reserved): (Durability, Start, u64),
) -> Node {
    let settings = NodeSettings {
        node: process.id,
        incarnation: Incarnation(process.incarnation),
        durability,
        start,
        reserved,
        host: at.to_string(),
        client_port: 1,
        mesh_port: 1,
        labels: Default::default(),
        counters: discnt::counter::Config::default(),
        cluster: discnt::membership::Config::default(),
        replication: discnt::replication::Config { backlog_numbers: if seed.is_multiple_of(2) { 1 << 16 } else { 8 } },
        members: process.members,
        barred: process.barred,
        admissions: process.admissions,
        hash_seeds: [seed, 2, 3, 4],
        seed: seed ^ (at as u64) << 32 ^ process.life << 48,
        wake: Box::new(|| ()),
    };
    Node::new(settings, now).expect("the settings are in range")
}
