//! The thread that sends traces.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use rand::TryRng;
use rand::rngs::SysRng;
use serde_json::Value;
use tokio::sync::oneshot;

use super::config::Endpoint;
use super::spans::{self, Ids, Sender};
use super::{Config, TelemetryError};
use crate::command::Environment;

/// How often what is new is sent.
const INTERVAL: Duration = Duration::from_secs(2);
/// The most that one request has in it.
const SPANS_AT_ONCE: usize = 500;

/// Traces being sent. Dropping this ends it; what was not sent is left out.
#[derive(Debug)]
pub struct Exporting {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Exporting {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread for traces ended with a panic");
        }
    }
}

/// Sends what is noted from now on; nothing where no collector is set. `environment` answers what is shared at present.
///
/// # Errors
/// [`TelemetryError`].
pub fn begin(
    config: &Config,
    environment: impl Fn() -> Environment + Send + 'static,
) -> Result<Option<Exporting>, TelemetryError> {
    let Some(endpoint) = config.endpoint()? else { return Ok(None) };
    let system = |what| move |error| TelemetryError::System { what, error };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(system("an event loop"))?;
    let (stop, stopped) = oneshot::channel();
    let run = move || {
        runtime.block_on(async move {
            tokio::select! {
                _ = stopped => {}
                () = send_all(&endpoint, environment) => {}
            }
        });
    };
    let thread = thread::Builder::new().name("discnt-traces".to_owned()).spawn(run).map_err(system("a thread"))?;
    Ok(Some(Exporting { stop: Some(stop), thread: Some(thread) }))
}

/// How far was sent.
#[derive(Debug, Default)]
struct Sent {
    requests: Option<u64>,
    repairs: u64,
}

async fn send_all(endpoint: &Endpoint, environment: impl Fn() -> Environment) {
    let (mut sent, mut is_failing) = (Sent::default(), false);
    loop {
        tokio::time::sleep(INTERVAL).await;
        let environment = environment();
        let spans = sent.take(&environment);
        if spans.is_empty() {
            continue;
        }
        // What cannot be sent is left out: traces are samples, and nothing may pile up.
        let body = spans::request(&sender(&environment), &spans).to_string();
        match (endpoint.send(body.as_bytes()).await, is_failing) {
            (Err(error), false) => {
                tracing::warn!(
                    "traces are not taken by [telemetry] otlp_endpoint: {error}; they are left out until they are"
                );
                is_failing = true;
            }
            (Ok(()), true) => {
                tracing::info!("traces are taken again");
                is_failing = false;
            }
            _ => {}
        }
    }
}

impl Sent {
    /// What is new since the last time, as spans.
    fn take(&mut self, environment: &Environment) -> Vec<Value> {
        let requests = environment.observation.slow_log.since(self.requests);
        let repairs = environment.cluster.events.repairs_after(self.repairs);
        self.requests = requests.last().map(|request| request.id).or(self.requests);
        self.repairs = repairs.last().map_or(self.repairs, |repair| repair.sequence);
        let requests = requests.iter().map(|request| spans::of_request(request, drawn()));
        let repairs = repairs.iter().map(|repair| spans::of_repair(repair, drawn()));
        repairs.chain(requests).take(SPANS_AT_ONCE).collect()
    }
}

/// New ids. Without entropy they are 0, which collectors refuse; the node does not start without any.
fn drawn() -> Ids {
    let word = || SysRng.try_next_u64().unwrap_or_default();
    Ids { trace: u128::from(word()) << 64 | u128::from(word()), span: word() }
}

fn sender(environment: &Environment) -> Sender {
    let view = environment.cluster.view();
    let myself = view.members.iter().find(|member| member.myself);
    let labels = myself.map(|member| member.labels.clone()).unwrap_or_default();
    Sender {
        node: myself.map_or_else(String::new, |member| member.id.to_string()),
        version: environment.settings.version.clone(),
        name: labels.name,
        datacentre: labels.datacentre,
    }
}
