//! The first steps of the process: flags, configuration, and the requests that end there.
//!
//! It decides whether a server is to run; running it is not its part.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use super::{Action, Arguments, LoadedConfiguration, TokenSource, door};

/// What the command line asks for.
#[derive(Debug)]
pub enum Launch {
    /// A server with this configuration.
    Serve(Box<LoadedConfiguration>),
    /// A cluster to join, with a token from there.
    Join(Box<LoadedConfiguration>, TokenSource),
    /// A repair of what is on disk.
    Repair(Box<LoadedConfiguration>),
    /// Nothing more: what was asked for was printed, or the configuration was refused and the reason was printed.
    Done(ExitCode),
}

/// Loads the configuration and answers `--check-config` and `--print-config`.
///
/// Answers go to `output`, refusals to `errors`; a refused configuration ends with exit code 1 whatever was asked.
///
/// # Errors
/// Only those of writing to `output` or `errors`.
pub fn prepare(
    arguments: &Arguments,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    output: &mut dyn Write,
    errors: &mut dyn Write,
) -> io::Result<Launch> {
    let loaded = match LoadedConfiguration::load(arguments, environment) {
        Ok(loaded) => loaded,
        Err(error) => {
            writeln!(errors, "discnt-server: {error}\nNo server was started and nothing was changed.")?;
            return Ok(Launch::Done(ExitCode::FAILURE));
        }
    };
    if arguments.check_config {
        if let Err(error) = door::prepare(&loaded.configuration, &loaded.credentials) {
            // It may be checked elsewhere, or by somebody who may not read secrets.
            writeln!(errors, "discnt-server: a file that it names cannot be used here: {error}")?;
        }
        match &loaded.file {
            Some(path) => writeln!(output, "configuration is valid ({})", path.display())?,
            None => writeln!(output, "configuration is valid (no file was given)")?,
        }
        return Ok(Launch::Done(ExitCode::SUCCESS));
    }
    if arguments.print_config {
        write!(output, "{loaded}")?;
        return Ok(Launch::Done(ExitCode::SUCCESS));
    }
    let loaded = Box::new(loaded);
    if let Some(Action::Join { token, token_file }) = &arguments.action {
        // One of the two is there, as the command line wants it.
        let word = || TokenSource::Word(token.clone().unwrap_or_default());
        let source = token_file.clone().map_or_else(word, TokenSource::File);
        return Ok(Launch::Join(loaded, source));
    }
    Ok(if arguments.repair { Launch::Repair(loaded) } else { Launch::Serve(loaded) })
}
