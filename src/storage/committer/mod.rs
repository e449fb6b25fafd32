//! The committer: it owns the store and brings what changed in the table onto disk, a cycle at a time.
//!
//! Many who wait share one cycle: what comes while one is written belongs to the next, which begins when that one has ended and
//! those it served have come again, or might have ([`gathering`]). While the disk is quick, whoever waits writes the cycle on
//! its own thread ([`here`]). Nothing that changed is ever forgotten: what could not be written is taken from the table again.

mod closing;
mod cycle;
mod figures;
mod gathering;
mod here;
mod renewing;
mod rereading;

pub use figures::CommitFigures;
pub use rereading::RereadError;

use super::error::StorageError;
use super::store::{Standing, Store};
use crate::base::{Durability, Monotonic};
use crate::counter::Table;
use crate::replication::NodeRecord;
use cycle::Cycles;
use gathering::Gathering;
use parking_lot::{Condvar, Mutex};
use renewing::Renewing;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often what changed is written though nobody asks: twice as often as `everysec` promises.
const INTERVAL: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A stop waits for a disk that fails as many times.
const ATTEMPTS_AT_STOP: u32 = 3;

/// Names in a record what the table has by now.
pub type Complete = Box<dyn Fn(&Arc<NodeRecord>) -> Arc<NodeRecord> + Send>;

/// Told of a cycle, and the record that went with it.
pub type Committed = Box<dyn FnMut(u64, &Arc<NodeRecord>) + Send>;

/// Told of a failure, or of the end of one.
pub type Failing = Box<dyn FnMut(Option<&StorageError>) + Send>;

/// What a committer works with.
pub struct CommitterSettings {
    /// When cycles are due.
    pub durability: Durability,
    /// What is written.
    pub table: Arc<Table>,
    /// The node's record as last published. It is read before the table is drained: it must claim no more than the table
    /// holds by then.
    pub record: Box<dyn Fn() -> Arc<NodeRecord> + Send>,
    /// The same record with all replicas that the table has by now, and nothing held of those it did not name. Counters
    /// refer to replicas by their places in it.
    pub complete: Complete,
    /// The node's clock.
    pub now: Box<dyn Fn() -> Monotonic + Send>,
    /// Told of every cycle, and the record that went with it, once both are on disk.
    pub committed: Committed,
    /// Told of the last cycle that is on disk, and of a record that is not: numbers up to the one that it reserves may be used
    /// all the same, as no start goes on with what is on disk.
    pub reserved: Committed,
    /// Told of the first failure in a row, and with `None` of the success that ends it.
    pub failing: Failing,
}

/// The thread that commits. Dropping this leaves it running: see [`Self::close_clean`] and [`Self::abandon`].
pub struct Committer {
    commits: Commits,
    thread: JoinHandle<Result<(), StorageError>>,
}

/// For asking for commits and waiting for them.
#[derive(Clone)]
pub struct Commits {
    shared: Arc<Shared>,
}

struct Shared {
    control: Mutex<Control>,
    changed: Condvar,
    outcome: watch::Sender<Outcome>,
    table: Arc<Table>,
    figures: CommitFigures,
    /// Whoever has this writes a cycle. None when the committer has ended.
    cycles: Mutex<Option<Cycles>>,
}

/// What the thread is told.
#[derive(Default)]
struct Control {
    /// Somebody waits for this cycle.
    wanted: u64,
    gathering: Gathering,
    standing: Option<Standing>,
    durability: Durability,
    new_durability: Option<Durability>,
    /// Who waits does not write before this.
    thread_until: Option<Instant>,
    /// They want to know whether what is on disk is what is in memory.
    readers: Vec<rereading::Reader>,
    stop: Option<Stop>,
    /// Somebody saves: a damaged store is written anew now.
    is_pressing: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Clean,
    Abandon,
}

/// On whose thread a cycle is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Committers,
    Waiters,
}

/// How far the cycles are.
#[derive(Clone, Default)]
struct Outcome {
    durable: u64,
    failed: u64,
    error: Arc<str>,
    stopped: bool,
}

/// Why something was not committed: it is in memory, and will be tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not on disk: {0}")]
pub struct CommitError(pub String);

impl Committer {
    /// Starts the thread. The store has begun its run.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(store: Store, settings: CommitterSettings) -> io::Result<Self> {
        let CommitterSettings { durability, table, record, complete, now, committed, reserved, failing } = settings;
        let shared = Arc::new(Shared {
            control: Mutex::new(Control { durability, ..Control::default() }),
            changed: Condvar::new(),
            outcome: watch::Sender::new(Outcome::default()),
            table: Arc::clone(&table),
            figures: CommitFigures::default(),
            cycles: Mutex::new(Some(Cycles {
                store,
                table,
                record,
                complete,
                now,
                committed,
                reserved,
                failing,
                last: None,
                unfinished: false,
                renewing: Renewing::default(),
                is_closing: false,
                reserved_at_end: 0,
            })),
        });
        let commits = Commits { shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new().name("committer".into()).spawn(move || run(&shared))?;
        Ok(Self { commits, thread })
    }

    /// The handle.
    pub fn commits(&self) -> Commits {
        self.commits.clone()
    }

    /// Writes all that there is, notes that the stop is clean, and ends the thread. Blocks.
    ///
    /// # Errors
    /// [`StorageError`]; the stop is not a clean one.
    pub fn close_clean(self) -> Result<(), StorageError> {
        self.stop(Stop::Clean)
    }

    /// Ends the thread without writing anything more. The stop is not a clean one. Blocks.
    pub fn abandon(self) {
        // Abandoning does not fail.
        let _ = self.stop(Stop::Abandon);
    }

    fn stop(self, how: Stop) -> Result<(), StorageError> {
        self.commits.shared.tell(|control| control.stop = Some(how));
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Commits {
    /// Asks for a cycle with everything until now.
    pub fn request(&self) {
        self.request_ticket(self.ticket());
    }

    /// The number of the cycle that has everything until now.
    pub fn ticket(&self) -> u64 {
        self.shared.table.commits().ticket()
    }

    /// Waits until a ticket's cycle is on disk, and asks for it. Goes on waiting while the disk fails; for ever when the
    /// committer stops before it is.
    pub async fn committed(&self, ticket: u64) {
        if self.shared.table.commits().is_durable(ticket) {
            return;
        }
        self.await_ticket(ticket);
        let mut outcome = self.shared.outcome.subscribe();
        if outcome.wait_for(|outcome| outcome.durable >= ticket).await.is_err() {
            std::future::pending().await
        }
    }

    /// Brings everything until now onto disk.
    ///
    /// # Errors
    /// [`CommitError`] when the first try fails.
    pub async fn save(&self) -> Result<(), CommitError> {
        let mut outcome = self.shared.outcome.subscribe();
        // Whichever cycle has the ticket is pressed, then.
        self.shared.tell(|control| control.is_pressing = true);
        let ticket = self.shared.table.commits().ticket();
        self.request_ticket(ticket);
        let decided = |outcome: &Outcome| outcome.durable >= ticket || outcome.failed >= ticket || outcome.stopped;
        let stopped = || CommitError("the server is stopping".into());
        let outcome = outcome.wait_for(decided).await.map_err(|_| stopped())?;
        match outcome.durable >= ticket {
            true => Ok(()),
            false if outcome.failed >= ticket => Err(CommitError(outcome.error.to_string())),
            false => Err(stopped()),
        }
    }

    /// How the node stands to what it once said has changed. It is written with a cycle that begins after this.
    pub fn set_standing(&self, standing: Standing) {
        self.shared.tell(|control| control.standing = Some(standing));
        self.request();
    }

    /// When cycles are due from now on.
    pub fn set_durability(&self, durability: Durability) {
        self.shared.tell(|control| control.new_durability = Some(durability));
        self.request();
    }

    /// Figures of this run.
    pub fn figures(&self) -> &CommitFigures {
        &self.shared.figures
    }

    /// As [`Self::request_ticket`], for somebody who goes on only then.
    fn await_ticket(&self, ticket: u64) {
        let mut control = self.shared.control.lock();
        let was_wanted = !self.shared.table.commits().is_durable(control.wanted);
        control.wanted = control.wanted.max(ticket);
        // The thread is waiting for the last one who was expected, if it is waiting and not writing.
        if control.gathering.come(ticket, Instant::now()) || !was_wanted {
            drop(control);
            self.shared.changed.notify_one();
        }
    }

    fn request_ticket(&self, ticket: u64) {
        self.shared.tell(|control| control.wanted = control.wanted.max(ticket));
    }
}

impl Shared {
    fn tell(&self, change: impl FnOnce(&mut Control)) {
        change(&mut self.control.lock());
        self.changed.notify_one();
    }

    /// Waits until a cycle is due.
    fn wait(&self, last: Instant) -> Option<Stop> {
        let mut control = self.control.lock();
        control.gathering.end(last.elapsed());
        loop {
            let durability = control.durability;
            let is_due = durability != Durability::Memory && last.elapsed() >= INTERVAL;
            let is_wanted = !self.table.commits().is_durable(control.wanted);
            if control.stop.is_some() || is_due {
                return control.stop;
            }
            if is_wanted {
                match control.gathering.until() {
                    Some(until) if Instant::now() < until => {
                        self.changed.wait_until(&mut control, until);
                        continue;
                    }
                    _ => return None,
                }
            }
            match durability {
                Durability::Always | Durability::EverySecond => {
                    self.changed.wait_for(&mut control, INTERVAL.saturating_sub(last.elapsed()));
                }
                Durability::Memory => self.changed.wait(&mut control),
            }
        }
    }

    /// Waits after a failure, unless there is a stop.
    fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut control = self.control.lock();
        while control.stop.is_none() && !self.changed.wait_until(&mut control, until).timed_out() {}
    }
}

impl Shared {
    /// Runs the next cycle. Answers whether all that had changed when it began is on disk.
    fn commit(&self, cycles: &mut Cycles, whose: Whose) -> Result<bool, StorageError> {
        let (cycle, told, readers);
        {
            let mut control = self.control.lock();
            cycle = self.table.commits().begin();
            control.gathering.begin(cycle);
            told = (control.standing.take(), control.new_durability.take());
            control.durability = told.1.unwrap_or(control.durability);
            readers = if whose == Whose::Committers { std::mem::take(&mut control.readers) } else { Vec::new() };
            if std::mem::take(&mut control.is_pressing) {
                cycles.renewing.hurry();
            }
        }
        cycles.take_in(told);
        let written = cycles.run(self, cycle, whose);
        cycles.answer(readers, &written);
        if written.is_ok() && cycles.store.damage().is_some() {
            // It was found in reading.
            return cycles.run(self, self.table.commits().begin(), whose);
        }
        written
    }
}

fn run(shared: &Shared) -> Result<(), StorageError> {
    let mut pause = FIRST_PAUSE;
    let mut last = Instant::now();
    let stop = loop {
        if let Some(stop) = shared.wait(last) {
            break stop;
        }
        last = Instant::now();
        let written = match &mut *shared.cycles.lock() {
            Some(cycles) => shared.commit(cycles, Whose::Committers),
            None => break Stop::Abandon,
        };
        match written {
            Ok(is_complete) => {
                pause = FIRST_PAUSE;
                if !is_complete {
                    shared.pause(FIRST_PAUSE);
                }
            }
            Err(_) => {
                shared.pause(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    };
    // Nobody writes from now on.
    let cycles = shared.cycles.lock().take();
    let result = match cycles {
        Some(cycles) if stop == Stop::Clean => cycles.close(shared),
        _ => Ok(()),
    };
    shared.control.lock().readers.clear();
    shared.outcome.send_modify(|outcome| outcome.stopped = true);
    result
}
