//! The documents for users: their examples are run, their links followed, and what they name exists.

#[path = "../server_support/mod.rs"]
mod server_support;

mod examples;
mod names;
mod pages;
