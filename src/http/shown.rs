//! What answers are made from: the node's own figures, and what only comes of looking at them more than once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::Source;
use super::busiest::Busiest;
use super::opened::Opened;
use super::rates::Rates;
use crate::base::Monotonic;
use crate::node::Severity;

/// How often it is looked at what moves, and at counters that somebody has opened.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
const OPENED_INTERVAL: Duration = Duration::from_millis(250);
/// Nobody has looked at counters for so long: nobody looks for those that move either.
const WANTED_FOR: Duration = Duration::from_secs(600);

/// All that is shown of a node. Everything here is looked at by one thread.
pub(super) struct Shown {
    pub(super) source: Arc<Source>,
    pub(super) rates: Mutex<Rates>,
    pub(super) busiest: Mutex<Busiest>,
    /// When somebody last wanted to know of counters.
    wanted_at: Mutex<Option<Monotonic>>,
    pub(super) opened: Mutex<Opened>,
    /// Since when there is each problem, in milliseconds since 1970.
    pub(super) troubles: Mutex<HashMap<String, u64>>,
    /// Places for those who follow live values.
    pub(super) streams: Arc<Semaphore>,
    /// One search goes on at a time: they share what time there is.
    pub(super) searches: Semaphore,
}

impl Shown {
    pub(super) fn new(source: Arc<Source>, max_streams: usize) -> Arc<Self> {
        Arc::new(Self {
            source,
            rates: Mutex::default(),
            busiest: Mutex::default(),
            wanted_at: Mutex::default(),
            opened: Mutex::default(),
            troubles: Mutex::default(),
            streams: Arc::new(Semaphore::new(max_streams)),
            searches: Semaphore::new(1),
        })
    }

    /// Somebody wants to know of counters, so it is looked for a while which ones move.
    pub(super) fn want_counters(&self) {
        *self.wanted_at.lock() = Some(self.source.now().monotonic);
    }

    fn look_for_busiest(&self, now: Monotonic) {
        let wanted_at = *self.wanted_at.lock();
        let mut busiest = self.busiest.lock();
        match wanted_at.is_some_and(|at| now.since(at) < WANTED_FOR) {
            true => busiest.look(&self.source.environment().table, now),
            false => busiest.rest(),
        }
    }

    /// Looks again and again, for ever.
    pub(super) async fn keep_looking(self: Arc<Self>) {
        let mut was_refusing = false;
        let mut next = tokio::time::Instant::now();
        loop {
            let environment = self.source.environment();
            let now = self.source.now();
            self.opened.lock().look(environment, now);
            if tokio::time::Instant::now() >= next {
                next = tokio::time::Instant::now() + LOOK_INTERVAL;
                self.rates.lock().look(environment, now.monotonic);
                self.look_for_busiest(now.monotonic);
                super::api::problems(&self);
                was_refusing = self.tell_refusing(was_refusing);
            }
            tokio::time::sleep(OPENED_INTERVAL).await;
        }
    }

    /// The node does not know of its disk what it knows of the others.
    fn tell_refusing(&self, was_refusing: bool) -> bool {
        let environment = self.source.environment();
        let is_refusing = environment.persistence.refuses_changes();
        let (events, at) = (&environment.cluster.events, self.source.now().wall);
        match (was_refusing, is_refusing) {
            (false, true) => {
                let why = environment.persistence.failure();
                let why = why.unwrap_or_else(|| "a write that was begun has not come back".to_owned());
                events.note_other("refusing_writes", Severity::Error, format!("changes are refused: {why}"), at);
            }
            (true, false) => {
                let text = "changes are taken again: what was to be written is on disk".to_owned();
                events.note_other("taking_writes", Severity::Info, text, at);
            }
            _ => {}
        }
        is_refusing
    }
}
