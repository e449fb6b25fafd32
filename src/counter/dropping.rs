//! Dropping what was given up elsewhere while nobody could say so here.

use super::label::Flag;
use super::table::{Table, next_place};
use crate::base::{Location, ReplicaIndex};

impl Table {
    /// Drops all that is numbered and that `is_gone` says of its replica and number, of at most `limit` places from
    /// `cursor` on; never the present replica's own shares. Answers where to go on, or `None` at the end. Holds one
    /// shard's lock at a time.
    pub fn drop_gone(
        &self,
        cursor: Location,
        limit: u32,
        is_gone: &dyn Fn(ReplicaIndex, u64) -> bool,
        dropped: &mut u64,
    ) -> Option<Location> {
        let (number, first) = (cursor.0 & 0xff, cursor.0 >> 8);
        let mut shard = self.lock_at(cursor)?;
        let end = shard.counters.end();
        let last = end.min(first.saturating_add(limit));
        for slot in first..last {
            let Some(counter) = shard.counters.get_mut(slot) else { continue };
            let gone = counter.state.drop_gone(is_gone);
            if gone == 0 {
                continue;
            }
            *dropped += gone;
            // What is tended is taken out by the tending.
            let is_spent = counter.state.is_empty() && !counter.is(Flag::Tended);
            shard.touch(&self.shared, slot);
            shard.recount(slot);
            if is_spent {
                shard.remove(&self.shared, slot);
            }
        }
        next_place(number, last, end)
    }
}
