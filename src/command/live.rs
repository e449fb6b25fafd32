//! Settings that commands go by and CONFIG SET may change.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that may change; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct LiveNumber(Arc<AtomicU64>);

impl LiveNumber {
    /// Begins with this.
    pub fn new(number: u64) -> Self {
        Self(Arc::new(AtomicU64::new(number)))
    }

    /// This from now on.
    pub fn replace(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    /// The present one.
    pub fn current(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl fmt::Display for LiveNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.current().fmt(f)
    }
}
