//! Reading all counters, by several threads that share the work out among themselves.

use super::MARKER_KEY;
use super::engine::{Engine, engine_error};
use super::said::wire_error;
use super::sealed::unseal;
use crate::base::{Name, ReplicaId};
use crate::counter::{Context, StoredCounter};
use crate::storage::StorageError;
use crate::wire::decode_stored_counter;
use parking_lot::{Condvar, Mutex};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// After so many counters a thread notes its progress, and looks whether another has nothing to do.
const STEP: u64 = 1024;

/// How far a load is.
#[derive(Debug, Default)]
pub struct LoadProgress {
    /// Counters that were handed out.
    pub loaded: AtomicU64,
    /// About how many there are.
    pub total: AtomicU64,
}

/// What assignments that were made with the same knowledge share. There are millions of assignments and few such.
#[derive(Default)]
struct Contexts {
    recent: Vec<Context>,
    oldest: usize,
}

impl Contexts {
    const MOST: usize = 8;

    fn share(&mut self, counter: &mut StoredCounter) {
        let Some(assignment) = counter.assignment.as_mut().and_then(Arc::get_mut) else { return };
        match self.recent.iter().find(|known| **known == assignment.context) {
            Some(known) => assignment.context = known.clone(),
            None if self.recent.len() < Self::MOST => self.recent.push(assignment.context.clone()),
            None => {
                self.recent[self.oldest] = assignment.context.clone();
                self.oldest = (self.oldest + 1) % Self::MOST;
            }
        }
    }
}

/// Keys from the first to the last, both included.
type Range = (Vec<u8>, Vec<u8>);

/// What the threads share.
struct Work {
    ranges: Mutex<Vec<Range>>,
    changed: Condvar,
    /// Threads that have a range at hand.
    busy: AtomicUsize,
    idle: AtomicUsize,
    failed: AtomicBool,
    has_marker: AtomicBool,
}

pub(super) fn load(
    engine: &Engine,
    replicas: &[ReplicaId],
    threads: usize,
    progress: &LoadProgress,
    take: impl Fn(Name<'_>, StoredCounter) + Sync,
) -> Result<u64, StorageError> {
    progress.total.store(engine.counters.approximate_len() as u64, Ordering::Relaxed);
    let work = Work {
        ranges: Mutex::new(first_range(engine)?.into_iter().collect()),
        changed: Condvar::new(),
        busy: AtomicUsize::new(0),
        idle: AtomicUsize::new(0),
        failed: AtomicBool::new(false),
        has_marker: AtomicBool::new(false),
    };
    let (work, take) = (&work, &take);
    let loaded = std::thread::scope(|scope| {
        let run = move || run(engine, replicas, work, progress, take);
        let handles: Vec<_> = (1..threads.max(1)).map(|_| scope.spawn(run)).collect();
        let mut result = run();
        for handle in handles {
            let other = handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            result = result.and_then(|loaded| other.map(|more| loaded + more));
        }
        result
    })?;
    if !work.has_marker.load(Ordering::Relaxed) {
        let what = "its counters are gone, or are not those of this store".into();
        return Err(StorageError::StoreDamaged { path: engine.path.clone(), what });
    }
    progress.total.store(loaded, Ordering::Relaxed);
    Ok(loaded)
}

fn first_range(engine: &Engine) -> Result<Option<Range>, StorageError> {
    let failed = engine_error("read", &engine.path);
    let key = |end: Option<fjall::Guard>| end.map(|guard| guard.key().map(|key| key.to_vec())).transpose();
    let first = key(engine.counters.first_key_value()).map_err(&failed)?;
    let last = key(engine.counters.last_key_value()).map_err(&failed)?;
    Ok(first.zip(last))
}

fn run(
    engine: &Engine,
    replicas: &[ReplicaId],
    work: &Work,
    progress: &LoadProgress,
    take: &(impl Fn(Name<'_>, StoredCounter) + Sync),
) -> Result<u64, StorageError> {
    let mut loaded = 0;
    while let Some(range) = work.next() {
        let result = read_range(engine, replicas, work, range, progress, take);
        work.done(result.is_err());
        loaded += result?;
    }
    Ok(loaded)
}

impl Work {
    /// The next range, when there is one; `None` when nobody has anything to give any more.
    fn next(&self) -> Option<Range> {
        let mut ranges = self.ranges.lock();
        loop {
            if self.failed.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(range) = ranges.pop() {
                self.busy.fetch_add(1, Ordering::Relaxed);
                return Some(range);
            }
            if self.busy.load(Ordering::Relaxed) == 0 {
                return None;
            }
            self.idle.fetch_add(1, Ordering::Relaxed);
            self.changed.wait(&mut ranges);
            self.idle.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn done(&self, failed: bool) {
        // Under the lock, so that nobody begins to wait in between.
        let _ranges = self.ranges.lock();
        self.failed.fetch_or(failed, Ordering::Relaxed);
        self.busy.fetch_sub(1, Ordering::Relaxed);
        self.changed.notify_all();
    }

    /// Gives the upper part of what is left of a range to a thread that has nothing; answers where the rest now ends.
    fn share_out(&self, current: &[u8], last: &[u8]) -> Option<Vec<u8>> {
        if self.idle.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut ranges = self.ranges.lock();
        if !ranges.is_empty() {
            return None;
        }
        let middle = middle(current, last)?;
        ranges.push((middle.clone(), last.to_vec()));
        self.changed.notify_one();
        Some(middle)
    }
}

/// A key above `low` and not above `high`, about half way if keys were spread evenly.
fn middle(low: &[u8], high: &[u8]) -> Option<Vec<u8>> {
    let common = low.iter().zip(high).take_while(|(a, b)| a == b).count();
    let number = |key: &[u8]| u64::from_be_bytes(std::array::from_fn(|at| key.get(common + at).copied().unwrap_or(0)));
    let (from, to) = (number(low), number(high));
    let half = from + to.checked_sub(from)? / 2;
    let mut middle = low[..common].to_vec();
    middle.extend_from_slice(&half.to_be_bytes());
    (*middle > *low && *middle <= *high).then_some(middle)
}

fn read_range(
    engine: &Engine,
    replicas: &[ReplicaId],
    work: &Work,
    (first, mut last): Range,
    progress: &LoadProgress,
    take: &(impl Fn(Name<'_>, StoredCounter) + Sync),
) -> Result<u64, StorageError> {
    let (mut loaded, mut noted) = (0_u64, 0);
    // Where a part is given away, the rest ends before it.
    let mut given_away = false;
    let mut contexts = Contexts::default();
    let failed = engine_error("read", &engine.path);
    for guard in engine.counters.range((Bound::Included(first), Bound::Included(last.clone()))) {
        let (key, value) = guard.into_inner().map_err(&failed)?;
        if given_away && *key >= *last {
            break;
        }
        if *key == MARKER_KEY {
            work.has_marker.store(unseal(&key, &value).is_some(), Ordering::Relaxed);
            continue;
        }
        let (name, mut counter) = read_counter(engine, replicas, &key, &value)?;
        contexts.share(&mut counter);
        take(name, counter);
        loaded += 1;
        if loaded.is_multiple_of(STEP) {
            progress.loaded.fetch_add(loaded - noted, Ordering::Relaxed);
            noted = loaded;
            if work.failed.load(Ordering::Relaxed) {
                break;
            }
            if let Some(end) = work.share_out(&key, &last) {
                (last, given_away) = (end, true);
            }
        }
    }
    progress.loaded.fetch_add(loaded - noted, Ordering::Relaxed);
    Ok(loaded)
}

fn read_counter<'a>(
    engine: &Engine,
    replicas: &[ReplicaId],
    key: &'a [u8],
    value: &[u8],
) -> Result<(Name<'a>, StoredCounter), StorageError> {
    let about = || format!("the counter {:?}", String::from_utf8_lossy(&key[..key.len().min(64)]));
    let damaged = |what: String| StorageError::StoreDamaged { path: engine.path.clone(), what };
    let name = Name::new(key).map_err(|error| damaged(format!("{}: {error}", about())))?;
    let bytes = unseal(key, value).ok_or_else(|| damaged(format!("{} has a wrong checksum", about())))?;
    let counter = decode_stored_counter(bytes, replicas).map_err(|error| wire_error(&engine.path, &about(), &error))?;
    Ok((name, counter))
}
