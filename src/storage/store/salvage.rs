//! What can still be read of a damaged store, from every table and journal that there is, whatever the rest is like.

use super::check::{self, COUNTERS_TREE, NODE_TREE, batch_mark, journal, tables::TableFile};
use super::mark::Mark;
use super::redo::{self, Record, Segment};
use super::sealed::unseal;
use super::writers::Writers;
use super::{MARK_KEY, RECORD_KEY, StorageError};
use crate::base::Incarnation;
use crate::replication::NodeRecord;
use crate::storage::checked_file::io_error;
use crate::wire::decode_node_record;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128;

/// Blocks of one table that cannot be read, until it is given up.
const MOST_BAD_BLOCKS: usize = 10_000;
const CACHE_BYTES: u64 = 1 << 20;
/// Places of one journal that are named, if it is damaged in more.
const MOST_NAMED: usize = 5;

/// What the node's part of a store says, as far as it can be read.
#[derive(Debug, Default)]
pub(super) struct NodeState {
    pub(super) mark: Option<Mark>,
    /// The newest mark that the engine has.
    pub(super) in_engine: Option<InEngine>,
    pub(super) record: Option<NodeRecord>,
    /// As which replica the node counted when.
    pub(super) writers: Writers,
}

/// What the engine says of the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct InEngine {
    mark: Mark,
    /// The engine's number of it.
    number: u64,
    /// Everything that could tell a newer one can be read.
    is_whole: bool,
}

/// A record of the log.
struct Logged<'a> {
    segment: &'a Segment,
    record: Record,
    /// When it was written, in the engine's numbers: what the engine had then has at most this.
    number: u64,
    /// What the engine has with no higher number is older.
    rank: u64,
}

impl<'a> Logged<'a> {
    /// None when it does not say when it was written.
    fn new(segment: &'a Segment, record: Record) -> Option<Self> {
        let mark = record.mark(&segment.bytes, &segment.path)?.ok()?;
        let number = mark.first_number.saturating_sub(1);
        Some(Self { segment, record, number, rank: number })
    }

    fn mark(&self) -> Option<Mark> {
        self.record.mark(&self.segment.bytes, &self.segment.path)?.ok()
    }

    fn node(&self) -> Option<NodeRecord> {
        decode_node_record(self.record.node(&self.segment.bytes)?).ok()
    }
}

/// Reads one tree of a store, item by item.
pub(super) struct Salvage<'a> {
    store: &'a Path,
    /// What could not be read.
    pub(super) losses: Vec<String>,
}

impl<'a> Salvage<'a> {
    pub(super) fn new(store: &'a Path) -> Self {
        Self { store, losses: Vec::new() }
    }

    /// The newest of what the node's part says. Of the records, the one with most replicas: the list only ever grows.
    pub(super) fn node_state(&mut self) -> Result<NodeState, StorageError> {
        let (mut mark, mut record, mut writers) = (None, None, Writers::default());
        let mut newer = None;
        let path = self.store.to_owned();
        self.read_tree(NODE_TREE, |key, number, value| {
            let Some(bytes) = value.and_then(|value| unseal(key, value)) else { return Ok(()) };
            match key {
                MARK_KEY => match Mark::decode(bytes, &path) {
                    Ok(found) => {
                        writers.note_mark(&found, number);
                        keep_newest(&mut mark, number, found);
                    }
                    // Not what an older program may take apart.
                    Err(error @ StorageError::Newer { .. }) => newer = Some(error),
                    Err(_) => {}
                },
                RECORD_KEY => {
                    if let Ok(found) = decode_node_record(bytes) {
                        writers.note(found.own, number, number);
                        keep_newest(&mut record, (found.replicas.len(), number), found);
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        if let Some(newer) = newer {
            return Err(newer);
        }
        let in_engine = mark.map(|(number, mark)| InEngine { mark, number, is_whole: self.losses.is_empty() });
        self.read_log(in_engine.as_ref(), |log| {
            for one in log {
                if let Some(found) = one.mark() {
                    writers.note_mark(&found, one.number);
                    keep_newest(&mut mark, one.rank, found);
                }
                if let Some(found) = one.node() {
                    writers.note(found.own, one.number, one.number);
                    keep_newest(&mut record, (found.replicas.len(), one.rank), found);
                }
            }
            Ok(())
        })?;
        if let (Some((_, Mark { incarnation: Incarnation(0), .. })), Some(((_, number), record))) = (&mark, &record) {
            // Marks did not always say it: then what is older than the record is taken for that replica's.
            writers.note(record.own, 0, *number);
        }
        Ok(NodeState { mark: mark.map(|(_, mark)| mark), in_engine, record: record.map(|(_, record)| record), writers })
    }

    /// Shows every counter's newest record that can be read, sealed, with its number; none for one that was removed. What is
    /// read of a key before something newer is shown, too. `engine` is what it says of the store.
    pub(super) fn counters(
        &mut self,
        engine: Option<&InEngine>,
        mut visit: impl FnMut(&[u8], u64, Option<&[u8]>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        // The newest number of each key, by a hash of it.
        let mut seen = HashMap::new();
        let mut sealed = Vec::new();
        // Before the engine: of what has the same number, this is newer.
        self.read_log(engine, |log| {
            for one in log.iter().rev() {
                let items: Vec<_> = one.record.items(&one.segment.bytes).collect();
                for item in items.iter().rev() {
                    // The log itself has an order that does not depend on the engine's numbers.
                    if let Entry::Vacant(entry) = seen.entry(xxh3_128(item.name)) {
                        entry.insert(one.rank);
                        visit(item.name, one.number, item.sealed(&mut sealed))?;
                    }
                }
            }
            Ok(())
        })?;
        self.read_tree(
            COUNTERS_TREE,
            |key, number, value| {
                if is_news(&mut seen, key, number) { visit(key, number, value) } else { Ok(()) }
            },
        )
    }

    /// Shows all of the log that the engine had not when it said this last, the oldest first.
    fn read_log(
        &mut self,
        engine: Option<&InEngine>,
        visit: impl FnOnce(&[Logged<'_>]) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let Some(store) = engine.map(|engine| engine.mark.store).or_else(|| redo::store_of(self.store)) else {
            return Ok(());
        };
        let known = engine.map_or(0, |engine| engine.mark.commit);
        let mut segments = Vec::new();
        for path in redo::paths(self.store) {
            match Segment::read(path.clone(), store) {
                Ok(segment) => segments.extend(segment),
                Err(error) => self.lose_as(error.place_and_cause()),
            }
        }
        let mut log = Vec::new();
        for segment in &segments {
            let (records, lost) = segment.everything(store, known);
            self.lose_ranges(&segment.path, &lost);
            log.extend(records.into_iter().filter_map(|record| Logged::new(segment, record)));
        }
        log.sort_by_key(|one| one.record.commit());
        // All of it came after the engine's newest mark. Where that, or a part of the log, may be lost, the engine's tables can
        // have something newer yet, as the numbers tell.
        let follows = |last: u64, one: &Logged<'_>| (one.record.previous() == last).then(|| one.record.commit());
        let is_unbroken = log.iter().try_fold(known, follows).is_some();
        let always_newer = is_unbroken || engine.is_some_and(|engine| engine.is_whole);
        let least = if always_newer { u64::MAX } else { engine.map_or(0, |engine| engine.number) };
        log.iter_mut().for_each(|one| one.rank = one.rank.max(least));
        visit(&log)
    }

    fn read_tree(
        &mut self,
        tree: u64,
        mut visit: impl FnMut(&[u8], u64, Option<&[u8]>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        for table in self.tables(tree) {
            self.read_table(&table, &mut visit)?;
        }
        let journals = fs::read_dir(self.store).map_err(io_error("read the directory", self.store))?;
        let mut journals: Vec<_> = journals.filter_map(|entry| Some(entry.ok()?.path())).collect();
        journals.retain(|path| path.extension().is_some_and(|extension| extension == "jnl"));
        if journals.is_empty() {
            self.lose(self.store, "its journal is missing");
        }
        // The newest first: what is older is then passed over. The order is only for speed.
        journals.sort();
        for path in journals.iter().rev() {
            self.read_journal(path, tree, &mut visit)?;
        }
        Ok(())
    }

    /// The tables of the tree's list; where that cannot be read, every file that may be one.
    fn tables(&mut self, tree: u64) -> Vec<TableFile> {
        let path = check::tree_path(self.store, tree);
        match check::tables::list(&path) {
            Ok(tables) => return tables,
            Err(error) => self.lose_as(error.place_and_cause()),
        }
        let folder = path.join("tables");
        let files = fs::read_dir(&folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        files.map(|path| TableFile { path, checksum: 0, first_number: 0 }).collect()
    }

    fn read_table(
        &mut self,
        table: &TableFile,
        visit: &mut impl FnMut(&[u8], u64, Option<&[u8]>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let cache = Arc::new(lsm_tree::Cache::with_capacity_bytes(CACHE_BYTES));
        let checksum = lsm_tree::Checksum::from_raw(table.checksum);
        let open = lsm_tree::Table::recover;
        let opened = open(table.path.clone(), checksum, table.first_number, 0, cache, None, false, true);
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.lose(&table.path, &format!("{error:?}"));
                return Ok(());
            }
        };
        let mut bad = 0;
        // Each block has a checksum, which is compared as it is read.
        for item in opened.iter() {
            match item {
                Ok(item) => {
                    let value = (!item.key.is_tombstone()).then_some(&*item.value);
                    visit(&item.key.user_key, item.key.seqno, value)?;
                }
                Err(_) if bad == MOST_BAD_BLOCKS => break,
                Err(_) => bad += 1,
            }
        }
        if bad > 0 {
            self.lose(&table.path, &format!("{bad} of its blocks cannot be read"));
        }
        Ok(())
    }

    fn read_journal(
        &mut self,
        path: &Path,
        tree: u64,
        visit: &mut impl FnMut(&[u8], u64, Option<&[u8]>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let bytes = match check::read_written(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.lose(path, &error.to_string());
                return Ok(());
            }
        };
        let (mut result, mut unmarked) = (Ok(()), Vec::new());
        let skipped = journal::salvage(&bytes, |batch| {
            // Nothing vouches for the number of a batch but its mark. All batches before it had lower numbers than this.
            let number = match batch_mark(&bytes, batch, path) {
                Ok((mark, _)) => mark.first_number,
                Err(error @ StorageError::Newer { .. }) => {
                    result = std::mem::replace(&mut result, Ok(())).and(Err(error));
                    return;
                }
                Err(error) => return unmarked.push(error.place_and_cause()),
            };
            for item in batch.items.iter().filter(|item| item.keyspace == tree) {
                if result.is_ok() {
                    let value = item.value.clone().map(|value| &bytes[value]);
                    result = visit(&bytes[item.key.clone()], number, value);
                }
            }
        });
        unmarked.into_iter().for_each(|what| self.lose_as(what));
        self.lose_ranges(path, &skipped);
        result
    }

    fn lose_ranges(&mut self, path: &Path, ranges: &[Range<usize>]) {
        for range in ranges.iter().take(MOST_NAMED) {
            self.lose(
                path,
                &format!("{} bytes from byte {} on hold nothing that can be read", range.len(), range.start),
            );
        }
        if let Some(more) = ranges.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
            self.lose(path, &format!("{more} more places hold nothing that can be read"));
        }
    }

    fn lose(&mut self, path: &Path, what: &str) {
        self.lose_as(format!("{}: {what}", path.display()));
    }

    /// Everything is read once for each tree, and said once.
    fn lose_as(&mut self, loss: String) {
        if !self.losses.contains(&loss) {
            self.losses.push(loss);
        }
    }
}

/// Whether this is newer than all that was seen of a key. What was read of a key twice is shown once.
fn is_news(seen: &mut HashMap<u128, u64>, key: &[u8], number: u64) -> bool {
    match seen.entry(xxh3_128(key)) {
        Entry::Vacant(entry) => {
            entry.insert(number);
            true
        }
        Entry::Occupied(mut entry) if *entry.get() < number => {
            entry.insert(number);
            true
        }
        Entry::Occupied(_) => false,
    }
}

fn keep_newest<O: Ord, T>(newest: &mut Option<(O, T)>, order: O, found: T) {
    if newest.as_ref().is_none_or(|(known, _)| *known <= order) {
        *newest = Some((order, found));
    }
}
