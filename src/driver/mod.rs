//! Floor 6: the tasks that own the clock and carry inputs and outputs between the node and the world.
//!
//! One loop on the mesh's own current-thread runtime owns the node. It decides nothing: what is to be done comes
//! out of the node, and what happens goes into it.

mod certificates;
mod clock;
mod confirming;
mod disk;
mod keeper;
mod meetings;
mod process;
mod pulse;
mod run;
mod translating;
mod waiting;

pub use certificates::{IdentityCall, Requester};
pub use clock::Clock;
pub use disk::{DiskParts, LastCommit};
pub use keeper::Keeper;
pub use process::{raise_file_limit, resident_bytes, watch_process};
pub use pulse::Pulse;
pub use run::{AcknowledgementCall, ClusterCall, Driver, DriverParts, NodeCall};
