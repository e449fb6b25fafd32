//! Floor 3: the node as a value. Joins counters, replication and membership: inputs go in with the time, outputs come out.
//!
//! It never reads a clock, sends a byte or touches a file: [`Node::handle`] and [`Node::tick`] are told what
//! happened, and [`Node::poll_output`] says what to do about it. That is what lets thousands of clusters be simulated.

mod announcing;
mod clock_offset;
mod config;
mod confirming;
mod digests;
mod doubt;
mod early;
mod event;
mod event_log;
mod following;
mod forgetting;
mod input;
mod keeping;
mod leaving;
mod linking;
mod machine;
mod peer;
mod places;
mod predictions;
mod pulling;
mod receiving;
mod refusing;
mod registering;
mod rejoining;
mod repair;
#[cfg(test)]
mod repair_tests;
mod sending;
mod sequence;
mod serving;
mod settings;
mod standing;
mod start;
mod taking_over;
mod tending;
mod traffic;
mod twins;
mod versions;
mod view;

pub use crate::replication::NodeRecord;
pub use config::{Config, check_labels};
pub use event::{Event, Severity};
pub use event_log::{EventLog, NotedEvent, NotedRepair};
pub use input::{CloseCause, DialNumber, Input, KnownMember, LinkCounts, LinkEnd, Output, RequestNumber};
pub use machine::Node;
pub use settings::NodeSettings;
pub use start::{Start, StartError};
pub use traffic::{KindCounts, KindTraffic};
pub use view::{ClusterState, ClusterView, LinkView, MemberView, Phase, RepairView, TrafficCounts};
