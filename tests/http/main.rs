//! What is told over HTTP: health, figures for monitoring, and who is let in, against servers that run.

#[path = "../server_support/mod.rs"]
mod server_support;
#[allow(dead_code, reason = "clients of another protocol use the rest")]
#[path = "../access/tls_support.rs"]
mod tls_support;

mod api;
mod client;
mod crowded;
mod described;
mod guarded;
mod health;
mod metrics;
mod packaged;
mod parsers;
mod stream;
mod traces;
