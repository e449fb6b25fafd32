//! How one session is reached from another: to be ended, or to wait no longer.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};

/// How a session's waiting ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unblocked {
    /// As if the time were over.
    Timeout,
    /// With an error that says so.
    Error,
}

const FREE: u8 = 0;
const WAITING: u8 = 1;
const TIMED_OUT: u8 = 2;
const REFUSED: u8 = 3;

/// The ways to one session.
#[derive(Debug, Default)]
pub(super) struct Interruption {
    is_ended: AtomicBool,
    end: Mutex<Option<Waker>>,
    wait: AtomicU8,
    waiting: Mutex<Option<Waker>>,
}

impl Interruption {
    /// Ends the session. Whether nobody had done so before.
    pub(super) fn end(&self) -> bool {
        let first = !self.is_ended.swap(true, Ordering::AcqRel);
        wake(&self.end);
        first
    }

    pub(super) fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::Acquire)
    }

    /// Ready once the session is to end. `known` is the waker of the last poll, so that a poll by the same task costs no lock.
    pub(super) fn poll_end(&self, context: &Context<'_>, known: &mut Option<Waker>) -> Poll<()> {
        if !known.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *known = Some(context.waker().clone());
            *self.end.lock() = Some(context.waker().clone());
        }
        // Looked at after the waker is in its place, or an end between the two would be missed.
        if self.is_ended() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// From now on the session waits for what others may call off.
    pub(super) fn begin_wait(&self) {
        self.wait.store(WAITING, Ordering::Release);
    }

    /// The session waits no longer.
    pub(super) fn end_wait(&self) {
        self.wait.store(FREE, Ordering::Release);
        *self.waiting.lock() = None;
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.wait.load(Ordering::Acquire) == WAITING
    }

    /// Calls the waiting off. Whether the session was waiting.
    pub(super) fn unblock(&self, how: Unblocked) -> bool {
        let state = match how {
            Unblocked::Timeout => TIMED_OUT,
            Unblocked::Error => REFUSED,
        };
        let was_waiting = self.wait.compare_exchange(WAITING, state, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if was_waiting {
            wake(&self.waiting);
        }
        was_waiting
    }

    /// Ready once the waiting is called off.
    pub(super) fn poll_unblocked(&self, context: &Context<'_>) -> Poll<Unblocked> {
        *self.waiting.lock() = Some(context.waker().clone());
        match self.wait.load(Ordering::Acquire) {
            TIMED_OUT => Poll::Ready(Unblocked::Timeout),
            REFUSED => Poll::Ready(Unblocked::Error),
            _ => Poll::Pending,
        }
    }
}

fn wake(waker: &Mutex<Option<Waker>>) {
    // Woken without the lock: a waker may do anything.
    let waker = waker.lock().take();
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn an_end_wakes_whoever_looked_last_and_stays() {
        let interruption = Interruption::default();
        let (first, last) = (Arc::<Woken>::default(), Arc::<Woken>::default());
        let mut known = None;
        for woken in [&first, &last] {
            let waker = Waker::from(Arc::clone(woken));
            let context = Context::from_waker(&waker);
            assert_eq!(interruption.poll_end(&context, &mut known), Poll::Pending);
            assert_eq!(interruption.poll_end(&context, &mut known), Poll::Pending);
        }
        assert!(interruption.end());
        assert!(!interruption.end());
        assert_eq!((first.0.load(Ordering::Relaxed), last.0.load(Ordering::Relaxed)), (0, 1));
        let context = Context::from_waker(Waker::noop());
        assert_eq!(interruption.poll_end(&context, &mut known), Poll::Ready(()));
    }

    #[test]
    fn only_who_waits_is_unblocked_and_only_once() {
        let interruption = Interruption::default();
        assert!(!interruption.unblock(Unblocked::Timeout));
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(Arc::clone(&woken));
        for how in [Unblocked::Timeout, Unblocked::Error] {
            interruption.begin_wait();
            assert_eq!(interruption.poll_unblocked(&Context::from_waker(&waker)), Poll::Pending);
            assert!(interruption.is_waiting() && interruption.unblock(how));
            assert!(!interruption.unblock(how) && !interruption.is_waiting());
            assert_eq!(interruption.poll_unblocked(&Context::from_waker(&waker)), Poll::Ready(how));
            interruption.end_wait();
            assert_eq!(interruption.poll_unblocked(&Context::from_waker(&waker)), Poll::Pending);
        }
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
    }
}
