//! The node gets another key, and with it another id, once it has left its cluster.

use super::Driver;
use crate::base::{Incarnation, NodeId};
use crate::mesh::Identity;
use crate::node::Input;

impl Driver {
    /// A new key, certificate and incarnation, for a node that has left its cluster.
    pub(super) fn renew_identity(&mut self) {
        match self.try_renew_identity() {
            Ok((node, incarnation)) => {
                self.renewed = Some(node);
                self.input(Input::Reborn { node, incarnation });
                match self.disk.is_kept() {
                    true => self.disk.request(),
                    false => self.take_next_key(),
                }
            }
            Err(reason) => self.input(Input::NotReborn { reason }),
        }
    }

    /// The counters are on disk under the new id.
    pub(super) fn take_next_key(&mut self) {
        (self.renewed, self.renewing) = (None, None);
        if let Err(error) = Identity::take_next(self.parts.directory.path()) {
            tracing::warn!("the new key has not taken the place of the old, which the next start will see to: {error}");
        }
        for (answer, result) in self.unsettled.drain(..) {
            self.parts.keeper.answer(answer, result);
        }
    }

    fn try_renew_identity(&mut self) -> Result<(NodeId, Incarnation), String> {
        if self.renewed.is_some() {
            return Err("the identity before this is not on disk yet".to_owned());
        }
        let renewing = self.waiting.meetings().begin_renewing()?;
        let parts = &self.parts;
        let incarnation = parts.directory.next_incarnation().map_err(|error| error.to_string())?;
        let opened = Identity::renew(&parts.mesh_config, parts.directory.path()).map_err(|error| error.to_string())?;
        parts.mesh.replace_identity(&opened.identity).map_err(|error| error.to_string())?;
        if let Some(care) = &self.care {
            care.replaced(&opened.identity);
        }
        self.renewing = Some(renewing);
        Ok((opened.identity.id, incarnation))
    }
}
