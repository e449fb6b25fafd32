//! The command-line client with a running server: where it finds it, and what people see of it on a terminal.

#[path = "cli_words/connecting.rs"]
mod connecting;
#[path = "server_support/mod.rs"]
mod server_support;
