//! Places for connections. Whoever comes finds one: where all are taken, of the network that has the most of them the
//! connection makes room that was silent the longest.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::base::network_of;

/// All connections that there are.
#[derive(Debug)]
pub(super) struct Connections {
    most: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    all: HashMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    network: IpAddr,
    activity: Activity,
    /// Dropped, it ends the connection.
    _stay: oneshot::Sender<Infallible>,
}

/// When bytes last went over a connection.
#[derive(Clone, Debug)]
pub(super) struct Activity {
    began_at: Instant,
    /// Nanoseconds since then.
    last: Arc<AtomicU64>,
}

impl Activity {
    fn new(began_at: Instant) -> Self {
        Self { began_at, last: Arc::default() }
    }

    /// Bytes went over it just now.
    pub(super) fn note(&self) {
        let nanos = u64::try_from(self.began_at.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.last.store(nanos, Ordering::Relaxed);
    }

    fn last_at(&self) -> Instant {
        self.began_at + std::time::Duration::from_nanos(self.last.load(Ordering::Relaxed))
    }
}

/// A place, for as long as this is kept.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    number: u64,
    activity: Activity,
    stay: oneshot::Receiver<Infallible>,
}

impl Connections {
    /// So many at most, and at least one.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: most.max(1), open: Mutex::default() })
    }

    /// A place for whoever comes from this address.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr, now: Instant) -> Place {
        let mut open = self.open.lock();
        if open.all.len() >= self.most
            && let Some(leaves) = open.who_leaves()
        {
            open.all.remove(&leaves);
        }
        open.last += 1;
        let (stays, stay) = oneshot::channel();
        let activity = Activity::new(now);
        let connection = Connection { network: network_of(address), activity: activity.clone(), _stay: stays };
        let number = open.last;
        open.all.insert(number, connection);
        Place { connections: Arc::clone(self), number, activity, stay }
    }
}

impl Open {
    fn who_leaves(&self) -> Option<u64> {
        let mut of_network: HashMap<IpAddr, usize> = HashMap::new();
        for connection in self.all.values() {
            *of_network.entry(connection.network).or_default() += 1;
        }
        let most = of_network.values().copied().max()?;
        let candidates = self.all.iter().filter(|(_, connection)| of_network.get(&connection.network) == Some(&most));
        // Of two that were silent for as long, the one that came first.
        candidates
            .min_by_key(|(number, connection)| (connection.activity.last_at(), **number))
            .map(|(number, _)| *number)
    }
}

impl Place {
    pub(super) fn activity(&self) -> Activity {
        self.activity.clone()
    }

    /// Waits until the place is needed for somebody else.
    pub(super) async fn until_needed(&mut self) {
        // Nothing is ever sent.
        let _ = (&mut self.stay).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open.lock().all.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::sync::oneshot::error::TryRecvError;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn is_needed(place: &mut Place) -> bool {
        place.stay.try_recv() == Err(TryRecvError::Closed)
    }

    #[test]
    fn the_most_silent_of_whoever_has_the_most_makes_room() {
        let connections = Connections::new(4);
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let (busy, other) = (address("10.0.0.1"), address("10.0.0.2"));
        let mut first = connections.enter(other, at(0));
        let mut of_busy: Vec<Place> = (1..4).map(|millis| connections.enter(busy, at(millis))).collect();
        // The oldest of them has just said something.
        of_busy[0].activity.last.store(1_000_000_000, Ordering::Relaxed);
        let mut last = connections.enter(address("10.0.0.3"), at(10));
        assert!(is_needed(&mut of_busy[1]));
        let stay = [&mut first, &mut last].into_iter().all(|place| !is_needed(place));
        assert!(stay && !is_needed(&mut of_busy[0]) && !is_needed(&mut of_busy[2]));
    }

    #[test]
    fn places_come_free_when_they_are_left() {
        let connections = Connections::new(2);
        let now = Instant::now();
        let mut stays = connections.enter(address("127.0.0.1"), now);
        for _ in 0..10 {
            drop(connections.enter(address("127.0.0.1"), now));
        }
        assert!(!is_needed(&mut stays));
        assert_eq!(connections.open.lock().all.len(), 1);
    }
}
