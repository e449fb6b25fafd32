//! Whether the process runs, and whether it serves.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::answers::{json, text};
use super::shown::Shown;
use crate::command::{Environment, Stage};

/// Whether a node is ready to be sent clients.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Readiness {
    ready: bool,
    reasons: Vec<String>,
}

pub(super) async fn live() -> Response {
    text(StatusCode::OK, "ok\n")
}

/// Text for a person at a prompt, JSON for whoever asks for that.
pub(super) async fn ready(State(shown): State<Arc<Shown>>, headers: HeaderMap) -> Response {
    let readiness = readiness(shown.source.environment());
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let wants_json = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    if wants_json.is_some_and(|accepted| accepted.contains("application/json")) {
        return json(status, &readiness);
    }
    match readiness.ready {
        true => text(status, "ready\n"),
        false => text(status, format!("not ready\n{}\n", readiness.reasons.join("\n"))),
    }
}

pub(super) fn readiness(environment: &Environment) -> Readiness {
    let mut reasons = Vec::new();
    let figures = &environment.persistence;
    match figures.stage() {
        Stage::Serving => {}
        Stage::Loading => {
            let loaded = figures.counters_loaded.load(Ordering::Relaxed);
            let total = figures.counters_to_load.load(Ordering::Relaxed).max(loaded);
            reasons.push(match total {
                0 => "loading: the counters on disk are being looked at".to_owned(),
                total => format!("loading: {loaded} of about {total} counters are read from disk"),
            });
        }
        Stage::Rejoining => {
            reasons.push("rejoining: the other nodes are asked what they have heard of this one".to_owned())
        }
    }
    if environment.cluster.view().catching_up {
        reasons.push("catching up: other nodes have told more than is here by now".to_owned());
    }
    if figures.refuses_changes() {
        let why = figures.failure().unwrap_or_else(|| "a write that was begun has not come back".to_owned());
        reasons.push(format!("refusing writes: {why}"));
    }
    Readiness { ready: reasons.is_empty(), reasons }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Durability, Monotonic};
    use crate::command::PersistenceFigures;
    use crate::http::testing;
    use crate::node::ClusterView;
    use std::time::Duration;

    #[test]
    fn every_reason_not_to_be_ready_is_told() {
        let mut environment = testing::environment();
        assert_eq!(readiness(&environment), Readiness { ready: true, reasons: Vec::new() });
        environment.persistence = Arc::new(PersistenceFigures::new(Durability::Always, Some(Duration::ZERO)));
        let figures = Arc::clone(&environment.persistence);
        figures.set_stage(Stage::Loading);
        assert_eq!(readiness(&environment).reasons, ["loading: the counters on disk are being looked at"]);
        figures.counters_loaded.store(40, Ordering::Relaxed);
        figures.counters_to_load.store(100, Ordering::Relaxed);
        assert_eq!(readiness(&environment).reasons, ["loading: 40 of about 100 counters are read from disk"]);
        figures.set_stage(Stage::Serving);
        environment.cluster.publish(ClusterView { catching_up: true, ..ClusterView::default() });
        figures.commits_fail("No space left on device", Monotonic::ZERO);
        let reasons = readiness(&environment).reasons;
        assert!(reasons[0].starts_with("catching up") && reasons[1] == "refusing writes: No space left on device");
    }
}
