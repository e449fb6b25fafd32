//! The clocks of this machine, as the values that the floors below take.

use crate::base::{Moment, Monotonic, WallMillis};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// How long ago a clock's monotonic time was zero when it is made, so that zero is in the past.
const HEAD_START: Duration = Duration::from_secs(1);

/// Reads both clocks. Copies share one origin.
///
/// The monotonic one is tokio's, so that it is virtual where the runtime's time is.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    wall: Wall,
}

#[derive(Clone, Copy, Debug)]
enum Wall {
    /// The machine's.
    System,
    /// So much at the origin, and then as fast as the monotonic one.
    Since(WallMillis),
}

impl Clock {
    /// A clock whose monotonic time starts one second ago, so that zero is in the past.
    pub fn new() -> Self {
        Self::with_wall(Wall::System)
    }

    /// A clock of a simulated machine: its wall clock shows `wall` now, right or wrong.
    pub fn simulated(wall: WallMillis) -> Self {
        let head_start = u64::try_from(HEAD_START.as_millis()).unwrap_or(u64::MAX);
        Self::with_wall(Wall::Since(WallMillis(wall.0.saturating_sub(head_start))))
    }

    fn with_wall(wall: Wall) -> Self {
        let now = Instant::now();
        Self { origin: now.checked_sub(HEAD_START).unwrap_or(now), wall }
    }

    /// The monotonic time.
    pub fn monotonic(&self) -> Monotonic {
        Monotonic::ZERO.after(self.origin.elapsed())
    }

    /// Both clocks.
    pub fn moment(&self) -> Moment {
        let monotonic = self.monotonic();
        let wall = match self.wall {
            Wall::System => millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
            Wall::Since(origin) => origin.0.saturating_add(millis(monotonic.since(Monotonic::ZERO))),
        };
        Moment { monotonic, wall: WallMillis(wall) }
    }

    /// The instant at which the monotonic time will be `at`; a day from now for what is later or never.
    pub fn instant(&self, at: Monotonic) -> Instant {
        let day = Duration::from_secs(86_400);
        let wait = at.since(self.monotonic()).min(day);
        Instant::now() + wait
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paused<F: Future>(future: F) -> F::Output {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().expect("a runtime").block_on(future)
    }

    #[test]
    fn a_simulated_clock_goes_with_the_virtual_time_of_its_runtime() {
        paused(async {
            let clock = Clock::simulated(WallMillis(5_000_000));
            let before = clock.moment();
            assert_eq!(before.wall, WallMillis(5_000_000));
            tokio::time::sleep(Duration::from_millis(70)).await;
            assert_eq!(clock.moment().monotonic, before.monotonic.after(Duration::from_millis(70)));
            assert_eq!(clock.moment().wall, WallMillis(5_000_070));
            let later = clock.monotonic().after(Duration::from_millis(30));
            assert_eq!(clock.instant(later), Instant::now() + Duration::from_millis(30));
        });
    }
}
