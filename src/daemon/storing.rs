//! The store as the server's threads share it: sessions ask for commits, the driver starts and ends them, the main
//! thread loads, watches and tells.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::beginning::{Beginning, tell, tell_checking, tell_progress};
use super::node_thread::NodeThread;
use super::report::CountersLoaded;
use super::serve::ServeError;
use crate::base::NodeId;
use crate::command::{CommandsConfig, LatencyEvent, Observation, PersistenceFigures, Stage};
use crate::counter::Agreement;
use crate::driver::{Clock, DiskParts};
use crate::listener::{Disk, DiskFuture};
use crate::storage::{Commits, Config, DataDirectory, LoadProgress, Store};

/// How often figures are brought up to date, and every how many times the size on disk is.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
const SIZE_EVERY: u32 = 10;
/// How often it is looked whether the node serves, while it starts.
const START_INTERVAL: Duration = Duration::from_millis(5);

/// The store, from the main thread.
pub(super) struct Storing {
    figures: Arc<PersistenceFigures>,
    observation: Arc<Observation>,
    commits: Arc<OnceLock<Commits>>,
    abandon: Arc<AtomicBool>,
    hand_over: Mutex<Option<oneshot::Sender<Store>>>,
    directory: PathBuf,
}

impl Storing {
    /// The store of a node that is about to be made, and what its driver needs of it.
    pub(super) fn new(config: &Config, commands: &CommandsConfig, directory: &Path) -> (Self, DiskParts) {
        let figures = Arc::new(PersistenceFigures::new(config.durability, config.max_unsynced()));
        figures.set_stage(Stage::Loading);
        let (hand_over, loaded) = oneshot::channel();
        let (commits, abandon) = (Arc::default(), Arc::default());
        let parts = DiskParts {
            loaded,
            durability: config.durability,
            persistence: Arc::clone(&figures),
            commits: Arc::clone(&commits),
            abandon: Arc::clone(&abandon),
        };
        let (observation, hand_over) = (Arc::new(Observation::new(commands)), Mutex::new(Some(hand_over)));
        (Self { figures, observation, commits, abandon, hand_over, directory: directory.to_owned() }, parts)
    }

    /// What sessions see.
    pub(super) fn figures(&self) -> Arc<PersistenceFigures> {
        Arc::clone(&self.figures)
    }

    /// What is noted of requests, and of commits that take long.
    pub(super) fn observation(&self) -> Arc<Observation> {
        Arc::clone(&self.observation)
    }

    /// What sessions ask.
    pub(super) fn session_disk(&self, clock: Clock) -> SessionDisk {
        SessionDisk { commits: Arc::clone(&self.commits), figures: self.figures(), clock }
    }

    /// A node that writes only when it is told to is not to write at its end.
    pub(super) fn abandon(&self) {
        self.abandon.store(true, Ordering::Relaxed);
    }

    /// Opens the store, on a thread of its own, as it is read through.
    pub(super) async fn open(
        &self,
        directory: Arc<DataDirectory>,
        node: NodeId,
        clock: Clock,
    ) -> Result<Beginning, ServeError> {
        self.figures.loading_since_millis.store(clock.moment().wall.0, Ordering::Relaxed);
        let (result, opened) = oneshot::channel();
        let durability = self.figures.durability();
        let open = move || {
            // Nobody waits any more if the server is stopping.
            let _ = result.send(Beginning::find(&directory, node, durability));
        };
        let spawned = std::thread::Builder::new().name("discnt-open".to_owned()).spawn(open);
        spawned.map_err(|error| ServeError::System { what: "a thread", error })?;
        let bytes = bytes_below(&self.directory);
        let opened = tokio::select! {
            opened = opened => opened.map_err(|_| ServeError::LoadThread)?,
            () = tell_checking(bytes, tell) => return Err(ServeError::LoadThread),
        };
        let beginning = opened?;
        self.figures.counters_to_load.store(beginning.counters(), Ordering::Relaxed);
        Ok(beginning)
    }

    /// Loads all counters and hands the store to the driver.
    pub(super) async fn load(&self, beginning: Beginning, node: &NodeThread) -> Result<CountersLoaded, ServeError> {
        let figures = self.figures();
        let progress = Arc::new(LoadProgress::default());
        let loading = beginning.load(Arc::clone(&node.table), Arc::clone(&progress))?;
        let loaded = tokio::select! {
            loaded = loading => loaded.map_err(|_| ServeError::LoadThread)??,
            () = tell_progress(&progress, &figures) => return Err(ServeError::LoadThread),
        };
        figures.counters_loaded.store(loaded.counters, Ordering::Relaxed);
        figures.counters_to_load.store(loaded.counters, Ordering::Relaxed);
        if let Some(hand_over) = self.hand_over.lock().take() {
            // A driver that is gone is found out by whoever waits for it to serve.
            let _ = hand_over.send(loaded.store);
        }
        let loaded = CountersLoaded { counters: loaded.counters, took: loaded.took };
        // As in Redis, what was loaded counts as saved now.
        figures.set_last_save(node.clock.moment().wall);
        tracing::info!("counters: {loaded}");
        Ok(loaded)
    }

    /// Completes when the node serves.
    pub(super) async fn serves(&self) {
        while self.figures.stage() != Stage::Serving {
            tokio::time::sleep(START_INTERVAL).await;
        }
    }

    /// Keeps the figures up to date, for ever.
    pub(super) async fn watch(&self, clock: Clock) {
        let (mut measuring, mut is_refusing) = (None, false);
        for turn in 0_u32.. {
            if let Some(commits) = self.commits.get() {
                let written = commits.figures();
                for (from, to) in [
                    (&written.cycles, &self.figures.commits),
                    (&written.records, &self.figures.counters_written),
                    (&written.last_commit_micros, &self.figures.last_commit_micros),
                    (&written.commit_micros, &self.figures.commit_micros),
                    (&written.renewals, &self.figures.renewals.done),
                ]
                .into_iter()
                .chain(written.commit_times.iter().zip(&self.figures.commit_times))
                {
                    to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
                }
                self.figures.renewals.running.store(written.renewing.load(Ordering::Relaxed), Ordering::Relaxed);
                self.figures.renewals.set_damage(written.damage());
                let longest = written.longest_commit_micros.swap(0, Ordering::Relaxed);
                self.observation.latency.note(
                    LatencyEvent::DiskCommit,
                    longest.saturating_mul(1000),
                    clock.moment().wall,
                );
            }
            is_refusing = self.refuse_if_due(clock, is_refusing);
            if turn % SIZE_EVERY == 0 && measuring.as_ref().is_none_or(JoinHandle::is_finished) {
                measuring = self.measure();
            }
            tokio::time::sleep(WATCH_INTERVAL).await;
        }
    }

    /// Refuses changes, or says that they are taken again. Answers whether they are refused.
    fn refuse_if_due(&self, clock: Clock, was_refusing: bool) -> bool {
        let now = clock.monotonic();
        self.figures.refuse_if_due(now);
        let is_refusing = self.figures.refuses_changes();
        match (was_refusing, is_refusing) {
            (false, true) => {
                let seconds = self.figures.pending_for(now).unwrap_or_default().as_secs();
                tracing::error!("changes are refused: what was to be written {seconds} s ago is not on disk");
            }
            (true, false) => tracing::info!("changes are taken again: what was to be written is on disk"),
            _ => {}
        }
        is_refusing
    }

    /// Finds out the size on disk, on a thread of its own: a disk that does not answer is not to keep the watch from telling.
    fn measure(&self) -> Option<JoinHandle<()>> {
        let (figures, directory) = (self.figures(), self.directory.clone());
        let measure = move || figures.store_bytes.store(bytes_below(&directory), Ordering::Relaxed);
        std::thread::Builder::new().name("discnt-size".to_owned()).spawn(measure).ok()
    }
}

/// What all files below a directory take; what cannot be read counts nothing.
fn bytes_below(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

/// The store, from a session.
pub(super) struct SessionDisk {
    commits: Arc<OnceLock<Commits>>,
    figures: Arc<PersistenceFigures>,
    clock: Clock,
}

impl Disk for SessionDisk {
    fn committed(&self, ticket: u64) -> DiskFuture<'_, ()> {
        Box::pin(async move {
            match self.commits.get() {
                Some(commits) => commits.committed(ticket).await,
                // Before there are commits no request passes that would ask for one.
                None => std::future::pending().await,
            }
        })
    }

    fn commit_here(&self, ticket: u64) -> bool {
        self.commits.get().is_some_and(|commits| commits.commit_here(ticket))
    }

    fn save(&self) -> DiskFuture<'_, Result<(), String>> {
        let commits = self.commits.get().cloned();
        Box::pin(save(commits, Arc::clone(&self.figures), self.clock))
    }

    fn reload(&self) -> DiskFuture<'_, Result<(), String>> {
        let commits = self.commits.get().cloned();
        Box::pin(async move {
            save(commits.clone(), Arc::clone(&self.figures), self.clock).await?;
            // Without commits nothing was saved.
            match commits {
                Some(commits) => read_again(&commits).await,
                None => Ok(()),
            }
        })
    }

    fn begin_save(&self) {
        // Seen in INFO as soon as it is answered.
        self.figures.save_began();
        tokio::spawn(save(self.commits.get().cloned(), Arc::clone(&self.figures), self.clock));
    }
}

async fn save(commits: Option<Commits>, figures: Arc<PersistenceFigures>, clock: Clock) -> Result<(), String> {
    let Some(commits) = commits else { return Err("the node is still starting; nothing was written".to_owned()) };
    figures.save_began();
    let saved = commits.save().await.map_err(|error| error.to_string());
    figures.save_ended(saved.is_ok(), clock.moment().wall);
    if let Err(error) = &saved {
        tracing::error!("a save came to nothing: {error}");
    }
    saved
}

/// Holds what is on disk against what is in memory, and says in the log how that went.
async fn read_again(commits: &Commits) -> Result<(), String> {
    let begin = Instant::now();
    match commits.read_again().await {
        Ok(Agreement { same, changed }) => {
            let seconds = begin.elapsed().as_secs_f64();
            tracing::info!(
                "read back what is on disk in {seconds:.1} s: {same} counters are as in memory, {changed} changed meanwhile"
            );
            Ok(())
        }
        Err(error) => {
            tracing::error!("{error}");
            Err(error.to_string())
        }
    }
}
