//! Places for strangers, of which one address does not get all. A value.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Whose addresses count as one: who has one address of IPv6 has all of its network.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        v4 => v4,
    }
}

/// So many places, of which one address gets half at most.
#[derive(Debug)]
pub struct Places {
    most: usize,
    taken: BTreeMap<IpAddr, usize>,
    all: usize,
}

impl Places {
    /// So many, all free.
    pub const fn new(most: usize) -> Self {
        Self { most, taken: BTreeMap::new(), all: 0 }
    }

    /// Takes one, to be given back with [`Self::give_back`]; `false` where there is none for that address.
    pub fn take(&mut self, address: IpAddr) -> bool {
        let of_one = self.taken.get(&network_of(address)).copied().unwrap_or(0);
        // Of a single place there is no half.
        if self.all >= self.most || of_one >= self.most.div_ceil(2) {
            return false;
        }
        self.all += 1;
        self.taken.insert(network_of(address), of_one + 1);
        true
    }

    /// One that was taken for that address is free again.
    pub fn give_back(&mut self, address: IpAddr) {
        let Some(of_one) = self.taken.get_mut(&network_of(address)) else { return };
        self.all -= 1;
        *of_one -= 1;
        if *of_one == 0 {
            self.taken.remove(&network_of(address));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_address_gets_half_and_the_others_the_rest() {
        let mut places = Places::new(5);
        let (one, other, third) = (address("10.0.0.1"), address("10.0.0.2"), address("10.0.0.3"));
        assert_eq!((0..9).filter(|_| places.take(one)).count(), 3);
        assert_eq!((0..9).filter(|_| places.take(other)).count(), 2);
        assert!(!places.take(third), "all are taken");
        places.give_back(one);
        assert!(places.take(third));
        places.give_back(address("10.0.0.9"));
        assert!(!places.take(third), "who has none gives none back");
        for taken in [one, one, other, other, third] {
            places.give_back(taken);
        }
        assert!(places.taken.is_empty(), "nobody is remembered");
        assert!(Places::new(1).take(one));
        assert!(!Places::new(0).take(one));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_mapped_ones_are_ipv4() {
        let network = |text: &str| network_of(address(text));
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::"), network("2001:db8:1:3::"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
    }
}
