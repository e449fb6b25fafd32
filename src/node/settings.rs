//! What a node is made with.

use super::input::KnownMember;
use super::start::Start;
use crate::base::{Durability, Incarnation, Labels, NodeId};
use crate::counter::{Config as CounterConfig, Wake};
use crate::membership::{Admission, Config as MembershipConfig};
use crate::replication::Config as ReplicationConfig;

/// What a node is made with.
pub struct NodeSettings {
    /// The node's id.
    pub node: NodeId,
    /// Larger than every one that this id had before. Not used by a node that goes on as the replica it was.
    pub incarnation: Incarnation,
    /// When what is counted is on disk.
    pub durability: Durability,
    /// What it begins with.
    pub start: Start,
    /// Numbers of the own sequence up to this one are reserved on disk.
    pub reserved: u64,
    /// Where others reach it; empty for "where you see me".
    pub host: String,
    /// Its port for clients.
    pub client_port: u16,
    /// Its port for nodes.
    pub mesh_port: u16,
    /// What its operator says of it.
    pub labels: Labels,
    /// The `[counters]` section.
    pub counters: CounterConfig,
    /// The `[cluster]` section.
    pub cluster: MembershipConfig,
    /// The `[replication]` section.
    pub replication: ReplicationConfig,
    /// The members of before.
    pub members: Vec<KnownMember>,
    /// The nodes that this one alone keeps out.
    pub barred: Vec<NodeId>,
    /// Who was forgotten and who was met again.
    pub admissions: Vec<Admission>,
    /// Secret seeds of the hash of names.
    pub hash_seeds: [u64; 4],
    /// Decides whom the membership probes, and spreads dials.
    pub seed: u64,
    /// Called from any thread when [`super::Node::tick`] should look at the table.
    pub wake: Wake,
}
