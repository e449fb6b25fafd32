//! Where all that is told comes from: what the threads of the node share anyway.

use std::sync::{Arc, OnceLock};

use crate::base::Moment;
use crate::command::Environment;
use crate::counter::Table;
use crate::driver::Clock;
use crate::node::ClusterState;

/// What is told of a node, from before its counters are loaded until its end.
pub struct Source {
    /// Before the node is there: without counters.
    early: Environment,
    /// With the node.
    ready: OnceLock<Environment>,
    clock: Clock,
}

impl Source {
    /// Over what all sessions share; its table and cluster are replaced once, when the node is there.
    pub fn new(early: Environment, clock: Clock) -> Self {
        Self { early, ready: OnceLock::new(), clock }
    }

    /// The node is there.
    pub fn begin(&self, table: Arc<Table>, cluster: Arc<ClusterState>) {
        // There is one node.
        let _ = self.ready.set(Environment { table, cluster, ..self.early.clone() });
    }

    /// What is shared at present.
    pub fn environment(&self) -> &Environment {
        self.ready.get().unwrap_or(&self.early)
    }

    pub(super) fn now(&self) -> Moment {
        self.clock.moment()
    }
}
