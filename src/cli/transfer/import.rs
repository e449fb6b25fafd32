//! `discnt-cli import`: counters into a server, from wherever they are.

use super::arguments::Import;
use super::error::TransferError;
use super::import_file;
use super::interrupt::Interrupt;
use super::progress::{counters, grouped};
use super::sink::Sink;
use super::{from_discnt, from_redis};
use crate::cli::exit::Exit;
use crate::cli::output::{output_ended, warn};
use crate::cli::settings::Settings;

/// Imports from what the arguments name.
pub(super) fn run(settings: &Settings, arguments: &Import) -> Exit {
    let interrupt = Interrupt::listen();
    let result = match (&arguments.file, &arguments.from_redis, &arguments.from_discnt) {
        (Some(path), ..) => import_file::run(settings, arguments, path, &interrupt),
        (None, Some(uri), _) => from_redis::run(settings, arguments, uri, &interrupt),
        (None, None, Some(uri)) => from_discnt::run(settings, arguments, uri, &interrupt),
        (None, None, None) => Err(TransferError::Given("there is nothing to import from".to_owned())),
    };
    match result {
        Ok(exit) => exit,
        Err(TransferError::Output(error)) => output_ended(&error),
        Err(error) => {
            warn(&error);
            error.exit()
        }
    }
}

/// What an import did, for its last words.
pub(super) fn done(sink: &Sink) -> String {
    let skipped = match sink.skipped {
        0 => String::new(),
        count => format!("; left {} alone that existed", grouped(count)),
    };
    format!("set {} in {}{skipped}", counters(sink.set), sink.address())
}
