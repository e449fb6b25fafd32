//! Who has failed to log in lately, so that nobody can guess passwords quickly. A value; the time is given.

use crate::base::Monotonic;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// One failure is forgotten in this time.
const FORGETTING: Duration = Duration::from_secs(6);
/// Addresses that are remembered. Beyond that the one that has failed least makes room.
const MAX_ADDRESSES: usize = 4096;

/// Addresses and their failures.
#[derive(Debug)]
pub(super) struct Throttle {
    /// So many failures of one address are taken before it has to wait; 0 for any number.
    free_failures: u32,
    /// When all failures of an address will be forgotten.
    forgotten_at: HashMap<IpAddr, Monotonic, Seed>,
}

/// The keys are addresses that a stranger cannot choose freely, and there are few.
type Seed = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

impl Throttle {
    pub(super) fn new(free_failures: u32) -> Self {
        Self { free_failures, forgotten_at: HashMap::default() }
    }

    /// How long an address has to wait; none if it may try now.
    pub(super) fn wait(&self, address: IpAddr, now: Monotonic) -> Option<Duration> {
        let owed = self.forgotten_at.get(&network(address))?.since(now);
        // The last of the free ones has to be forgotten before there is room for another.
        let wait = owed.saturating_sub(FORGETTING * (self.free_failures.max(1) - 1));
        (!wait.is_zero()).then_some(wait)
    }

    /// The address has failed. Whether it has to wait from now on.
    pub(super) fn failed(&mut self, address: IpAddr, now: Monotonic) -> bool {
        if self.free_failures == 0 {
            return false;
        }
        if self.forgotten_at.len() >= MAX_ADDRESSES && !self.forgotten_at.contains_key(&network(address)) {
            self.make_room(now);
        }
        let forgotten_at = self.forgotten_at.entry(network(address)).or_insert(now);
        *forgotten_at = (*forgotten_at).max(now).after(FORGETTING);
        self.wait(address, now).is_some()
    }

    fn make_room(&mut self, now: Monotonic) {
        self.forgotten_at.retain(|_, forgotten_at| *forgotten_at > now);
        if self.forgotten_at.len() >= MAX_ADDRESSES
            && let Some(least) = self.forgotten_at.iter().min_by_key(|(_, at)| **at).map(|(address, _)| *address)
        {
            self.forgotten_at.remove(&least);
        }
    }
}

/// Who has one address of IPv6 has all of its network.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE_FAILURES: u32 = 10;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn who_fails_too_often_waits_until_a_failure_is_forgotten() {
        let mut throttle = Throttle::new(FREE_FAILURES);
        let address: IpAddr = "10.0.0.1".parse().expect("an address");
        for failure in 1..FREE_FAILURES {
            assert!(!throttle.failed(address, at(100)), "{failure}");
            assert_eq!(throttle.wait(address, at(100)), None);
        }
        assert!(throttle.failed(address, at(100)));
        assert_eq!(throttle.wait(address, at(100)), Some(FORGETTING));
        assert_eq!(throttle.wait(address, at(105)), Some(Duration::from_secs(1)));
        assert_eq!(throttle.wait("10.0.0.2".parse().expect("an address"), at(100)), None);
        assert_eq!(throttle.wait(address, at(106)), None);
        assert!(throttle.failed(address, at(106)), "one more, and it waits again");
        assert_eq!(throttle.wait(address, at(1000)), None);
        assert!(!throttle.failed(address, at(1000)), "all is forgotten");
    }

    #[test]
    fn where_none_are_counted_nobody_waits() {
        let mut throttle = Throttle::new(0);
        let address: IpAddr = "10.0.0.1".parse().expect("an address");
        assert!((0..1000).all(|_| !throttle.failed(address, at(1))));
        assert_eq!(throttle.wait(address, at(1)), None);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_mapped_ones_are_ipv4() {
        let parse = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(parse("2001:db8:1:2:3:4:5:6"), parse("2001:db8:1:2:ffff::1"));
        assert_ne!(parse("2001:db8:1:2::"), parse("2001:db8:1:3::"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
    }

    #[test]
    fn many_addresses_take_no_more_memory_than_allowed_and_the_worst_stays() {
        let mut throttle = Throttle::new(FREE_FAILURES);
        let worst: IpAddr = "10.0.0.1".parse().expect("an address");
        (0..FREE_FAILURES).for_each(|_| assert!(throttle.failed(worst, at(1)) || FREE_FAILURES > 1));
        for number in 0..3 * MAX_ADDRESSES as u32 {
            throttle.failed(IpAddr::from((0x0b00_0000 + number).to_be_bytes()), at(1));
        }
        assert!(throttle.forgotten_at.len() <= MAX_ADDRESSES);
        assert!(throttle.wait(worst, at(1)).is_some());
    }
}
