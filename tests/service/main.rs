//! What a service manager has of a server: what it is told, what it may ask for by signals, and sockets that it passes on.

#[path = "../server_support/mod.rs"]
mod server_support;

mod manager;
mod reloading;
mod sockets;
#[path = "../access/tls_support.rs"]
#[allow(dead_code)] // What is passed on needs a part of it.
mod tls_support;
mod watchdog;
