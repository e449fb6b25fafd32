//! What clients see before the node is there: no counters, and a gate that lets pass only what needs none.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::LoadedConfiguration;
use super::adjusting::{Adjusted, Adjuster};
use super::config::Configuration;
use super::door::Door;
use super::logging::LevelSwitch;
use super::report::StartReport;
use super::storing::Storing;
use crate::base::{Incarnation, ReplicaId, ReplicaIndex};
use crate::command::{
    Clients, Configured, Environment, Exclusion, LiveNumber, Observation, ProcessFigures, Settings, Statistics,
    Subscriptions,
};
use crate::counter::{Table, TableSettings};
use crate::driver::Clock;
use crate::listener::Live;
use crate::node::{ClusterState, ClusterView, MemberView};

/// What all sessions share, with a table and a cluster that stand in for those of the node.
pub(super) fn early_environment(
    configuration: &Configuration,
    settings: Settings,
    report: &StartReport,
    storing: &Storing,
    clock: Clock,
) -> Environment {
    let (process, now) = (ProcessFigures::default(), clock.moment());
    let port = configuration.resp.port;
    for (figure, value) in [
        (&process.process_id, u64::from(std::process::id())),
        (&process.tcp_port, u64::from(port)),
        (&process.mesh_port, u64::from(configuration.mesh.port)),
        (&process.started_nanos, now.monotonic.as_nanos()),
        (&process.started_at_ms, now.wall.0),
        (&process.session_threads, report.threads as u64),
    ] {
        figure.store(value, Ordering::Relaxed);
    }
    Environment {
        table: Arc::new(empty_table(configuration, report)),
        cluster: Arc::new(alone(configuration, report)),
        clients: Arc::new(Clients::default()),
        subscriptions: Arc::new(Subscriptions::held(configuration.resp.subscription_limits())),
        statistics: Arc::new(Statistics::new(report.threads)),
        settings,
        process: Arc::new(process),
        persistence: storing.figures(),
        observation: storing.observation(),
        exclusion: Arc::new(Exclusion::new(report.threads)),
    }
}

/// What commands need to know of the configuration, and the ways to change it.
pub(super) fn live_settings(
    loaded: LoadedConfiguration,
    (listener, observation, door): (Arc<Live>, Arc<Observation>, Arc<Door>),
    level: LevelSwitch,
) -> (Settings, Arc<Adjuster>) {
    let configuration = &loaded.configuration;
    let access = Arc::clone(&door.access);
    let max_clients = LiveNumber::new(configuration.resp.max_clients.into());
    let (shape, debug, commands) =
        (configuration.resp.replies, configuration.debug.clone(), configuration.commands.clone());
    let adjusted = Adjusted { listener, door, max_clients: max_clients.clone(), observation, level };
    let adjuster = Arc::new(Adjuster::new(loaded, adjusted));
    let config: Arc<dyn Configured> = adjuster.clone();
    (Settings { shape, access, config, max_clients, debug, commands, ..Settings::default() }, adjuster)
}

/// Nothing is ever put into it.
fn empty_table(configuration: &Configuration, report: &StartReport) -> Table {
    Table::new(TableSettings {
        config: configuration.counters.clone(),
        lease: configuration.cluster.lease(),
        replica: ReplicaId { node: report.node, incarnation: Incarnation(0) },
        replica_index: ReplicaIndex(0),
        hash_seeds: [0; 4],
        wake: Box::new(|| ()),
    })
}

/// A cluster that has this node in it, and nobody else yet.
fn alone(configuration: &Configuration, report: &StartReport) -> ClusterState {
    let state = ClusterState::default();
    let (host, ports) = (report.mesh.ip().to_string(), (configuration.resp.port, configuration.mesh.port));
    let labels = configuration.node.clone();
    let myself = MemberView { labels, ..MemberView::myself(report.node, host, ports.0, ports.1) };
    state.publish(ClusterView { members: vec![myself], ..ClusterView::default() });
    state
}
