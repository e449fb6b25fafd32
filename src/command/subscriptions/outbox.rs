//! What one subscriber is still to be sent: of each counter only its latest value.

use crate::base::Amount;
use crate::resp::{Protocol, Reply, encode};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
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
#[derive(Debug, Default)]
pub(super) struct Outbox(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    values: BTreeMap<Topic, Amount>,
    /// In which order they go; also such as wait no more.
    order: VecDeque<Topic>,
    waker: Option<Waker>,
    /// More waited than may; nothing is sent any more.
    is_overfull: bool,
}

/// The client left so many messages unread that there is no more room for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSlow;

impl Outbox {
    /// Has a value sent, in place of an older one that waits. At most `most` wait.
    pub(super) fn put(&self, topic: Topic, value: Amount, most: usize) {
        let mut waiting = self.0.lock();
        if waiting.is_overfull {
            return;
        }
        if let Some(waits) = waiting.values.get_mut(&topic) {
            *waits = value;
            return;
        }
        if waiting.values.len() >= most {
            waiting.is_overfull = true;
            waiting.values.clear();
            waiting.order = VecDeque::new();
        } else {
            waiting.values.insert(topic.clone(), value);
            waiting.order.push_back(topic);
        }
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
    }

    /// What waits for these subscriptions is not sent any more.
    pub(super) fn take_back(&self, ended: impl Fn(&Topic) -> bool) {
        let mut waiting = self.0.lock();
        let Waiting { values, order, .. } = &mut *waiting;
        values.retain(|topic, _| !ended(topic));
        order.retain(|topic| !ended(topic));
    }

    /// Completes when there is something to be sent, or no more will be.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        let mut waiting = self.0.lock();
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
                let mut waiting = self.0.lock();
                if waiting.is_overfull {
                    return Err(TooSlow);
                }
                let Waiting { values, order, .. } = &mut *waiting;
                while taken.len() < TAKEN_AT_ONCE
                    && let Some(topic) = order.pop_front()
                {
                    taken.extend(values.remove(&topic).map(|value| (topic, value)));
                }
                if order.is_empty() && order.capacity() > TAKEN_AT_ONCE {
                    *order = VecDeque::new();
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
    use super::*;

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
        let outbox = Outbox::default();
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
        let outbox = Outbox::default();
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
        let outbox = Outbox::default();
        for name in ["a", "b", "a", "c"] {
            outbox.put(topic(name), Amount::ONE, 2);
        }
        assert_eq!(outbox.take(Protocol::Resp2, 1000, &mut Vec::new()), Err(TooSlow));
        outbox.put(topic("a"), Amount::ONE, 2);
        assert_eq!(outbox.0.lock().values.len(), 0, "and takes no memory");
    }

    #[test]
    fn what_is_taken_back_is_not_sent() {
        let outbox = Outbox::default();
        for name in ["a", "b", "c"] {
            outbox.put(topic(name), Amount::ONE, 10);
        }
        outbox.take_back(|topic| *topic.name == *b"b");
        let sent = taken(&outbox, 1000);
        assert!(sent.contains(" a ") && sent.contains(" c ") && !sent.contains(" b "), "{sent}");
    }
}
