//! The command-line client with a running server: where it finds it, what people see of it on a terminal, and how it
//! measures.

#[path = "cli_words/bench.rs"]
mod bench;
#[path = "cli_words/connecting.rs"]
mod connecting;
#[path = "cli_words/people.rs"]
mod people;
#[path = "cli_words/prompt.rs"]
mod prompt;
#[path = "server_support/mod.rs"]
mod server_support;
#[path = "cli_words/terminal.rs"]
mod terminal;
