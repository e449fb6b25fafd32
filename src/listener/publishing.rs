//! The task that finds out what subscribers are to be told. It owns the clock of subscriptions; what is due and who is told
//! are the registry's affair.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use super::commands::Commands;
use super::service::Service;
use crate::base::Moment;
use crate::command::Publisher;

/// How late a look may be. Subscriptions whose looks fall into one such time share a turn.
const TICK: Duration = Duration::from_millis(20);

/// Looks at what is subscribed to whenever it is due, for ever; costs nothing while nobody is subscribed.
pub(super) async fn publish<C: Fn() -> Moment + Send + Sync + 'static>(commands: &Commands<C>) {
    let subscriptions = Arc::clone(&commands.environment().subscriptions);
    let mut publisher = Publisher::new(Arc::clone(&subscriptions), commands.now().monotonic);
    loop {
        if !publisher.is_cleaning() {
            poll_fn(|context| subscriptions.poll_subscribed(context)).await;
        }
        // The table is another once the node is there, and what is loaded is no news.
        if subscriptions.is_held() {
            tokio::time::sleep(TICK).await;
            continue;
        }
        if publisher.turn(&commands.environment().table, commands.now().monotonic) {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(TICK).await;
        }
    }
}
