//! Which of several connections between two nodes becomes their link.
//!
//! Both may dial at the same instant, one may have restarted, or lost a connection that the other still
//! believes in. So that both come to the same answer without first taking up a link and then dropping it, the
//! node with the smaller id decides, whoever dialled:
//!
//! 1. the node with the larger id greets on every connection whose handshake is done;
//! 2. the one with the smaller id answers with a greeting of its own, which makes the connection the link, or
//!    closes it as a duplicate;
//! 3. the other takes up what was answered.
//!
//! A greeting also proves to a dialler that its certificate was accepted, which TLS 1.3 does not tell it.
//! Values only; the numbers come from the table of links.

/// What a greeting takes on the wire. Later versions may append to it.
pub(super) const GREETING_BYTES: usize = 17;

/// The first thing said on a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Greeting {
    /// A random number of the sender's process: another one means that the sender restarted.
    pub(super) epoch: u64,
    /// Counts the sender's greetings, to all: a higher number was said later.
    pub(super) number: u64,
    /// Whether the sender had another live connection, or one under way, with the same peer.
    pub(super) busy: bool,
}

impl Greeting {
    /// The bytes: epoch and number big-endian, then the flag.
    pub(super) fn encode(self) -> [u8; GREETING_BYTES] {
        let mut bytes = [0; GREETING_BYTES];
        bytes[..8].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.number.to_be_bytes());
        bytes[16] = u8::from(self.busy);
        bytes
    }

    /// Reads what [`Self::encode`] wrote, and whatever a later version appended.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (epoch, rest) = bytes.split_first_chunk::<8>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        Some(Self {
            epoch: u64::from_be_bytes(*epoch),
            number: u64::from_be_bytes(*number),
            busy: *rest.first()? & 1 == 1,
        })
    }
}

/// What becomes of a new connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// It is the link now, in place of one that may be held.
    Adopt,
    /// The held one stays.
    Duplicate,
}

/// The decision of the node with the smaller id, from the other's greetings on the connection that it holds
/// (if that is alive) and on the new one.
pub(super) fn decide(held: Option<Greeting>, new: Greeting) -> Verdict {
    match held {
        // The other restarted: what is held is dead and does not know it yet.
        Some(held) if held.epoch != new.epoch => Verdict::Adopt,
        // Said before the held one was greeted on: the two were dialled at the same time.
        Some(held) if new.number < held.number => Verdict::Duplicate,
        // The other knew of the held one, or of one under way, when it greeted: it lost nothing.
        Some(_) if new.busy => Verdict::Duplicate,
        // The other had nothing any more: what is held is dead.
        Some(_) | None => Verdict::Adopt,
    }
}

/// What the node with the larger id makes of an answer: it obeys, but for an answer that was overtaken by a
/// later one on another connection.
pub(super) fn obey(held: Option<Greeting>, new: Greeting) -> Verdict {
    match held {
        Some(held) if held.epoch == new.epoch && new.number < held.number => Verdict::Duplicate,
        Some(_) | None => Verdict::Adopt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn greeting(epoch: u64, number: u64, busy: bool) -> Greeting {
        Greeting { epoch, number, busy }
    }

    #[test]
    fn a_greeting_reads_back_and_may_grow() {
        let given = greeting(7, u64::MAX - 1, true);
        assert_eq!(Greeting::decode(&given.encode()), Some(given));
        let mut longer = given.encode().to_vec();
        longer.extend_from_slice(b"later");
        assert_eq!(Greeting::decode(&longer), Some(given));
        assert_eq!(Greeting::decode(&longer[..GREETING_BYTES - 1]), None);
        assert_eq!(greeting(1, 2, true).encode(), [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 1]);
    }

    #[test]
    fn of_two_dialled_at_once_either_order_keeps_the_first_that_was_taken_up() {
        let first = greeting(1, 10, false);
        let second = greeting(1, 11, true);
        assert_eq!(decide(None, first), Verdict::Adopt);
        assert_eq!(decide(Some(first), second), Verdict::Duplicate);
        assert_eq!(decide(None, second), Verdict::Adopt);
        assert_eq!(decide(Some(second), first), Verdict::Duplicate);
    }

    #[test]
    fn a_peer_that_restarted_or_lost_the_link_gets_a_new_one() {
        let held = greeting(1, 10, false);
        assert_eq!(decide(Some(held), greeting(2, 1, false)), Verdict::Adopt);
        assert_eq!(decide(Some(held), greeting(1, 12, false)), Verdict::Adopt);
    }

    #[test]
    fn an_overtaken_answer_does_not_replace_a_later_one() {
        let held = greeting(1, 10, false);
        assert_eq!(obey(Some(held), greeting(1, 9, false)), Verdict::Duplicate);
        assert_eq!(obey(Some(held), greeting(1, 11, false)), Verdict::Adopt);
        assert_eq!(obey(Some(held), greeting(2, 1, false)), Verdict::Adopt);
    }
}
