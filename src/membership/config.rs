//! The `[cluster]` section: one promise about time, from which the failure detector's timers follow.

use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::MembershipError;
use super::packet::MAX_PROTOCOL_BYTES;

/// Members asked to probe on this node's behalf, and gossiped to at a time.
const FAN_OUT: NonZeroUsize = NonZeroUsize::new(3).expect("not zero");
/// How often one piece of news is passed on; enough for several tens of nodes at 5% loss.
const TRANSMISSIONS: NonZeroU8 = NonZeroU8::new(10).expect("not zero");

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
    /// Pause between two signs of life to every linked node. 20 to 10,000, and at most a third of `lease_ms`.
    pub heartbeat_interval_ms: u64,
    /// Pause between two rounds of gossip while there is news. 10 to 60,000.
    pub gossip_interval_ms: u64,
    /// Pause between two introductions to a linked node that is not an active member yet. 50 to 60,000.
    pub announce_interval_ms: u64,
    /// A node that starts again waits so long for its members, to find out what they have heard of it and to go on as
    /// the replica it was; then it begins a new one, unless all that it ever said is on its disk. Its clients are told to
    /// wait meanwhile. 0 to 600,000.
    pub rejoin_wait_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node_timeout_ms: 5_000,
            lease_ms: 3_000,
            heartbeat_interval_ms: 200,
            gossip_interval_ms: 100,
            announce_interval_ms: 500,
            rejoin_wait_ms: 2_000,
        }
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
            ("heartbeat_interval_ms", self.heartbeat_interval_ms, 20, 10_000),
            ("gossip_interval_ms", self.gossip_interval_ms, 10, 60_000),
            ("announce_interval_ms", self.announce_interval_ms, 50, 60_000),
            ("rejoin_wait_ms", self.rejoin_wait_ms, 0, 600_000),
        ] {
            if !(lowest..=highest).contains(&given) {
                return Err(MembershipError::Setting { key, given, lowest, highest });
            }
        }
        if self.heartbeat_interval_ms > self.lease_ms / 3 {
            return Err(MembershipError::Heartbeat {
                heartbeat_interval_ms: self.heartbeat_interval_ms,
                lease_ms: self.lease_ms,
            });
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

    /// [`Config::heartbeat_interval_ms`] as a duration.
    pub fn heartbeat_interval(&self) -> Duration {
        Duration::from_millis(self.heartbeat_interval_ms)
    }

    /// [`Config::announce_interval_ms`] as a duration.
    pub fn announce_interval(&self) -> Duration {
        Duration::from_millis(self.announce_interval_ms)
    }

    /// [`Config::rejoin_wait_ms`] as a duration.
    pub fn rejoin_wait(&self) -> Duration {
        Duration::from_millis(self.rejoin_wait_ms)
    }

    /// Lateness from which the two stages of one probe would fall together: this process was not running.
    pub(super) fn pause(&self) -> Duration {
        self.probe_interval() - self.probe_timeout()
    }

    pub(super) fn detector(&self) -> foca::Config {
        let every = |frequency| Some(foca::PeriodicParams { frequency, num_members: FAN_OUT });
        foca::Config {
            probe_period: self.probe_interval(),
            probe_rtt: self.probe_timeout(),
            num_indirect_probes: FAN_OUT,
            max_transmissions: TRANSMISSIONS,
            suspect_to_down_after: self.suspicion(),
            // A member is forgotten only by being told so: deletions wait for every member there is.
            remove_down_after: None,
            max_packet_size: NonZeroUsize::new(MAX_PROTOCOL_BYTES).expect("not zero"),
            notify_down_members: true,
            periodic_announce: Some(foca::PeriodicParams {
                frequency: self.probe_interval() * 2,
                num_members: NonZeroUsize::MIN,
            }),
            // Every linked node that is not active is announced to by `links`; to others nothing gets through.
            periodic_announce_to_down_members: None,
            periodic_gossip: every(Duration::from_millis(self.gossip_interval_ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_measured_timers() {
        let config = Config::default();
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.probe_interval(), Duration::from_millis(500));
        assert_eq!(config.probe_timeout(), Duration::from_millis(150));
        assert_eq!(config.suspicion(), Duration::from_millis(1500));
        assert_eq!(config.lease(), Duration::from_secs(3));
    }

    #[test]
    fn a_setting_out_of_range_is_refused_by_name() {
        let config = Config { gossip_interval_ms: 0, ..Config::default() };
        let error = config.check().expect_err("0 ms is out of range");
        assert_eq!(
            error.to_string(),
            "[cluster] gossip_interval_ms = 0 is out of range: 10 to 60000 milliseconds are allowed"
        );
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(toml::from_str::<Config>("node_timeout = 3").is_err());
        let config: Config = toml::from_str("lease_ms = 1000").expect("a known key");
        assert_eq!(config.lease_ms, 1000);
        assert_eq!(config.node_timeout_ms, 5000);
    }
}
