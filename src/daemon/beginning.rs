//! What is on disk when the server starts: as which replica the node goes on, and how its counters get into the table.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::manager;
use super::serve::ServeError;
use crate::base::{Durability, Incarnation, NodeId, ReplicaId, ReplicaIndex};
use crate::command::PersistenceFigures;
use crate::counter::Table;
use crate::node::{NodeRecord, Start};
use crate::replication::NumberSet;
use crate::storage::{DataDirectory, LoadProgress, Opened, Standing, StorageError, Store};

/// Numbers of the own sequence that are reserved at a time.
const RESERVED_AT_ONCE: u64 = 1 << 20;
/// How often INFO is told how far loading has come, and every how many times the log is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
const LOGGED_EVERY: u32 = 10;

/// What the disk says of how the node is to start.
pub(super) struct Beginning {
    /// What the node begins with.
    pub(super) start: Start,
    /// As which it counts, if it does not go on as the replica it was.
    pub(super) incarnation: Incarnation,
    /// Numbers up to this one are reserved when the store is handed over.
    pub(super) reserved: u64,
    store: Store,
    /// About how many counters there are.
    counters: u64,
    /// What is written before the node counts.
    run: Run,
}

/// How the run begins on disk.
struct Run {
    record: NodeRecord,
    durability: Durability,
    standing: Standing,
}

/// What was loaded.
pub(super) struct Loaded {
    pub(super) store: Store,
    pub(super) counters: u64,
    pub(super) took: Duration,
}

impl Beginning {
    /// Opens the store and finds out how the node stands to what it once said. Writes nothing but a new store where there
    /// is none, and takes a new incarnation where the node cannot go on as the replica it was.
    pub(super) fn find(directory: &DataDirectory, node: NodeId, durability: Durability) -> Result<Self, StorageError> {
        let begin = Instant::now();
        let (store, opened) = Store::open(directory.path(), node)?;
        tracing::debug!(milliseconds = begin.elapsed().as_millis() as u64, ?opened.standing, "the store is open");
        let counters = opened.counters;
        let is_stale = is_stale(&opened);
        let incarnation = match &opened.previous {
            Some(previous) if !is_stale => previous.own.incarnation,
            Some(previous) => directory.next_incarnation_above(previous.own.incarnation)?,
            None => directory.next_incarnation()?,
        };
        // A node that writes only when it is told to begins a new replica after each crash, and reserves nothing.
        let block = if durability == Durability::Memory { 0 } else { RESERVED_AT_ONCE };
        let (start, record, standing) = match opened.previous {
            // What there was is lost: what the members have is taken over before anybody is served.
            None if is_stale => {
                let lost = NodeRecord { own: ReplicaId { node, incarnation: Incarnation(0) }, ..NodeRecord::default() };
                (Start::Stale(lost.clone()), lost, Standing { whole: false, stale: true })
            }
            None => {
                let record = first_record(ReplicaId { node, incarnation }, block);
                (Start::Fresh, record, Standing { whole: true, stale: false })
            }
            Some(previous) if is_stale => {
                (Start::Stale(previous.clone()), previous, Standing { whole: false, stale: true })
            }
            Some(previous) => {
                let record = NodeRecord { reserved: previous.reserved.saturating_add(block), ..previous.clone() };
                let is_whole = opened.standing.whole;
                let start = if is_whole { Start::Whole(previous) } else { Start::Rejoining(previous) };
                (start, record, opened.standing)
            }
        };
        // A stale node's new replica gets its numbers with the first record that names it.
        let reserved = if is_stale { 0 } else { record.reserved };
        let run = Run { record, durability, standing };
        Ok(Self { start, incarnation, reserved, store, counters, run })
    }

    /// How many counters there are to load, about.
    pub(super) fn counters(&self) -> u64 {
        self.counters
    }

    /// What is on disk and what is done about it, for the log.
    pub(super) fn words(&self) -> String {
        let how = match &self.start {
            Start::Fresh => return "there are no counters on disk".to_owned(),
            Start::Whole(_) => "all that it ever told is here, and it goes on as it was unless a member has heard more",
            Start::Rejoining(_) => "others may have heard more of it, so they are asked before it serves",
            Start::Stale(_) => "what is here may be old, so a member's state is taken over before it serves",
        };
        format!("about {} counters are on disk and are loaded; {how}", self.counters)
    }

    /// Loads all counters into the table, from threads of its own, and then notes on disk that a run has begun. A server
    /// that ends before that leaves the disk as it was. The receiver is closed without a word if that thread panics.
    pub(super) fn load(
        self,
        table: Arc<Table>,
        progress: Arc<LoadProgress>,
    ) -> Result<oneshot::Receiver<Result<Loaded, StorageError>>, ServeError> {
        let (result, loaded) = oneshot::channel();
        let load = move || {
            // Nobody waits any more if the server is stopping.
            let _ = result.send(self.load_now(&table, &progress));
        };
        let spawned = std::thread::Builder::new().name("discnt-load".to_owned()).spawn(load);
        spawned.map_err(|error| ServeError::System { what: "a thread", error })?;
        Ok(loaded)
    }

    fn load_now(self, table: &Table, progress: &LoadProgress) -> Result<Loaded, StorageError> {
        let Self { mut store, run, start, .. } = self;
        let begin = Instant::now();
        let counters = match &start {
            Start::Fresh => 0,
            Start::Whole(record) | Start::Rejoining(record) | Start::Stale(record) => {
                let kept_by = record.index_of(record.own).unwrap_or(ReplicaIndex(u32::MAX));
                let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
                store.load(threads, progress, |name, counter| table.restore(name, counter, kept_by))?
            }
        };
        store.begin_run(&run.record, run.durability, run.standing)?;
        Ok(Loaded { store, counters, took: begin.elapsed() })
    }
}

/// What a node that never counted begins its store with.
fn first_record(own: ReplicaId, reserved: u64) -> NodeRecord {
    NodeRecord { own, replicas: vec![(own, NumberSet::default())], reserved, ..NodeRecord::default() }
}

/// What is on disk may be older than what the node acknowledged to others. In memory mode nothing that is said is
/// written down first.
fn is_stale(opened: &Opened) -> bool {
    opened.standing.stale || (!opened.clean && opened.mode_was == Durability::Memory)
}

/// Tells how far loading has come, for ever: INFO and clients all the time, the service manager soon and then, as the log,
/// each second.
pub(super) async fn tell_progress(progress: &LoadProgress, figures: &PersistenceFigures) {
    let begin = Instant::now();
    for turn in 1_u32.. {
        tokio::time::sleep(PROGRESS_INTERVAL).await;
        let loaded = progress.loaded.load(Ordering::Relaxed);
        let total = progress.total.load(Ordering::Relaxed).max(loaded);
        figures.counters_loaded.store(loaded, Ordering::Relaxed);
        figures.counters_to_load.store(total, Ordering::Relaxed);
        let is_logged = turn % LOGGED_EVERY == 0;
        if is_logged || turn == 1 {
            let text = progress_text(loaded, total, begin.elapsed());
            if is_logged {
                tell(&text);
            } else {
                manager::tell_status(&text);
            }
        }
    }
}

/// Tells that what is on disk is being checked, each second and for ever: how far that has come nobody knows.
pub(super) async fn tell_checking(bytes: u64, tell: impl Fn(&str)) {
    let mebibytes = bytes.div_ceil(1 << 20);
    for seconds in 1_u64.. {
        tokio::time::sleep(PROGRESS_INTERVAL * LOGGED_EVERY).await;
        tell(&format!("checking {mebibytes} MiB on disk before counters are loaded from it, for {seconds} s so far"));
    }
}

/// Says how far a start is, to the service manager and in the log.
pub(super) fn tell(text: &str) {
    manager::tell_status(text);
    tracing::info!("{text}");
}

/// One line on how far loading has come.
fn progress_text(loaded: u64, total: u64, elapsed: Duration) -> String {
    let rate = loaded as f64 / elapsed.as_secs_f64().max(0.001);
    let percent = if total == 0 { 0.0 } else { loaded as f64 * 100.0 / total as f64 };
    let left = if rate > 0.0 { (total - loaded) as f64 / rate } else { 0.0 };
    format!("loading counters: {loaded} of about {total} ({percent:.0}%), {rate:.0} a second, {left:.0} s left")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::DataDirectory;

    fn node(number: u8) -> NodeId {
        NodeId::new([number; 20])
    }

    fn find(path: &std::path::Path, durability: Durability) -> Beginning {
        let directory = DataDirectory::open(path).expect("a data directory");
        Beginning::find(&directory, node(7), durability).expect("a store")
    }

    /// Begins a run and ends it without a word.
    fn crash(path: &std::path::Path, durability: Durability) {
        let Beginning { mut store, run, .. } = find(path, durability);
        store.begin_run(&run.record, run.durability, run.standing).expect("written");
    }

    #[test]
    fn a_first_start_takes_an_incarnation_and_reserves_numbers() {
        let path = tempfile::tempdir().expect("a directory");
        let begun = find(path.path(), Durability::EverySecond);
        assert_eq!((begun.start, begun.incarnation), (Start::Fresh, Incarnation(1)));
        assert_eq!((begun.reserved, begun.run.record.reserved), (RESERVED_AT_ONCE, RESERVED_AT_ONCE));
        assert_eq!(begun.run.record.index_of(begun.run.record.own), Some(ReplicaIndex(0)));
    }

    #[test]
    fn a_node_that_told_nobody_anything_goes_on_with_numbers_above_those_it_had() {
        let path = tempfile::tempdir().expect("a directory");
        crash(path.path(), Durability::EverySecond);
        crash(path.path(), Durability::Always);
        let begun = find(path.path(), Durability::EverySecond);
        let Start::Whole(record) = &begun.start else { panic!("{:?}", begun.start) };
        assert_eq!((record.own.incarnation, record.reserved), (Incarnation(1), 2 * RESERVED_AT_ONCE));
        assert_eq!((begun.incarnation, begun.reserved), (Incarnation(1), 3 * RESERVED_AT_ONCE));
    }

    #[test]
    fn after_a_crash_in_memory_mode_what_is_on_disk_is_old() {
        let path = tempfile::tempdir().expect("a directory");
        crash(path.path(), Durability::Memory);
        let begun = find(path.path(), Durability::Memory);
        assert!(matches!(begun.start, Start::Stale(_)), "{:?}", begun.start);
        assert_eq!((begun.incarnation, begun.reserved), (Incarnation(2), 0));
        assert_eq!(begun.run.standing, Standing { whole: false, stale: true });
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_takes_long_is_told_of_each_second() {
        let told = std::cell::RefCell::new(Vec::new());
        let telling = tell_checking(3 << 20, |text| told.borrow_mut().push(text.to_owned()));
        let timeout = tokio::time::timeout(Duration::from_millis(2500), telling).await;
        assert!(timeout.is_err(), "it goes on for ever");
        let text =
            |seconds| format!("checking 3 MiB on disk before counters are loaded from it, for {seconds} s so far");
        assert_eq!(*told.borrow(), [text(1), text(2)]);
    }

    #[test]
    fn progress_is_told_with_rate_and_time_left() {
        let text = progress_text(250_000, 1_000_000, Duration::from_millis(500));
        assert_eq!(text, "loading counters: 250000 of about 1000000 (25%), 500000 a second, 2 s left");
        assert!(progress_text(0, 0, Duration::ZERO).contains("0 of about 0 (0%)"));
    }
}
