//! Nodes as processes that count together: meeting, counting, crashing, coming back, leaving.

#[path = "../server_support/mod.rs"]
mod server_support;

mod certificates;
mod counting;
mod leaving;
mod meeting;
mod networks;
mod readings;
mod restarts;
mod starting;
mod stopping;
mod walk;
