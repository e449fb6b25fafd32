//! TEMPORARY stand-in: the view alone.

mod view;

pub use view::{ClusterState, ClusterView, LinkView, MemberView, TrafficCounts};
