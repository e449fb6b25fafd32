//! One cycle: what changed in the table, and what the node knows, onto disk.

use super::renewing::Renewing;
use super::{Committed, Complete, Failing, Outcome, Shared, Whose};
use crate::base::{Durability, Monotonic};
use crate::counter::Table;
use crate::replication::NodeRecord;
use crate::storage::StorageError;
use crate::storage::store::{Changes, Standing, Store};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Counters are taken from the table so many at a time: clients of a shard wait no longer than that takes.
const TAKE: usize = 512;
/// A commit of more than this is made in several, the node's record with the last.
const BATCH_BYTES: usize = 16 << 20;
/// The clock is read again after so many counters.
const TAKEN_AT_ONE_TIME: usize = 64;

/// What the thread keeps from one cycle to the next.
pub(super) struct Cycles {
    pub(super) store: Store,
    pub(super) table: Arc<Table>,
    pub(super) record: Box<dyn Fn() -> Arc<NodeRecord> + Send>,
    pub(super) complete: Complete,
    pub(super) now: Box<dyn Fn() -> Monotonic + Send>,
    pub(super) committed: Committed,
    pub(super) reserved: Committed,
    pub(super) failing: Failing,
    /// The record that is on disk.
    pub(super) last: Option<Arc<NodeRecord>>,
    /// The last cycle failed before it had taken all that changed.
    pub(super) unfinished: bool,
    pub(super) renewing: Renewing,
    /// Nothing comes from the node any more.
    pub(super) is_closing: bool,
    /// Numbers up to this one are reserved then.
    pub(super) reserved_at_end: u64,
}

/// What a cycle wrote.
pub(super) struct Written {
    pub(super) records: usize,
    bytes: usize,
    record: Arc<NodeRecord>,
}

impl Cycles {
    /// Takes in what the node says of itself.
    pub(super) fn take_in(&mut self, (standing, durability): (Option<Standing>, Option<Durability>)) {
        if let Some(standing) = standing {
            self.store.set_standing(standing);
        }
        if let Some(durability) = durability {
            self.store.set_durability(durability);
        }
        if standing.is_some() || durability.is_some() {
            // The mark is to be written even if nothing else is.
            self.last = None;
        }
    }

    /// Runs a cycle that was begun, and tells everybody how it went. Answers whether all that had changed is on disk.
    pub(super) fn run(&mut self, shared: &Shared, cycle: u64, whose: Whose) -> Result<bool, StorageError> {
        let started = Instant::now();
        // Before the table is drained, so that all it claims to hold is among what is written now or was before.
        let record = self.published();
        shared.figures.writing.store(true, Ordering::Relaxed);
        let mut result = self.write_unless_damaged(&record);
        if self.store.damage().is_some() {
            if whose == Whose::Committers {
                result = self.renew(&shared.figures, &record);
            } else {
                // That takes longer than whoever waits here has time. The committer's thread comes next.
                shared.figures.writing.store(false, Ordering::Relaxed);
                return result.map(|_| false);
            }
        }
        shared.figures.writing.store(false, Ordering::Relaxed);
        match &result {
            Ok(Written { records, bytes, record }) => {
                if shared.figures.succeeded(*records, *bytes, started.elapsed()) {
                    (self.failing)(None);
                }
                self.finish(shared, cycle, record);
            }
            Err(error) => {
                if shared.figures.failed(error.to_string()) {
                    (self.failing)(Some(error));
                }
                let error = error.to_string().into();
                shared.outcome.send_modify(|outcome| *outcome = Outcome { failed: cycle, error, ..outcome.clone() });
            }
        }
        result.map(|_| self.table.commits().is_durable(cycle))
    }

    fn finish(&mut self, shared: &Shared, cycle: u64, record: &Arc<NodeRecord>) {
        self.last = Some(Arc::clone(record));
        // What lacks a number is still in the table. The record may bring numbers; a later cycle then takes the rest.
        if !self.table.take_passed_over() {
            self.table.commits().finish(cycle);
        }
        let durable = self.table.commits().durable();
        self.use_reserved(record);
        (self.committed)(durable, record);
        shared.outcome.send_modify(|outcome| outcome.durable = durable);
    }

    fn write_unless_damaged(&mut self, record: &Arc<NodeRecord>) -> Result<Written, StorageError> {
        match self.store.damage() {
            None => self.write(record),
            Some(damage) => Err(self.renewing.failure(damage)),
        }
    }

    /// Writes what changed and the record, completed.
    pub(super) fn write(&mut self, record: &Arc<NodeRecord>) -> Result<Written, StorageError> {
        let mut changes = Changes::default();
        let mut written = (0, 0);
        let (mut now, mut taken) = ((self.now)(), 0);
        // Own shares are those of the record's own replica: where that changes, it does so for all counters at once.
        let may_split = self.store.record().is_some_and(|on_disk| on_disk.own == record.own);
        // What was left over from a cycle that failed comes first, and only then what changed since.
        let rounds = if self.unfinished { 2 } else { 1 };
        self.unfinished = true;
        for shard in 0..=u8::MAX {
            for _ in 0..rounds {
                if changes.len().abs_diff(taken) >= TAKEN_AT_ONE_TIME {
                    (now, taken) = ((self.now)(), changes.len());
                }
                while self.take(shard, now, &mut changes) {
                    if may_split && changes.bytes() >= BATCH_BYTES {
                        // It claims no more than before, and names what these counters refer to.
                        let named = self.store.record().cloned().map(|record| (self.complete)(&Arc::new(record)));
                        self.commit(&mut changes, named.as_deref(), &mut written)?;
                    }
                }
            }
        }
        self.unfinished = false;
        let record = (self.complete)(record);
        let news = self.last.as_ref().is_none_or(|last| !is_same(last, &record));
        if news || !changes.is_empty() {
            // Most cycles are over before the node has published another.
            let is_on_disk = self.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, &record));
            self.commit(&mut changes, (!is_on_disk).then_some(&record), &mut written)?;
        }
        Ok(Written { records: written.0, bytes: written.1, record })
    }

    fn take(&self, shard: u8, now: Monotonic, changes: &mut Changes) -> bool {
        self.table.take_unsaved(shard, TAKE, now, &mut |name, counter| changes.push(name, counter))
    }

    fn commit(
        &mut self,
        changes: &mut Changes,
        record: Option<&NodeRecord>,
        written: &mut (usize, usize),
    ) -> Result<(), StorageError> {
        let result = self.store.commit(changes, record);
        match &result {
            Ok(()) => *written = (written.0 + changes.len(), written.1 + changes.bytes()),
            Err(_) => changes.names().for_each(|name| self.table.mark_unsaved(name)),
        }
        changes.clear();
        result
    }
}

/// Whether two records say the same but for the time, which goes on by itself.
fn is_same(one: &Arc<NodeRecord>, other: &Arc<NodeRecord>) -> bool {
    let NodeRecord { own, replicas, reserved, has_told, time: _, parted } = &**one;
    Arc::ptr_eq(one, other)
        || (*own, *reserved, *has_told) == (other.own, other.reserved, other.has_told)
            && (replicas, parted) == (&other.replicas, &other.parted)
}
