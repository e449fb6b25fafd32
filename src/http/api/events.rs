//! What happened lately.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::answers;
use super::super::shown::Shown;
use crate::node::{ClusterView, NotedEvent, Severity};

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// Only events with a larger number.
    #[serde(default)]
    after: u64,
}

pub(super) async fn list(State(shown): State<Arc<Shown>>, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    let Ok(Query(asked)) = asked else { return super::bad_request("after: allowed is the number of an event") };
    let cluster = &shown.source.environment().cluster;
    let view = cluster.view();
    let events: Vec<Value> = cluster.events.after(asked.after).iter().map(|event| told(event, &view)).collect();
    answers::json(StatusCode::OK, &json!({ "events": events }))
}

pub(super) fn told(event: &NotedEvent, view: &ClusterView) -> Value {
    let member = event.peer.and_then(|peer| view.members.iter().find(|member| member.id == peer));
    json!({
        "sequence": event.sequence,
        "at_ms": event.at.0,
        "kind": event.kind,
        "severity": match event.severity {
            Severity::Debug | Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        },
        "node_id": event.peer.map(|peer| peer.to_string()),
        "node_name": member.and_then(|member| member.labels.name.as_deref()),
        "text": event.text,
    })
}
