//! Who gets through the handshake beside the nodes of a trusted authority, and who does not in spite of being one.

use super::admission::{Admission, JOINING};
use super::attempts::Attempts;
use super::invitations::{Invitations, KeyHash, Standing};
use super::invited_key::key_hash_of;
use crate::base::NodeId;
use crate::mesh::certificate::node_id_of;
use crate::mesh::config::Config;
use parking_lot::{Mutex, RwLock};
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// What is needed to let others in.
#[derive(Debug)]
pub(in crate::mesh) struct Office {
    pub(in crate::mesh) config: Config,
    pub(in crate::mesh) data_directory: PathBuf,
    pub(in crate::mesh) invitations: Invitations,
}

/// What both sides' handshakes ask. Shared by all of a mesh.
#[derive(Debug, Default)]
pub(in crate::mesh) struct Gate {
    banned: RwLock<Arc<BTreeSet<NodeId>>>,
    office: OnceLock<Arc<Office>>,
    attempts: Mutex<Attempts>,
    members: RwLock<Vec<(String, u16)>>,
    admission: Mutex<Admission>,
}

/// The node is joining a cluster; it is not any more when this is dropped.
#[derive(Debug)]
pub struct Joining(Arc<Gate>);

impl Drop for Joining {
    fn drop(&mut self) {
        self.0.admission.lock().end();
    }
}

impl Gate {
    /// From now on those with an invitation of this office get through. There is one office.
    pub(in crate::mesh) fn open(&self, office: Office) {
        let _ = self.office.set(Arc::new(office));
    }

    pub(in crate::mesh) fn office(&self) -> Option<Arc<Office>> {
        self.office.get().cloned()
    }

    /// These keys are no nodes' any more, whatever their certificates say.
    pub(in crate::mesh) fn set_banned(&self, banned: BTreeSet<NodeId>) {
        *self.banned.write() = Arc::new(banned);
    }

    /// Closes the open invitations by which banned nodes came. Waits for the disk.
    pub(in crate::mesh) fn close_invitations_of_banned(&self) {
        let Some(office) = self.office() else { return };
        let banned = Arc::clone(&self.banned.read());
        match office.invitations.close_for(&banned, now_seconds()) {
            Ok(closed) => {
                for invitation in closed {
                    tracing::info!(target: "audit", event = "invitation_closed", invitation, "closed invitation {invitation}, as a node was banned that came by it: others need another token");
                }
            }
            Err(reason) => {
                tracing::warn!(target: "audit", event = "invitation_not_closed", reason, "an invitation by which a banned node came could not be closed, take it back with CLUSTER UNINVITE: {reason}");
            }
        }
    }

    pub(in crate::mesh) fn is_banned(&self, node: NodeId) -> bool {
        self.banned.read().contains(&node)
    }

    /// Where members are, to be told to those who join.
    pub(in crate::mesh) fn set_members(&self, members: Vec<(String, u16)>) {
        *self.members.write() = members;
    }

    pub(in crate::mesh) fn members(&self) -> Vec<(String, u16)> {
        self.members.read().clone()
    }

    /// From now on nobody is let in, until what is answered is dropped.
    pub(in crate::mesh) fn begin_joining(self: &Arc<Self>) -> Result<Joining, String> {
        self.admission.lock().begin(Instant::now())?;
        Ok(Joining(Arc::clone(self)))
    }

    pub(in crate::mesh) fn is_joining(&self) -> bool {
        self.admission.lock().is_joining()
    }

    /// Why nobody is let in now, if that is so.
    pub(in crate::mesh) fn check_not_joining(&self) -> Result<(), String> {
        if self.is_joining() { Err(JOINING.into()) } else { Ok(()) }
    }

    /// A node with an invitation is about to be certified.
    pub(in crate::mesh) fn expect(&self, node: NodeId) -> Result<(), String> {
        self.admission.lock().expect(node, Instant::now())
    }

    /// A node is linked, or was not certified after all.
    pub(in crate::mesh) fn settled(&self, node: NodeId) {
        self.admission.lock().settled(node);
    }

    /// The invitation that the certificate's key is of, and how it stands.
    pub(in crate::mesh) fn invitation(&self, certificate: &CertificateDer<'_>) -> Option<(KeyHash, Standing)> {
        let office = self.office.get()?;
        let key = key_hash_of(certificate)?;
        match office.invitations.standing(&key, now_seconds()) {
            Standing::Unknown => None,
            standing => Some((key, standing)),
        }
    }

    /// Refuses the certificate of a node whose key was banned.
    pub(in crate::mesh) fn check_node(&self, certificate: &CertificateDer<'_>) -> Result<(), CertificateError> {
        match node_id_of(certificate) {
            Some(node) if self.is_banned(node) => Err(CertificateError::Revoked),
            _ => Ok(()),
        }
    }

    /// Whether an attempt to join from there is looked at.
    pub(in crate::mesh) fn allows_attempt(&self, address: IpAddr) -> bool {
        self.attempts.lock().allows(address, Instant::now())
    }

    /// An attempt to join from there had no open invitation.
    pub(in crate::mesh) fn note_attempt(&self, address: IpAddr) {
        self.attempts.lock().note(address, Instant::now());
    }
}

/// Seconds since 1970.
pub(in crate::mesh) fn now_seconds() -> u64 {
    // A clock before 1970 has none.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
