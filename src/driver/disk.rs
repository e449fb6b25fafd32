//! The store beside the running node: it is written from when the node serves until it has said goodbye.
//!
//! Before that, what is in the table is neither what was kept nor what will be.

use super::clock::Clock;
use crate::base::{Durability, Monotonic};
use crate::command::{PersistenceFigures, Stage};
use crate::counter::Table;
use crate::node::{ClusterState, NodeRecord, Phase};
use crate::storage::{Commits, Committer, CommitterSettings, Standing, StorageError, Store};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// What the driver needs to write counters.
pub struct DiskParts {
    /// The store, once all that it held is in the table. Closed without it, nothing is ever written.
    pub loaded: oneshot::Receiver<Store>,
    /// When cycles are due.
    pub durability: Durability,
    /// What is told of them.
    pub persistence: Arc<PersistenceFigures>,
    /// Filled when commits can be had.
    pub commits: Arc<OnceLock<Commits>>,
    /// A node that writes only when it is told to is not to write at its end.
    pub abandon: Arc<AtomicBool>,
}

/// What is on disk in the end.
#[derive(Debug)]
pub enum LastCommit {
    /// Everything.
    Written,
    /// What was there before: the node had not begun to serve, or nothing was to be written.
    Left,
    /// What was committed before, as the last commit failed.
    Failed(StorageError),
}

/// While nobody at the node waits for a cycle, it hears of them not more often than this: it takes what it hears some work.
const PAUSE: Duration = Duration::from_millis(10);

/// A cycle that is on disk, with the node's record in it.
type Finished = Option<(u64, Arc<NodeRecord>)>;

/// What happened to the store.
pub(super) enum FromDisk {
    /// All that was kept is in the table.
    Loaded,
    /// A cycle is on disk.
    Committed {
        /// Its number.
        cycle: u64,
        /// What was written beside the counters.
        record: Arc<NodeRecord>,
    },
}

/// The store as the driver sees it.
pub(super) struct Disk {
    parts: Option<DiskParts>,
    store: Option<Store>,
    committer: Option<Committer>,
    is_loading: bool,
    finished: (watch::Sender<Finished>, watch::Receiver<Finished>),
    /// What the node has heard of last.
    heard: Finished,
    /// The last cycle that the node waits for.
    awaited: Arc<AtomicU64>,
    is_wanted: bool,
}

impl Disk {
    pub(super) fn new(parts: Option<DiskParts>) -> Self {
        Self {
            parts,
            store: None,
            committer: None,
            is_loading: true,
            finished: watch::channel(None),
            heard: None,
            awaited: Arc::default(),
            is_wanted: false,
        }
    }

    /// Completes with the next thing that happens; what was not waited for to its end is not lost.
    pub(super) async fn next(&mut self) -> FromDisk {
        let Some(parts) = &mut self.parts else { return std::future::pending().await };
        if self.is_loading {
            // Dropped, the server stops.
            let Ok(store) = (&mut parts.loaded).await else { return std::future::pending().await };
            (self.is_loading, self.store) = (false, Some(store));
            return FromDisk::Loaded;
        }
        loop {
            // The sender is kept beside it.
            let _ = self.finished.1.changed().await;
            if let Some((cycle, record)) = self.take_committed() {
                return FromDisk::Committed { cycle, record };
            }
        }
    }

    /// The last cycle on disk, if it was not taken yet.
    pub(super) fn take_committed(&mut self) -> Finished {
        let finished = self.finished.1.borrow_and_update();
        let (cycle, record) = finished.as_ref()?;
        if self.heard.as_ref().is_some_and(|heard| heard.0 == *cycle && Arc::ptr_eq(&heard.1, record)) {
            return None;
        }
        self.heard = finished.clone();
        self.heard.clone()
    }

    /// Whether anything is ever on disk.
    pub(super) fn is_kept(&self) -> bool {
        self.parts.is_some()
    }

    /// Asks for a cycle; where there can be none yet, the first one will do.
    pub(super) fn request(&mut self) {
        match &self.committer {
            Some(committer) => {
                let commits = committer.commits();
                // First, as the cycle may be over in no time.
                self.awaited.fetch_max(commits.ticket(), Ordering::SeqCst);
                commits.request();
            }
            None => self.is_wanted = true,
        }
    }

    /// Lets requests pass as far as the node has come, and begins to commit when it serves.
    pub(super) fn follow(&mut self, state: &Arc<ClusterState>, table: &Arc<Table>, clock: Clock) {
        let Some(parts) = &self.parts else { return };
        let phase = state.phase();
        if phase == Phase::Serving
            && let Some(store) = self.store.take()
        {
            self.start(store, state, table, clock);
            return self.follow(state, table, clock);
        }
        let stage = match phase {
            Phase::Loading => Stage::Loading,
            Phase::Rejoining => Stage::Rejoining,
            // Not before changes can be written.
            Phase::Serving if parts.commits.get().is_none() => Stage::Loading,
            Phase::Serving => Stage::Serving,
        };
        if parts.persistence.stage() != stage {
            parts.persistence.set_stage(stage);
        }
    }

    fn start(&mut self, mut store: Store, state: &Arc<ClusterState>, table: &Arc<Table>, clock: Clock) {
        let Some(parts) = &self.parts else { return };
        // Whoever serves has all that its replica told anybody. Of whom it is in doubt is in its record.
        store.set_standing(Standing { whole: true, stale: false });
        let [beginning, figures, telling] = [(); 3].map(|()| Arc::clone(&parts.persistence));
        let mut news = News::new(self.finished.0.clone(), Arc::clone(&self.awaited));
        let reserved = self.finished.0.clone();
        let (state, completing) = (Arc::clone(state), Arc::clone(state));
        let settings = CommitterSettings {
            durability: parts.durability,
            table: Arc::clone(table),
            record: Box::new(move || {
                // Read first in every cycle.
                beginning.commit_began(clock.monotonic());
                state.record()
            }),
            complete: Box::new(move |record| completing.complete_record(record)),
            now: Box::new(move || clock.monotonic()),
            committed: Box::new(move |cycle, record| {
                figures.commit_succeeded(clock.moment().wall);
                news.tell(cycle, record);
            }),
            // No commit succeeded, whatever the node may do now.
            reserved: Box::new(move |cycle, record| {
                reserved.send_replace(Some((cycle, Arc::clone(record))));
            }),
            failing: Box::new(move |error| tell_failing(&telling, error, clock.monotonic())),
        };
        match Committer::start(store, settings) {
            Ok(committer) => {
                if std::mem::take(&mut self.is_wanted) {
                    committer.commits().request();
                }
                // Nobody else fills it.
                let _ = parts.commits.set(committer.commits());
                self.committer = Some(committer);
            }
            Err(error) => {
                tracing::error!("the system gives no thread to write with, so nothing can be served: {error}")
            }
        }
    }

    /// The last commit, after the node has said its last. Whoever asked for a commit is answered by it.
    pub(super) async fn close(&mut self) -> LastCommit {
        let (Some(committer), Some(parts)) = (self.committer.take(), &self.parts) else { return LastCommit::Left };
        let abandon = parts.durability == Durability::Memory && parts.abandon.load(Ordering::Relaxed);
        let closing = tokio::task::spawn_blocking(move || {
            if abandon {
                committer.abandon();
                return LastCommit::Left;
            }
            match committer.close_clean() {
                Ok(()) => LastCommit::Written,
                Err(error) => LastCommit::Failed(error),
            }
        });
        closing.await.unwrap_or(LastCommit::Left)
    }
}

/// What the committer tells the node, seen from the committer.
struct News {
    finished: watch::Sender<Finished>,
    awaited: Arc<AtomicU64>,
    last: Option<Instant>,
    last_cycle: u64,
}

impl News {
    fn new(finished: watch::Sender<Finished>, awaited: Arc<AtomicU64>) -> Self {
        Self { finished, awaited, last: None, last_cycle: 0 }
    }

    /// Leaves word of a cycle, and wakes the node if that is due. It looks, too, whenever it does anything.
    fn tell(&mut self, cycle: u64, record: &Arc<NodeRecord>) {
        let is_awaited = self.awaited.load(Ordering::SeqCst) > self.last_cycle;
        let wakes = is_awaited || self.last.is_none_or(|last| last.elapsed() >= PAUSE);
        self.finished.send_if_modified(|finished| {
            *finished = Some((cycle, Arc::clone(record)));
            wakes
        });
        if wakes {
            (self.last, self.last_cycle) = (Some(Instant::now()), cycle);
        }
    }
}

fn tell_failing(figures: &PersistenceFigures, error: Option<&StorageError>, now: Monotonic) {
    match error {
        Some(error) => {
            figures.commits_fail(&error.to_string(), now);
            tracing::error!(
                "counters cannot be written: {error}; they stay in memory, and writing them is tried again"
            );
        }
        None => tracing::info!("counters can be written again, and all that had changed meanwhile is on disk"),
    }
}
