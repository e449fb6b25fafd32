//! Nodes on hosts of their own, and how long what they promise takes.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use crate::server_support::{Client, Ground, Network, Server, eventually, link};

/// Fields are dropped in this order: processes, then their namespaces, then their files.
pub(crate) struct Hosts {
    pub(crate) nodes: Vec<Server>,
    pub(crate) network: Network,
    _ground: Ground,
}

impl Hosts {
    /// Linked nodes, one for each of these environments. None where the machine can have no hosts.
    pub(crate) fn linked(name: &str, environments: &[Vec<(String, OsString)>]) -> Option<Self> {
        let network = Network::of(environments.len(), name)?;
        let ground = Ground::new();
        let nodes: Vec<Server> = environments
            .iter()
            .enumerate()
            .map(|(index, variables)| ground.server().on(network.host(index)).variables(variables.clone()).run())
            .collect();
        link(&nodes.iter().collect::<Vec<_>>());
        Some(Self { nodes, network, _ground: ground })
    }

    /// [`Self::linked`] without anything in their environments.
    pub(crate) fn plain(name: &str, hosts: usize) -> Option<Self> {
        Self::linked(name, &vec![Vec::new(); hosts])
    }

    pub(crate) fn clients(&self) -> Vec<Client> {
        self.nodes.iter().map(Server::client).collect()
    }
}

/// Waits until something is so, and fails if that came later after `since` than is promised.
#[track_caller]
pub(crate) fn promised(what: &str, promise: Duration, since: Instant, attempt: impl FnMut() -> Result<(), String>) {
    eventually(what, attempt);
    let elapsed = since.elapsed();
    assert!(elapsed <= promise, "{what}: after {elapsed:?} where {promise:?} is promised");
    eprintln!("{what}: after {elapsed:?}");
}
