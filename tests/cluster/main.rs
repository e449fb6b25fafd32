//! Nodes as processes that count together: meeting, counting, crashing, coming back, leaving.

#[path = "../server_support/mod.rs"]
mod server_support;

mod agreeing;
mod certificates;
mod clocks;
mod copies;
mod counting;
mod cuts;
mod debugging;
mod failing;
mod failures;
mod forgetting;
mod hosts;
mod leaving;
mod meeting;
mod networks;
mod readings;
mod restarts;
mod starting;
mod stopping;
mod walk;
