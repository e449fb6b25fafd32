//! A table with a committer over a store in a directory.

use crate::history::{NODE, WHOLE, load};
use discnt::base::{Amount, Durability, HybridTime, Incarnation, Monotonic, Name, ReplicaId, ReplicaIndex};
use discnt::counter::{Config, Precision, Table, TableSettings};
use discnt::replication::{NodeRecord, NumberSet};
use discnt::storage::{Commits, Committer, CommitterSettings, Opened, Store};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longer than anything here takes, however busy the machine is.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Numbers that do not run out.
const MANY: u64 = 1 << 20;

pub(crate) struct Running {
    pub(crate) table: Arc<Table>,
    pub(crate) committer: Committer,
    pub(crate) commits: Commits,
    /// What the committer said: cycles and the number reserved in the record of each.
    pub(crate) told: Arc<Mutex<Vec<(u64, u64)>>>,
    /// The number that the next records say is reserved.
    pub(crate) reserved: Arc<AtomicU64>,
    /// Nobody hears of it any more.
    pub(crate) is_gone: Arc<AtomicBool>,
    /// How often it began to fail, and how often it was well again.
    pub(crate) failures: Arc<Mutex<Vec<bool>>>,
    begun: Instant,
}

fn replica() -> ReplicaId {
    ReplicaId { node: NODE, incarnation: Incarnation(1) }
}

fn record(reserved: u64) -> NodeRecord {
    NodeRecord {
        own: replica(),
        replicas: vec![(replica(), NumberSet::default())],
        reserved,
        has_told: false,
        time: HybridTime(1),
        parted: Vec::new(),
    }
}

fn table() -> Table {
    Table::new(TableSettings {
        config: Config { default_precision: Precision::default(), ..Config::default() },
        lease: Duration::from_secs(3),
        replica: replica(),
        replica_index: ReplicaIndex(0),
        hash_seeds: [1, 2, 3, 4],
        wake: Box::new(|| {}),
    })
}

impl Running {
    /// Opens the store and starts with what is in it.
    pub(crate) fn start(directory: &Path, durability: Durability) -> (Self, Opened) {
        Self::start_with(directory, durability, MANY)
    }

    /// As [`Self::start`]; so many numbers are reserved at a time, and as a node does, as many more are wanted with each
    /// record as those before them may be drawn.
    pub(crate) fn start_with(directory: &Path, durability: Durability, numbers: u64) -> (Self, Opened) {
        let (mut store, opened) = Store::open(directory, NODE).expect("the store opens");
        let table = Arc::new(table());
        let reserved = opened.previous.as_ref().map_or(0, |record| record.reserved);
        let limit = reserved + numbers;
        store.begin_run(&record(limit), durability, WHOLE).expect("a run begins");
        for (name, counter) in load(&mut store).expect("all of it is right") {
            table.restore(Name::new(&name).expect("a name"), counter, ReplicaIndex(0));
        }
        table.go_on_after(reserved, limit);
        let begun = Instant::now();
        let (told, failures) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let reserved = Arc::new(AtomicU64::new(limit));
        let published = Arc::clone(&reserved);
        let (tell, fail) = (Arc::clone(&told), Arc::clone(&failures));
        let is_gone = Arc::new(AtomicBool::new(false));
        let (wanted, drawn, said_its_last) = (Arc::clone(&reserved), Arc::clone(&table), Arc::clone(&is_gone));
        let take_in = move |record: &NodeRecord| {
            if numbers < MANY && !said_its_last.load(Ordering::SeqCst) {
                drawn.set_number_limit(record.reserved);
                wanted.store(record.reserved + numbers, Ordering::SeqCst);
            }
        };
        let hear = take_in.clone();
        let settings = CommitterSettings {
            durability,
            table: Arc::clone(&table),
            record: Box::new(move || Arc::new(record(published.load(Ordering::SeqCst)))),
            complete: Box::new(Arc::clone),
            now: Box::new(move || now(begun)),
            committed: Box::new(move |cycle, record| {
                tell.lock().expect("no panic").push((cycle, record.reserved));
                take_in(record);
            }),
            reserved: Box::new(move |_, record| hear(record)),
            failing: Box::new(move |error| fail.lock().expect("no panic").push(error.is_some())),
        };
        let committer = Committer::start(store, settings).expect("a thread");
        let commits = committer.commits();
        (Self { table, committer, commits, told, reserved, is_gone, failures, begun }, opened)
    }

    pub(crate) fn increment(&self, name: &str) {
        let name = Name::new(name.as_bytes()).expect("a name");
        self.table.increment(name, Amount::ONE, now(self.begun)).expect("within the range");
    }

    pub(crate) fn values(&self) -> BTreeMap<Vec<u8>, Amount> {
        let (mut names, mut cursor) = (Vec::new(), 0);
        loop {
            cursor = self.table.scan(cursor, 1000, &mut |name| names.push(name.to_vec()));
            if cursor == 0 {
                break;
            }
        }
        let now = now(self.begun);
        let value = |name: Vec<u8>| {
            let value = self.table.read(Name::new(&name).expect("a name"), now)?;
            Some((name, value))
        };
        names.into_iter().filter_map(value).collect()
    }
}

fn now(begun: Instant) -> Monotonic {
    Monotonic::from_nanos(begun.elapsed().as_nanos() as u64 + 1)
}

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < DEADLINE, "still not: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs a future to its end, within the deadline.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(DEADLINE, future).await.expect("in time") })
}
