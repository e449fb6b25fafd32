//! What a counter takes in memory.

use super::assignment::Assignment;
use super::entry::Counter;
use super::share::Share;
use super::table::Table;
use crate::base::{Name, ReplicaIndex};

/// What an entry of the index of names takes, with what it leaves free.
const INDEX_BYTES: usize = 8;

impl Table {
    /// About how many bytes a counter takes in memory, a deleted one that is still held included.
    pub fn memory_of(&self, name: Name<'_>) -> Option<u64> {
        let hash = self.shared.hash(name.as_bytes());
        let shard = self.lock(hash);
        let counter = shard.counters.get(shard.find(hash, name.as_bytes())?)?;
        Some(counter.memory() as u64)
    }
}

impl Counter {
    fn memory(&self) -> usize {
        size_of::<Option<Self>>() + INDEX_BYTES + self.allocated() + self.state.assignment().map_or(0, |a| memory_of(a))
    }
}

fn memory_of(assignment: &Assignment) -> usize {
    let context = assignment.context.iter().count() * size_of::<(ReplicaIndex, u64)>();
    size_of::<Assignment>() + assignment.cut.len() * size_of::<(ReplicaIndex, Share)>() + context
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Amount, Incarnation, Moment, NodeId, ReplicaId};
    use crate::counter::{Config, TableSettings};
    use std::time::Duration;

    #[test]
    fn what_a_counter_holds_is_counted() {
        let table = Table::new(TableSettings {
            config: Config::default(),
            lease: Duration::from_secs(3),
            replica: ReplicaId { node: NodeId::new([7; 20]), incarnation: Incarnation(1) },
            replica_index: ReplicaIndex(0),
            hash_seeds: [1, 2, 3, 4],
            wake: Box::new(|| {}),
        });
        let long = [b'n'; 400];
        let (short, long) = (Name::new(b"short").expect("a name"), Name::new(&long).expect("a name"));
        let now = Moment::default();
        for name in [short, long] {
            table.increment(name, Amount::ONE, now.monotonic).expect("in range");
        }
        let plain = table.memory_of(short).expect("it is there");
        assert!((64..400).contains(&plain), "{plain}");
        assert_eq!(table.memory_of(long), Some(plain + 400));
        table.assign(short, Amount::ONE, now).expect("in range");
        assert!(table.memory_of(short) > Some(plain + size_of::<Assignment>() as u64));
        assert_eq!(table.memory_of(Name::new(b"other").expect("a name")), None);
    }
}
