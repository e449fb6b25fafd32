//! CLIENT PAUSE: a time in which requests of clients wait.

use crate::base::Monotonic;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Which requests wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Paused {
    /// Those that change counters.
    Writes,
    /// All.
    All,
}

/// The pause of a node, if there is one. Costs every request one relaxed load while there is none.
#[derive(Debug, Default)]
pub struct Pause {
    is_on: AtomicBool,
    state: Mutex<Option<(Paused, Monotonic)>>,
    waiting: Mutex<Vec<Waker>>,
}

impl Pause {
    /// Whether there may be a pause.
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Begins a pause. One that is on already gets no shorter by this, and no milder.
    pub(super) fn begin(&self, what: Paused, until: Monotonic, now: Monotonic) {
        let mut state = self.state.lock();
        let (mut what, mut until) = (what, until);
        if let Some((earlier, end)) = state.filter(|(_, end)| *end > now) {
            what = what.max(earlier);
            until = until.max(end);
        }
        *state = Some((what, until));
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// Ends the pause, if there is one.
    pub(super) fn end(&self) {
        self.end_where(|_| true);
    }

    /// Ends it if that is so, with nobody beginning another between the look and the end.
    fn end_where(&self, is_to_end: impl FnOnce(&Option<(Paused, Monotonic)>) -> bool) {
        {
            let mut state = self.state.lock();
            if !is_to_end(&state) {
                return;
            }
            *state = None;
            self.is_on.store(false, Ordering::Relaxed);
        }
        let waiting = std::mem::take(&mut *self.waiting.lock());
        for waker in waiting {
            waker.wake();
        }
    }

    /// What waits now. A pause whose time is over is ended by whoever notices.
    pub(super) fn what(&self, now: Monotonic) -> Option<Paused> {
        if !self.is_on() {
            return None;
        }
        let state = *self.state.lock();
        match state {
            Some((what, until)) if until > now => Some(what),
            _ => {
                self.end_if_over(now);
                None
            }
        }
    }

    /// How long the pause goes on, as things stand; none when there is none.
    pub fn left(&self, now: Monotonic) -> Option<Duration> {
        let state = *self.state.lock();
        state.filter(|(_, until)| *until > now).map(|(_, until)| until.since(now))
    }

    /// Ready once the pause was ended by somebody; its time may be over before.
    pub fn poll_ended(&self, context: &Context<'_>) -> Poll<()> {
        self.waiting.lock().push(context.waker().clone());
        // Looked at after the waker is in its place.
        if self.is_on() { Poll::Pending } else { Poll::Ready(()) }
    }

    fn end_if_over(&self, now: Monotonic) {
        self.end_where(|state| state.is_none_or(|(_, until)| until <= now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_pause_lasts_until_its_time_is_over() {
        let pause = Pause::default();
        assert_eq!((pause.what(at(0)), pause.left(at(0))), (None, None));
        pause.begin(Paused::Writes, at(10), at(0));
        assert_eq!(pause.what(at(9)), Some(Paused::Writes));
        assert_eq!(pause.left(at(4)), Some(Duration::from_millis(6)));
        assert_eq!(pause.what(at(10)), None);
        assert!(!pause.is_on());
    }

    #[test]
    fn a_second_pause_makes_the_first_neither_shorter_nor_milder() {
        let pause = Pause::default();
        pause.begin(Paused::All, at(10), at(0));
        pause.begin(Paused::Writes, at(5), at(1));
        assert_eq!((pause.what(at(9)), pause.left(at(9))), (Some(Paused::All), Some(Duration::from_millis(1))));
        // One that is over counts no more.
        pause.begin(Paused::Writes, at(30), at(20));
        assert_eq!(pause.what(at(20)), Some(Paused::Writes));
    }

    #[test]
    fn whoever_waits_is_woken_when_it_is_ended() {
        let pause = Pause::default();
        pause.begin(Paused::All, at(10), at(0));
        let context = Context::from_waker(Waker::noop());
        assert_eq!(pause.poll_ended(&context), Poll::Pending);
        pause.end();
        assert_eq!(pause.poll_ended(&context), Poll::Ready(()));
        assert_eq!(pause.what(at(1)), None);
    }
}
