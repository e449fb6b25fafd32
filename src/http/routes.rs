//! Which path is answered by what.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;

use super::answers::refusal;
use super::guard::guard;
use super::shown::Shown;
use super::{Gate, api, health, metrics, page};

/// Nothing of another site is loaded, nothing is sent anywhere, and no other site shows this in a frame.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                              img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// All paths, for those who may ask.
pub(super) fn router(shown: Arc<Shown>, gate: Arc<Gate>) -> Router {
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::answer))
        .route("/", get(page::front))
        .route("/page/{*path}", get(page::part))
        .merge(api::routes())
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::from_fn_with_state((gate, Arc::clone(&shown.source)), guard))
        .layer(middleware::from_fn(protect))
        .with_state(shown)
}

async fn unknown() -> Response {
    refusal(StatusCode::NOT_FOUND, "no_such_path", "there is nothing at this path; / lists what there is")
}

async fn not_allowed() -> Response {
    refusal(StatusCode::METHOD_NOT_ALLOWED, "read_only", "only GET and HEAD are answered: nothing is changed over HTTP")
}

async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    add_protection(response.headers_mut());
    response
}

fn add_protection(headers: &mut HeaderMap) {
    for (name, value) in [
        ("content-security-policy", CONTENT_POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}
