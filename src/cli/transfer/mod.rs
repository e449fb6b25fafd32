//! Counters between servers and files: `discnt-cli export` and `discnt-cli import`.
//!
//! An import sets values and never adds: it can be repeated, wholly or in part, and nothing is counted twice. A value that
//! a counter cannot hold exactly is refused, never rounded.

mod arguments;
mod backup;
mod confirming;
mod csv;
mod error;
mod export;
mod format;
mod from_discnt;
mod from_redis;
mod import;
mod import_file;
mod input_file;
mod interrupt;
mod jsonl;
mod left_out;
mod output_file;
mod pipeline;
mod progress;
mod reading;
mod record;
mod scan;
mod seal;
mod sink;
mod state;
mod taking;

use std::ffi::OsString;

use super::exit::Exit;
use super::settings::Settings;
use arguments::Action;
pub(super) use arguments::definitions;
pub(super) use interrupt::Interrupt;
pub(super) use progress::grouped;

/// Does what the words say, `export` or `import` first, with the server of `settings`.
pub(super) fn run(settings: Settings, words: Vec<OsString>) -> Exit {
    match arguments::parse(words) {
        Ok(Action::Export(arguments)) => export::run(&settings, &arguments),
        Ok(Action::Import(arguments)) => import::run(&settings, &arguments),
        Ok(Action::Backup(arguments)) => backup::run(&settings, &arguments),
        Err(error) => Exit::of_usage(error),
    }
}
