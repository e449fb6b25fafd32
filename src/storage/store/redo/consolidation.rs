//! What a segment holds, brought into the engine: each counter once, as it was last.

use super::super::changes::Item;
use super::super::engine::Engine;
use super::super::mark::Mark;
use super::super::sealed::seal;
use super::super::{MARK_KEY, RECORD_KEY};
use super::segment::{Segment, damaged};
use crate::storage::StorageError;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use std::path::PathBuf;

/// Writes the records of a segment, durably, and what they say of the node. It must hold all commits after the first of
/// `commits`, which is what the engine has so far, up to the second.
///
/// # Errors
/// [`StorageError::StoreDamaged`] when it does not: what is missing was on disk before, and nothing was changed.
pub(super) fn consolidate(engine: &Engine, path: PathBuf, store: u64, commits: (u64, u64)) -> Result<(), StorageError> {
    let (previous, expected) = commits;
    let missing =
        |what: String| damaged(&path, format!("commits {} to {expected} should be in it; {what}", previous + 1));
    let Some(segment) = Segment::read(path.clone(), store)? else { return Err(missing("it is missing".into())) };
    let Some(last) = segment.records.last() else { return Err(missing("nothing in it can be read".into())) };
    if segment.span().is_none_or(|span| (span.previous, span.last) != commits) {
        return Err(missing(format!("what can be read of it ends with {}", last.commit())));
    }
    let bytes = &segment.bytes;
    let unreadable = || damaged(&segment.path, "what it says of the store has a wrong checksum".into());
    let mark = last.mark(bytes, &segment.path).ok_or_else(unreadable)??;
    // All that comes between is this writer's own.
    let mark = Mark { first_number: engine.next_number(), ..mark };
    let node = segment.records.iter().rev().find_map(|record| record.sealed_node(bytes)).map(<[u8]>::to_vec);
    let mut said = vec![(MARK_KEY, seal(MARK_KEY, |out| mark.encode(out)))];
    said.extend(node.map(|node| (RECORD_KEY, node)));
    let items = newest(&segment);
    let mut sealed = Vec::new();
    engine.write(|write| items.iter().for_each(|item| write(item.name, item.sealed(&mut sealed))), said.into_iter())?;
    Ok(())
}

/// The last word on each name, in the order of the names: the engine takes them faster so.
fn newest(segment: &Segment) -> Vec<Item<'_>> {
    let [one, two, three, four] = rand::random();
    let hasher = ahash::RandomState::with_seeds(one, two, three, four);
    let mut newest: HashMap<&[u8], Item<'_>, ahash::RandomState> = HashMap::with_hasher(hasher);
    for record in segment.records.iter().rev() {
        // Of a name that is in one record twice, the last is the last.
        for item in record.items(&segment.bytes).collect::<Vec<_>>().into_iter().rev() {
            if let Entry::Vacant(entry) = newest.entry(item.name) {
                entry.insert(item);
            }
        }
    }
    let mut items: Vec<_> = newest.into_values().collect();
    items.sort_unstable_by_key(|item| item.name);
    items
}
