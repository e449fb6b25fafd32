//! How long a start takes: stores of a million and of ten million counters are made, and loaded into the table by two
//! threads. And how many records a second are committed while fifty wait, each for its own.
//!
//!     cargo bench --bench load [-- COUNTERS ...]
//!
//! Without numbers a million; `-- 10000000` takes a few minutes and about 2 GB of disk and of memory.

#![allow(clippy::print_stdout, reason = "the figures are what this is for")]

use discnt::base::{
    Amount, Durability, HybridTime, Incarnation, Monotonic, Name, NodeId, ReplicaId, ReplicaIndex, Total,
};
use discnt::counter::{Config, Share, StoredCounter, Table, TableSettings};
use discnt::replication::{NodeRecord, NumberSet};
use discnt::storage::{Changes, Committer, CommitterSettings, LoadProgress, Standing, Store};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const COUNTERS: u64 = 1_000_000;
const THREADS: usize = 2;
const BATCH: u64 = 50_000;
const WAITERS: usize = 50;
const MEASURED: Duration = Duration::from_secs(5);
const WHOLE: Standing = Standing { whole: true, stale: false };

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("nothing to test here; measure with: cargo bench --bench load");
        return;
    }
    let mut sizes: Vec<u64> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    if sizes.is_empty() {
        sizes.push(COUNTERS);
    }
    for counters in sizes {
        let ground = tempfile::tempdir().expect("a directory");
        fill(ground.path(), counters);
        for clean in [false, true] {
            load(ground.path(), counters, clean);
        }
    }
    commit();
}

fn node() -> NodeId {
    NodeId::new([7; 20])
}

fn record() -> NodeRecord {
    let replica = |node| ReplicaId { node: NodeId::new([node; 20]), incarnation: Incarnation(3) };
    let replicas = (7..10).map(|node| (replica(node), NumberSet::new(1 << 30, []))).collect();
    NodeRecord {
        own: replica(7),
        replicas,
        reserved: 1 << 20,
        has_told: true,
        time: HybridTime(77),
        parted: Vec::new(),
    }
}

/// As on one node of three that all count.
fn counter(number: u64) -> StoredCounter {
    let share = |revision: u64| Share {
        born: revision / 2 + 1,
        revision: revision + 1,
        total: Total::from_units(Amount::from((revision % 100_000) as i64).units()),
    };
    StoredCounter {
        own: Some(share(number)),
        shares: vec![(ReplicaIndex(1), share(number + 3)), (ReplicaIndex(2), share(number + 5))],
        ..StoredCounter::default()
    }
}

fn fill(directory: &Path, counters: u64) {
    let begun = Instant::now();
    let (mut store, _) = Store::open(directory, node()).expect("a store");
    store.begin_run(&record(), Durability::EverySecond, WHOLE).expect("a run");
    let mut changes = Changes::default();
    // In the order of a hash, as a table hands them over.
    for number in 0..counters {
        let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        changes.push(format!("user:{scattered:010}:{number}").as_bytes(), Some(&counter(number)));
        if number % BATCH == BATCH - 1 {
            store.commit(&mut changes, None).expect("committed");
            changes.clear();
        }
    }
    store.commit(&mut changes, None).expect("committed");
    let took = begun.elapsed().as_secs_f64();
    println!("{counters} counters written in {took:.2} s: {:.0} a second", counters as f64 / took);
}

fn table() -> Table {
    Table::new(TableSettings {
        config: Config::default(),
        lease: Duration::from_secs(3),
        replica: record().own,
        replica_index: ReplicaIndex(0),
        hash_seeds: [1, 2, 3, 4],
        wake: Box::new(|| {}),
    })
}

/// A start, after an unclean stop (what follows the last tables is in the journal) and after a clean one.
fn load(directory: &Path, counters: u64, clean: bool) {
    if clean {
        let (mut store, _) = Store::open(directory, node()).expect("the store");
        store.begin_run(&record(), Durability::EverySecond, WHOLE).expect("a run");
        store.close_clean().expect("closed");
    }
    let (begun, processor) = (Instant::now(), processor_seconds());
    let (mut store, _) = Store::open(directory, node()).expect("the store");
    let opened = begun.elapsed();
    let (table, progress) = (table(), LoadProgress::default());
    let loaded = store
        .load(THREADS, &progress, |name, counter| table.restore(name, counter, ReplicaIndex(0)))
        .expect("all of it is right");
    let took = begun.elapsed();
    assert_eq!((loaded, table.len()), (counters, counters));
    println!(
        "{counters} counters after {} stop: checked and opened in {:.2} s, loaded by {THREADS} threads in {:.2} s more: {:.2} s ({:.2} s of processor time)",
        if clean { "a clean" } else { "an unclean" },
        opened.as_secs_f64(),
        (took - opened).as_secs_f64(),
        took.as_secs_f64(),
        processor_seconds() - processor
    );
}

/// What all threads have used so far: the figure that a busy machine changes least.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").expect("a Linux system");
    let (_, fields) = text.rsplit_once(')').expect("the name is in parentheses");
    // The 14th and the 15th field, in hundredths of a second; the third is the first behind the name.
    fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>() / 100.0
}

/// Fifty increment a counter each and wait until it is on disk, again and again.
fn commit() {
    let ground = tempfile::tempdir().expect("a directory");
    let (mut store, _) = Store::open(ground.path(), node()).expect("a store");
    store.begin_run(&record(), Durability::Always, WHOLE).expect("a run");
    let (table, begun) = (Arc::new(table()), Instant::now());
    let now = move || Monotonic::from_nanos(begun.elapsed().as_nanos() as u64 + 1);
    let known = Arc::new(record());
    let settings = CommitterSettings {
        durability: Durability::Always,
        table: Arc::clone(&table),
        record: Box::new(move || Arc::clone(&known)),
        complete: Box::new(Arc::clone),
        now: Box::new(now),
        committed: Box::new(|_, _| {}),
        reserved: Box::new(|_, _| {}),
        failing: Box::new(|error| assert!(error.is_none(), "{error:?}")),
    };
    let committer = Committer::start(store, settings).expect("a thread");
    let commits = committer.commits();
    let (stop, records) = (AtomicBool::new(false), AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut latencies: Vec<Duration> = Vec::new();
    runtime.block_on(async {
        let waiter = async |number: usize| {
            let (name, mut latencies) = (format!("waiter:{number}"), Vec::new());
            while !stop.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let name = Name::new(name.as_bytes()).expect("a name");
                table.increment(name, Amount::ONE, now()).expect("within the range");
                commits.committed(table.commits().ticket()).await;
                records.fetch_add(1, Ordering::Relaxed);
                latencies.push(asked.elapsed());
            }
            latencies
        };
        let mut waiters: Vec<_> = (0..WAITERS).map(|number| Box::pin(waiter(number))).collect();
        let measure = tokio::time::sleep(MEASURED);
        tokio::pin!(measure);
        std::future::poll_fn(|context| {
            if measure.as_mut().poll(context).is_ready() {
                stop.store(true, Ordering::Relaxed);
            }
            waiters.retain_mut(|waiter| match waiter.as_mut().poll(context) {
                std::task::Poll::Ready(taken) => {
                    latencies.extend(taken);
                    false
                }
                std::task::Poll::Pending => true,
            });
            if waiters.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    });
    let cycles = commits.figures().cycles.load(Ordering::Relaxed);
    committer.close_clean().expect("closed");
    latencies.sort_unstable();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize].as_secs_f64() * 1000.0;
    let records = records.into_inner() as f64;
    println!(
        "{WAITERS} waiting each for its own record: {:.0} records a second, {:.1} a commit; p50 {:.2} ms, p99 {:.2} ms",
        records / MEASURED.as_secs_f64(),
        records / cycles as f64,
        at(0.5),
        at(0.99)
    );
}
