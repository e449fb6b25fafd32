//! The server from its sockets to its last word: puts the floors together, waits for a signal, takes them apart.

use std::io::{self, IsTerminal, Write};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::LoadedConfiguration;
use super::config::Configuration;
use super::logging::{self, LoggingError};
use super::report::{Authority, StartReport};
use crate::base::Durability;
use crate::command::{Clients, Environment, ProcessFigures, Settings, Statistics};
use crate::counter::Table;
use crate::driver::{Clock, ClusterCall, Driver, DriverParts, Keeper, raise_file_limit, watch_process};
use crate::listener::{Commands, Listener, ListenerError, Running};
use crate::mesh::{self, Identity, IdentityError, IdentitySource, Mesh, MeshError, OpenedIdentity};
use crate::node::{ClusterState, KnownMember, Node, NodeSettings, Start, StartError};
use crate::storage::{DataDirectory, StorageError};

/// Mesh events that may wait for the node; datagrams beyond are dropped and counted.
const EVENT_QUEUE: usize = 4096;
/// Cluster commands that may wait for the node; clients beyond wait.
const CALL_QUEUE: usize = 16;
/// How long clients may take to read their last replies.
const CLIENTS_MAY_TAKE: Duration = Duration::from_secs(3);
/// How often a pair of free ports is looked for when the system chooses.
const PORT_ATTEMPTS: usize = 16;

/// Why the server did not start, or could not go on. Nothing but the data directory's own files was changed.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The log.
    #[error(transparent)]
    Logging(#[from] LoggingError),
    /// Where clients connect.
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// The data directory.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The certificates.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Where nodes connect.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// The node.
    #[error(transparent)]
    Node(#[from] StartError),
    /// A thread, a runtime, a signal.
    #[error("the system refused {what}: {error}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        error: io::Error,
    },
    /// The system was asked for ports and none was free for both.
    #[error("no port was found that is free for both TCP and UDP; set resp.port and mesh.port")]
    NoPort,
    /// A thread ended before it had started to work.
    #[error("the mesh's thread ended while it started; see the log above")]
    MeshThread,
}

/// Runs a node until a signal stops it.
///
/// # Errors
/// [`ServeError`] when it cannot start.
pub fn serve(loaded: &LoadedConfiguration) -> Result<(), ServeError> {
    let mut configuration = loaded.configuration.clone();
    logging::start(&configuration.log)?;
    let files = raise_file_limit();
    tracing::debug!(?files, "limit of open files");
    let runtime = current_thread_runtime()?;
    // Signals are caught from here on, so that one that comes during the start is not lost.
    let signals = runtime.block_on(async { Signals::catch() })?;
    let (listener, socket) = bind(&mut configuration)?;
    let directory = Arc::new(DataDirectory::open(configuration.data_directory())?);
    let opened = Identity::open(&configuration.mesh, directory.path())?;
    for warning in &opened.warnings {
        tracing::warn!("{warning}");
    }
    let members = remembered(&directory)?;
    let report = start_report(&configuration, &listener, &socket, &opened, members.len(), &directory);
    let node_thread = NodeThread::start(&configuration, &opened, directory, members, socket)?;
    let environment = environment(&configuration, &node_thread, &listener);
    let statistics = (Arc::clone(&environment.process), Arc::clone(&environment.statistics));
    let clock = node_thread.clock;
    let (stopping, is_stopping) = watch::channel(false);
    let commands = Commands::new(environment, move || clock.moment(), node_thread.calls.clone(), is_stopping);
    let running = listener.serve(Arc::new(commands))?;
    announce(&report);
    runtime.block_on(async {
        tokio::select! {
            name = signals.wait() => tracing::info!("{name} received: stopping"),
            () = watch_process(statistics.0, statistics.1, clock) => {}
        }
    });
    // What takes its time, as a dial does, is not waited for.
    stopping.send_replace(true);
    stop(running, node_thread, &report);
    Ok(())
}

fn current_thread_runtime() -> Result<Runtime, ServeError> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ServeError::System { what: "an event loop", error })
}

/// Binds both sockets. Where the system chooses the port, both get the same.
fn bind(configuration: &mut Configuration) -> Result<(Listener, UdpSocket), ServeError> {
    let system_chooses = configuration.resp.port == 0;
    let same = configuration.mesh.port == configuration.resp.port;
    for _ in 0..PORT_ATTEMPTS {
        let listener = Listener::bind(&configuration.resp)?;
        let port = listener.local_addresses().first().map_or(0, |address| address.port());
        let mut mesh = configuration.mesh.clone();
        if same {
            mesh.port = port;
        }
        match mesh::bind_socket(&mesh) {
            Ok(socket) => {
                mesh.port = socket.local_addr().map_or(mesh.port, |address| address.port());
                configuration.resp.port = port;
                configuration.mesh = mesh;
                return Ok((listener, socket));
            }
            // Somebody has the UDP port of this number; the system will choose another.
            Err(_) if system_chooses && same => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ServeError::NoPort)
}

fn remembered(directory: &DataDirectory) -> Result<Vec<KnownMember>, StorageError> {
    let to_known = |member: crate::storage::RememberedMember| KnownMember {
        id: member.id,
        host: member.host,
        client_port: member.client_port,
        mesh_port: member.mesh_port,
    };
    Ok(directory.load_members()?.into_iter().map(to_known).collect())
}

fn start_report(
    configuration: &Configuration,
    listener: &Listener,
    socket: &UdpSocket,
    opened: &OpenedIdentity,
    members_known: usize,
    directory: &DataDirectory,
) -> StartReport {
    let unknown = || std::net::SocketAddr::from(([0, 0, 0, 0], configuration.mesh.port));
    StartReport {
        version: env!("CARGO_PKG_VERSION"),
        node: opened.identity.id,
        clients: listener.local_addresses().to_vec(),
        threads: configuration.resp.thread_count(),
        mesh: socket.local_addr().unwrap_or_else(|_| unknown()),
        advertised: configuration.mesh.advertise.clone(),
        members_known,
        data_directory: directory.path().to_owned(),
        authority: match &opened.source {
            IdentitySource::Development { directory, made_now } => {
                Authority::Development { directory: directory.clone(), made_now: *made_now }
            }
            IdentitySource::Configured(files) => Authority::Given { certificate: files.cert.clone() },
        },
        password_is_set: configuration.resp.password.is_some(),
    }
}

/// On a terminal or in a pipe a few lines on the standard output; in any case a line in the log.
fn announce(report: &StartReport) {
    tracing::info!(node = %report.node, "discnt-server {} is ready", report.version);
    let mut output = io::stdout();
    if output.is_terminal() || !logging::stderr_is_the_journal() {
        // Whoever closed the output does not want to read it.
        let _ = write!(output, "{report}").and_then(|()| output.flush());
    }
}

/// The node on its own thread, and the ways to reach it.
struct NodeThread {
    thread: JoinHandle<()>,
    table: Arc<Table>,
    state: Arc<ClusterState>,
    calls: mpsc::Sender<ClusterCall>,
    stop: oneshot::Sender<()>,
    clock: Clock,
}

impl NodeThread {
    fn start(
        configuration: &Configuration,
        opened: &OpenedIdentity,
        directory: Arc<DataDirectory>,
        members: Vec<KnownMember>,
        socket: UdpSocket,
    ) -> Result<Self, ServeError> {
        let clock = Clock::new();
        let wake = Arc::new(Notify::new());
        let settings = node_settings(configuration, opened, &directory, members, &wake)?;
        let node = Node::new(settings, clock.monotonic())?;
        let (table, state) = (node.table(), node.state());
        let keeper =
            Keeper::start(Arc::clone(&directory)).map_err(|error| ServeError::System { what: "a thread", error })?;
        let (calls, received_calls) = mpsc::channel(CALL_QUEUE);
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = std::sync::mpsc::channel();
        let (mesh_config, identity) = (configuration.mesh.clone(), opened.identity.clone());
        let run = move || {
            let runtime = match current_thread_runtime() {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error))),
            };
            runtime.block_on(async move {
                let (sender, events) = mpsc::channel(EVENT_QUEUE);
                let mesh = match Mesh::bind(mesh_config.clone(), socket, &identity, sender) {
                    Ok(mesh) => mesh,
                    Err(error) => return drop(ready.send(Err(error.into()))),
                };
                drop(ready.send(Ok(())));
                let calls = received_calls;
                let parts = DriverParts { node, mesh, events, calls, wake, clock, directory, mesh_config, keeper };
                Driver::new(parts).run(stopped).await;
            });
        };
        let thread = std::thread::Builder::new()
            .name("discnt-mesh".to_owned())
            .spawn(run)
            .map_err(|error| ServeError::System { what: "a thread", error })?;
        started.recv().map_err(|_| ServeError::MeshThread)??;
        Ok(Self { thread, table, state, calls, stop, clock })
    }
}

fn node_settings(
    configuration: &Configuration,
    opened: &OpenedIdentity,
    directory: &DataDirectory,
    members: Vec<KnownMember>,
    wake: &Arc<Notify>,
) -> Result<NodeSettings, ServeError> {
    let advertised = configuration.mesh.advertised().map_err(MeshError::Config)?;
    let bound = configuration.mesh.bind_address().map_err(MeshError::Config)?.ip();
    let (host, mesh_port) = match advertised {
        Some(told) => told,
        // Bound to all addresses, the node is where its peers see it.
        None if bound.is_unspecified() => (String::new(), configuration.mesh.port),
        None => (bound.to_string(), configuration.mesh.port),
    };
    let wake = Arc::clone(wake);
    let kept_out = directory.load_kept_out()?;
    let random = |what| random_number().map_err(|error| ServeError::System { what, error });
    Ok(NodeSettings {
        node: opened.identity.id,
        incarnation: directory.next_incarnation()?,
        durability: Durability::Memory,
        start: Start::Fresh,
        reserved: 0,
        host,
        client_port: configuration.resp.port,
        mesh_port,
        counters: configuration.counters.clone(),
        cluster: configuration.cluster.clone(),
        replication: configuration.replication.clone(),
        members,
        barred: kept_out.barred,
        admissions: kept_out.admissions,
        hash_seeds: [random("entropy")?, random("entropy")?, random("entropy")?, random("entropy")?],
        seed: random("entropy")?,
        wake: Box::new(move || wake.notify_one()),
    })
}

fn random_number() -> io::Result<u64> {
    use rand::TryRng;
    rand::rngs::SysRng.try_next_u64().map_err(io::Error::other)
}

fn environment(configuration: &Configuration, node: &NodeThread, listener: &Listener) -> Environment {
    let threads = configuration.resp.thread_count();
    let process = ProcessFigures::default();
    let port = listener.local_addresses().first().map_or(0, |address| address.port());
    for (figure, value) in [
        (&process.process_id, u64::from(std::process::id())),
        (&process.tcp_port, u64::from(port)),
        (&process.mesh_port, u64::from(configuration.mesh.port)),
        (&process.started_nanos, node.clock.monotonic().as_nanos()),
        (&process.session_threads, threads as u64),
    ] {
        figure.store(value, Ordering::Relaxed);
    }
    Environment {
        table: Arc::clone(&node.table),
        cluster: Arc::clone(&node.state),
        clients: Arc::new(Clients::default()),
        statistics: Arc::new(Statistics::new(threads)),
        settings: Settings {
            shape: configuration.resp.replies,
            password: configuration.resp.password.as_ref().map(|password| password.reveal().to_owned()),
            config: configuration.pairs(),
            max_clients: configuration.resp.max_clients as u64,
            debug: configuration.debug.clone(),
            ..Settings::default()
        },
        process: Arc::new(process),
    }
}

/// Finishes replies, says goodbye to the peers, and says what was kept.
fn stop(running: Running, node: NodeThread, report: &StartReport) {
    let stopped = running.stop(CLIENTS_MAY_TAKE);
    if stopped.clients_cut_off > 0 {
        tracing::warn!("{} clients did not read their last replies in time", stopped.clients_cut_off);
    }
    let view = node.state.view();
    // CLUSTER RESET HARD has changed it, perhaps.
    let id = view.members.iter().find(|member| member.myself).map_or(report.node, |member| member.id);
    let linked = view.members.iter().filter(|member| member.link == crate::node::LinkView::Linked).count();
    let counters = node.table.len();
    // A driver that is gone needs no word.
    let _ = node.stop.send(());
    if node.thread.join().is_err() {
        tracing::error!("the mesh's thread ended with a panic");
    }
    let directory = report.data_directory.display();
    tracing::info!("the identity and the members of node {id} are saved in {directory}");
    match (counters, linked) {
        (0, _) => {}
        (_, 0) => tracing::warn!("{counters} counters were only in memory, no other node was linked: they are gone"),
        _ => tracing::info!("{counters} counters were in memory; the {linked} linked nodes hold them"),
    }
    tracing::info!("stopped");
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> Result<Self, ServeError> {
        let catch = |kind| signal(kind).map_err(|error| ServeError::System { what: "a signal handler", error });
        Ok(Self { terminate: catch(SignalKind::terminate())?, interrupt: catch(SignalKind::interrupt())? })
    }

    async fn wait(mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
