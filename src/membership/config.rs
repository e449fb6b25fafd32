//! The `[cluster]` section: one promise about time, from which the failure detector's timers follow.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::MembershipError;

/// The settings of `[cluster]`. All durations are in milliseconds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A node that was killed is marked `fail` by all others within this time. Probes go out every tenth of it.
    /// 1,000 to 600,000; at least ten times the longest round trip in the cluster.
    pub node_timeout_ms: u64,
    /// For so long after the last word from a node its counters are extrapolated; then they are held still.
    /// 100 to 600,000.
    pub lease_ms: u64,
    /// Pause between two rounds of gossip while there is news. 10 to 60,000.
    pub gossip_interval_ms: u64,
    /// Pause between two introductions to a linked node that is not an active member yet. 50 to 60,000.
    pub announce_interval_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { node_timeout_ms: 5_000, lease_ms: 3_000, gossip_interval_ms: 100, announce_interval_ms: 500 }
    }
}

impl Config {
    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// [`MembershipError::Setting`] for the first that is not.
    pub fn check(&self) -> Result<(), MembershipError> {
        for (key, given, lowest, highest) in [
            ("node_timeout_ms", self.node_timeout_ms, 1_000, 600_000),
            ("lease_ms", self.lease_ms, 100, 600_000),
            ("gossip_interval_ms", self.gossip_interval_ms, 10, 60_000),
            ("announce_interval_ms", self.announce_interval_ms, 50, 60_000),
        ] {
            if !(lowest..=highest).contains(&given) {
                return Err(MembershipError::Setting { key, given, lowest, highest });
            }
        }
        Ok(())
    }

    /// How long one probe may take, direct and through others. A killed node is suspected about two of these later.
    pub fn probe_interval(&self) -> Duration {
        Duration::from_millis(self.node_timeout_ms / 10)
    }

    /// After this long without an answer, others are asked to probe.
    pub fn probe_timeout(&self) -> Duration {
        Duration::from_millis(self.node_timeout_ms * 3 / 100)
    }

    /// How long a suspected node has to speak up.
    pub fn suspicion(&self) -> Duration {
        Duration::from_millis(self.node_timeout_ms * 3 / 10)
    }

    /// [`Config::lease_ms`] as a duration.
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    /// [`Config::announce_interval_ms`] as a duration.
    pub fn announce_interval(&self) -> Duration {
        Duration::from_millis(self.announce_interval_ms)
    }
}
