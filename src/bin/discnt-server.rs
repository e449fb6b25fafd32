//! The server's entry: flags and configuration first, then the node.

use std::fmt::Display;
use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use clap::Parser;
use discnt::daemon::{Arguments, Launch, join, prepare, repair, serve};

/// The system's own keeps the memory of deleted counters; this one gives it back within seconds.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match prepare(&arguments, std::env::vars_os(), &mut stdout(), &mut stderr()) {
        Ok(Launch::Done(code)) => code,
        Ok(Launch::Serve(loaded)) => match serve(&loaded, &arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!("{error}");
                // Nobody is to be left guessing because the log is off, or could not be set up.
                if !tracing::enabled!(tracing::Level::ERROR) {
                    eprintln!("discnt-server: {error}");
                }
                ExitCode::FAILURE
            }
        },
        Ok(Launch::Repair(loaded)) => tell(repair(&loaded, &arguments)),
        Ok(Launch::Join(loaded, token)) => tell(join(&loaded, &arguments, &token)),
        Err(_) => ExitCode::FAILURE,
    }
}

/// For what ends by itself.
fn tell(result: Result<impl Display, impl Display>) -> ExitCode {
    match result {
        Ok(report) => match write!(stdout(), "{report}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            eprintln!("discnt-server: {error}");
            ExitCode::FAILURE
        }
    }
}
