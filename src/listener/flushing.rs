//! FLUSHALL from its first step to its reply, with other clients served between the steps.

use std::sync::Arc;
use std::time::Duration;

use super::disk::Disk;
use crate::base::{Durability, Moment};
use crate::command::{Environment, Flush, FlushStep, answer};
use crate::resp::Reply;

/// As long as news usually waits for the next flush.
const WAIT: Duration = Duration::from_millis(5);

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
