//! Floor 0: the words everything else is said in: amounts, ids, stamps, time and limits.
//!
//! Values only. Nothing here reads a clock, draws randomness, locks, or does IO.

mod amount;
mod bytes;
mod durability;
mod glob;
mod ids;
mod labels;
mod limits;
mod name;
mod places;
mod stamp;
mod sum;
mod time;
mod total;
mod whole;

pub use amount::{Amount, AmountError};
pub use bytes::parse_bytes;
pub use durability::Durability;
pub use glob::Glob;
pub use ids::{IdError, Incarnation, Location, NodeId, ReplicaId, ReplicaIndex};
pub use labels::{Labels, MAX_LABEL_BYTES};
pub use limits::{MAX_CONTEXT_REPLICAS, MAX_MESSAGE_BYTES, MAX_NAME_BYTES, MAX_PARTED, MAX_PEERS, REPAIR_CHUNK_BYTES};
pub use name::{Name, NameError};
pub use places::{Places, network_of};
pub use stamp::{HybridClock, HybridTime, Stamp};
pub use sum::AmountSum;
pub use time::{Moment, Monotonic, WallMillis};
pub use total::Total;
pub use whole::whole_of;
