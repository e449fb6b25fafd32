//! Nodes of other versions: what may be said on a link, and members with whom no link can stand.

use super::event::Event;
use super::machine::Node;
use crate::base::{Monotonic, NodeId};
use crate::wire::MessageKind;

impl Node {
    /// Whether the version that is spoken on the link has this kind of message. Where no link stands nothing is sent anyway.
    pub(super) fn is_spoken_to(&self, peer: NodeId, kind: Option<MessageKind>) -> bool {
        let link = self.peers.get(&peer).and_then(|peer| peer.link.as_ref());
        link.zip(kind).is_none_or(|(link, kind)| kind.since() <= link.protocol.version)
    }

    /// A connection with this node came to nothing, as it speaks no version that this one does.
    pub(super) fn take_incompatible(&mut self, peer: NodeId, reason: &str, now: Monotonic) {
        let spread = self.spread();
        let told = match self.peers.get_mut(&peer) {
            Some(known) => {
                known.is_incompatible = true;
                if known.dialling.is_none() {
                    known.back_off(now, spread);
                }
                known.incompatibilities.count(now)
            }
            None => Some(0),
        };
        if told.is_some() {
            self.emit(Event::Incompatible { peer, reason: reason.to_owned() });
        }
        self.members_changed();
    }
}
