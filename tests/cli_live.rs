//! The modes of the client that go on: messages, counters as they move, measurements, and what is fed in at full speed.

#[path = "cli_support/mod.rs"]
mod answering;
#[path = "cli_live/feeding.rs"]
mod feeding;
#[path = "cli_live/figures.rs"]
mod figures;
#[path = "cli_live/messages.rs"]
mod messages;
#[path = "cli_live/moving.rs"]
mod moving;
#[path = "cli_support/running.rs"]
mod running;
#[path = "server_support/mod.rs"]
mod server_support;
#[path = "cli_support/terminal.rs"]
mod terminal;
