//! Who has failed to log in lately, so that nobody can guess passwords quickly. A value; the time is given.
//!
//! Failures are counted by address. They are counted by user as well, so that many addresses guess no faster than a few; for
//! who comes from an address that the user has logged in from that does not count, or a stranger could lock the user out.

use crate::base::{Monotonic, network_of};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

/// One failure is forgotten in this time.
const FORGETTING: Duration = Duration::from_secs(6);
/// Addresses, and users, that are remembered. Beyond that the one that has failed least makes room.
const MAX_REMEMBERED: usize = 4096;
/// A user may fail as often as so many addresses before strangers have to wait.
const ADDRESSES_A_USER: u32 = 10;
/// Of a longer name a stranger has this much remembered.
const MAX_USER_BYTES: usize = 64;

/// Who has to wait before it tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// Whoever comes from that address.
    Address(Duration),
    /// Whoever wants to be that user and comes from where it never logged in.
    User(Duration),
}

impl Waits {
    pub(super) fn duration(self) -> Duration {
        match self {
            Self::Address(wait) | Self::User(wait) => wait,
        }
    }
}

/// Addresses and users, with their failures.
#[derive(Debug)]
pub(super) struct Throttle {
    /// So many failures of one address are taken before it has to wait; 0 for any number.
    free_failures: u32,
    addresses: Failures<IpAddr>,
    users: Failures<Vec<u8>>,
    /// Where users have logged in from, and when last.
    known: BTreeMap<(IpAddr, Vec<u8>), Monotonic>,
}

impl Throttle {
    pub(super) fn new(free_failures: u32) -> Self {
        let of_user = free_failures.saturating_mul(ADDRESSES_A_USER);
        Self {
            free_failures,
            addresses: Failures::new(free_failures),
            users: Failures::new(of_user),
            known: BTreeMap::new(),
        }
    }

    /// Whether somebody has to wait before it tries to be that user; none if it may now.
    pub(super) fn wait(&self, address: IpAddr, user: &[u8], now: Monotonic) -> Option<Waits> {
        let address = network_of(address);
        if let Some(wait) = self.addresses.wait(&address, now) {
            return Some(Waits::Address(wait));
        }
        let wait = self.users.wait(remembered(user), now)?;
        let is_known = self.known.contains_key(&(address, remembered(user).to_vec()));
        (!is_known).then_some(Waits::User(wait))
    }

    /// Somebody has failed to be that user. Who has to wait from now on that had not to before.
    pub(super) fn failed(&mut self, address: IpAddr, user: &[u8], now: Monotonic) -> Option<Waits> {
        if self.free_failures == 0 {
            return None;
        }
        let address = network_of(address);
        // What is tried from where the user is known does not make strangers wait.
        if !self.known.contains_key(&(address, remembered(user).to_vec())) {
            let user = remembered(user).to_vec();
            let had_to_wait = self.users.wait(&user, now).is_some();
            if let Some(wait) = self.users.failed(user, now).filter(|_| !had_to_wait) {
                self.addresses.failed(address, now);
                return Some(Waits::User(wait));
            }
        }
        self.addresses.failed(address, now).map(Waits::Address)
    }

    /// Somebody has logged in as that user.
    pub(super) fn succeeded(&mut self, address: IpAddr, user: &[u8], now: Monotonic) {
        if self.free_failures == 0 {
            return;
        }
        let place = (network_of(address), remembered(user).to_vec());
        if self.known.len() >= MAX_REMEMBERED
            && !self.known.contains_key(&place)
            && let Some(oldest) = self.known.iter().min_by_key(|(_, at)| **at).map(|(place, _)| place.clone())
        {
            self.known.remove(&oldest);
        }
        self.known.insert(place, now);
    }
}

fn remembered(user: &[u8]) -> &[u8] {
    &user[..user.len().min(MAX_USER_BYTES)]
}

/// What has failed, and how often.
#[derive(Debug)]
struct Failures<K> {
    free: u32,
    /// When all failures will be forgotten.
    forgotten_at: HashMap<K, Monotonic, Seed>,
}

/// How many there are is bounded, so that nobody gains much by choosing them.
type Seed = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

impl<K: Hash + Eq + Clone> Failures<K> {
    fn new(free: u32) -> Self {
        Self { free, forgotten_at: HashMap::default() }
    }

    fn wait<Q: Hash + Eq + ?Sized>(&self, key: &Q, now: Monotonic) -> Option<Duration>
    where
        K: std::borrow::Borrow<Q>,
    {
        let owed = self.forgotten_at.get(key)?.since(now);
        // The last of the free ones has to be forgotten before there is room for another.
        let wait = owed.saturating_sub(FORGETTING * (self.free.max(1) - 1));
        (!wait.is_zero()).then_some(wait)
    }

    /// One more. For how long it has to wait from now on.
    fn failed(&mut self, key: K, now: Monotonic) -> Option<Duration> {
        if self.forgotten_at.len() >= MAX_REMEMBERED && !self.forgotten_at.contains_key(&key) {
            self.make_room(now);
        }
        let forgotten_at = self.forgotten_at.entry(key.clone()).or_insert(now);
        *forgotten_at = (*forgotten_at).max(now).after(FORGETTING);
        self.wait(&key, now)
    }

    fn make_room(&mut self, now: Monotonic) {
        self.forgotten_at.retain(|_, forgotten_at| *forgotten_at > now);
        if self.forgotten_at.len() >= MAX_REMEMBERED
            && let Some(least) = self.forgotten_at.iter().min_by_key(|(_, at)| **at).map(|(key, _)| key.clone())
        {
            self.forgotten_at.remove(&least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE_FAILURES: u32 = 10;
    const USER: &[u8] = b"ann";

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    fn parse(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// The number-th of many addresses.
    fn stranger(number: u32) -> IpAddr {
        IpAddr::from((0x0b00_0000 + number).to_be_bytes())
    }

    #[test]
    fn who_fails_too_often_waits_until_a_failure_is_forgotten() {
        let mut throttle = Throttle::new(FREE_FAILURES);
        let address = parse("10.0.0.1");
        for failure in 1..FREE_FAILURES {
            assert_eq!(throttle.failed(address, USER, at(100)), None, "{failure}");
            assert_eq!(throttle.wait(address, USER, at(100)), None);
        }
        assert_eq!(throttle.failed(address, USER, at(100)), Some(Waits::Address(FORGETTING)));
        assert_eq!(throttle.wait(address, USER, at(100)), Some(Waits::Address(FORGETTING)));
        assert_eq!(throttle.wait(address, b"bob", at(105)), Some(Waits::Address(Duration::from_secs(1))));
        assert_eq!(throttle.wait(parse("10.0.0.2"), USER, at(100)), None);
        assert_eq!(throttle.wait(address, USER, at(106)), None);
        assert!(throttle.failed(address, USER, at(106)).is_some(), "one more, and it waits again");
        assert_eq!(throttle.wait(address, USER, at(1000)), None);
        assert_eq!(throttle.failed(address, USER, at(1000)), None, "all is forgotten");
    }

    #[test]
    fn many_addresses_that_guess_the_password_of_one_user_wait_and_the_user_does_not() {
        let mut throttle = Throttle::new(FREE_FAILURES);
        let (home, elsewhere) = (parse("10.0.0.1"), parse("10.0.0.2"));
        throttle.succeeded(home, USER, at(1));
        let most = FREE_FAILURES * ADDRESSES_A_USER;
        for number in 1..most {
            assert_eq!(throttle.failed(stranger(number), USER, at(1)), None, "{number}");
        }
        assert_eq!(throttle.failed(stranger(most), USER, at(1)), Some(Waits::User(FORGETTING)));
        assert_eq!(throttle.wait(stranger(most + 1), USER, at(1)), Some(Waits::User(FORGETTING)));
        assert_eq!(throttle.wait(elsewhere, USER, at(1)), Some(Waits::User(FORGETTING)));
        assert_eq!(throttle.wait(elsewhere, b"bob", at(1)), None, "another user");
        assert_eq!(throttle.wait(home, USER, at(1)), None, "it has logged in from there");
        assert_eq!(throttle.wait(elsewhere, USER, at(1).after(FORGETTING)), None);
    }

    #[test]
    fn who_is_known_and_fails_makes_no_stranger_wait() {
        let mut throttle = Throttle::new(FREE_FAILURES);
        for number in 0..2 * FREE_FAILURES * ADDRESSES_A_USER {
            throttle.succeeded(stranger(number), USER, at(1));
            throttle.failed(stranger(number), USER, at(1));
        }
        assert_eq!(throttle.wait(parse("10.0.0.1"), USER, at(1)), None);
    }

    #[test]
    fn where_none_are_counted_nobody_waits() {
        let mut throttle = Throttle::new(0);
        let address = parse("10.0.0.1");
        assert!((0..1000).all(|_| throttle.failed(address, USER, at(1)).is_none()));
        assert_eq!(throttle.wait(address, USER, at(1)), None);
    }

    #[test]
    fn many_addresses_take_no_more_memory_than_allowed_and_the_worst_stays() {
        let mut throttle = Throttle::new(FREE_FAILURES);
        let worst = parse("10.0.0.1");
        for _ in 0..FREE_FAILURES {
            throttle.failed(worst, USER, at(1));
        }
        for number in 0..3 * MAX_REMEMBERED as u32 {
            let user = [&number.to_be_bytes()[..], &[b'x'; 1000]].concat();
            throttle.failed(stranger(number), &user, at(1));
            throttle.succeeded(stranger(number), &user, at(u64::from(number)));
        }
        assert!(throttle.addresses.forgotten_at.len() <= MAX_REMEMBERED);
        assert!(throttle.users.forgotten_at.len() <= MAX_REMEMBERED);
        assert!(throttle.users.forgotten_at.keys().all(|user| user.len() <= MAX_USER_BYTES));
        assert_eq!(throttle.known.len(), MAX_REMEMBERED);
        assert!(matches!(throttle.wait(worst, USER, at(1)), Some(Waits::Address(_))));
    }
}
