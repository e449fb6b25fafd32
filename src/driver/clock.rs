//! The clocks of this machine, as the values that the floors below take.

use crate::base::{Moment, Monotonic, WallMillis};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Reads both clocks. Copies share one origin.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose monotonic time starts one second ago, so that zero is in the past.
    pub fn new() -> Self {
        let now = Instant::now();
        Self { origin: now.checked_sub(std::time::Duration::from_secs(1)).unwrap_or(now) }
    }

    /// The monotonic time.
    pub fn monotonic(&self) -> Monotonic {
        Monotonic::ZERO.after(self.origin.elapsed())
    }

    /// Both clocks.
    pub fn moment(&self) -> Moment {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment { monotonic: self.monotonic(), wall: WallMillis(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)) }
    }

    /// The instant at which the monotonic time will be `at`; a day from now for what is later or never.
    pub fn instant(&self, at: Monotonic) -> Instant {
        let day = std::time::Duration::from_secs(86_400);
        let wait = at.since(self.monotonic()).min(day);
        Instant::now() + wait
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
