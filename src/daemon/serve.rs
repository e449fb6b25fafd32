//! The server from its sockets to its last word: puts the floors together, waits for a signal, takes them apart.

use std::io::{self, IsTerminal, Write};
use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

use super::config::{Configuration, Origin};
use super::door::{self, AclFile, Door};
use super::doors::Doors;
use super::early::{early_environment, live_settings};
use super::ending::{End, Ended, Signals, stop};
use super::http::HttpSide;
use super::inherited::inherited_sockets;
use super::logging::{self, LoggingError};
use super::manager;
use super::mesh_certificates::MeshCertificates;
use super::node_thread::{CALL_QUEUE, NodeParts, NodeThread};
use super::reloading::{HangUps, Reloadable, Reloading};
use super::renewing::open_identity;
use super::report::{Authority, CountersLoaded, StartReport};
use super::status::Status;
use super::storing::Storing;
use super::{Arguments, LoadedConfiguration};
use crate::driver::{Clock, DiskParts, raise_file_limit, watch_process};
use crate::http::{HttpError, Source};
use crate::listener::{Commands, Inherited, Listener, ListenerError, Service, Ways};
use crate::mesh::{self, IdentityError, IdentitySource, MeshError, OpenedIdentity};
use crate::node::{KnownMember, StartError};
use crate::storage::{self, DataDirectory, RestoreError, Restored, StorageError};
use crate::telemetry::{self, TelemetryError};

/// How often a pair of free ports is looked for when the system chooses.
const PORT_ATTEMPTS: usize = 16;
/// A first start takes less, unless the disk is slow.
const CLOSED_AT_MOST: Duration = Duration::from_secs(5);

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
    /// The backup.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The certificates.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Where nodes connect.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// Where health and figures are answered.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Where traces are sent.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The node.
    #[error(transparent)]
    Node(#[from] StartError),
    /// Passwords, users, or certificates for clients.
    #[error("{0}")]
    Door(String),
    /// A thread, a runtime, a signal.
    #[error("the system refused {what}: {error}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        error: io::Error,
    },
    /// What a service manager passed on.
    #[error(
        "the service manager passed on what is no listening TCP or unix socket: {0}; see ListenStream= in its socket unit"
    )]
    Inherited(#[source] io::Error),
    /// The system was asked for ports and none was free for both.
    #[error("no port was found that is free for both TCP and UDP; set resp.port and mesh.port")]
    NoPort,
    /// A thread ended before it had started to work.
    #[error("the mesh's thread ended while it started; see the log above")]
    MeshThread,
    /// A thread ended before its work was done.
    #[error("loading the counters ended with a panic; see the log above. Nothing on disk was changed")]
    LoadThread,
    /// The last commit.
    #[error("the counters could not be written at the end, and what changed since the last commit is lost here: {0}")]
    LastCommit(#[source] StorageError),
}

/// Runs a node until a signal or SHUTDOWN stops it. `arguments` are those that `loaded` came from, for when it is read again.
///
/// The order is what keeps counts: sockets first, so that a second server is refused before it touches anything; clients are
/// answered from then on, mostly that the counters are being loaded, or wait where there are none yet; the store is opened, checked and loaded; the node
/// finds out whether it may go on as the replica it was; and only then it serves and writes.
///
/// # Errors
/// [`ServeError`] when it cannot start, or could not write its counters at the end.
pub fn serve(loaded: &LoadedConfiguration, arguments: &Arguments) -> Result<(), ServeError> {
    let mut configuration = loaded.configuration.clone();
    let level = logging::start(&configuration.log)?;
    let files = raise_file_limit();
    tracing::debug!(?files, "limit of open files");
    let runtime = current_thread_runtime()?;
    // Signals are caught from here on, so that one that comes during the start is not lost.
    let (mut signals, mut hang_ups) =
        runtime.block_on(async { Ok::<_, ServeError>((Signals::catch()?, HangUps::catch()?)) })?;
    let prepared = door::prepare(&configuration, &loaded.credentials).map_err(ServeError::Door)?;
    warn_of_command_line(loaded);
    configuration.resp = door::listener_config(&configuration.resp, &loaded.credentials).map_err(ServeError::Door)?;
    configuration.mesh = loaded.credentials.resolve_mesh(&configuration.mesh).map_err(ServeError::Door)?;
    let inherited = inherited_sockets()?;
    let is_inherited = !inherited.is_empty();
    let (listener, socket) = bind(&mut configuration, inherited)?;
    let http = HttpSide::bind(&configuration, &loaded.credentials)?;
    let door = Door::new(prepared, loaded.credentials.clone(), &configuration.resp);
    let directory = Arc::new(DataDirectory::open(configuration.data_directory())?);
    let opened = open_identity(&configuration.mesh, &directory)?;
    for warning in &opened.warnings {
        tracing::warn!("{warning}");
    }
    if let Some(backup) = &arguments.restore {
        restore_backup(&directory, &opened, backup)?;
    }
    let members = remembered(&directory)?;
    let mut report = start_report(&configuration, &listener, &socket, &opened, members.len(), &directory, &door);
    report.http = http.as_ref().map(|http| (http.address(), configuration.http.tls_cert.is_some()));
    let clock = Clock::new();
    let (storing, disk) = Storing::new(&configuration.storage, &configuration.commands, directory.path());
    let mut bound = loaded.clone();
    bound.configuration.resp.port = configuration.resp.port;
    bound.configuration.resp.tls_port = configuration.resp.tls_port;
    bound.configuration.mesh.port = configuration.mesh.port;
    let live = (listener.live(), storing.observation(), Arc::clone(&door));
    let (settings, adjuster) = live_settings(bound, live, level);
    let (node_calls, calls) = mpsc::channel(CALL_QUEUE);
    let certificates = MeshCertificates::new(
        configuration.mesh.clone(),
        directory.path().to_owned(),
        opened.identity.id,
        node_calls.clone(),
    );
    // Whoever has files that are read again with the configuration adds them here.
    let mut reloadable: Vec<Box<dyn Reloadable>> = vec![Box::new(certificates), Box::new(Arc::clone(&door))];
    reloadable.extend(http.as_ref().map(HttpSide::reloadable));
    let reloading = Reloading::new(arguments.clone(), loaded.configuration.clone(), Arc::clone(&adjuster), reloadable);
    let (reloading, status) = (Arc::new(reloading), Status::default());
    let environment = early_environment(&configuration, settings, &report, &storing, clock);
    door.begin(&environment, listener.tls());
    let watched = watch_process(Arc::clone(&environment.process), Arc::clone(&environment.statistics), clock);
    // From before the counters are loaded: whoever looks is told how far that is.
    let source = Arc::new(Source::new(environment.clone(), clock));
    let answering = http.map(|http| http.serve(Arc::clone(&source))).transpose()?;
    let traced = Arc::clone(&source);
    let exporting = telemetry::begin(&configuration.telemetry, move || traced.environment().clone())?;
    let (stopping, is_stopping) = watch::channel(false);
    let (shutdowns, shutdown) = mpsc::channel(1);
    let session_disk = Arc::new(storing.session_disk(clock));
    let users = Arc::new(AclFile::new(configuration.resp.acl_file.clone()));
    let ways = Ways { node_calls, disk: session_disk, live: listener.live(), users, shutdowns, stopping: is_stopping };
    let commands = Arc::new(Commands::new(environment, move || clock.moment(), ways));
    let doors = Doors::new(listener, Arc::clone(&commands));
    // Clients of a socket that outlived the last run have waited until now, and sooner wait on than hear of loading.
    if !directory.is_new()? && !is_inherited {
        doors.open()?;
    }
    let mut node = None;
    let result = runtime.block_on(async {
        let mut end = End { signals: &mut signals, shutdown };
        let parts =
            NodeParts { configuration: &configuration, opened: &opened, directory, members, clock, calls, socket };
        let begin = |node: &NodeThread| {
            adjuster.begin(Arc::clone(&node.table));
            status.begin(Arc::clone(&node.table), Arc::clone(&node.state));
            commands.begin(Arc::clone(&node.table), Arc::clone(&node.state));
            source.begin(Arc::clone(&node.table), Arc::clone(&node.state));
        };
        tokio::select! {
            result = run(parts, disk, &storing, report.clone(), &mut end, &mut node, begin) => result,
            refused = open_late(&storing, &doors) => Err(refused),
            () = watched => Ok(Ended::default()),
            () = keep_up(&storing, reloading, &mut hang_ups, &status) => Ok(Ended::default()),
            () = adjuster.watch_memory() => Ok(Ended::default()),
            () = door.warn_of_end() => Ok(Ended::default()),
        }
    });
    manager::tell_stopping();
    // What takes its time, as a dial does, is not waited for.
    stopping.send_replace(true);
    drop((answering, exporting));
    let ended = result.as_ref().map_or_else(|_| Ended::default(), |ended| *ended);
    let stopped = stop(doors.into_running(), node, &report, ended);
    manager::finish();
    result.and(stopped)
}

/// Lets clients in when the node serves, or when its disk has taken so long that they are to be told why they wait. Completes
/// only where that cannot be.
async fn open_late<S: Service>(storing: &Storing, doors: &Doors<S>) -> ServeError {
    // Whichever comes first.
    let _ = tokio::time::timeout(CLOSED_AT_MOST, storing.serves()).await;
    match doors.open() {
        Ok(()) => std::future::pending().await,
        Err(refused) => refused,
    }
}

/// Whoever may list processes sees what is on a command line.
fn warn_of_command_line(loaded: &LoadedConfiguration) {
    if matches!(loaded.origin("resp", "password"), Origin::Flag(_)) {
        tracing::warn!(
            "the password was given on the command line, where all users of this machine can read it; [resp] password_file \
             reads it from a file"
        );
    }
}

/// Reads the configuration again when that is asked for, and tells how the server does. Not before it serves.
async fn keep_up(storing: &Storing, reloading: Arc<Reloading>, hang_ups: &mut HangUps, status: &Status) {
    storing.serves().await;
    tokio::select! {
        () = reloading.follow(hang_ups, status) => {}
        () = status.keep_telling() => {}
    }
}

fn restore_backup(directory: &DataDirectory, opened: &OpenedIdentity, backup: &Path) -> Result<(), ServeError> {
    // A clock before 1970 has no seconds since then.
    let now_seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let Restored { counters, of } = storage::restore(directory, opened.identity.id, backup, now_seconds)?;
    tracing::info!(counters, %of, "restored the backup in {}", backup.display());
    Ok(())
}

/// Opens the store, makes the node, loads, waits until the node serves, says so, and waits for the end. The node is put
/// where it is found when this ends early.
async fn run(
    parts: NodeParts<'_>,
    disk: DiskParts,
    storing: &Storing,
    mut report: StartReport,
    end: &mut End<'_>,
    place: &mut Option<NodeThread>,
    begin: impl Fn(&NodeThread),
) -> Result<Ended, ServeError> {
    let clock = parts.clock;
    let beginning = tokio::select! {
        beginning = storing.open(Arc::clone(&parts.directory), report.node, clock) => beginning?,
        ended = end.wait(storing) => return Ok(ended),
    };
    let words = beginning.words();
    tracing::info!(node = %report.node, "discnt-server {} starts: {words}", report.version);
    manager::tell_status(&words);
    let node = place.insert(NodeThread::start(parts, &beginning, disk)?);
    begin(node);
    tokio::select! {
        loaded = storing.load(beginning, node) => report.counters = loaded?,
        ended = end.wait(storing) => return Ok(ended),
    }
    manager::tell_status("all counters are loaded; finding out what other nodes have heard of this one");
    tokio::select! {
        () = storing.serves() => announce(&report),
        ended = end.wait(storing) => return Ok(ended),
    }
    tokio::select! {
        () = storing.watch(clock) => Ok(Ended::default()),
        ended = end.wait(storing) => Ok(ended),
    }
}

pub(super) fn current_thread_runtime() -> Result<Runtime, ServeError> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ServeError::System { what: "an event loop", error })
}

/// Binds both sockets. Where the system chooses the port, both get the same.
fn bind(configuration: &mut Configuration, mut inherited: Inherited) -> Result<(Listener, UdpSocket), ServeError> {
    // Sockets that were passed on have their ports.
    let system_chooses = configuration.resp.port == 0 && inherited.tcp.is_empty();
    let same = configuration.mesh.port == configuration.resp.port;
    // They are taken once, and cannot be bound anew.
    let is_inherited = !inherited.is_empty();
    if !configuration.resp.plaintext {
        // Before the port for TLS takes the other's place.
        configuration.storage.data_dir = Some(configuration.data_directory());
    }
    // The port that other nodes tell clients of.
    let clients_port = |listener: &Listener| {
        let addresses = [listener.local_addresses(), listener.tls_addresses()];
        addresses.concat().first().map_or(0, std::net::SocketAddr::port)
    };
    for _ in 0..PORT_ATTEMPTS {
        let listener = Listener::bind_with(&configuration.resp, std::mem::take(&mut inherited))?;
        let port = clients_port(&listener);
        let mut mesh = configuration.mesh.clone();
        if same && system_chooses {
            mesh.port = port;
        }
        match mesh::bind_socket(&mesh) {
            Ok(socket) => {
                mesh.port = socket.local_addr().map_or(mesh.port, |address| address.port());
                configuration.resp.port = port;
                if let Some(address) = listener.tls_addresses().first() {
                    configuration.resp.tls_port = Some(address.port());
                }
                configuration.mesh = mesh;
                return Ok((listener, socket));
            }
            // Somebody has the UDP port of this number; the system will choose another.
            Err(_) if system_chooses && same && !is_inherited => {}
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
    door: &Door,
) -> StartReport {
    let unknown = || std::net::SocketAddr::from(([0, 0, 0, 0], configuration.mesh.port));
    StartReport {
        version: env!("CARGO_PKG_VERSION"),
        node: opened.identity.id,
        labels: configuration.node.clone(),
        clients: listener.local_addresses().to_vec(),
        unix_socket: listener.unix_path().map(Path::to_owned),
        protected_mode: configuration.resp.protected_mode,
        threads: configuration.resp.thread_count(),
        mesh: socket.local_addr().unwrap_or_else(|_| unknown()),
        advertised: configuration.mesh.advertise.clone(),
        members_known,
        data_directory: directory.path().to_owned(),
        authority: match &opened.source {
            IdentitySource::Development { directory, made_now } => {
                Authority::Development { directory: directory.clone(), made_now: *made_now }
            }
            IdentitySource::Joined { authorities, issues } => {
                Authority::Joined { certificates: authorities.clone(), issues: *issues }
            }
            IdentitySource::Configured(files) => Authority::Given { certificate: files.cert.clone() },
        },
        password_is_set: !door.access.lets_everyone_in(),
        tls_clients: listener.tls_addresses().to_vec(),
        http: None,
        counters: CountersLoaded::default(),
        durability: configuration.storage.durability,
    }
}

/// On a terminal or in a pipe a few lines on the standard output; in any case a line in the log.
fn announce(report: &StartReport) {
    tracing::info!(node = %report.node, "discnt-server {} is ready", report.version);
    manager::tell_ready(report.counters.counters);
    let mut output = io::stdout();
    if output.is_terminal() || !logging::stderr_is_the_journal() {
        // Whoever closed the output does not want to read it.
        let _ = write!(output, "{report}").and_then(|()| output.flush());
    }
}
