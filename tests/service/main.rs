//! What a service manager has of a server: what it is told, what it may ask for by signals, and sockets that it passes on.

#[path = "../server_support/mod.rs"]
mod server_support;

mod manager;
mod reloading;
mod sockets;
mod watchdog;
