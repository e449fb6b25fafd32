//! Replies of one thread's clients that wait for the disk.
//!
//! One task a thread asks for all of them, after everything that has arrived was run: so one commit serves a whole turn of
//! the thread's event loop, and the end of a commit wakes each thread once.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::service::Service;

/// Who waits on one thread, and for what.
#[derive(Debug)]
pub(super) struct Holds<H> {
    state: Mutex<State<H>>,
}

#[derive(Debug)]
struct State<H> {
    held: Vec<(H, Waker)>,
    /// Woken when somebody waits.
    releaser: Option<Waker>,
}

impl<H> Default for Holds<H> {
    fn default() -> Self {
        Self { state: Mutex::new(State { held: Vec::new(), releaser: None }) }
    }
}

impl<H: Copy + Ord> Holds<H> {
    /// Completes when the replies may leave.
    pub(super) async fn released<S: Service<Hold = H>>(&self, service: &S, hold: H) {
        poll_fn(|context| {
            if service.is_released(hold) {
                return Poll::Ready(());
            }
            self.add(hold, context.waker());
            Poll::Pending
        })
        .await;
    }

    /// Asks for what is waited for and wakes who has it, for ever.
    pub(super) async fn release_all<S: Service<Hold = H>>(&self, service: &S) {
        loop {
            let hold = poll_fn(|context| self.poll_least(context)).await;
            service.released(hold).await;
            self.wake_released(service);
            // First the replies leave and what has arrived meanwhile is run; then all of that is asked for at once.
            tokio::task::yield_now().await;
        }
    }

    fn add(&self, hold: H, waker: &Waker) {
        let mut state = self.state.lock();
        state.held.push((hold, waker.clone()));
        if let Some(releaser) = state.releaser.take() {
            releaser.wake();
        }
    }

    fn poll_least(&self, context: &Context<'_>) -> Poll<H> {
        let mut state = self.state.lock();
        match state.held.iter().map(|(hold, _)| *hold).min() {
            Some(least) => Poll::Ready(least),
            None => {
                state.releaser = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn wake_released<S: Service<Hold = H>>(&self, service: &S) {
        let mut state = self.state.lock();
        for (_, waker) in state.held.extract_if(.., |(hold, _)| service.is_released(*hold)) {
            waker.wake();
        }
    }
}
