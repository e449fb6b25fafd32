//! Machines that join a cluster with a token, certificates that are made anew, and keys that are banned: real processes.

#[path = "../server_support/mod.rs"]
mod server_support;

mod banning;
mod inviting;
mod losing;
mod machines;
mod rotating;
mod together;
mod tokens;
