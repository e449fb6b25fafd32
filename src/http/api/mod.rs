//! The JSON interface, version 1. `openapi.json` describes it; a test holds answers against that.
//!
//! Amounts are texts of decimal digits, as they may be longer than a JSON number is exact; rates, counts and times are
//! numbers. What is not known is null.

mod counter;
mod counters;
mod events;
mod nodes;
mod problems;
mod search;
mod stream;
mod summary;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use super::answers::{json, refusal, typed};
use super::shown::Shown;
use crate::base::{Moment, Monotonic};
use crate::node::{ClusterView, MemberView};

pub(super) use self::problems::problems;

/// What describes all of this, for programs.
const DESCRIPTION: &str = include_str!("openapi.json");

pub(super) fn routes() -> Router<Arc<Shown>> {
    Router::new()
        .route("/api/v1/openapi.json", get(description))
        .route("/api/v1/summary", get(summary))
        .route("/api/v1/nodes", get(nodes))
        .route("/api/v1/counters", get(counters::list))
        .route("/api/v1/counters/{*name}", get(counter::one))
        .route("/api/v1/counter", get(counter::named))
        .route("/api/v1/events", get(events::list))
        .route("/api/v1/stream", get(stream::follow))
}

async fn description() -> Response {
    typed(StatusCode::OK, "application/json", DESCRIPTION)
}

async fn summary(State(shown): State<Arc<Shown>>) -> Response {
    json(StatusCode::OK, &summary::summary(&shown))
}

async fn nodes(State(shown): State<Arc<Shown>>) -> Response {
    json(StatusCode::OK, &nodes::nodes(&shown))
}

fn bad_request(message: &str) -> Response {
    refusal(StatusCode::BAD_REQUEST, "bad_request", message)
}

fn myself(view: &ClusterView) -> Option<&MemberView> {
    view.members.iter().find(|member| member.myself)
}

/// A moment of the monotonic clock, in milliseconds since 1970.
fn wall_millis(at: Monotonic, now: Moment) -> u64 {
    now.wall.0.saturating_sub(millis_ago(at, now) as u64)
}

fn millis_ago(at: Monotonic, now: Moment) -> f64 {
    now.monotonic.since(at).as_secs_f64() * 1e3
}

/// A rate or time as it is told: a few digits are enough, and infinite ones are none.
fn rounded(value: f64) -> Option<f64> {
    value.is_finite().then(|| (value * 1e3).round() / 1e3)
}
