//! Time as values that are passed in. No function here reads a clock.

use std::time::Duration;

/// Nanoseconds on this process' monotonic clock, since an origin that only the driver knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Monotonic(u64);

impl Monotonic {
    /// The origin.
    pub const ZERO: Self = Self(0);
    /// A time that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// From nanoseconds since the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This long later, or never.
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(saturating_nanos(by)))
    }

    /// This long earlier, or the origin.
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(saturating_nanos(by)))
    }
}

fn saturating_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Milliseconds since the Unix epoch on this machine's wall clock, right or wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct WallMillis(pub u64);

/// One reading of both clocks. Deadlines and ages use the monotonic one, stamps alone the wall clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moment {
    /// For ages, deadlines and rates.
    pub monotonic: Monotonic,
    /// For stamps.
    pub wall: WallMillis,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_saturates_at_both_ends() {
        let second = Duration::from_secs(1);
        assert_eq!(Monotonic::NEVER.after(second), Monotonic::NEVER);
        assert_eq!(Monotonic::ZERO.before(second), Monotonic::ZERO);
        assert_eq!(Monotonic::ZERO.since(Monotonic::NEVER), Duration::ZERO);
        assert_eq!(Monotonic::ZERO.after(second).since(Monotonic::ZERO), second);
    }
}
