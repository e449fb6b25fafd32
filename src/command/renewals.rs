//! Damage that was found on disk while the node runs, as the owner of the store tells it.

use parking_lot::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// What was done about it.
#[derive(Debug, Default)]
pub struct StoreRenewals {
    /// All that is in memory is being written into a new store.
    pub running: AtomicBool,
    /// How often that was done.
    pub done: AtomicU64,
    damage: RwLock<String>,
}

impl StoreRenewals {
    /// What was damaged last; nothing when nothing was.
    pub fn damage(&self) -> String {
        self.damage.read().clone()
    }

    /// Notes it.
    pub fn set_damage(&self, damage: String) {
        *self.damage.write() = damage;
    }
}
