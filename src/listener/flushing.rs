//! FLUSHALL from its first step to its reply, with other clients served between the steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::disk::Disk;
use crate::base::{Durability, Moment};
use crate::command::{Environment, Flush, FlushStep, answer};
use crate::resp::Reply;

/// As long as news usually waits for the next flush.
const WAIT: Duration = Duration::from_millis(5);

/// Flushes that nobody waits for: one that runs, and one that is to follow it, however many are asked for.
#[derive(Debug, Default)]
pub(super) struct BackgroundFlushes {
    /// One was asked for that has not begun.
    is_awaited: AtomicBool,
    running: Mutex<()>,
}

impl BackgroundFlushes {
    /// Runs `flush` after the one that runs now, unless one is to begin anyway: that one deletes what is there now, too.
    pub(super) fn begin(self: &Arc<Self>, flush: impl Future<Output = Reply> + Send + 'static) {
        if self.is_awaited.swap(true, Ordering::AcqRel) {
            return;
        }
        let flushes = Arc::clone(self);
        tokio::spawn(async move {
            let _running = flushes.running.lock().await;
            flushes.is_awaited.store(false, Ordering::Release);
            // It has nobody to tell; what keeps it from going on is told to whoever changes anything.
            flush.await;
        });
    }
}

/// Deletes all counters on the event loop of `thread`.
pub(super) async fn flush(
    environment: Environment,
    clock: impl Fn() -> Moment,
    disk: Arc<dyn Disk>,
    thread: usize,
) -> Reply {
    let mut flush = Flush::default();
    loop {
        let step = {
            let _entry = environment.exclusion.enter(thread);
            flush.step(&environment, clock())
        };
        match step {
            FlushStep::More => tokio::task::yield_now().await,
            FlushStep::Wait => tokio::time::sleep(WAIT).await,
            FlushStep::Refused(reason) => return answer(Err(reason)),
            FlushStep::Done => break,
        }
    }
    if environment.persistence.durability() == Durability::Always {
        disk.committed(environment.table.commits().ticket()).await;
    }
    answer(Ok(()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn of_many_flushes_in_the_background_one_runs_and_one_follows() {
        let flushes = Arc::new(BackgroundFlushes::default());
        let (begun, may_end) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let begin = || {
            let (begun, may_end) = (Arc::clone(&begun), Arc::clone(&may_end));
            flushes.begin(async move {
                begun.fetch_add(1, Ordering::Relaxed);
                may_end.acquire().await.expect("open").forget();
                answer(Ok(()))
            });
        };
        let settle = || async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        };
        for round in 0..3 {
            begin();
            settle().await;
            assert_eq!(begun.load(Ordering::Relaxed), 1 + 2 * round, "it runs");
            // Each of these must be followed by a flush, and one is enough for all.
            (0..100).for_each(|_| begin());
            settle().await;
            assert_eq!(begun.load(Ordering::Relaxed), 1 + 2 * round, "the first has not ended");
            may_end.add_permits(1);
            settle().await;
            assert_eq!(begun.load(Ordering::Relaxed), 2 + 2 * round, "one has followed");
            may_end.add_permits(1);
            settle().await;
        }
    }
}
