//! What can be wrong with a setting, with this node's own identity, or with what another node sent.

use super::{MAX_GENERATION, MAX_HOST_BYTES, MAX_MEMBERS, MAX_PACKET_BYTES};
use crate::base::NodeId;

/// Why the membership refused something. What was refused had no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// A setting is out of its range.
    #[error("[cluster] {key} = {given} is out of range: {lowest} to {highest} milliseconds are allowed")]
    Setting {
        /// The setting's name within its section.
        key: &'static str,
        /// What was given, in milliseconds.
        given: u64,
        /// The least that is allowed, in milliseconds.
        lowest: u64,
        /// The most that is allowed, in milliseconds.
        highest: u64,
    },
    /// Signs of life would be too rare for the lease.
    #[error(
        "[cluster] heartbeat_interval_ms = {heartbeat_interval_ms} does not go with lease_ms = {lease_ms}: it may be a \
         third of that at most"
    )]
    Heartbeat {
        /// What was given for the one.
        heartbeat_interval_ms: u64,
        /// And for the other.
        lease_ms: u64,
    },
    /// A host that cannot be told to other nodes.
    #[error("{0:?} is not a host: at most {MAX_HOST_BYTES} letters, digits and . - : _ % [ ] are allowed")]
    Host(String),
    /// A generation that leaves no room for renewals.
    #[error("generation {0} is out of range: at most {MAX_GENERATION} is allowed")]
    Generation(u64),
    /// The packet is longer than any that a node sends.
    #[error("a membership packet of {0} bytes, of at most {MAX_PACKET_BYTES}")]
    TooLong(usize),
    /// The bytes are not a membership packet of a version that this node speaks.
    #[error("not a membership packet: {0}")]
    Malformed(String),
    /// The packet names another sender than the link's certificate.
    #[error("node {sender} sent a membership packet in the name of node {claimed}: ignored")]
    Impersonation {
        /// Who sent it, by certificate.
        sender: NodeId,
        /// Who it says sent it.
        claimed: NodeId,
    },
    /// The operation is about this node itself.
    #[error("this is about this node itself")]
    Myself,
    /// The sender was forgotten and has not been met again.
    #[error("node {0} was forgotten here: it can come back only by being met again")]
    Barred(NodeId),
    /// There are as many members as can be known.
    #[error("node {0} cannot join: {MAX_MEMBERS} nodes are known already; forget those that are gone for good")]
    Full(NodeId),
    /// This node has left and takes no part until it is started again.
    #[error("this node has left the cluster")]
    Left,
    /// The failure detector refused a well-formed packet that makes no sense to it, or a timer.
    #[error("membership protocol: {0}")]
    Protocol(String),
}
