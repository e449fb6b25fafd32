//! Settings that commands go by and CONFIG SET may change.

use parking_lot::RwLock;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The password that clients must give; all clones are one.
#[derive(Clone, Default)]
pub struct RequiredPassword(Arc<RwLock<Option<Arc<str>>>>);

impl RequiredPassword {
    /// None, or an empty one, lets everyone in.
    pub fn new(password: Option<&str>) -> Self {
        let required = Self::default();
        required.replace(password);
        required
    }

    /// This one from now on. Who has given another is not asked again.
    pub fn replace(&self, password: Option<&str>) {
        *self.0.write() = password.filter(|text| !text.is_empty()).map(Arc::from);
    }

    /// The present one.
    pub fn current(&self) -> Option<Arc<str>> {
        self.0.read().clone()
    }
}

impl fmt::Debug for RequiredPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.current().is_some() { "***" } else { "none" })
    }
}

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
