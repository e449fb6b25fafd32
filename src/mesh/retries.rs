//! Which first packets are answered with a demand to prove the address.
//!
//! Such an answer (a Retry, RFC 9000 section 8.1.2) remembers nothing of whom it was sent to, so nothing tells the last word of
//! a dial that was given up from the first of a new one. It too is answered, and the side that gave up answers in turn
//! with its last word (section 10.2.1), as fast as the network carries it. This must never hold up a dial: one that says
//! its first words again does so after hundreds of milliseconds.

use quinn::ConnectionId;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::Instant;

/// An attempt gets the next answer no sooner than this.
const PAUSE: Duration = Duration::from_millis(100);
/// As many attempts are remembered, the latest of each place.
const PLACES: usize = 256;

/// The attempts that were answered lately. Memory and time are constant, whoever sends.
pub(super) struct Retries {
    hasher: RandomState,
    answered: Box<[Option<(u64, Instant)>; PLACES]>,
}

impl Retries {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), answered: Box::new([None; PLACES]) }
    }

    /// Whether the attempt, known by the connection it asks for, is to be answered now; if so, it is remembered.
    pub(super) fn allows(&mut self, address: SocketAddr, connection: ConnectionId, now: Instant) -> bool {
        let attempt = self.hasher.hash_one(Attempt(address, connection));
        let place = &mut self.answered[usize::from(attempt.to_le_bytes()[0])];
        let is_echo = place.is_some_and(|(known, when)| known == attempt && now < when + PAUSE);
        if !is_echo {
            *place = Some((attempt, now));
        }
        !is_echo
    }
}

#[derive(Hash)]
struct Attempt(SocketAddr, ConnectionId);

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(byte: u8) -> ConnectionId {
        ConnectionId::new(&[byte; 8])
    }

    #[test]
    fn the_same_attempt_is_answered_once_in_a_while_and_others_at_once() {
        let (mut retries, now) = (Retries::new(), Instant::now());
        let (here, there) =
            ("10.0.0.1:5262".parse().expect("an address"), "10.0.0.2:5262".parse().expect("an address"));
        assert!(retries.allows(here, connection(1), now));
        assert!(!retries.allows(here, connection(1), now + PAUSE / 2));
        assert!(retries.allows(here, connection(2), now + PAUSE / 2), "another attempt of the same sender");
        assert!(retries.allows(there, connection(3), now + PAUSE / 2), "another sender");
        assert!(retries.allows(there, connection(3), now + PAUSE * 3 / 2), "its words again after they were lost");
    }

    #[test]
    fn echoes_do_not_put_off_the_next_answer() {
        let (mut retries, now) = (Retries::new(), Instant::now());
        let here = "10.0.0.1:5262".parse().expect("an address");
        let answered = (0..400).filter(|&at| retries.allows(here, connection(1), now + Duration::from_millis(at)));
        assert_eq!(answered.count(), 4, "one in every {PAUSE:?}");
    }
}
