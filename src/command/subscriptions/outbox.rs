//! What one subscriber is still to be sent: of each counter only its latest value.

use super::super::clients::Client;
use super::super::session::UnreadMessages;
use crate::base::Amount;
use crate::resp::{Protocol, Reply, encode};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

/// So many are taken out under one lock: whoever puts in must not wait for them to be encoded.
const TAKEN_AT_ONCE: usize = 64;

/// Which subscription a message is for, and of which counter it tells.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Topic {
    /// None is a subscription to the counter itself.
    pub(super) pattern: Option<Arc<[u8]>>,
    pub(super) name: Arc<[u8]>,
}

/// The messages that wait for one client.
#[derive(Debug)]
pub(super) struct Outbox {
    client: Arc<Client>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    values: BTreeMap<Topic, Amount>,
    /// The memory that they take, about.
    bytes: usize,
    /// In which order they go; also such as wait no more.
    order: VecDeque<Topic>,
    waker: Option<Waker>,
    /// More waited than may; nothing is sent any more.
    is_overfull: bool,
}

/// The client left so many messages unread that there is no more room for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSlow;

impl Topic {
    /// What a message about this takes, about; names are shared.
    fn memory(&self) -> usize {
        2 * size_of::<Self>() + size_of::<Amount>() + self.name.len()
    }
}

impl Outbox {
    pub(super) fn new(client: Arc<Client>) -> Self {
        Self { client, waiting: Mutex::default() }
    }

    /// Lets others know what waits.
    fn tell(&self, waiting: &Waiting) {
        let held = self.client.held();
        held.messages.store(waiting.values.len() as u64, Ordering::Relaxed);
        held.message_bytes.store(waiting.bytes as u64, Ordering::Relaxed);
    }

    /// Has a value sent, in place of an older one that waits. At most `most` wait.
    pub(super) fn put(&self, topic: Topic, value: Amount, most: usize) {
        let mut waiting = self.waiting.lock();
        if waiting.is_overfull {
            return;
        }
        if let Some(waits) = waiting.values.get_mut(&topic) {
            *waits = value;
            return;
        }
        if waiting.values.len() >= most {
            *waiting = Waiting { is_overfull: true, waker: waiting.waker.take(), ..Waiting::default() };
            self.client.cut_off(UnreadMessages::Subscription);
        } else {
            waiting.bytes += topic.memory();
            waiting.values.insert(topic.clone(), value);
            waiting.order.push_back(topic);
        }
        self.tell(&waiting);
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
    }

    /// What waits for these subscriptions is not sent any more.
    pub(super) fn take_back(&self, ended: impl Fn(&Topic) -> bool) {
        let mut waiting = self.waiting.lock();
        let Waiting { values, bytes, order, .. } = &mut *waiting;
        values.retain(|topic, _| !ended(topic));
        order.retain(|topic| !ended(topic));
        *bytes = values.keys().map(Topic::memory).sum();
        self.tell(&waiting);
    }

    /// Completes when there is something to be sent, or no more will be.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        let mut waiting = self.waiting.lock();
        if waiting.is_overfull || !waiting.values.is_empty() {
            return Poll::Ready(());
        }
        waiting.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Appends what waits until `out` has `limit` bytes or nothing waits.
    ///
    /// # Errors
    /// [`TooSlow`] once more waited than may.
    pub(super) fn take(&self, protocol: Protocol, limit: usize, out: &mut Vec<u8>) -> Result<(), TooSlow> {
        let mut taken = Vec::new();
        while out.len() < limit {
            {
                let mut waiting = self.waiting.lock();
                if waiting.is_overfull {
                    return Err(TooSlow);
                }
                let Waiting { values, bytes, order, .. } = &mut *waiting;
                while taken.len() < TAKEN_AT_ONCE
                    && let Some(topic) = order.pop_front()
                {
                    if let Some(value) = values.remove(&topic) {
                        *bytes -= topic.memory();
                        taken.push((topic, value));
                    }
                }
                if order.is_empty() && order.capacity() > TAKEN_AT_ONCE {
                    *order = VecDeque::new();
                }
                if !taken.is_empty() {
                    self.tell(&waiting);
                }
            }
            if taken.is_empty() {
                break;
            }
            for (topic, value) in taken.drain(..) {
                encode(&message(topic, value), protocol, out);
            }
        }
        Ok(())
    }
}

fn message(topic: Topic, value: Amount) -> Reply {
    let (name, value) = (Reply::Bulk(topic.name.to_vec()), Reply::Amount(value));
    Reply::Push(match topic.pattern {
        None => vec![Reply::Text("message"), name, value],
        Some(pattern) => vec![Reply::Text("pmessage"), Reply::Bulk(pattern.to_vec()), name, value],
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::clients::Clients;
    use super::super::super::session::ClientAddress;
    use super::*;
    use crate::base::Monotonic;

    fn outbox() -> Outbox {
        Outbox::new(Clients::default().register(
            ClientAddress::default(),
            crate::command::Access::default().default_account(),
            Monotonic::ZERO,
        ))
    }

    /// How many messages wait, as others see it, and whether they take memory.
    fn held(outbox: &Outbox) -> (u64, bool) {
        let held = outbox.client.held();
        (held.messages.load(Ordering::Relaxed), held.message_bytes.load(Ordering::Relaxed) > 0)
    }

    fn topic(name: &str) -> Topic {
        Topic { pattern: None, name: Arc::from(name.as_bytes()) }
    }

    fn taken(outbox: &Outbox, limit: usize) -> String {
        let mut out = Vec::new();
        outbox.take(Protocol::Resp2, limit, &mut out).expect("not too slow");
        String::from_utf8_lossy(&out).replace("\r\n", " ")
    }

    #[test]
    fn a_later_value_takes_the_place_of_the_one_that_waits() {
        let outbox = outbox();
        for value in 1..100 {
            outbox.put(topic("a"), Amount::from(value), 2);
            outbox.put(topic("b"), Amount::from(-value), 2);
        }
        assert_eq!(taken(&outbox, 1000), "*3 $7 message $1 a $2 99 *3 $7 message $1 b $3 -99 ");
        assert_eq!(taken(&outbox, 1000), "");
        let pattern = Some(Arc::from(&b"a*"[..]));
        outbox.put(Topic { pattern, ..topic("a") }, Amount::ONE, 2);
        assert_eq!(taken(&outbox, 1000), "*4 $8 pmessage $2 a* $1 a $1 1 ");
    }

    #[test]
    fn no_more_is_taken_than_is_asked_for() {
        let outbox = outbox();
        for counter in 0..1000 {
            outbox.put(topic(&format!("{counter:03}")), Amount::ONE, 1000);
        }
        let first = taken(&outbox, 1);
        assert_eq!(first.matches("message").count(), TAKEN_AT_ONCE);
        let rest = taken(&outbox, usize::MAX);
        assert_eq!(rest.matches("message").count(), 1000 - TAKEN_AT_ONCE);
        assert!(rest.ends_with("$3 999 $1 1 "), "in the order in which they came");
    }

    #[test]
    fn whoever_lets_too_many_wait_is_sent_no_more() {
        let outbox = outbox();
        for name in ["a", "b", "a", "c"] {
            outbox.put(topic(name), Amount::ONE, 2);
        }
        assert_eq!(outbox.take(Protocol::Resp2, 1000, &mut Vec::new()), Err(TooSlow));
        outbox.put(topic("a"), Amount::ONE, 2);
        assert_eq!(outbox.waiting.lock().values.len(), 0, "and takes no memory");
        assert_eq!(held(&outbox), (0, false));
        assert!(outbox.client.is_ended(), "also in the middle of a write");
    }

    #[test]
    fn what_is_taken_back_is_not_sent() {
        let outbox = outbox();
        for name in ["a", "b", "c"] {
            outbox.put(topic(name), Amount::ONE, 10);
        }
        assert_eq!(held(&outbox), (3, true));
        outbox.take_back(|topic| *topic.name == *b"b");
        assert_eq!(held(&outbox), (2, true));
        let sent = taken(&outbox, 1000);
        assert!(sent.contains(" a ") && sent.contains(" c ") && !sent.contains(" b "), "{sent}");
        assert_eq!(held(&outbox), (0, false));
    }
}
