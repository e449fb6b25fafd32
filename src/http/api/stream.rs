//! Live values, as server-sent events. A client that reads slowly gets newer ones later, and nothing piles up for it.

use std::convert::Infallible;
use std::fmt::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use http_body::Frame;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::MissedTickBehavior;

use super::super::answers::{refusal, typed};
use super::super::guard::Pass;
use super::super::percent::parameter;
use super::super::shown::Shown;
use super::{bad_request, counter, counters, events, nodes, summary};

/// How often the opened counter and what happened are told, and every how many times all the rest.
const INTERVAL: Duration = Duration::from_millis(250);
const REST_EVERY: u64 = 4;
/// What may wait for a client before it is waited for.
const WAITING: usize = 2;
/// The most events that are told at once.
const EVENTS_AT_ONCE: usize = 50;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    counter: Option<String>,
}

pub(super) async fn follow(
    State(shown): State<Arc<Shown>>,
    Extension(pass): Extension<Pass>,
    uri: Uri,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let Ok(Query(asked)) = asked else { return bad_request("counter: allowed is the name of a counter") };
    // Names may be any bytes.
    let name = uri.query().and_then(|query| parameter(query, "counter")).or(asked.counter.map(String::into_bytes));
    let Ok(place) = Arc::clone(&shown.streams).try_acquire_owned() else {
        let message = "as many follow live values as may; see [http] max_streams";
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", message);
    };
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(tell(shown, name, sender, (pass, place)));
    typed(StatusCode::OK, "text/event-stream", Body::new(Told(receiver)))
}

/// Tells all until the client is gone, or would not be let in any more.
async fn tell(
    shown: Arc<Shown>,
    name: Option<Vec<u8>>,
    sender: mpsc::Sender<Bytes>,
    (pass, place): (Pass, OwnedSemaphorePermit),
) {
    let mut last = shown.source.environment().cluster.events.last();
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for turn in 0_u64.. {
        ticks.tick().await;
        if !pass.holds() {
            break;
        }
        let mut text = String::new();
        if turn % REST_EVERY == 0 {
            put(&mut text, "summary", &summary::summary(&shown));
            put(&mut text, "nodes", &nodes::nodes(&shown));
            put(&mut text, "top", &counters::top(&shown));
        }
        // One that does not exist may do so later.
        if let Some(found) = name.as_ref().and_then(|name| counter::counter(&shown, name)) {
            put(&mut text, "counter", &found);
        }
        let cluster = &shown.source.environment().cluster;
        let (happened, view) = (cluster.events.after(last), cluster.view());
        for event in happened.iter().take(EVENTS_AT_ONCE) {
            last = event.sequence;
            put(&mut text, "event", &events::told(event, &view));
        }
        if !text.is_empty() && sender.send(Bytes::from(text)).await.is_err() {
            break;
        }
    }
    drop(place);
}

fn put(text: &mut String, kind: &str, value: &Value) {
    // JSON on one line has no line break in it. Writing to a string cannot fail.
    let _ = write!(text, "event: {kind}\ndata: {value}\n\n");
}

/// What is told, as the body of an answer.
struct Told(mpsc::Receiver<Bytes>);

impl http_body::Body for Told {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|told| told.map(|bytes| Ok(Frame::data(bytes))))
    }
}
