//! The shapes of answers: JSON, text, and what is wrong.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;

/// What is said of a request that gets no answer.
#[derive(Debug, Serialize)]
struct Problem<'a> {
    error: Refused<'a>,
}

#[derive(Debug, Serialize)]
struct Refused<'a> {
    code: &'a str,
    message: &'a str,
}

/// A body of this type. Nothing is to be kept by caches, as it is old the next moment.
pub(super) fn typed(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn text(status: StatusCode, text: impl Into<Body>) -> Response {
    typed(status, "text/plain; charset=utf-8", text)
}

pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => typed(status, "application/json", body),
        // All that is answered are structs of plain values.
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// A refusal, in the one shape that all of them have.
pub(super) fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    json(status, &Problem { error: Refused { code, message } })
}
