//! Whether there is room for one more counter that a client asks for.

use super::error::CounterError;
use std::sync::atomic::{AtomicU64, Ordering};

/// What bounds the table. Looked at only where a counter would be made.
#[derive(Debug)]
pub(super) struct Room {
    max_counters: AtomicU64,
    /// The limit of memory that is passed now; 0 while none is.
    passed_limit: AtomicU64,
}

impl Room {
    pub(super) fn new(max_counters: u64) -> Self {
        Self { max_counters: AtomicU64::new(max_counters), passed_limit: AtomicU64::new(0) }
    }

    pub(super) fn set_max_counters(&self, counters: u64) {
        self.max_counters.store(counters, Ordering::Relaxed);
    }

    pub(super) fn set_out_of_memory(&self, limit: Option<u64>) {
        self.passed_limit.store(limit.unwrap_or(0), Ordering::Relaxed);
    }

    /// Whether so many more may be made where there are so many.
    pub(super) fn check(&self, counters: u64, more: u64) -> Result<(), CounterError> {
        let most = self.max_counters.load(Ordering::Relaxed);
        if more == 0 {
            return Ok(());
        }
        if counters.saturating_add(more) > most {
            return Err(CounterError::Full(most));
        }
        match self.passed_limit.load(Ordering::Relaxed) {
            0 => Ok(()),
            limit => Err(CounterError::OutOfMemory(limit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_until_a_limit_is_reached_and_again_when_it_is_lifted() {
        let room = Room::new(2);
        assert_eq!((room.check(1, 1), room.check(0, 2), room.check(9, 0)), (Ok(()), Ok(()), Ok(())));
        assert_eq!((room.check(2, 1), room.check(0, 3)), (Err(CounterError::Full(2)), Err(CounterError::Full(2))));
        room.set_max_counters(3);
        assert_eq!(room.check(2, 1), Ok(()));
        room.set_out_of_memory(Some(100));
        assert_eq!((room.check(0, 1), room.check(0, 0)), (Err(CounterError::OutOfMemory(100)), Ok(())));
        room.set_out_of_memory(None);
        assert_eq!(room.check(2, 1), Ok(()));
    }
}
