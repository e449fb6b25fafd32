//! Deleted counters are gone for good: what they took is given back, and who counts on them again starts from nothing.
//!
//! With a million, and the figures:
//! `DISCNT_DELETION_COUNTERS=1000000 cargo test --release --test deletion memory -- --nocapture --test-threads 1`

#![allow(clippy::print_stdout)] // The figures are what a long run is run for.

#[path = "../server_support/mod.rs"]
mod server_support;

mod memory;
mod zero;
