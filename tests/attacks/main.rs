//! Attacks on a server, each with what must not come of it: what it takes of memory and of others' time, what it may say
//! back to an address that nobody has proven, and who must not be let in. docs/THREATS.md tells of each.
//!
//! `cargo test --test attacks -- --nocapture --test-threads 1` shows the figures.

#![allow(clippy::print_stdout)] // The figures are a part of what it is run for.

#[path = "../server_support/mod.rs"]
mod server_support;

mod certificates;
mod edge;
mod joining;
mod member;
mod path;
mod quic;
mod tls;
#[path = "../access/tls_support.rs"]
#[allow(dead_code)] // What is attacked needs a part of it.
mod tls_support;
mod udp;
mod victim;
