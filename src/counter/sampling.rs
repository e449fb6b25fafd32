//! A few of the counters that move, for whoever wants to know which ones do.

use super::label::Flag;
use super::table::Table;
use crate::base::Location;

impl Table {
    /// Visits at most `limit` names of one shard among the counters that changed since they were last handed over to be kept;
    /// with another `turn` others, where there are more. Costs a look at a 64th of the shard's counters beside, and holds its
    /// lock meanwhile.
    pub fn sample_changed(&self, shard: u8, limit: usize, turn: u64, visit: &mut dyn FnMut(&[u8])) {
        let Some(shard) = self.lock_at(Location(u32::from(shard))) else { return };
        let (changed, leaving) = shard.saving.changed();
        let all = changed.len() + leaving.len();
        if all == 0 {
            return;
        }
        // Far from each other, as neighbours were made by the same request; and each in its turn.
        let stride = all.div_ceil(limit.max(1));
        let first = usize::try_from(turn).unwrap_or(0) % stride;
        let behind = first + changed.len().saturating_sub(first).div_ceil(stride) * stride - changed.len();
        for slot in changed.each(first, stride).chain(leaving.each(behind, stride)).take(limit) {
            let counter = shard.counters.get(slot);
            if let Some(counter) = counter.filter(|counter| counter.is(Flag::Exists)) {
                visit(counter.name());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Amount, Incarnation, Monotonic, Name, NodeId, ReplicaId, ReplicaIndex};
    use crate::counter::{Config, TableSettings};
    use std::collections::BTreeSet;
    use std::time::Duration;

    fn table() -> Table {
        Table::new(TableSettings {
            config: Config::default(),
            lease: Duration::from_secs(3),
            replica: ReplicaId { node: NodeId::new([1; 20]), incarnation: Incarnation(1) },
            replica_index: ReplicaIndex(0),
            hash_seeds: [1, 2, 3, 4],
            wake: Box::new(|| ()),
        })
    }

    fn sample(table: &Table, limit: usize, turn: u64) -> BTreeSet<Vec<u8>> {
        let mut found = BTreeSet::new();
        for shard in 0..=u8::MAX {
            let mut visited = 0;
            table.sample_changed(shard, limit, turn, &mut |name| {
                visited += 1;
                found.insert(name.to_vec());
            });
            assert!(visited <= limit);
        }
        found
    }

    #[test]
    fn what_changed_is_found_within_the_limit_and_with_turns_all_of_it() {
        let table = table();
        assert!(sample(&table, 4, 0).is_empty());
        let names: BTreeSet<Vec<u8>> = (0..10_000).map(|number| format!("c:{number}").into_bytes()).collect();
        for name in &names {
            let name = Name::new(name).expect("a name");
            table.increment(name, Amount::ONE, Monotonic::from_nanos(1)).expect("counted");
        }
        let once = sample(&table, 4, 0);
        assert!(once.len() > 900 && once.len() <= 1024 && once.is_subset(&names), "{}", once.len());
        let often: BTreeSet<Vec<u8>> = (0..200).flat_map(|turn| sample(&table, 4, turn)).collect();
        assert_eq!(often, names);
    }
}
