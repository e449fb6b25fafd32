//! What the membership asks for and reports.

use super::{MemberIdentity, MembershipError};
use crate::base::NodeId;

/// Something to carry out or to react to, in the order in which it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes to a linked node. They may get lost.
    Send {
        /// The linked node.
        to: NodeId,
        /// At most [`super::MAX_PACKET_BYTES`] bytes.
        bytes: Vec<u8>,
    },
    /// A member is there, for the first time or again. It may be reachable only through others as yet: link to it.
    Up(MemberIdentity),
    /// An active member has a later identity: it was started again, or has another address.
    Changed(MemberIdentity),
    /// Some member's probe of this one failed. It stays active until it is down or cleared.
    Suspected(NodeId),
    /// The suspected member has spoken up.
    Cleared(NodeId),
    /// The member failed. This may be the first that is heard of it.
    Down(NodeId),
    /// The member said goodbye. This may be the first that is heard of it.
    Left(NodeId),
    /// This node was held for down, or outlived by its own past, and goes on under this identity.
    Renewed(MemberIdentity),
    /// This node is held for down and has no generation left to come back with.
    Defunct,
    /// Something that should not have happened did; the membership goes on. To be logged.
    Trouble(MembershipError),
}
