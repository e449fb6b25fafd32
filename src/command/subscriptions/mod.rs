//! Who is subscribed to which counters, and when each of them is to be looked at.
//!
//! A subscription by name is looked at when its interval is over, so it costs one reading an interval and nothing to
//! whoever counts. What patterns take in is watched by the counter table, which notes what changed.

mod matching;
mod outbox;
mod patterns;
mod publisher;
mod registry;
#[cfg(test)]
mod tests;

pub use outbox::TooSlow;
pub use publisher::Publisher;
pub use registry::{Listening, SubscriptionLimits, Subscriptions, TooMany};

use std::time::Duration;

/// The time between two looks at a counter for SUBSCRIBE and PSUBSCRIBE.
pub(super) const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
/// The least that ISUBSCRIBE takes.
pub(super) const LEAST_INTERVAL: Duration = Duration::from_millis(100);
/// The most that ISUBSCRIBE takes.
pub(super) const MOST_INTERVAL: Duration = Duration::from_secs(86_400);
