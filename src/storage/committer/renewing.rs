//! Damage that is found while the node runs: the store is written anew from memory, which holds all that it held.
//!
//! Until that is done nothing is said to be on disk. Where it fails, what was written for it is removed again, and the
//! next attempt waits for some times as long as the last one took, unless somebody saves or stops the server. A disk that
//! damages everything is not filled with what is set aside: after some times in one run the next attempt is that of the stop.
//!
//! A counter that has moved cannot be written without a number, and the node draws no number that it has not reserved on
//! disk. The damaged store cannot say that any more are reserved, so no start may ever go on with it: then they can be drawn.

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
/// However large the store is, changes are not refused for longer than they must be.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// As often in one run. Each leaves a damaged store that somebody may want to look at.
const MOST_RENEWALS: u32 = 8;

/// What came of the attempts so far.
#[derive(Default)]
pub(super) struct Renewing {
    not_before: Option<Instant>,
    done: u32,
    /// The damage that the log tells of, until it is mended.
    told: Option<String>,
    /// Why the last one failed.
    cause: String,
}

impl Renewing {
    /// The next attempt does not wait.
    pub(super) fn hurry(&mut self) {
        self.not_before = None;
    }

    /// The next attempt is of the few at the stop, after which there is no memory that holds anything.
    pub(super) fn begin_last(&mut self) {
        self.hurry();
        self.done = self.done.min(MOST_RENEWALS - 1);
    }

    /// What is told of a store that is damaged.
    pub(super) fn failure(&self, damage: &str) -> StorageError {
        StorageError::NotWrittenAnew { damage: damage.to_owned(), cause: self.cause.clone() }
    }

    /// Whether the log does not tell of this damage yet.
    fn is_news(&mut self, damage: &str) -> bool {
        let is_news = self.told.as_deref() != Some(damage);
        self.told = Some(damage.to_owned());
        is_news
    }

    /// Whether there is to be an attempt now.
    fn is_due(&mut self, now: Instant) -> bool {
        if self.done >= MOST_RENEWALS {
            self.cause = format!(
                "that was done {MOST_RENEWALS} times since the start, and files are damaged again; find out what damages \
                 them, then start the server again: until it stops nothing is written any more"
            );
            return false;
        }
        self.not_before.is_none_or(|due| now >= due)
    }

    /// An attempt has ended at `now` and took so long.
    fn pause(&mut self, now: Instant, took: Duration) {
        self.not_before = Some(now + took.saturating_mul(PAUSES).clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
    }

    /// From here on a damaged store may stay set aside, whatever comes of the attempt.
    fn sets_aside(&mut self) {
        self.done += 1;
    }

    /// The store is a new one.
    fn succeeded(&mut self) {
        self.told = None;
        "that was done a moment ago, and is tried again soon".clone_into(&mut self.cause);
    }
}

impl Cycles {
    /// Writes everything into a new store and sets the damaged one aside, if an attempt is due.
    pub(super) fn renew(&mut self, figures: &CommitFigures, record: &Arc<NodeRecord>) -> Result<Written, StorageError> {
        let damage = self.store.damage().unwrap_or_default().to_owned();
        let begun = Instant::now();
        figures.note_damage(&damage);
        if self.renewing.is_news(&damage) {
            tracing::error!(
                "{damage}: damaged on disk, and whole in memory, from which the store is to be written anew"
            );
        }
        if !self.renewing.is_due(begun) {
            return Err(self.renewing.failure(&damage));
        }
        figures.renewing.store(true, Ordering::Relaxed);
        let renewed = self.try_renew(record);
        figures.renewing.store(false, Ordering::Relaxed);
        let took = begun.elapsed();
        self.renewing.pause(Instant::now(), took);
        match renewed {
            Ok((written, aside)) => {
                figures.renewals.fetch_add(1, Ordering::Relaxed);
                self.renewing.succeeded();
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
                self.renewing.cause = match error {
                    StorageError::LacksNumbers => self.have_numbers_reserved(record).unwrap_or(error).to_string(),
                    error => error.to_string(),
                };
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
            Ok(written) => {
                self.renewing.sets_aside();
                Ok((written, self.store.replace_by(fresh)?))
            }
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
        if self.table.take_passed_over() {
            return Err(StorageError::LacksNumbers);
        }
        // Meanwhile the own shares may have become those of a replica that the record does not name.
        self.table.counts_as(record.own).then_some(written).ok_or(StorageError::OtherReplica)
    }

    /// Lets the node draw the numbers that it wants reserved, though its record cannot be written. Answers why not.
    fn have_numbers_reserved(&mut self, record: &Arc<NodeRecord>) -> Option<StorageError> {
        // It claims no more than what was on disk when all of that was whole.
        let on_disk = self.store.record().filter(|on_disk| on_disk.own.node == record.own.node)?;
        let has_told = on_disk.has_told && on_disk.own == record.own;
        let reserving = NodeRecord { own: record.own, reserved: record.reserved, has_told, ..on_disk.clone() };
        if let Err(error) = self.store.give_up() {
            return Some(error);
        }
        self.use_reserved(&reserving);
        (self.reserved)(self.table.commits().durable(), &Arc::new(reserving));
        // There is only another attempt to wait for.
        self.renewing.pause(Instant::now(), Duration::ZERO);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_waits_for_a_while_and_not_for_long() {
        let (mut renewing, now) = (Renewing::default(), Instant::now());
        assert!(renewing.is_due(now));
        for (took, pause) in [(0, 1), (1, 10), (2, 20), (4, 30), (400, 30)] {
            renewing.pause(now, Duration::from_secs(took));
            assert!(!renewing.is_due(now + Duration::from_secs(pause) - Duration::from_millis(1)), "{took} s");
            assert!(renewing.is_due(now + Duration::from_secs(pause)), "{took} s");
        }
        renewing.hurry();
        assert!(renewing.is_due(now));
    }

    #[test]
    fn the_same_damage_is_told_once_and_again_after_it_was_mended() {
        let mut renewing = Renewing::default();
        assert_eq!(["a", "a", "b", "b"].map(|damage| renewing.is_news(damage)), [true, false, true, false]);
        renewing.succeeded();
        assert_eq!(["b", "b"].map(|damage| renewing.is_news(damage)), [true, false]);
    }

    #[test]
    fn there_is_an_end_to_it_in_one_run_also_for_whoever_saves() {
        let mut renewing = Renewing::default();
        for _ in 0..MOST_RENEWALS {
            renewing.hurry();
            assert!(renewing.is_due(Instant::now()));
            renewing.sets_aside();
        }
        renewing.hurry();
        assert!(!renewing.is_due(Instant::now()));
        assert!(renewing.failure("redo-0: gone").to_string().contains("8 times"));
        renewing.begin_last();
        assert!(renewing.is_due(Instant::now()), "nothing else has what is in memory");
    }
}
