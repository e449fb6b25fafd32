//! Writing a commit: into the redo log where commits come often, otherwise into the engine.

use super::commits_file::Said;
use super::mark::Mark;
use super::opening::Files;
use super::sealed::seal;
use super::{Changes, MARK_KEY, RECORD_KEY, Store, check};
use crate::base::Incarnation;
use crate::replication::NodeRecord;
use crate::storage::error::StorageError;
use crate::wire::encode_node_record;
use std::time::Instant;

impl Store {
    pub(super) fn write(
        &mut self,
        changes: &mut Changes,
        record: Option<&NodeRecord>,
        mark: Mark,
    ) -> Result<(), StorageError> {
        // Even if this fails, its number is used up: what was written may turn out to be there.
        self.mark.commit += 1;
        // A node that takes a new identity takes its counters along.
        let node = record.map_or(mark.node, |record| record.own.node);
        let mut mark = Mark { commit: self.mark.commit, node, ..mark };
        let written = self.try_write(changes, record, &mut mark);
        if let Err(error) = &written {
            // It may refuse everything from now on, so it is not asked again.
            self.open = None;
            self.note_failure(error);
            return written;
        }
        (self.mark, self.durable) = (mark, mark.commit);
        if let Some(record) = record {
            self.record = Some(record.clone());
        }
        match &mut self.commits {
            Some(commits) => commits.write(Said { store: mark.store, commit: mark.commit }),
            None => Ok(()),
        }
    }

    fn try_write(
        &mut self,
        changes: &mut Changes,
        record: Option<&NodeRecord>,
        mark: &mut Mark,
    ) -> Result<(), StorageError> {
        self.open_again()?;
        let Some(open) = &mut self.open else { return Err(self.not_open()) };
        let before = self.record.as_ref().map(|record| record.own);
        let own = record.map(|record| record.own).or(before);
        mark.incarnation = own.map_or(Incarnation(0), |own| own.incarnation);
        let known = record.map(|record| seal(RECORD_KEY, |out| encode_node_record(record, out)));
        let is_plain = own == before && mark.says_the_same_as(&open.in_engine);
        if self.logs && is_plain && !open.redo.is_too_much(changes.bytes()) {
            mark.first_number = open.engine.next_number();
            let said = seal(MARK_KEY, |out| mark.encode(out));
            return open.redo.append(&open.engine, (self.durable, mark.commit), (&said, known.as_deref()), changes);
        }
        open.redo.drain(&open.engine)?;
        mark.first_number = open.engine.next_number();
        if own != before {
            // All counters with a share of the node are in this batch, too.
            mark.own_since = mark.first_number;
        }
        let said = (MARK_KEY, seal(MARK_KEY, |out| mark.encode(out)));
        let known = known.map(|known| (RECORD_KEY, known));
        let mut sealed = Vec::new();
        let counters = changes.settled();
        open.engine.write(
            |write| counters.iter().for_each(|item| write(item.name, item.sealed(&mut sealed))),
            known.into_iter().chain([said]),
        )?;
        open.in_engine = *mark;
        open.redo.begin_after(mark.commit);
        if !self.logs {
            open.redo.remove()?;
        }
        Ok(())
    }

    /// Opens what failed before.
    fn open_again(&mut self) -> Result<(), StorageError> {
        if self.open.is_some() {
            return Ok(());
        }
        let begun = Instant::now();
        if self.suspicion.is_due(begun) {
            let journals = check::check(&self.path, 1)?;
            self.suspicion.is_allayed(Instant::now(), begun.elapsed());
            journals.cut_torn_end()?;
        } else {
            check::check_journals(&self.path)?.cut_torn_end()?;
        }
        let (mut open, _) = Files::open(&self.path, |found| {
            if found.store != self.mark.store || found.commit < self.durable {
                let what = "what was on disk a moment ago is not there any more".into();
                return Err(StorageError::StoreDamaged { path: self.path.clone(), what });
            }
            Ok(())
        })?;
        self.durable = open.in_engine.commit;
        open.redo.limit(self.redo_bytes);
        self.open = Some(open);
        Ok(())
    }
}
