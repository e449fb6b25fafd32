//! The subscriptions of all clients of a node.

use super::super::clients::Client;
use super::super::specification::ChannelUse;
use super::matching::Matching;
use super::outbox::{Outbox, TooSlow};
use super::patterns::Patterns;
use crate::base::{Amount, Monotonic};
use crate::counter::Table;
use crate::resp::Protocol;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How many subscriptions there may be, and how much may wait for a client that does not read.
#[derive(Clone, Copy, Debug)]
pub struct SubscriptionLimits {
    /// Names and patterns of one client.
    pub per_client: usize,
    /// Names and patterns of all clients.
    pub in_all: usize,
    /// Messages that wait for one client. Only patterns can reach it: of a name at most one message waits.
    pub unsent_messages: usize,
}

impl Default for SubscriptionLimits {
    fn default() -> Self {
        Self { per_client: 10_000, in_all: 1_000_000, unsent_messages: 100_000 }
    }
}

/// Why nothing was subscribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMany {
    /// Of this client.
    #[error("this client would have more than {0} subscriptions, the most that [resp] max_subscriptions allows")]
    OfClient(usize),
    /// Of all clients.
    #[error(
        "this node would have more than {0} subscriptions of all clients, the most that [resp] max_subscriptions_in_all allows"
    )]
    InAll(usize),
}

/// The subscriptions of all clients of a node. One is shared by its sessions and its [publisher](super::Publisher).
#[derive(Debug, Default)]
pub struct Subscriptions {
    limits: SubscriptionLimits,
    pub(super) state: Mutex<State>,
    pub(super) matching: Mutex<Matching>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) clients: BTreeMap<u64, Subscriber>,
    /// Names and patterns of all clients.
    subscriptions: usize,
    /// How many are subscribed to each name.
    names: BTreeMap<Arc<[u8]>, usize>,
    pub(super) patterns: Patterns,
    pub(super) timers: BTreeMap<Timer, Due>,
    last_timer: u64,
    publisher: Option<Waker>,
}

/// When to look, and a number that no other timer has.
pub(super) type Timer = (Monotonic, u64);

/// What to look at.
#[derive(Clone, Debug)]
pub(super) struct Due {
    pub(super) client: u64,
    pub(super) name: Arc<[u8]>,
}

#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) outbox: Arc<Outbox>,
    pub(super) names: BTreeMap<Arc<[u8]>, NameSubscription>,
    patterns: BTreeSet<Arc<[u8]>>,
}

#[derive(Debug)]
pub(super) struct NameSubscription {
    pub(super) interval: Duration,
    /// The value that was last told.
    pub(super) told: Option<Amount>,
    pub(super) timer: Timer,
}

/// One client's part in it. When it is dropped, its subscriptions end.
#[derive(Debug)]
pub struct Listening {
    registry: Arc<Subscriptions>,
    client: u64,
    outbox: Arc<Outbox>,
}

impl Subscriptions {
    /// No subscriptions, of which there may be so many.
    pub fn new(limits: SubscriptionLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// How many messages may wait for one client.
    pub(super) fn most_unsent(&self) -> usize {
        self.limits.unsent_messages
    }

    /// A client subscribes to its first.
    pub(in crate::command) fn listen(self: &Arc<Self>, client: &Arc<Client>) -> Listening {
        let outbox = Arc::new(Outbox::new(Arc::clone(client)));
        let client = client.id();
        let mut state = self.state.lock();
        let subscriber = Subscriber { outbox: Arc::clone(&outbox), names: BTreeMap::new(), patterns: BTreeSet::new() };
        state.clients.insert(client, subscriber);
        if let Some(publisher) = state.publisher.take() {
            publisher.wake();
        }
        Listening { registry: Arc::clone(self), client, outbox }
    }

    /// How many clients have subscriptions.
    pub fn clients(&self) -> usize {
        self.state.lock().clients.len()
    }

    /// How many names somebody is subscribed to.
    pub fn names(&self) -> usize {
        self.state.lock().names.len()
    }

    /// How many different patterns somebody is subscribed to.
    pub fn patterns(&self) -> usize {
        self.state.lock().patterns.len()
    }

    /// The names that somebody is subscribed to and that `wanted` takes in.
    pub(in crate::command) fn names_where(&self, wanted: impl Fn(&[u8]) -> bool) -> Vec<Arc<[u8]>> {
        self.state.lock().names.keys().filter(|name| wanted(name)).cloned().collect()
    }

    /// Whether all that a client is subscribed to is allowed.
    pub(in crate::command) fn all_of_client(
        &self,
        client: u64,
        is_allowed: impl Fn(ChannelUse, &[u8]) -> bool,
    ) -> bool {
        let state = self.state.lock();
        state.clients.get(&client).is_none_or(|client| {
            client.names.keys().all(|name| is_allowed(ChannelUse::Name, name))
                && client.patterns.iter().all(|pattern| is_allowed(ChannelUse::Pattern, pattern))
        })
    }

    /// How many clients are subscribed to this name.
    pub(in crate::command) fn subscribers_of(&self, name: &[u8]) -> usize {
        self.state.lock().names.get(name).copied().unwrap_or(0)
    }

    /// Completes when somebody is subscribed to something.
    pub fn poll_subscribed(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if !state.clients.is_empty() {
            return Poll::Ready(());
        }
        state.publisher = Some(context.waker().clone());
        Poll::Pending
    }
}

impl State {
    /// Whether so many more are allowed.
    fn check(&self, limits: &SubscriptionLimits, client: u64, more: usize) -> Result<(), TooMany> {
        let has = self.clients.get(&client).map_or(0, Subscriber::len);
        if has + more > limits.per_client {
            return Err(TooMany::OfClient(limits.per_client));
        }
        if self.subscriptions + more > limits.in_all {
            return Err(TooMany::InAll(limits.in_all));
        }
        Ok(())
    }

    pub(super) fn next_timer(&mut self, due: Monotonic) -> Timer {
        self.last_timer += 1;
        (due, self.last_timer)
    }

    /// Ends a subscription that is no longer the client's.
    fn forget_name(&mut self, name: &[u8], subscription: &NameSubscription) {
        self.timers.remove(&subscription.timer);
        self.subscriptions -= 1;
        if let Some(count) = self.names.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                self.names.remove(name);
            }
        }
    }

    fn forget_pattern(&mut self, pattern: &[u8], client: u64) {
        self.patterns.remove(pattern, client);
        self.subscriptions -= 1;
    }
}

impl Subscriber {
    fn len(&self) -> usize {
        self.names.len() + self.patterns.len()
    }
}

impl Listening {
    /// Subscribes to names, each looked at once an `interval` from `now` on; a name that is subscribed to already takes
    /// the new interval. Answers how many subscriptions the client has after each.
    ///
    /// # Errors
    /// [`TooMany`]; nothing was changed.
    pub(in crate::command) fn subscribe(
        &self,
        names: &[&[u8]],
        interval: Duration,
        now: Monotonic,
    ) -> Result<Vec<usize>, TooMany> {
        let mut guard = self.registry.state.lock();
        let state = &mut *guard;
        let known = state.clients.get(&self.client);
        let is_known = |name: &&&[u8]| known.is_some_and(|client| client.names.contains_key(**name));
        let new: BTreeSet<&&[u8]> = names.iter().filter(|name| !is_known(name)).collect();
        state.check(&self.registry.limits, self.client, new.len())?;
        let mut counts = Vec::with_capacity(names.len());
        for name in names {
            let timer = state.next_timer(now);
            let Some(client) = state.clients.get_mut(&self.client) else { break };
            let name = if let Some((name, subscription)) = client.names.get_key_value(*name) {
                state.timers.remove(&subscription.timer);
                Arc::clone(name)
            } else {
                // One copy of each name, however many are subscribed to it.
                let shared = state.names.get_key_value(*name).map(|(name, _)| Arc::clone(name));
                let name = shared.unwrap_or_else(|| Arc::from(*name));
                *state.names.entry(Arc::clone(&name)).or_default() += 1;
                state.subscriptions += 1;
                name
            };
            let told = client.names.get(&name).and_then(|subscription| subscription.told);
            client.names.insert(Arc::clone(&name), NameSubscription { interval, told, timer });
            counts.push(client.len());
            state.timers.insert(timer, Due { client: self.client, name });
        }
        Ok(counts)
    }

    /// Ends subscriptions to names. Answers how many the client has left after each.
    pub(in crate::command) fn unsubscribe(&self, names: &[&[u8]]) -> Vec<usize> {
        let mut guard = self.registry.state.lock();
        let state = &mut *guard;
        let mut counts = Vec::with_capacity(names.len());
        let mut ended = BTreeSet::new();
        for name in names {
            let Some(client) = state.clients.get_mut(&self.client) else { break };
            let removed = client.names.remove(*name);
            counts.push(client.len());
            if let Some(subscription) = removed {
                state.forget_name(name, &subscription);
                ended.insert(*name);
            }
        }
        // With the registry locked: nobody puts in what was just taken back.
        self.outbox.take_back(|topic| topic.pattern.is_none() && ended.contains(&*topic.name));
        counts
    }

    /// Subscribes to patterns. Every change of the table after this is told, or after the counters are loaded if that is
    /// later. Answers how many subscriptions the client has after each.
    ///
    /// # Errors
    /// [`TooMany`]; nothing was changed.
    pub(in crate::command) fn subscribe_to_patterns(
        &self,
        patterns: &[&[u8]],
        table: &Table,
    ) -> Result<Vec<usize>, TooMany> {
        let mut matching = self.registry.matching.lock();
        let mut counts = Vec::with_capacity(patterns.len());
        let mut any_new = false;
        {
            let mut guard = self.registry.state.lock();
            let state = &mut *guard;
            let known = state.clients.get(&self.client);
            let is_known = |pattern: &&&[u8]| known.is_some_and(|client| client.patterns.contains(**pattern));
            let new: BTreeSet<&&[u8]> = patterns.iter().filter(|pattern| !is_known(pattern)).collect();
            state.check(&self.registry.limits, self.client, new.len())?;
            for pattern in patterns {
                let Some(client) = state.clients.get_mut(&self.client) else { break };
                if !client.patterns.contains(*pattern) {
                    let pattern = Arc::from(*pattern);
                    any_new |= state.patterns.add(&pattern, self.client);
                    client.patterns.insert(pattern);
                    state.subscriptions += 1;
                }
                counts.push(client.len());
            }
        }
        if any_new {
            matching.begin(table);
        }
        Ok(counts)
    }

    /// Ends subscriptions to patterns. Answers how many the client has left after each.
    pub(in crate::command) fn unsubscribe_from_patterns(&self, patterns: &[&[u8]]) -> Vec<usize> {
        let mut guard = self.registry.state.lock();
        let state = &mut *guard;
        let mut counts = Vec::with_capacity(patterns.len());
        for pattern in patterns {
            let Some(client) = state.clients.get_mut(&self.client) else { break };
            let removed = client.patterns.remove(*pattern);
            counts.push(client.len());
            if removed {
                state.forget_pattern(pattern, self.client);
            }
        }
        let ended: BTreeSet<&[u8]> = patterns.iter().copied().collect();
        self.outbox.take_back(|topic| topic.pattern.as_ref().is_some_and(|pattern| ended.contains(&**pattern)));
        counts
    }

    /// The names.
    pub(in crate::command) fn names(&self) -> Vec<Arc<[u8]>> {
        let state = self.registry.state.lock();
        state.clients.get(&self.client).map_or_else(Vec::new, |client| client.names.keys().cloned().collect())
    }

    /// The patterns.
    pub(in crate::command) fn patterns(&self) -> Vec<Arc<[u8]>> {
        let state = self.registry.state.lock();
        state.clients.get(&self.client).map_or_else(Vec::new, |client| client.patterns.iter().cloned().collect())
    }

    /// How many names and how many patterns.
    pub(in crate::command) fn counts(&self) -> (usize, usize) {
        let state = self.registry.state.lock();
        state.clients.get(&self.client).map_or((0, 0), |client| (client.names.len(), client.patterns.len()))
    }

    /// Completes when there are messages, or no more will come.
    pub fn poll_messages(&self, context: &Context<'_>) -> Poll<()> {
        self.outbox.poll(context)
    }

    /// Appends messages until `out` has `limit` bytes or there are no more.
    ///
    /// # Errors
    /// [`TooSlow`] once more waited than may.
    pub fn take_messages(&self, protocol: Protocol, limit: usize, out: &mut Vec<u8>) -> Result<(), TooSlow> {
        self.outbox.take(protocol, limit, out)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut state = self.registry.state.lock();
        self.outbox.take_back(|_| true);
        let Some(client) = state.clients.remove(&self.client) else { return };
        for (name, subscription) in &client.names {
            state.forget_name(name, subscription);
        }
        for pattern in &client.patterns {
            state.forget_pattern(pattern, self.client);
        }
    }
}
