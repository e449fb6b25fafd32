//! The command-line client. See `discnt::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    discnt::cli::main()
}
