//! A backup into an empty data directory.
//!
//! The node that starts with it counts as a new replica and knows that what it has is old: whoever of the cluster is left
//! is asked for all it has. So nothing is counted twice, on the node that the backup is of or on another.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::file::{BACKUP_FILE, BackupError, BackupReader, check_states, joined};
use crate::base::{Durability, Incarnation, NodeId, ReplicaId};
use crate::replication::{NodeRecord, NumberSet};
use crate::storage::checked_file::io_error;
use crate::storage::store::placing::{self, RESTORING};
use crate::storage::store::{COMMITS, Changes, STORE, Standing, Store};
use crate::storage::{DataDirectory, StorageError};
use crate::wire::{decode_stored_counter, take_backup_entry};

/// The most nodes that are named as those to ask.
const MAX_PARTED: usize = 1024;
/// So much is written at a time, in bytes.
const BATCH_BYTES: usize = 16 << 20;

/// Why a backup was not restored. The node has no counters then.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There are counters already.
    #[error("{0} has counters; a backup is restored into a data directory without any: give an empty --data-dir")]
    NotEmpty(PathBuf),
    /// The backup is not whole.
    #[error("the backup {path}: {error}; nothing was restored")]
    Backup {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        error: BackupError,
    },
    /// Its parts do not fit each other.
    #[error("the backup {path}: {what}; nothing was restored: make another one")]
    Unfit {
        /// Its file.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The data directory.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// How many counters, deleted ones of which something is still known included.
    pub counters: u64,
    /// Of which node the backup is.
    pub of: NodeId,
}

/// Restores the backup in the directory `backup` for a node. `now_seconds` is the time since 1970.
///
/// # Errors
/// [`RestoreError`].
pub fn restore(
    directory: &DataDirectory,
    node: NodeId,
    backup: &Path,
    now_seconds: u64,
) -> Result<Restored, RestoreError> {
    let place = directory.path();
    placing::take_back(place)?;
    if [STORE, COMMITS].iter().any(|name| place.join(name).exists()) {
        return Err(RestoreError::NotEmpty(place.to_owned()));
    }
    let path = backup.join(BACKUP_FILE);
    // Once to see that it is whole and to have its records, and once to take its counters.
    let mut record = read(&path, &mut |_| Ok(()))?;
    // What is restored may have been given up by any of them since: whoever of them is met has to be asked for all it has.
    let others: BTreeSet<NodeId> = record.replicas.iter().map(|(replica, _)| replica.node).collect();
    record.parted = others.into_iter().filter(|other| *other != node).take(MAX_PARTED).collect();
    read(&path, &mut |entries| {
        check_states(entries, &record).map_err(|error| unfit(&path, format!("a counter cannot be read: {error}")))
    })?;
    placing::remove(place)?;
    let work = place.join(RESTORING);
    fs::create_dir(&work).map_err(io_error("make", &work))?;
    // Later than any life of this node may have been, also than those after the backup: they are counted from 1, or from
    // the seconds since 1970 of an earlier restoring.
    let incarnation = directory.next_incarnation_above(Incarnation(now_seconds))?;
    let of = record.own;
    record = begun_anew(record, ReplicaId { node, incarnation });
    let counters = fill(&work, of, &path, &record)?;
    placing::place(place)?;
    Ok(Restored { counters, of: of.node })
}

/// The record of a replica that has counted nothing yet, behind all those of the backup.
fn begun_anew(mut record: NodeRecord, own: ReplicaId) -> NodeRecord {
    record.replicas.push((own, NumberSet::default()));
    NodeRecord { own, reserved: 0, has_told: false, ..record }
}

fn unfit(path: &Path, what: String) -> RestoreError {
    RestoreError::Unfit { path: path.to_owned(), what }
}

/// Passes what a frame's reader says on with the file it says it of.
enum Reading {
    Backup(BackupError),
    Restore(RestoreError),
}

impl From<BackupError> for Reading {
    fn from(error: BackupError) -> Self {
        Self::Backup(error)
    }
}

fn read(path: &Path, take: &mut dyn FnMut(&[u8]) -> Result<(), RestoreError>) -> Result<NodeRecord, RestoreError> {
    let backup_error = |error| RestoreError::Backup { path: path.to_owned(), error };
    let file = File::open(path).map_err(|error| backup_error(error.into()))?;
    let (reader, before) = BackupReader::begin(BufReader::new(file)).map_err(backup_error)?;
    let after = reader.read(&mut |entries| take(entries).map_err(Reading::Restore)).map_err(|error| match error {
        Reading::Backup(error) => backup_error(error),
        Reading::Restore(error) => error,
    })?;
    joined(before, after).map_err(|what| unfit(path, what))
}

/// Writes what replica `of` held into a new store.
fn fill(work: &Path, of: ReplicaId, path: &Path, record: &NodeRecord) -> Result<u64, RestoreError> {
    let replicas: Vec<_> = record.replicas.iter().map(|(replica, _)| *replica).collect();
    let place = record.index_of(of).ok_or_else(|| unfit(path, "its own replica is not in its list".to_owned()))?;
    let (mut store, _) = Store::open(work, record.own.node)?;
    // From the first on, the store is that of this node.
    store.begin_run(record, Durability::Always, Standing { whole: false, stale: true })?;
    let mut changes = Changes::default();
    let mut counters = 0;
    read(path, &mut |entries| {
        let wrong = |error| unfit(path, format!("a counter cannot be read: {error}"));
        let mut rest = entries;
        while let Some((name, state)) = take_backup_entry(&mut rest).map_err(wrong)? {
            let mut counter = decode_stored_counter(state, &replicas).map_err(wrong)?;
            // It was that replica's own, and is another's here.
            counter.shares.extend(counter.own.take().map(|share| (place, share)));
            changes.push(name.as_bytes(), Some(&counter));
            counters += 1;
        }
        if changes.bytes() >= BATCH_BYTES {
            store.commit(&mut changes, None)?;
            changes.clear();
        }
        Ok(())
    })?;
    store.commit(&mut changes, Some(record))?;
    store.close_clean()?;
    Ok(counters)
}

#[cfg(test)]
mod tests {
    use super::super::file::BackupWriter;
    use super::*;
    use crate::base::{ReplicaIndex, Total};
    use crate::counter::{Share, StoredCounter};
    use crate::storage::LoadProgress;
    use crate::wire::{encode_backup_entry, encode_node_record};
    use parking_lot::Mutex;
    use std::io::Write;

    const NOW_SECONDS: u64 = 1_800_000_000;

    fn node(number: u8) -> NodeId {
        NodeId::new([number; 20])
    }

    /// A backup of node 1 with one counter, which has a share of this replica too.
    fn make(place: &Path, other: ReplicaIndex) {
        let own = ReplicaId { node: node(1), incarnation: Incarnation(4) };
        let replicas = vec![(own, NumberSet::new(9, [])), (ReplicaId { node: node(2), ..own }, NumberSet::new(5, []))];
        let record = NodeRecord { own, replicas, ..NodeRecord::default() };
        let mut record_bytes = Vec::new();
        encode_node_record(&record, &mut record_bytes);
        let share = |revision| Share { born: 1, revision, total: Total::from_units(3) };
        let counter =
            StoredCounter { own: Some(share(8)), shares: vec![(other, share(5))], ..StoredCounter::default() };
        let mut entries = Vec::new();
        encode_backup_entry(b"a", &counter, &mut entries);
        let mut writer = BackupWriter::begin(Vec::new(), &record_bytes).expect("room");
        writer.add(&entries).expect("room");
        let (bytes, _) = writer.finish(&record_bytes).expect("room");
        fs::create_dir_all(place).expect("a directory");
        File::create(place.join(BACKUP_FILE)).and_then(|mut file| file.write_all(&bytes)).expect("a file");
    }

    #[test]
    fn a_restored_store_is_another_nodes_and_known_to_be_old() {
        let ground = tempfile::tempdir().expect("a directory");
        let (backup, data) = (ground.path().join("backup"), ground.path().join("data"));
        make(&backup, ReplicaIndex(1));
        let directory = DataDirectory::open(&data).expect("a new one");
        // What a restoring that was killed left behind.
        fs::create_dir(data.join(RESTORING)).expect("a directory");
        let restored = restore(&directory, node(7), &backup, NOW_SECONDS).expect("whole");
        assert_eq!(restored, Restored { counters: 1, of: node(1) });
        assert!(directory.next_incarnation().expect("one more").0 > NOW_SECONDS);
        let (mut store, opened) = Store::open(&data, node(7)).expect("a store");
        assert_eq!(opened.standing, Standing { whole: false, stale: true });
        let record = opened.previous.expect("a record");
        assert_eq!((record.own.node, record.parted), (node(7), vec![node(1), node(2)]));
        assert_eq!(record.replicas.len(), 3);
        let found = Mutex::new(Vec::new());
        let load = store.load(1, &LoadProgress::default(), |name, counter| {
            found.lock().push((name.as_bytes().to_vec(), counter.own, counter.shares.len()));
        });
        assert_eq!((load.ok(), found.into_inner()), (Some(1), vec![(b"a".to_vec(), None, 2)]));
        drop(store);
        let again = restore(&directory, node(7), &backup, NOW_SECONDS);
        assert!(matches!(again, Err(RestoreError::NotEmpty(_))), "{again:?}");
    }

    #[test]
    fn a_restoring_that_ended_between_its_two_moves_is_ended_by_a_start_and_begun_anew_by_another() {
        for (left, is_start) in [(STORE, true), (COMMITS, true), (STORE, false), (COMMITS, false)] {
            let ground = tempfile::tempdir().expect("a directory");
            let (backup, data) = (ground.path().join("backup"), ground.path().join("data"));
            make(&backup, ReplicaIndex(1));
            let directory = DataDirectory::open(&data).expect("a new one");
            restore(&directory, node(7), &backup, NOW_SECONDS).expect("whole");
            let work = data.join(RESTORING);
            fs::create_dir(&work).expect("a directory");
            fs::rename(data.join(left), work.join(left)).expect("moved back");
            if !is_start {
                let again = restore(&directory, node(7), &backup, NOW_SECONDS);
                assert_eq!(again.expect("restored again").counters, 1, "{left}");
            }
            let (mut store, _) = Store::open(&data, node(7)).expect("a store");
            let load = store.load(1, &LoadProgress::default(), |_, _| {});
            assert_eq!((load.ok(), work.exists()), (Some(1), false), "{left}");
        }
    }

    #[test]
    fn a_counter_of_a_replica_that_nobody_knows_makes_a_backup_unfit() {
        let ground = tempfile::tempdir().expect("a directory");
        let (backup, data) = (ground.path().join("backup"), ground.path().join("data"));
        make(&backup, ReplicaIndex(2));
        let directory = DataDirectory::open(&data).expect("a new one");
        let refused = restore(&directory, node(7), &backup, NOW_SECONDS);
        assert!(matches!(refused, Err(RestoreError::Unfit { .. })), "{refused:?}");
        assert!(!data.join(STORE).exists() && !data.join(COMMITS).exists());
    }
}
