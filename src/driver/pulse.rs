//! A sign of life from the loop itself: it comes only while the loop goes round.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

/// Says at intervals that the loop is alive.
pub struct Pulse {
    every: Duration,
    next: Instant,
    beat: Box<dyn Fn() + Send>,
}

impl fmt::Debug for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pulse").field("every", &self.every).finish_non_exhaustive()
    }
}

impl Pulse {
    /// Calls `beat`, which must not wait for anything, at least this often while the loop goes round; the first time at once.
    pub fn new(every: Duration, beat: impl Fn() + Send + 'static) -> Self {
        Self { every, next: Instant::now(), beat: Box::new(beat) }
    }

    /// When the next beat is due.
    pub(super) fn due(&self) -> Instant {
        self.next
    }

    pub(super) fn beat_if_due(&mut self) {
        let now = Instant::now();
        if self.next <= now {
            self.next = now + self.every;
            (self.beat)();
        }
    }

    /// Beats on while something else is waited for.
    pub(super) async fn during<T>(pulse: &mut Option<Self>, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let Some(pulse) = pulse else { return work.await };
        loop {
            pulse.beat_if_due();
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep_until(pulse.next) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn it_beats_while_something_is_waited_for_and_never_more_often_than_asked() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().expect("a runtime").block_on(async {
            let beats = Arc::new(AtomicU32::new(0));
            let counted = Arc::clone(&beats);
            let beat = move || {
                counted.fetch_add(1, Ordering::Relaxed);
            };
            let mut pulse = Pulse::new(Duration::from_secs(10), beat);
            for _ in 0..5 {
                pulse.beat_if_due();
            }
            assert_eq!(beats.load(Ordering::Relaxed), 1);
            let mut pulse = Some(pulse);
            Pulse::during(&mut pulse, tokio::time::sleep(Duration::from_secs(55))).await;
            assert_eq!(beats.load(Ordering::Relaxed), 6, "at 0 and at 10 to 50 seconds");
        });
    }
}
