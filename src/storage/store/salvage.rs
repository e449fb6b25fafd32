//! What can still be read of a damaged store, from every table and journal that there is, whatever the rest is like.

use super::check::{self, COUNTERS_TREE, NODE_TREE, journal, tables::TableFile};
use super::mark::Mark;
use super::sealed::unseal;
use super::{MARK_KEY, RECORD_KEY, StorageError};
use crate::replication::NodeRecord;
use crate::storage::checked_file::io_error;
use crate::wire::decode_node_record;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128;

/// Blocks of one table that cannot be read, until it is given up.
const MOST_BAD_BLOCKS: usize = 10_000;
const CACHE_BYTES: u64 = 1 << 20;

/// What the node's part of a store says, as far as it can be read.
#[derive(Debug, Default)]
pub(super) struct NodeState {
    pub(super) mark: Option<Mark>,
    pub(super) record: Option<NodeRecord>,
}

/// Reads one tree of a store, item by item. Of one key, only what is newer than what came before is shown.
pub(super) struct Salvage<'a> {
    store: &'a Path,
    /// The newest number of each key, by a hash of it.
    seen: HashMap<u128, u64>,
    /// What could not be read.
    pub(super) losses: Vec<String>,
}

impl<'a> Salvage<'a> {
    pub(super) fn new(store: &'a Path) -> Self {
        Self { store, seen: HashMap::new(), losses: Vec::new() }
    }

    /// The newest of what the node's part says. Of the records, the one with most replicas: the list only ever grows.
    pub(super) fn node_state(&mut self) -> Result<NodeState, StorageError> {
        let mut state = NodeState::default();
        let mut newer = None;
        let path = self.store.to_owned();
        self.read_tree(NODE_TREE, |key, value| {
            let Some(bytes) = value.and_then(|value| unseal(key, value)) else { return Ok(()) };
            match key {
                MARK_KEY => match Mark::decode(bytes, &path) {
                    Ok(mark) => state.mark = Some(mark),
                    // Not what an older program may take apart.
                    Err(error @ StorageError::Newer { .. }) => newer = Some(error),
                    Err(_) => {}
                },
                RECORD_KEY => {
                    let known = state.record.as_ref().map_or(0, |record| record.replicas.len());
                    state.record = match decode_node_record(bytes) {
                        Ok(record) if record.replicas.len() >= known => Some(record),
                        _ => state.record.take(),
                    };
                }
                _ => {}
            }
            Ok(())
        })?;
        newer.map_or(Ok(state), Err)
    }

    /// Shows every counter's newest record that can be read, sealed; none for one that was removed.
    pub(super) fn counters(
        &mut self,
        visit: impl FnMut(&[u8], Option<&[u8]>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.read_tree(COUNTERS_TREE, visit)
    }

    fn read_tree(
        &mut self,
        tree: u64,
        mut visit: impl FnMut(&[u8], Option<&[u8]>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.seen.clear();
        for table in self.tables(tree) {
            self.read_table(&table, &mut visit)?;
        }
        let journals = fs::read_dir(self.store).map_err(io_error("read the directory", self.store))?;
        let mut journals: Vec<_> = journals.filter_map(|entry| Some(entry.ok()?.path())).collect();
        journals.retain(|path| path.extension().is_some_and(|extension| extension == "jnl"));
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
            Err(error) => self.lose(&path, &error.to_string()),
        }
        let folder = path.join("tables");
        let files = fs::read_dir(&folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        files.map(|path| TableFile { path, checksum: 0, first_number: 0 }).collect()
    }

    fn read_table(
        &mut self,
        table: &TableFile,
        visit: &mut impl FnMut(&[u8], Option<&[u8]>) -> Result<(), StorageError>,
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
                Ok(item) if self.is_news(&item.key.user_key, item.key.seqno) => {
                    let value = (!item.key.is_tombstone()).then_some(&*item.value);
                    visit(&item.key.user_key, value)?;
                }
                Ok(_) => {}
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
        path: &PathBuf,
        tree: u64,
        visit: &mut impl FnMut(&[u8], Option<&[u8]>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.lose(path, &error.to_string());
                return Ok(());
            }
        };
        let mut result = Ok(());
        journal::salvage(&bytes, |batch| {
            for item in batch.items.iter().filter(|item| item.keyspace == tree) {
                let key = &bytes[item.key.clone()];
                if result.is_ok() && self.is_news(key, batch.number) {
                    result = visit(key, item.value.clone().map(|value| &bytes[value]));
                }
            }
        });
        result
    }

    /// Whether this is newer than all that was seen of a key. What was read of a key twice is shown once.
    fn is_news(&mut self, key: &[u8], number: u64) -> bool {
        match self.seen.entry(xxh3_128(key)) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(number);
                true
            }
            std::collections::hash_map::Entry::Occupied(mut entry) if *entry.get() < number => {
                entry.insert(number);
                true
            }
            std::collections::hash_map::Entry::Occupied(_) => false,
        }
    }

    fn lose(&mut self, path: &Path, what: &str) {
        self.losses.push(format!("{}: {what}", path.display()));
    }
}
