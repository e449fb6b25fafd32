//! Damage that is found while the node runs: the store is written anew from memory, which holds all that it held.
//!
//! Until that is done nothing is said to be on disk. Where it fails, what was written for it is removed again, and the
//! next attempt waits for some times as long as the last one took, unless somebody saves or stops the server.

use super::cycle::{Cycles, Written};
use super::figures::CommitFigures;
use crate::replication::NodeRecord;
use crate::storage::StorageError;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// A disk that is full, or fails, is not kept busy with attempts for more than one part in so many of the time.
const PAUSES: u32 = 10;

/// What came of the attempts so far.
#[derive(Default)]
pub(super) struct Renewing {
    not_before: Option<Instant>,
    /// Why the last one failed.
    cause: String,
}

impl Renewing {
    /// The next attempt does not wait.
    pub(super) fn hurry(&mut self) {
        self.not_before = None;
    }

    /// What is told of a store that is damaged.
    pub(super) fn failure(&self, damage: &str) -> StorageError {
        StorageError::NotWrittenAnew { damage: damage.to_owned(), cause: self.cause.clone() }
    }
}

impl Cycles {
    /// Writes everything into a new store and sets the damaged one aside, if an attempt is due.
    pub(super) fn renew(&mut self, figures: &CommitFigures, record: &Arc<NodeRecord>) -> Result<Written, StorageError> {
        let damage = self.store.damage().unwrap_or_default().to_owned();
        let begun = Instant::now();
        if self.renewing.not_before.is_some_and(|due| begun < due) {
            return Err(self.renewing.failure(&damage));
        }
        if figures.note_damage(&damage) {
            tracing::error!("{damage}: damaged on disk, and whole in memory, from which the store is written anew");
        }
        figures.renewing.store(true, Ordering::Relaxed);
        let renewed = self.try_renew(record);
        figures.renewing.store(false, Ordering::Relaxed);
        let took = begun.elapsed();
        // A disk that damages what was just written is not to be filled with what is set aside.
        self.renewing.not_before = Some(Instant::now() + SHORTEST_PAUSE.max(took * PAUSES));
        match renewed {
            Ok((written, aside)) => {
                figures.renewals.fetch_add(1, Ordering::Relaxed);
                self.renewing.cause = "that was done a moment ago, and is tried again soon".to_owned();
                tracing::warn!(
                    "the store was written anew from memory in {:.1} s, with {} counters; what was damaged is set aside in {}: \
                     find out what damages files there, then delete it",
                    took.as_secs_f64(),
                    written.records,
                    aside.display()
                );
                Ok(written)
            }
            Err(error) => {
                // What was taken from the table is nowhere.
                self.table.mark_all_unsaved();
                self.renewing.cause = error.to_string();
                Err(self.renewing.failure(&damage))
            }
        }
    }

    fn try_renew(&mut self, record: &Arc<NodeRecord>) -> Result<(Written, PathBuf), StorageError> {
        let fresh = self.store.begin_anew(&(self.complete)(record))?;
        let damaged = std::mem::replace(&mut self.store, fresh);
        self.table.mark_all_unsaved();
        // The mark and the record are to be written even if nothing else is.
        self.last = None;
        let written = self.write_all(record);
        let fresh = std::mem::replace(&mut self.store, damaged);
        match written {
            Ok(written) => Ok((written, self.store.replace_by(fresh)?)),
            Err(error) => {
                fresh.discard();
                Err(error)
            }
        }
    }

    /// A counter for which there is no number yet is not whole without one.
    fn write_all(&mut self, record: &Arc<NodeRecord>) -> Result<Written, StorageError> {
        let _ = self.table.take_passed_over();
        let written = self.write(record)?;
        match self.table.take_passed_over() {
            false => Ok(written),
            true => Err(self.store.lacks_numbers()),
        }
    }
}
