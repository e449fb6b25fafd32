//! The requests that took longest lately, for SLOWLOG.

use super::shown_request::ShownRequest;
use crate::base::WallMillis;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Requests that took longer than a limit, the last so many of them.
#[derive(Debug)]
pub struct SlowLog {
    slower_than_micros: AtomicI64,
    max_len: AtomicU64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    next_id: u64,
    /// The newest first.
    entries: VecDeque<SlowRequest>,
}

/// One request that took long.
#[derive(Clone, Debug)]
pub(super) struct SlowRequest {
    pub(super) id: u64,
    pub(super) at: WallMillis,
    pub(super) micros: u64,
    pub(super) arguments: Vec<Vec<u8>>,
    pub(super) client: String,
    pub(super) client_name: String,
}

/// The same for those who collect them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowSpan {
    /// One more than that of the one before.
    pub id: u64,
    /// When it was answered.
    pub ended_at: WallMillis,
    /// How long it took.
    pub micros: u64,
    /// The request, shortened, and without what is secret.
    pub arguments: Vec<Vec<u8>>,
    /// Where its client is.
    pub client: String,
    /// What the client calls itself.
    pub client_name: String,
}

impl From<SlowRequest> for SlowSpan {
    fn from(request: SlowRequest) -> Self {
        let SlowRequest { id, at, micros, arguments, client, client_name } = request;
        Self { id, ended_at: at, micros, arguments, client, client_name }
    }
}

impl SlowLog {
    /// Those that are kept with a larger id than this, or all, the oldest first.
    pub fn since(&self, id: Option<u64>) -> Vec<SlowSpan> {
        let kept = self.kept.lock();
        let new = kept.entries.iter().take_while(|request| id.is_none_or(|id| request.id > id));
        let mut new: Vec<SlowSpan> = new.cloned().map(SlowSpan::from).collect();
        new.reverse();
        new
    }

    /// A log with the limits of the configuration.
    pub fn new(slower_than_micros: i64, max_len: u64) -> Self {
        Self {
            slower_than_micros: AtomicI64::new(slower_than_micros),
            max_len: AtomicU64::new(max_len),
            kept: Mutex::default(),
        }
    }

    /// Requests that take this many microseconds or longer are kept; a negative number keeps none.
    pub fn slower_than_micros(&self) -> i64 {
        self.slower_than_micros.load(Ordering::Relaxed)
    }

    /// Sets [`Self::slower_than_micros`].
    pub fn set_slower_than_micros(&self, micros: i64) {
        self.slower_than_micros.store(micros, Ordering::Relaxed);
    }

    /// How many requests are kept.
    pub fn max_len(&self) -> u64 {
        self.max_len.load(Ordering::Relaxed)
    }

    /// Sets [`Self::max_len`].
    pub fn set_max_len(&self, max_len: u64) {
        self.max_len.store(max_len, Ordering::Relaxed);
        let mut kept = self.kept.lock();
        kept.entries.truncate(length(max_len));
    }

    /// Whether a request that took so long is kept. One relaxed load.
    #[inline]
    pub(super) fn wants(&self, nanos: u64) -> bool {
        let limit = self.slower_than_micros();
        limit >= 0 && nanos / 1000 >= limit.unsigned_abs()
    }

    pub(super) fn add(&self, request: ShownRequest, nanos: u64, at: WallMillis) {
        let mut kept = self.kept.lock();
        let id = kept.next_id;
        kept.next_id += 1;
        let ShownRequest { arguments, client, client_name } = request;
        kept.entries.push_front(SlowRequest { id, at, micros: nanos / 1000, arguments, client, client_name });
        kept.entries.truncate(length(self.max_len()));
    }

    /// The newest so many.
    pub(super) fn newest(&self, count: usize) -> Vec<SlowRequest> {
        self.kept.lock().entries.iter().take(count).cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.kept.lock().entries.len()
    }

    pub(super) fn clear(&self) {
        self.kept.lock().entries.clear();
    }
}

fn length(max_len: u64) -> usize {
    usize::try_from(max_len).unwrap_or(usize::MAX)
}
