//! How long clients may be silent, and how much they may leave unread, before they are sent away.

use super::clients::{Client, Clients, Mark};
use crate::base::Monotonic;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How many bytes of replies and messages a client may leave unread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// Never more than this; 0 for any number.
    pub hard_bytes: u64,
    /// Not more than this for long; 0 for any number.
    pub soft_bytes: u64,
    /// How long that is.
    pub soft_for: Duration,
}

/// What clients are allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    /// How long a client may neither send nor take anything; none is for ever. Not for those who wait for an answer or for messages.
    pub idle: Option<Duration>,
    /// What clients may leave unread.
    pub normal: OutputLimit,
    /// What clients may leave unread that are subscribed to something.
    pub subscriber: OutputLimit,
}

impl Patience {
    /// The limit of this client's output.
    pub fn output_limit(&self, client: &Client) -> OutputLimit {
        if client.is_subscriber() { self.subscriber } else { self.normal }
    }
}

/// Why a client was sent away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dismissal {
    /// It was silent for so long.
    Idle(Duration),
    /// It left so many bytes unread, which are too many at any time.
    Hard(u64),
    /// It left so many bytes unread, for so long.
    Soft(u64, Duration),
}

impl fmt::Display for Dismissal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle(silent) => write!(f, "it was silent for {} s", silent.as_secs()),
            Self::Hard(bytes) => write!(f, "it left {bytes} bytes unread"),
            Self::Soft(bytes, since) => write!(f, "it left {bytes} bytes unread, too many for {} s", since.as_secs()),
        }
    }
}

/// What was seen of a client the last time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    traffic: u64,
    over_soft_since: Option<Monotonic>,
}

impl Seen {
    /// Why the client has to go, if it has to.
    fn judge(&mut self, client: &Client, patience: &Patience, now: Monotonic) -> Option<Dismissal> {
        let held = client.held();
        let traffic = held.traffic.load(Ordering::Relaxed);
        if traffic != self.traffic {
            // A long request on its way, or a long reply, is no silence.
            self.traffic = traffic;
            client.touch(now);
        }
        let (limit, unread) = (patience.output_limit(client), held.unread_bytes());
        if limit.hard_bytes > 0 && unread > limit.hard_bytes {
            return Some(Dismissal::Hard(unread));
        }
        if limit.soft_bytes > 0 && unread > limit.soft_bytes {
            let over = now.since(*self.over_soft_since.get_or_insert(now));
            if over >= limit.soft_for {
                return Some(Dismissal::Soft(unread, over));
            }
        } else {
            self.over_soft_since = None;
        }
        let silent = now.since(client.last_active());
        let may_be_silent = client.is_subscriber() || client.has(Mark::Blocked) || client.has(Mark::Monitors);
        let too_long = !may_be_silent && patience.idle.is_some_and(|idle| silent >= idle);
        too_long.then_some(Dismissal::Idle(silent))
    }
}

impl Clients {
    /// Ends those who strain patience, and says why. Linear; to be called about once a second.
    pub fn dismiss(&self, patience: &Patience, now: Monotonic) -> Vec<(Arc<Client>, Dismissal)> {
        let judge = |client: Arc<Client>| {
            let dismissal = client.seen().judge(&client, patience, now)?;
            client.end().then_some((client, dismissal))
        };
        self.list().into_iter().filter_map(judge).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn dismissed(bench: &Bench, patience: &Patience, seconds: u32) -> Vec<Dismissal> {
        let now = bench.now.monotonic.after(SECOND * seconds);
        bench.environment.clients.dismiss(patience, now).into_iter().map(|(_, why)| why).collect()
    }

    #[test]
    fn the_silent_go_unless_they_wait_or_are_subscribed() {
        let patience = Patience { idle: Some(SECOND * 5), ..Patience::default() };
        let bench = Bench::new();
        let client = bench.session.client();
        assert_eq!(dismissed(&bench, &patience, 4), []);
        client.set(Mark::Blocked, true);
        assert_eq!(dismissed(&bench, &patience, 9), []);
        client.set(Mark::Blocked, false);
        client.set(Mark::Monitors, true);
        assert_eq!(dismissed(&bench, &patience, 9), []);
        client.set(Mark::Monitors, false);
        client.set_subscriptions((0, 1));
        assert_eq!(dismissed(&bench, &patience, 9), []);
        client.set_subscriptions((0, 0));
        assert_eq!(dismissed(&bench, &Patience::default(), 1000), []);
        assert_eq!(dismissed(&bench, &patience, 9), [Dismissal::Idle(SECOND * 9)]);
        assert!(client.is_ended());
        assert_eq!(dismissed(&bench, &patience, 10), [], "it goes once");
    }

    #[test]
    fn bytes_that_pass_are_no_silence() {
        let patience = Patience { idle: Some(SECOND * 5), ..Patience::default() };
        let bench = Bench::new();
        for seconds in [4, 8, 12] {
            bench.session.client().held().traffic.fetch_add(1, Ordering::Relaxed);
            assert_eq!(dismissed(&bench, &patience, seconds), []);
        }
        assert_eq!(dismissed(&bench, &patience, 17), [Dismissal::Idle(SECOND * 5)]);
    }

    #[test]
    fn much_that_is_unread_for_long_or_far_too_much_at_once_ends_a_client() {
        let limit = OutputLimit { hard_bytes: 100, soft_bytes: 10, soft_for: SECOND * 3 };
        let patience = Patience { normal: limit, ..Patience::default() };
        let bench = Bench::new();
        let unread = &bench.session.client().held().output;
        for (seconds, bytes) in [(0, 11), (2, 11), (3, 10), (4, 100), (6, 11)] {
            unread.store(bytes, Ordering::Relaxed);
            assert_eq!(dismissed(&bench, &patience, seconds), [], "{seconds} s");
        }
        assert_eq!(dismissed(&bench, &patience, 7), [Dismissal::Soft(11, SECOND * 3)]);
        let bench = Bench::new();
        bench.session.client().held().output.store(101, Ordering::Relaxed);
        assert_eq!(dismissed(&bench, &patience, 0), [Dismissal::Hard(101)]);
    }

    #[test]
    fn subscribers_have_limits_of_their_own() {
        let limit = OutputLimit { hard_bytes: 100, ..OutputLimit::default() };
        let patience = Patience { subscriber: limit, ..Patience::default() };
        let bench = Bench::new();
        let client = bench.session.client();
        client.held().output.store(101, Ordering::Relaxed);
        assert_eq!(dismissed(&bench, &patience, 0), []);
        client.set_subscriptions((1, 0));
        assert_eq!(dismissed(&bench, &patience, 0), [Dismissal::Hard(101)]);
        let bench = Bench::new();
        let client = bench.session.client();
        client.set_subscriptions((1, 0));
        client.held().output.store(50, Ordering::Relaxed);
        client.held().message_bytes.store(51, Ordering::Relaxed);
        assert_eq!(dismissed(&bench, &patience, 0), [Dismissal::Hard(101)], "what waits to be written counts, too");
    }
}
