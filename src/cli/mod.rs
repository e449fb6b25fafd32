//! Floor 8: the command-line client.
//!
//! It speaks RESP to any server, and knows the commands of none: what they are called and take comes from the server's
//! own COMMAND DOCS. Only completions, made while no server is there, have the words of this version. It never sends a
//! command twice: an increment whose answer was lost may have been counted.
//!
//! Everything but `connection`, `transport`, `tls`, `bench`, `transfer` and the loops that read input (`once`, `lines`,
//! `prompt`) is values in, values out.

mod arguments;
mod bench;
mod certs;
mod client;
mod cluster;
mod colour;
mod completions;
mod connection;
mod definition;
mod display;
mod docs;
mod docs_reply;
mod environment;
mod exit;
mod help;
mod hint;
mod interruption;
mod json;
mod lines;
mod live;
mod once;
mod options;
mod output;
mod preferences;
mod prompt;
mod protocol;
mod quote;
mod reason;
mod report;
mod settings;
mod stream;
mod target;
mod tls;
mod transfer;
mod transport;
mod uri;
mod value;

use std::env;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use client::Client;
use display::Format;
use environment::Environment;
use exit::Exit;
use options::{Request, Task};
use output::Output;

pub use completions::script as completion_script;
pub use definition::{definition, definition_with_commands};

/// The program: reads the command line and the environment, and does what they say.
pub fn main() -> ExitCode {
    let environment = Environment::read(|name| env::var_os(name));
    let exit = match options::parse(env::args_os(), environment) {
        Ok(Task::Talk(request)) => talk(*request),
        Ok(Task::Live { mode, request }) => live::run(mode, *request, io::stdout().is_terminal()),
        Ok(Task::Certificates { settings, words }) => certs::run(&settings, words),
        Ok(Task::Cluster { settings, words }) => cluster::run(&settings, words),
        Ok(Task::Bench { settings, words }) => bench::run(&settings, words),
        Ok(Task::Completions(words)) => completions::run(words),
        Ok(Task::Transfer { settings, words }) => transfer::run(settings, words),
        Err(error) => Exit::of_usage(error),
    };
    exit.into()
}

fn talk(request: Request) -> Exit {
    let on_terminal = io::stdout().is_terminal();
    let default_format = if on_terminal { Format::Typed } else { Format::Raw };
    let output = Output::new(request.format.unwrap_or(default_format));
    let client = Client::new(request.settings.clone());
    if !request.command.is_empty() {
        once::run(client, output, request)
    } else if on_terminal && io::stdin().is_terminal() {
        prompt::run(client, output)
    } else {
        lines::run(client, output, &mut io::stdin().lock())
    }
}
