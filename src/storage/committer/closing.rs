//! The end of a clean stop: all that there is onto disk, though the node, which reserves numbers, has said its last.

use super::cycle::Cycles;
use super::{ATTEMPTS_AT_STOP, FIRST_PAUSE, Shared, Whose};
use crate::replication::NodeRecord;
use crate::storage::StorageError;
use std::sync::Arc;

/// More numbers than the table leaves unused at its limit.
const UNUSED: u64 = 1 << 13;

impl Cycles {
    /// The last cycles of a clean stop.
    pub(super) fn close(mut self, shared: &Shared) -> Result<(), StorageError> {
        self.is_closing = true;
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS_AT_STOP {
            if self.try_close(shared).is_ok() {
                return Ok(());
            }
            std::thread::sleep(pause);
            pause *= 2;
        }
        self.try_close(shared)
    }

    fn try_close(&mut self, shared: &Shared) -> Result<(), StorageError> {
        self.renewing.begin_last();
        if !self.run(shared, self.table.commits().begin(), Whose::Committers)? {
            return Err(StorageError::LacksNumbers);
        }
        self.store.close_clean()
    }

    /// The record as last published. At the end it reserves, where they may lack, a number for every counter.
    pub(super) fn published(&mut self) -> Arc<NodeRecord> {
        let record = (self.record)();
        if !self.is_closing || !self.table.counts_as(record.own) {
            return record;
        }
        let is_enough = self.table.numbers_left() >= self.table.unsaved().saturating_add(UNUSED);
        if self.store.damage().is_some() || !is_enough {
            let enough = self.table.last_number().saturating_add(self.table.len()).saturating_add(UNUSED);
            self.reserved_at_end = self.reserved_at_end.max(enough);
        }
        if record.reserved >= self.reserved_at_end {
            return record;
        }
        Arc::new(NodeRecord { reserved: self.reserved_at_end, ..(*record).clone() })
    }

    /// What a record reserves may be used. The node says so to the table, as long as it runs.
    pub(super) fn use_reserved(&self, record: &NodeRecord) {
        if self.is_closing && self.table.counts_as(record.own) {
            self.table.set_number_limit(record.reserved);
        }
    }
}
