//! All that was handed over to be kept is gone: it is handed over again.

use super::shard::Shard;
use super::shared::Shared;
use super::table::Table;

impl Table {
    /// Nothing that was handed over is kept any more: all of it is to be handed over again. Walks all counters, a shard at a
    /// time.
    pub fn mark_all_unsaved(&self) {
        for shard in self.shards() {
            shard.lock().touch_all(&self.shared);
        }
    }
}

impl Shard {
    fn touch_all(&mut self, shared: &Shared) {
        let Self { counters, saving, .. } = self;
        for slot in 0..counters.end() {
            if let Some(counter) = counters.get_mut(slot) {
                saving.touch_state(shared, slot, counter);
            }
        }
    }
}
