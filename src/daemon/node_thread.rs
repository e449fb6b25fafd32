//! The node on a thread of its own, with the mesh and the driver.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{Notify, mpsc, oneshot};

use super::beginning::Beginning;
use super::config::Configuration;
use super::manager;
use super::serve::{ServeError, current_thread_runtime};
use crate::counter::Table;
use crate::driver::{Clock, DiskParts, Driver, DriverParts, Keeper, LastCommit, NodeCall};
use crate::mesh::{Mesh, MeshError, OpenedIdentity};
use crate::node::{ClusterState, KnownMember, Node, NodeSettings};
use crate::storage::DataDirectory;

/// Mesh events that may wait for the node; datagrams beyond are dropped and counted.
const EVENT_QUEUE: usize = 4096;
/// Calls of clients that may wait for the node; clients beyond wait.
pub(super) const CALL_QUEUE: usize = 16;

/// The node on its own thread, and the ways to reach it.
pub(super) struct NodeThread {
    pub(super) thread: JoinHandle<LastCommit>,
    pub(super) table: Arc<Table>,
    pub(super) state: Arc<ClusterState>,
    pub(super) stop: oneshot::Sender<()>,
    pub(super) clock: Clock,
}

/// What a node is made of, beside what is on disk.
pub(super) struct NodeParts<'a> {
    pub(super) configuration: &'a Configuration,
    pub(super) opened: &'a OpenedIdentity,
    pub(super) directory: Arc<DataDirectory>,
    pub(super) members: Vec<KnownMember>,
    pub(super) clock: Clock,
    pub(super) calls: mpsc::Receiver<NodeCall>,
    pub(super) socket: UdpSocket,
}

impl NodeThread {
    /// Makes the node and lets it run. It serves once `disk` has said that all is loaded.
    pub(super) fn start(parts: NodeParts<'_>, beginning: &Beginning, disk: DiskParts) -> Result<Self, ServeError> {
        let NodeParts { configuration, opened, directory, members, clock, calls, socket } = parts;
        let wake = Arc::new(Notify::new());
        let settings = node_settings(configuration, opened, &directory, members, beginning, &wake)?;
        // Before the first packet is answered.
        let banned = settings.admissions.iter().filter(|admission| admission.banned);
        let banned = banned.map(|admission| admission.node).collect();
        let node = Node::new(settings, clock.monotonic())?;
        let (table, state) = (node.table(), node.state());
        let keeper =
            Keeper::start(Arc::clone(&directory)).map_err(|error| ServeError::System { what: "a thread", error })?;
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = std::sync::mpsc::channel();
        let (mesh_config, identity) = (configuration.mesh.clone(), opened.identity.clone());
        let run = move || {
            let runtime = match current_thread_runtime() {
                Ok(runtime) => runtime,
                Err(error) => {
                    drop(ready.send(Err(error)));
                    return LastCommit::Left;
                }
            };
            runtime.block_on(async move {
                let (sender, events) = mpsc::channel(EVENT_QUEUE);
                let mesh = match Mesh::bind(mesh_config.clone(), socket, &identity, sender) {
                    Ok(mesh) => mesh,
                    Err(error) => {
                        drop(ready.send(Err(error.into())));
                        return LastCommit::Left;
                    }
                };
                mesh.set_banned(banned);
                drop(ready.send(Ok(())));
                let (disk, identity) = (Some(disk), Some(identity));
                let pulse = manager::pulse();
                let parts = DriverParts {
                    node,
                    mesh,
                    events,
                    calls,
                    wake,
                    clock,
                    directory,
                    mesh_config,
                    identity,
                    keeper,
                    disk,
                    pulse,
                };
                Driver::new(parts).run(stopped).await
            })
        };
        let thread = std::thread::Builder::new()
            .name("discnt-mesh".to_owned())
            .spawn(run)
            .map_err(|error| ServeError::System { what: "a thread", error })?;
        started.recv().map_err(|_| ServeError::MeshThread)??;
        Ok(Self { thread, table, state, stop, clock })
    }
}

fn node_settings(
    configuration: &Configuration,
    opened: &OpenedIdentity,
    directory: &DataDirectory,
    members: Vec<KnownMember>,
    beginning: &Beginning,
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
        incarnation: beginning.incarnation,
        durability: configuration.storage.durability,
        start: beginning.start.clone(),
        reserved: beginning.reserved,
        host,
        client_port: configuration.resp.port,
        mesh_port,
        labels: configuration.node.clone(),
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
