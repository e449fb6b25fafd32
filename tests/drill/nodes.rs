//! The five nodes: processes on hosts of their own, and what is done to them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use crate::ledger::Durability;
use crate::plan::{Fault, NODES};
use crate::server_support::{Client, Ground, Network, Server, Start, link, skewed_clock};

const PORT: u16 = 5262;
const HOUR: i64 = 3600;

/// Fields are dropped in this order: processes, then their namespaces, then their files.
pub(crate) struct Nodes {
    places: Vec<Place>,
    network: Network,
    _ground: Ground,
}

struct Place {
    process: Mutex<Process>,
    /// Grows when a killed process is dead, before the next is started.
    life: AtomicU64,
    /// When each of its lives ended, at the earliest: right before the kill.
    ends: Mutex<Vec<Instant>>,
}

enum Process {
    Running(Server),
    Stopped(Server),
    Dead(Option<Start>),
}

impl Nodes {
    /// Five linked nodes, of which one's clock is an hour ahead and another's an hour behind.
    pub(crate) fn start(network: Network, ahead: usize, behind: usize, durability: Durability) -> Self {
        let ground = Ground::new();
        let servers: Vec<Server> = (0..NODES)
            .map(|node| {
                let start = ground.server().on(network.host(node)).port(PORT);
                let start = start.set(format!("storage.durability={}", durability.name()));
                let skew = HOUR * (i64::from(node == ahead) - i64::from(node == behind));
                let start = if skew == 0 { start } else { start.variables(skewed_clock(skew)) };
                let server = start.run();
                assert_eq!(hours_ahead(&server), skew / HOUR, "the clock of node {}", node + 1);
                server
            })
            .collect();
        link(&servers.iter().collect::<Vec<_>>());
        let place = |server| Place {
            process: Mutex::new(Process::Running(server)),
            life: AtomicU64::new(0),
            ends: Mutex::default(),
        };
        Self { places: servers.into_iter().map(place).collect(), network, _ground: ground }
    }

    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    pub(crate) fn life(&self, node: usize) -> u64 {
        self.places[node].life.load(Ordering::SeqCst)
    }

    pub(crate) fn lives(&self) -> Vec<u64> {
        (0..NODES).map(|node| self.life(node)).collect()
    }

    /// When each node's lives ended.
    pub(crate) fn ends(&self) -> Vec<Vec<Instant>> {
        let ends = |place: &Place| place.ends.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.places.iter().map(ends).collect()
    }

    pub(crate) fn client(&self, node: usize, patience: Duration) -> Result<Client, String> {
        let address = (self.network.host(node).address(), PORT).into();
        Client::connect_on(self.network.host(node), address, patience)
    }

    pub(crate) fn begin(&self, fault: Fault) {
        match fault {
            Fault::Cut(one, other) => self.network.cut(one, other),
            Fault::CutOneWay(from, to) => self.network.cut_one_way(from, to),
            Fault::Isolated(node) => self.network.isolate(node),
            Fault::Loss(percent) => self.network.lose(percent),
            Fault::Stopped(node) => self.change(node, |process| match process {
                Process::Running(server) => {
                    server.signal(Signal::STOP);
                    Process::Stopped(server)
                }
                other => other,
            }),
            Fault::Killed(node) => self.kill(node),
        }
    }

    pub(crate) fn end(&self, fault: Fault) {
        match fault {
            Fault::Cut(one, other) => self.network.mend(one, other),
            Fault::CutOneWay(from, to) => self.network.mend_one_way(from, to),
            Fault::Isolated(node) => self.network.join(node),
            Fault::Loss(_) => self.network.lose(0),
            Fault::Stopped(node) => self.carry_on(node),
            Fault::Killed(node) => self.restart(node),
        }
    }

    /// Restarts what is dead, then lets all packets through and everything run at once.
    pub(crate) fn heal(&self) {
        (0..NODES).for_each(|node| self.restart(node));
        self.network.heal();
        (0..NODES).for_each(|node| self.carry_on(node));
    }

    fn kill(&self, node: usize) {
        self.change(node, |process| match process {
            Process::Running(server) | Process::Stopped(server) => {
                self.places[node].ends.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
                let start = server.kill();
                self.places[node].life.fetch_add(1, Ordering::SeqCst);
                Process::Dead(Some(start))
            }
            dead => dead,
        });
    }

    fn restart(&self, node: usize) {
        self.change(node, |process| match process {
            Process::Dead(Some(start)) => Process::Running(start.run()),
            other => other,
        });
    }

    fn carry_on(&self, node: usize) {
        self.change(node, |process| match process {
            Process::Stopped(server) => {
                server.signal(Signal::CONT);
                Process::Running(server)
            }
            other => other,
        });
    }

    fn change(&self, node: usize, change: impl FnOnce(Process) -> Process) {
        let mut process = self.places[node].lock();
        let before = std::mem::replace(&mut *process, Process::Dead(None));
        *process = change(before);
    }
}

impl Place {
    fn lock(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far a node's clock of the day is ahead of this process's.
fn hours_ahead(server: &Server) -> i64 {
    let reply = server.ask("TIME");
    let seconds = reply.trim_start_matches('[').split(' ').next().and_then(|seconds| seconds.parse::<i64>().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs() as i64;
    (seconds.expect("TIME answers seconds") - now + HOUR / 2).div_euclid(HOUR)
}

/// Sleeps until a moment of a round.
pub(crate) fn sleep_until(begin: std::time::Instant, at: Duration) {
    thread::sleep(at.saturating_sub(begin.elapsed()));
}
