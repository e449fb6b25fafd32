//! The way back from damage: what can be read is written into a new store, and the damaged one is set aside. Nothing is
//! ever deleted.

use super::commits_file::{CommitsFile, Said};
use super::making::make_unfinished;
use super::replacement::{self, Replacement};
use super::said::check_mark;
use super::salvage::{NodeState, Salvage};
use super::sealed::unseal;
use super::{Changes, MARKER_KEY, Mark, STORE, Standing, Store};
use crate::base::{Durability, NodeId, ReplicaId};
use crate::counter::StoredCounter;
use crate::replication::{NodeRecord, NumberSet};
use crate::storage::StorageError;
use crate::storage::checked_file::io_error;
use crate::storage::directory::last_incarnation_in;
use crate::wire::decode_stored_counter;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where damaged parts are kept, with a number.
const DAMAGED: &str = "damaged-";
/// More damaged stores than anybody keeps.
const MOST_DAMAGED: u32 = 10_000;
/// Far more numbers than can have been reserved since the newest record that may be lost.
const NUMBERS_APART: u64 = 1 << 40;
const BATCH_BYTES: usize = 8 << 20;

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Where the damaged part is now; `None` when nothing was damaged and nothing was done.
    pub set_aside: Option<PathBuf>,
    /// Counters of which a right record is in the new store.
    pub saved: u64,
    /// Records that could be read and were not right.
    pub wrong: u64,
    /// What could not be read.
    pub losses: Vec<String>,
}

impl Store {
    /// Looks for damage, and where there is any, sets the store aside and makes a new one of all that can still be read
    /// and is right. The node then counts as one that may lack what it acknowledged.
    ///
    /// # Errors
    /// [`StorageError`] when the store is another node's, of a newer version, or the system refuses: nothing was changed.
    pub fn repair(data_directory: &Path, node: NodeId) -> Result<Repaired, StorageError> {
        let found = match examine(data_directory, node) {
            Ok(saved) => return Ok(Repaired { set_aside: None, saved, wrong: 0, losses: Vec::new() }),
            Err(found @ StorageError::StoreDamaged { .. }) => found,
            Err(other) => return Err(other),
        };
        let damaged = data_directory.join(STORE);
        let mut repaired = Repaired { set_aside: None, saved: 0, wrong: 0, losses: vec![found.place_and_cause()] };
        let mark = if damaged.is_dir() {
            save(data_directory, &damaged, node, &mut repaired)?
        } else {
            write_new(data_directory, node, &NodeState::default(), |_| Ok(()))?
        };
        let (aside, _) = put_in_place(data_directory, mark)?;
        repaired.set_aside = Some(aside);
        Ok(repaired)
    }
}

/// Sets the store aside, and puts what was made in its place, of which this is the last mark. Answers where that is.
pub(super) fn put_in_place(data_directory: &Path, made: Mark) -> Result<(PathBuf, CommitsFile), StorageError> {
    let aside = make_aside(data_directory).inspect_err(|_| replacement::forget_unless_written(data_directory, None))?;
    let said = Said { store: made.store, commit: made.commit };
    let begun = Replacement { aside: aside.clone(), said }.begin(data_directory);
    if begun.is_err() {
        replacement::forget_unless_written(data_directory, Some(&aside));
    }
    Ok((aside, begun?))
}

fn make_aside(data_directory: &Path) -> Result<PathBuf, StorageError> {
    let aside = free_name(data_directory)?;
    fs::create_dir(&aside).map_err(io_error("make", &aside))?;
    Ok(aside)
}

/// Reads everything; answers how many counters there are.
fn examine(data_directory: &Path, node: NodeId) -> Result<u64, StorageError> {
    let (mut store, _) = Store::open(data_directory, node)?;
    store.load(1, &super::LoadProgress::default(), |_, _| {})
}

/// Makes a new store, unnamed yet, of what can be read of the damaged one.
fn save(data_directory: &Path, damaged: &Path, node: NodeId, repaired: &mut Repaired) -> Result<Mark, StorageError> {
    let mut salvage = Salvage::new(damaged);
    let state = salvage.node_state()?;
    let found = state.mark.map(|mark| mark.node).or(state.record.as_ref().map(|record| record.own.node));
    if let Some(found) = found.filter(|found| *found != node) {
        return Err(StorageError::OtherNode { path: damaged.to_owned(), found, expected: node });
    }
    if let (Some(mark), Ok(Some((_, said)))) = (&state.mark, CommitsFile::open(data_directory)) {
        let missing = check_mark(damaged, mark, node, said).err();
        salvage.losses.extend(missing.map(|missing| missing.place_and_cause()));
    }
    let replicas: Vec<ReplicaId> =
        state.record.iter().flat_map(|record| record.replicas.iter().map(|(replica, _)| *replica)).collect();
    // The counters whose share of this node cannot be told from that of another replica it was.
    let mut doubtful = HashSet::new();
    let mark = write_new(data_directory, node, &state, |store| {
        // Without the list of replicas nobody knows whose the shares are.
        let Some(own) = state.record.as_ref().map(|record| record.own) else { return Ok(()) };
        let mut changes = Changes::default();
        salvage.counters(state.in_engine.as_ref(), |name, number, value| {
            if name == MARKER_KEY {
                return Ok(());
            }
            doubtful.remove(name);
            match value.map(|value| right(name, value, &replicas)) {
                None => changes.push(name, None),
                Some(Some(mut counter)) => {
                    if state.writers.of(number) != Some(own) && counter.own.take().is_some() {
                        doubtful.insert(name.to_vec());
                    }
                    changes.push(name, Some(&counter));
                }
                Some(None) => repaired.wrong += 1,
            }
            if changes.bytes() < BATCH_BYTES {
                return Ok(());
            }
            let result = store.commit(&mut changes, None);
            changes.clear();
            result
        })?;
        store.commit(&mut changes, None)?;
        repaired.saved = store.load(1, &super::LoadProgress::default(), |_, _| {})?;
        Ok(())
    })?;
    let place = damaged.display();
    if state.record.is_none() {
        salvage.losses.push(format!("{place}: the node's record, without which no counter can be read"));
    }
    if !doubtful.is_empty() {
        let count = doubtful.len();
        salvage.losses.push(format!(
            "{place}: what this node itself had counted of {count} counters: it is not certain under which incarnation"
        ));
    }
    salvage.losses.retain(|loss| !repaired.losses.contains(loss));
    repaired.losses.append(&mut salvage.losses);
    Ok(mark)
}

/// The counter of a record that is what was written.
fn right(name: &[u8], sealed: &[u8], replicas: &[ReplicaId]) -> Option<StoredCounter> {
    crate::base::Name::new(name).ok()?;
    decode_stored_counter(unseal(name, sealed)?, replicas).ok()
}

/// Makes a store that has not its name yet, and fills it.
fn write_new(
    data_directory: &Path,
    node: NodeId,
    state: &NodeState,
    fill: impl FnOnce(&mut Store) -> Result<(), StorageError>,
) -> Result<Mark, StorageError> {
    let (engine, mark) = make_unfinished(data_directory, node)?;
    let standing = Standing { whole: false, stale: true };
    let record = match &state.record {
        Some(record) => Some(claim_nothing(record)),
        None => last_incarnation_in(data_directory)?.map(|incarnation| nothing(ReplicaId { node, incarnation })),
    };
    let Standing { whole, stale } = standing;
    let mark = Mark { durability: Durability::EverySecond, clean: false, whole, stale, ..mark };
    let mut store = Store::unnamed(data_directory, engine, mark);
    store.record.clone_from(&record);
    store.commit(&mut Changes::default(), record.as_ref())?;
    fill(&mut store)?;
    Ok(store.mark)
}

/// What a node may say of itself that holds part of what it held: nothing of any replica for sure. What it sends for
/// is then sent again. Numbers that it can have used are passed over.
fn claim_nothing(record: &NodeRecord) -> NodeRecord {
    let replicas = record.replicas.iter().map(|(replica, _)| (*replica, NumberSet::default())).collect();
    NodeRecord { replicas, reserved: record.reserved.saturating_add(NUMBERS_APART), ..record.clone() }
}

/// What a node that counted says of itself when all it knew is lost. It goes on as another replica, and takes over what
/// a member has before it serves.
fn nothing(own: ReplicaId) -> NodeRecord {
    let replicas = vec![(own, NumberSet::default())];
    NodeRecord { own, replicas, reserved: NUMBERS_APART, has_told: true, ..NodeRecord::default() }
}

/// A name under which nothing was set aside yet.
pub(in crate::storage) fn free_name(data_directory: &Path) -> Result<PathBuf, StorageError> {
    for number in 1..=MOST_DAMAGED {
        let path = data_directory.join(format!("{DAMAGED}{number}"));
        if !path.try_exists().map_err(io_error("look for", &path))? {
            return Ok(path);
        }
    }
    let path = data_directory.join(format!("{DAMAGED}{MOST_DAMAGED}"));
    Err(StorageError::Engine { operation: "use", path, what: "every number up to this is taken".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repaired_record_claims_nothing_and_reuses_no_number() {
        let record = super::super::tests::record(1 << 20);
        let repaired = claim_nothing(&record);
        assert!(repaired.replicas.iter().all(|(_, held)| *held == NumberSet::default()));
        let order = |record: &NodeRecord| record.replicas.iter().map(|(replica, _)| *replica).collect::<Vec<_>>();
        assert_eq!((order(&repaired), repaired.own), (order(&record), record.own));
        assert!(repaired.reserved > record.reserved + (1 << 32));
    }
}
