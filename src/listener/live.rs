//! What of `[resp]` may change while clients are served.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::Config;
use crate::command::{OutputLimit, Patience};

/// The configuration that is in effect, for whoever accepts and serves. What is fixed at the start is read at the start.
#[derive(Debug)]
pub struct Live {
    config: RwLock<Arc<Config>>,
    /// Looked at for each batch of replies, so kept where no lock is needed.
    normal_hard_bytes: AtomicU64,
    pubsub_hard_bytes: AtomicU64,
}

impl Live {
    /// Begins with this configuration.
    pub fn new(config: &Config) -> Self {
        let live = Self {
            config: RwLock::default(),
            normal_hard_bytes: AtomicU64::default(),
            pubsub_hard_bytes: AtomicU64::default(),
        };
        live.replace(config);
        live
    }

    /// This is in effect from now on.
    pub fn replace(&self, config: &Config) {
        self.normal_hard_bytes.store(config.normal_output_hard_bytes, Ordering::Relaxed);
        self.pubsub_hard_bytes.store(config.pubsub_output_hard_bytes, Ordering::Relaxed);
        *self.config.write() = Arc::new(config.clone());
    }

    /// What is in effect.
    pub fn current(&self) -> Arc<Config> {
        Arc::clone(&self.config.read())
    }

    /// The most bytes that a client may leave unread; 0 for any number.
    pub(super) fn hard_bytes(&self, is_subscriber: bool) -> u64 {
        let bytes = if is_subscriber { &self.pubsub_hard_bytes } else { &self.normal_hard_bytes };
        bytes.load(Ordering::Relaxed)
    }
}

impl Config {
    /// What clients are allowed.
    pub(super) fn patience(&self) -> Patience {
        let seconds = |seconds: u32| std::time::Duration::from_secs(seconds.into());
        Patience {
            idle: (self.timeout_seconds > 0).then(|| seconds(self.timeout_seconds)),
            normal: OutputLimit {
                hard_bytes: self.normal_output_hard_bytes,
                soft_bytes: self.normal_output_soft_bytes,
                soft_for: seconds(self.normal_output_soft_seconds),
            },
            subscriber: OutputLimit {
                hard_bytes: self.pubsub_output_hard_bytes,
                soft_bytes: self.pubsub_output_soft_bytes,
                soft_for: seconds(self.pubsub_output_soft_seconds),
            },
        }
    }
}
