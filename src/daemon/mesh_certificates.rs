//! Reading the files with the mesh's certificates again while the server runs.

use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot};

use crate::base::NodeId;
use crate::command::IdentityRequest;
use crate::driver::{IdentityCall, NodeCall};
use crate::mesh::{Config, Identity};

/// The certificates of the mesh, for whoever reads all files again at once.
pub struct MeshCertificates {
    config: Config,
    data_directory: PathBuf,
    node: NodeId,
    calls: mpsc::Sender<NodeCall>,
}

/// Puts in effect what was found good, and says what is new.
pub type CertificatesFound = Box<dyn FnOnce() -> Option<String> + Send>;

impl MeshCertificates {
    /// Those of the node with this id, which is reached by these calls.
    pub fn new(config: Config, data_directory: PathBuf, node: NodeId, calls: mpsc::Sender<NodeCall>) -> Self {
        Self { config, data_directory, node, calls }
    }

    /// Reads and checks all files, and changes nothing yet. Waits for the disk.
    ///
    /// # Errors
    /// Which file is wrong, and why; the old certificate stays.
    pub fn prepare(&self) -> Result<CertificatesFound, String> {
        let opened = Identity::open(&self.config, &self.data_directory).map_err(|error| error.to_string())?;
        let (id, is_configured) = (opened.identity.id, self.config.cert.is_some());
        // Any other key is in the data directory, and may have changed there with CLUSTER RESET HARD.
        if is_configured && id != self.node {
            return Err(format!("the key is that of another node ({id}), and this one is {}", self.node));
        }
        let calls = self.calls.clone();
        Ok(Box::new(move || {
            let (answer, answered) = oneshot::channel();
            let call = NodeCall::Identity(IdentityCall { request: IdentityRequest::Reread, answer });
            // A node that has ended needs no certificate.
            calls.blocking_send(call).ok()?;
            answered.blocking_recv().ok().map(|result| result.unwrap_or_else(|reason| reason))
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
        let put_in_effect = certificates.prepare().map_err(drop).expect("all is well");
        std::fs::write(directory.path().join("certs/ca.crt"), "nonsense").expect("written");
        let problem = certificates.prepare().map(drop).expect_err("damaged");
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
