//! What clients see before the node is there: no counters, and a gate that lets pass only what needs none.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::config::Configuration;
use super::report::StartReport;
use super::storing::Storing;
use crate::base::{Incarnation, ReplicaId, ReplicaIndex};
use crate::command::{Clients, Environment, Exclusion, ProcessFigures, Settings, Statistics, Subscriptions};
use crate::counter::{Table, TableSettings};
use crate::driver::Clock;
use crate::node::{ClusterState, ClusterView, MemberView};

/// What all sessions share, with a table and a cluster that stand in for those of the node.
pub(super) fn early_environment(
    configuration: &Configuration,
    report: &StartReport,
    storing: &Storing,
    clock: Clock,
) -> Environment {
    let process = ProcessFigures::default();
    let port = report.clients.first().map_or(0, |address| address.port());
    for (figure, value) in [
        (&process.process_id, u64::from(std::process::id())),
        (&process.tcp_port, u64::from(port)),
        (&process.mesh_port, u64::from(configuration.mesh.port)),
        (&process.started_nanos, clock.monotonic().as_nanos()),
        (&process.session_threads, report.threads as u64),
    ] {
        figure.store(value, Ordering::Relaxed);
    }
    Environment {
        table: Arc::new(empty_table(configuration, report)),
        cluster: Arc::new(alone(configuration, report)),
        clients: Arc::new(Clients::default()),
        subscriptions: Arc::new(Subscriptions::new(configuration.resp.subscription_limits())),
        statistics: Arc::new(Statistics::new(report.threads)),
        settings: Settings {
            shape: configuration.resp.replies,
            password: configuration.resp.password.as_ref().map(|password| password.reveal().to_owned()),
            config: configuration.pairs(),
            max_clients: configuration.resp.max_clients as u64,
            debug: configuration.debug.clone(),
            commands: configuration.commands.clone(),
            ..Settings::default()
        },
        process: Arc::new(process),
        persistence: storing.figures(),
        observation: storing.observation(),
        exclusion: Arc::new(Exclusion::new(report.threads)),
    }
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
    let myself = MemberView::myself(report.node, host, ports.0, ports.1);
    state.publish(ClusterView { members: vec![myself], ..ClusterView::default() });
    state
}
