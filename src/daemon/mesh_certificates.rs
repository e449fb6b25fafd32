//! Reading the files with the mesh's certificates again while the server runs.

use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot};

use super::Configuration;
use super::reloading::{Prepared, Reloadable};
use crate::base::NodeId;
use crate::command::IdentityRequest;
use crate::driver::{IdentityCall, NodeCall, Requester};
use crate::mesh::{Config, Identity};
use crate::storage::DataDirectory;

/// How the answer begins where there is nothing new.
const UNCHANGED: &str = "the certificates are as they were";

/// The certificates of the mesh, for whoever reads all files again at once.
pub(super) struct MeshCertificates {
    config: Config,
    data_directory: PathBuf,
    node: NodeId,
    calls: mpsc::Sender<NodeCall>,
}

impl MeshCertificates {
    /// Those of the node with this id, which is reached by these calls.
    pub(super) fn new(config: Config, data_directory: PathBuf, node: NodeId, calls: mpsc::Sender<NodeCall>) -> Self {
        Self { config, data_directory, node, calls }
    }
}

impl Reloadable for MeshCertificates {
    fn what(&self) -> &'static str {
        "the certificates of the mesh"
    }

    /// The paths are those of the start: others take effect with the next.
    fn prepare(&self, _: &Configuration) -> Result<Prepared, String> {
        if DataDirectory::knows_members(&self.data_directory).map_err(|error| error.to_string())? {
            Identity::refuse_lost_authorities(&self.config, &self.data_directory).map_err(|error| error.to_string())?;
        }
        let opened = Identity::open(&self.config, &self.data_directory).map_err(|error| error.to_string())?;
        let (id, is_configured) = (opened.identity.id, self.config.cert.is_some());
        // Any other key is in the data directory, and may have changed there with CLUSTER RESET HARD.
        if is_configured && id != self.node {
            return Err(format!("the key is that of another node ({id}), and this one is {}", self.node));
        }
        let calls = self.calls.clone();
        Ok(Box::new(move || {
            let (answer, answered) = oneshot::channel();
            let requester = Requester { user: String::new(), peer: "SIGHUP".to_owned() };
            let call = NodeCall::Identity(IdentityCall { requester, request: IdentityRequest::Reread, answer });
            // A node that has ended needs no certificate.
            calls.blocking_send(call).ok()?;
            let said = answered.blocking_recv().ok()?.unwrap_or_else(|reason| reason);
            Some(said).filter(|said| !said.starts_with(UNCHANGED))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_found_before_the_node_hears_of_anything() {
        let directory = tempfile::tempdir().expect("a directory");
        let config = Config { certs_dir: directory.path().join("certs"), ..Config::default() };
        let node = Identity::open(&config, directory.path()).expect("it is made").identity.id;
        let (calls, mut received) = mpsc::channel(1);
        let certificates = MeshCertificates::new(config, directory.path().to_owned(), node, calls);
        let put_in_effect = certificates.prepare(&Configuration::default()).map_err(drop).expect("all is well");
        std::fs::write(directory.path().join("certs/ca.crt"), "nonsense").expect("written");
        let problem = certificates.prepare(&Configuration::default()).map(drop).expect_err("damaged");
        assert!(problem.contains("ca.crt"), "{problem}");
        assert!(received.try_recv().is_err());
        let answering = std::thread::spawn(move || match received.blocking_recv() {
            Some(NodeCall::Identity(call)) => call.answer.send(Ok("read again".to_owned())).is_ok(),
            _ => false,
        });
        assert_eq!(put_in_effect(), Some("read again".to_owned()));
        assert!(answering.join().expect("no panic"));
    }
}
