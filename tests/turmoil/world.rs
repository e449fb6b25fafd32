//! A cluster in one process on virtual time: the real mesh, driver and node on every host, a network of turmoil's
//! between them, and this as the clients and the operator.

use crate::certificates;
use crate::socket::{SimulatedSocket, Weather, lock};
use discnt::base::{Amount, Moment, Monotonic, Name, NodeId, WallMillis};
use discnt::command::ClusterRequest;
use discnt::counter::{CounterState, Table};
use discnt::driver::{Clock, ClusterCall, Driver, DriverParts, Keeper, NodeCall};
use discnt::mesh::{Config as MeshConfig, Identity, Mesh};
use discnt::node::{ClusterState, ClusterView, KnownMember, LinkView, MemberView, Node, NodeSettings};
use discnt::storage::DataDirectory;
use discnt::wire::ProtocolVersions;
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use turmoil::Sim;

pub(crate) const PORT: u16 = 5262;
/// The wall clock of an unskewed host at the start: some day of 2027.
const WALL_START: u64 = 1_800_000_000_000;
/// A driver's monotonic clock starts there.
const HEAD_START: Duration = Duration::from_secs(1);

/// What a life of a host's server gives to those outside.
struct Life {
    table: Arc<Table>,
    state: Arc<ClusterState>,
    calls: mpsc::Sender<NodeCall>,
    stop: Option<oneshot::Sender<()>>,
}

/// What a host's server is started with, each time.
struct Machine {
    address: IpAddr,
    directory: PathBuf,
    mesh_config: MeshConfig,
    /// Which versions of the protocol its program speaks.
    versions: Cell<ProtocolVersions>,
    identity: Identity,
    weather: Arc<Mutex<Weather>>,
    seed: u64,
    /// Whether it knows its own address or must learn it from its peers.
    knows_address: bool,
    wall_at_start: RefCell<WallMillis>,
    life: RefCell<Option<Life>>,
}

struct Host {
    machine: Rc<Machine>,
    /// When its present life began.
    started: Duration,
    /// How much its wall clock is ahead, or behind, in milliseconds.
    skew_millis: i64,
    _directory: tempfile::TempDir,
}

/// How the network is, for as long as it stands.
pub(crate) struct Climate {
    /// Datagrams arrive at whole ticks. Within one, the hosts' own timers keep to the millisecond.
    pub(crate) tick: Duration,
    /// The shortest and the longest. What is sent later may arrive earlier.
    pub(crate) latency: (Duration, Duration),
}

pub(crate) struct World {
    seed: u64,
    sim: Sim<'static>,
    hosts: Vec<Host>,
    pub(crate) weather: Arc<Mutex<Weather>>,
    panics_before: u64,
}

thread_local! {
    static PANICS: AtomicU64 = const { AtomicU64::new(0) };
}

/// A task of a server that panics is nobody's error otherwise.
fn count_panics() -> u64 {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.with(|count| count.fetch_add(1, Ordering::Relaxed));
            before(info);
        }));
    });
    PANICS.with(|count| count.load(Ordering::Relaxed))
}

pub(crate) fn name(key: &str) -> Name<'_> {
    Name::new(key.as_bytes()).expect("a short name")
}

impl World {
    pub(crate) fn new(seed: u64, climate: &Climate) -> Self {
        let mut builder = turmoil::Builder::new();
        builder
            .rng_seed(seed)
            .tick_duration(climate.tick)
            .min_message_latency(climate.latency.0)
            .max_message_latency(climate.latency.1)
            .udp_capacity(4096)
            .simulation_duration(Duration::from_secs(86_400));
        let sim = builder.build();
        Self { seed, sim, hosts: Vec::new(), weather: Weather::new(seed), panics_before: count_panics() }
    }

    /// Adds a host with a new identity and an empty data directory, and starts its server.
    pub(crate) fn add(&mut self, skew_millis: i64, knows_address: bool) -> usize {
        let number = self.hosts.len();
        let low = u8::try_from(number + 1).expect("a handful of hosts");
        let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, low));
        let directory = tempfile::tempdir().expect("a directory");
        let (mesh_config, identity) = certificates::identity(directory.path(), low);
        let machine = Rc::new(Machine {
            address,
            directory: directory.path().join("data"),
            mesh_config,
            versions: Cell::default(),
            identity,
            weather: Arc::clone(&self.weather),
            seed: self.seed.wrapping_mul(0x9e37_79b9).wrapping_add(number as u64),
            knows_address,
            wall_at_start: RefCell::default(),
            life: RefCell::default(),
        });
        let host = Host { machine: Rc::clone(&machine), started: Duration::ZERO, skew_millis, _directory: directory };
        self.hosts.push(host);
        self.note_start(number);
        self.sim.host(address, move || serve(Rc::clone(&machine)));
        self.step();
        number
    }

    fn note_start(&mut self, at: usize) {
        let started = self.sim.elapsed();
        let wall = self.wall(at);
        self.hosts[at].started = started;
        *self.hosts[at].machine.wall_at_start.borrow_mut() = wall;
    }

    /// Ends a server as a power cut does. Its data directory stays, all else is gone.
    pub(crate) fn crash(&mut self, at: usize) {
        let address = self.address(at);
        self.sim.crash(address);
        *self.hosts[at].machine.life.borrow_mut() = None;
    }

    /// Ends a server with a goodbye, and waits for it.
    pub(crate) fn stop(&mut self, at: usize) {
        let stop = self.hosts[at].machine.life.borrow_mut().as_mut().and_then(|life| life.stop.take());
        stop.expect("it runs").send(()).expect("it runs");
        let address = self.address(at);
        let stopped = self.wait(Duration::from_secs(4), |world| !world.sim.is_host_running(address));
        stopped.expect("a server stops within two seconds");
        *self.hosts[at].machine.life.borrow_mut() = None;
    }

    /// Starts a server again on its data directory.
    pub(crate) fn restart(&mut self, at: usize) {
        assert!(!self.is_up(at), "it runs");
        self.note_start(at);
        let address = self.address(at);
        self.sim.bounce(address);
        self.step();
    }

    /// Ends a server with a goodbye and starts a program that speaks these versions in its place.
    pub(crate) fn replace(&mut self, at: usize, oldest: u16, newest: u16) {
        self.stop(at);
        let versions = ProtocolVersions::new(oldest, newest).expect("a range");
        self.hosts[at].machine.versions.set(versions);
        self.restart(at);
    }

    /// Lets one tick pass.
    pub(crate) fn step(&mut self) {
        if let Err(error) = self.sim.step() {
            panic!("a server ended by itself: {error}");
        }
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.sim.elapsed() + time;
        while self.sim.elapsed() < end {
            self.step();
        }
    }

    /// Waits for something in virtual time. Answers how long it took.
    pub(crate) fn wait(&mut self, most: Duration, mut until: impl FnMut(&mut Self) -> bool) -> Option<Duration> {
        let start = self.sim.elapsed();
        while !until(self) {
            if self.sim.elapsed() - start >= most {
                return None;
            }
            self.step();
        }
        Some(self.sim.elapsed() - start)
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.sim.elapsed()
    }

    pub(crate) fn hosts(&self) -> usize {
        self.hosts.len()
    }

    pub(crate) fn up(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|at| self.is_up(*at)).collect()
    }

    pub(crate) fn is_up(&self, at: usize) -> bool {
        self.hosts[at].machine.life.borrow().is_some()
    }

    pub(crate) fn address(&self, at: usize) -> IpAddr {
        self.hosts[at].machine.address
    }

    pub(crate) fn id(&self, at: usize) -> NodeId {
        self.hosts[at].machine.identity.id
    }

    pub(crate) fn now(&self, at: usize) -> Monotonic {
        Monotonic::ZERO.after(HEAD_START + (self.sim.elapsed() - self.hosts[at].started))
    }

    fn wall(&self, at: usize) -> WallMillis {
        let elapsed = u64::try_from(self.sim.elapsed().as_millis()).expect("a short simulation");
        WallMillis((WALL_START + elapsed).saturating_add_signed(self.hosts[at].skew_millis))
    }

    pub(crate) fn moment(&self, at: usize) -> Moment {
        Moment { monotonic: self.now(at), wall: self.wall(at) }
    }

    pub(crate) fn table(&self, at: usize) -> Arc<Table> {
        Arc::clone(&self.hosts[at].machine.life.borrow().as_ref().expect("it runs").table)
    }

    pub(crate) fn read(&self, at: usize, key: &str) -> Option<Amount> {
        self.table(at).read(name(key), self.now(at))
    }

    pub(crate) fn inspect(&self, at: usize, key: &str) -> Option<CounterState> {
        self.table(at).inspect(name(key))
    }

    pub(crate) fn increment(&self, at: usize, key: &str, by: i64) {
        self.table(at).increment(name(key), Amount::from(by), self.now(at)).expect("in range");
    }

    pub(crate) fn set(&self, at: usize, key: &str, value: i64) {
        self.table(at).assign(name(key), Amount::from(value), self.moment(at)).expect("room");
    }

    pub(crate) fn view(&self, at: usize) -> Arc<ClusterView> {
        self.hosts[at].machine.life.borrow().as_ref().expect("it runs").state.view()
    }

    /// What one node says of another.
    pub(crate) fn member(&self, at: usize, other: usize) -> Option<MemberView> {
        let id = self.id(other);
        self.view(at).members.iter().find(|member| member.id == id).cloned()
    }

    pub(crate) fn is_linked(&self, at: usize, other: usize) -> bool {
        self.member(at, other).is_some_and(|member| member.link == LinkView::Linked)
    }

    /// Whether every running server is linked with every other.
    pub(crate) fn all_linked(&self) -> bool {
        let up = self.up();
        up.iter().all(|at| up.iter().all(|other| at == other || self.is_linked(*at, *other)))
    }

    /// Sends `CLUSTER MEET`. What it is answered comes from a thread, at no virtual time that could be told.
    pub(crate) fn meet(&self, at: usize, other: usize) {
        let request = ClusterRequest::Meet { host: self.address(other).to_string(), port: PORT };
        let (answer, _) = oneshot::channel();
        let life = self.hosts[at].machine.life.borrow();
        // A queue that is full of earlier ones needs no further one.
        let _ = life.as_ref().expect("it runs").calls.try_send(NodeCall::Change(ClusterCall { request, answer }));
    }

    /// Adds `count` hosts that know each other.
    pub(crate) fn found(&mut self, count: usize) {
        for _ in 0..count {
            self.add(0, true);
        }
        for other in 1..count {
            self.meet(other, 0);
        }
        let linked = self.wait(Duration::from_secs(20), |world| world.all_linked());
        assert!(linked.is_some(), "{count} nodes are not linked after 20 s");
    }

    pub(crate) fn cut(&self, one: usize, other: usize) {
        self.sim.partition(self.address(one), self.address(other));
    }

    pub(crate) fn cut_one_way(&self, from: usize, to: usize) {
        self.sim.partition_oneway(self.address(from), self.address(to));
    }

    pub(crate) fn mend(&self, one: usize, other: usize) {
        self.sim.release(self.address(one), self.address(other));
    }

    pub(crate) fn hold(&self, one: usize, other: usize) {
        self.sim.hold(self.address(one), self.address(other));
    }

    /// Makes the network whole, and lets nothing be lost any more.
    pub(crate) fn heal(&mut self) {
        for one in 0..self.hosts.len() {
            for other in one + 1..self.hosts.len() {
                self.mend(one, other);
            }
        }
        let mut weather = lock(&self.weather);
        (weather.loss, weather.doubling) = (0.0, 0.0);
    }

    /// Fails if any task of any server did.
    pub(crate) fn check_panics(&self) {
        let panics = PANICS.with(|count| count.load(Ordering::Relaxed)) - self.panics_before;
        assert_eq!(panics, 0, "tasks of servers panicked; see above");
    }
}

/// A server from its start to its end, as the daemon puts it together.
async fn serve(machine: Rc<Machine>) -> Result<(), Box<dyn Error>> {
    let clock = Clock::simulated(*machine.wall_at_start.borrow());
    let directory = Arc::new(DataDirectory::open(&machine.directory)?);
    let wake = Arc::new(Notify::new());
    let node = Node::new(node_settings(&machine, &directory, &wake)?, clock.monotonic())?;
    let (table, state) = (node.table(), node.state());
    let mut random_seed = [0; 32];
    random_seed[..8].copy_from_slice(&machine.seed.to_le_bytes());
    random_seed[8..16].copy_from_slice(&node.replica().incarnation.0.to_le_bytes());
    let local = SocketAddr::new(machine.address, PORT);
    let socket = SimulatedSocket::bind(local, Arc::clone(&machine.weather)).await?;
    let (sender, events) = mpsc::channel(4096);
    let mesh_config = MeshConfig { versions: machine.versions.get(), ..machine.mesh_config.clone() };
    let mesh = Mesh::bind_abstract(mesh_config.clone(), socket, Some(random_seed), &machine.identity, sender)?;
    let (calls, received_calls) = mpsc::channel(16);
    let (stop, stopped) = oneshot::channel();
    *machine.life.borrow_mut() = Some(Life { table, state, calls, stop: Some(stop) });
    let keeper = Keeper::start(Arc::clone(&directory))?;
    let calls = received_calls;
    let (identity, disk, pulse) = (None, None, None);
    let parts =
        DriverParts { node, mesh, events, calls, wake, clock, directory, mesh_config, identity, keeper, disk, pulse };
    Driver::new(parts).run(stopped).await;
    Ok(())
}

fn node_settings(
    machine: &Machine,
    directory: &DataDirectory,
    wake: &Arc<Notify>,
) -> Result<NodeSettings, Box<dyn Error>> {
    let to_known = |member: discnt::storage::RememberedMember| KnownMember {
        id: member.id,
        host: member.host,
        client_port: member.client_port,
        mesh_port: member.mesh_port,
    };
    let incarnation = directory.next_incarnation()?;
    let seed = machine.seed.wrapping_add(incarnation.0 << 32);
    let wake = Arc::clone(wake);
    let kept_out = directory.load_kept_out()?;
    Ok(NodeSettings {
        node: machine.identity.id,
        incarnation,
        durability: discnt::base::Durability::Memory,
        start: discnt::node::Start::Fresh,
        reserved: 0,
        host: if machine.knows_address { machine.address.to_string() } else { String::new() },
        client_port: PORT,
        mesh_port: PORT,
        labels: Default::default(),
        counters: Default::default(),
        cluster: Default::default(),
        replication: Default::default(),
        members: directory.load_members()?.into_iter().map(to_known).collect(),
        barred: kept_out.barred,
        admissions: kept_out.admissions,
        hash_seeds: [seed, seed ^ 1, seed ^ 2, seed ^ 3],
        seed,
        wake: Box::new(move || wake.notify_one()),
    })
}
