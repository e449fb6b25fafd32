//! What the tests of this floor have in common: a node's figures without a node.

use std::sync::Arc;

use super::Source;
use crate::base::{Incarnation, NodeId, ReplicaId, ReplicaIndex};
use crate::command::{Environment, Exclusion, ProcessFigures, Settings, Statistics};
use crate::counter::{Table, TableSettings};
use crate::driver::Clock;
use crate::node::{ClusterState, ClusterView, MemberView};
use std::time::Duration;

pub(super) const NODE: NodeId = NodeId::new([7; 20]);

pub(super) fn table() -> Table {
    Table::new(TableSettings {
        config: crate::counter::Config::default(),
        lease: Duration::from_secs(3),
        replica: ReplicaId { node: NODE, incarnation: Incarnation(1) },
        replica_index: ReplicaIndex(0),
        hash_seeds: [1, 2, 3, 4],
        wake: Box::new(|| ()),
    })
}

pub(super) fn environment() -> Environment {
    let cluster = ClusterState::default();
    let myself = MemberView {
        incarnation: Some(Incarnation(1)),
        ..MemberView::myself(NODE, "127.0.0.1".to_owned(), 5262, 5262)
    };
    cluster.publish(ClusterView { members: vec![myself], replicas_known: 1, ..ClusterView::default() });
    cluster.publish_replicas(Arc::from([ReplicaId { node: NODE, incarnation: Incarnation(1) }]));
    Environment {
        table: Arc::new(table()),
        cluster: Arc::new(cluster),
        clients: Arc::default(),
        subscriptions: Arc::default(),
        statistics: Arc::new(Statistics::new(1)),
        settings: Settings::default(),
        process: Arc::new(ProcessFigures::default()),
        persistence: Arc::default(),
        observation: Arc::default(),
        exclusion: Arc::new(Exclusion::new(1)),
    }
}

pub(super) fn source(environment: Environment) -> Source {
    Source::new(environment, Clock::new())
}
