//! How often an address has presented a secret that is none, and whether it may try again.

use crate::base::network_of;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// So many wrong attempts are free.
pub(super) const FREE_ATTEMPTS: u32 = 5;
/// After those, one is given back each time this has passed.
const PAUSE: Duration = Duration::from_secs(12);
/// The most addresses that are remembered.
const MAX_ADDRESSES: usize = 1024;

/// Wrong attempts by address, for as long as they count.
#[derive(Debug, Default)]
pub(super) struct Attempts(HashMap<IpAddr, Failed>);

#[derive(Debug, Clone, Copy)]
struct Failed {
    attempts: u32,
    since: Instant,
}

impl Failed {
    /// With what the time that has passed gives back.
    fn at(self, now: Instant) -> Self {
        let given_back = (now.saturating_duration_since(self.since).as_secs() / PAUSE.as_secs()) as u32;
        let since = self.since + PAUSE * given_back;
        Self { attempts: self.attempts.saturating_sub(given_back), since }
    }
}

impl Attempts {
    /// Whether an attempt from there is looked at.
    pub(super) fn allows(&self, address: IpAddr, now: Instant) -> bool {
        let failed = self.0.get(&network_of(address));
        failed.is_none_or(|failed| failed.at(now).attempts < FREE_ATTEMPTS)
    }

    /// An attempt from there was wrong.
    pub(super) fn note(&mut self, address: IpAddr, now: Instant) {
        if self.0.len() >= MAX_ADDRESSES {
            self.0.retain(|_, failed| failed.at(now).attempts > 0);
        }
        if self.0.len() >= MAX_ADDRESSES {
            // Whoever has so many addresses is not held up by this, and guesses one of 2^128 all the same.
            self.0.clear();
        }
        let failed = self.0.entry(network_of(address)).or_insert(Failed { attempts: 0, since: now });
        let before = failed.at(now);
        let since = if before.attempts == 0 { now } else { before.since };
        *failed = Failed { attempts: before.attempts + 1, since };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn after_some_wrong_attempts_an_address_waits_and_others_do_not() {
        let (mut attempts, begin) = (Attempts::default(), Instant::now());
        let (one, other) = (address("10.0.0.1"), address("10.0.0.2"));
        for _ in 0..FREE_ATTEMPTS {
            assert!(attempts.allows(one, begin));
            attempts.note(one, begin);
        }
        assert!(!attempts.allows(one, begin));
        assert!(attempts.allows(other, begin));
        assert!(!attempts.allows(one, begin + PAUSE - Duration::from_millis(1)));
        let later = begin + PAUSE;
        assert!(attempts.allows(one, later));
        attempts.note(one, later);
        assert!(!attempts.allows(one, later));
        assert!(attempts.allows(one, later + PAUSE * FREE_ATTEMPTS));
    }

    #[test]
    fn the_addresses_of_one_network_of_ipv6_are_one_and_memory_is_bounded() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        for host in 0..FREE_ATTEMPTS {
            attempts.note(address(&format!("2001:db8::{host:x}")), now);
        }
        assert!(!attempts.allows(address("2001:db8::ffff"), now));
        assert!(attempts.allows(address("2001:db8:0:1::"), now));
        for number in 0..3 * MAX_ADDRESSES as u32 {
            attempts.note(IpAddr::V4(number.into()), now);
        }
        assert!(attempts.0.len() <= MAX_ADDRESSES);
    }
}
