//! The first steps of the process: flags, configuration, and the requests that end there.
//!
//! It decides whether a server is to run; running it is not its part.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use super::checking::{CheckedFiles, check_files};
use super::{Action, Arguments, LoadedConfiguration, TokenSource};

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
        return check(&loaded, output, errors).map(Launch::Done);
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

/// The settings are right; whether a start could use the files as well.
fn check(loaded: &LoadedConfiguration, output: &mut dyn Write, errors: &mut dyn Write) -> io::Result<ExitCode> {
    let CheckedFiles { problems, left_out } = check_files(loaded);
    for path in left_out {
        writeln!(errors, "discnt-server: {} is not looked at here, as only the service is given it", path.display())?;
    }
    if !problems.is_empty() {
        writeln!(
            errors,
            "discnt-server: the settings are right, but a start with these files is refused:\n  {}\nNo server was started and nothing was changed.",
            problems.join("\n  ")
        )?;
        return Ok(ExitCode::FAILURE);
    }
    match &loaded.file {
        Some(path) => writeln!(output, "configuration is valid ({})", path.display())?,
        None => writeln!(output, "configuration is valid (no file was given)")?,
    }
    Ok(ExitCode::SUCCESS)
}
