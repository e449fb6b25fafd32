//! Commands from the input, one a line, when nobody is at a terminal.

use std::io::BufRead;

use super::client::{Client, ClientError};
use super::exit::Exit;
use super::output::{Output, output_ended, warn};
use super::quote::split;

/// Runs every line. An error reply does not stop the rest; a lost connection does, as what comes later may build on the
/// command whose answer was lost.
pub(super) fn run(mut client: Client, output: Output, input: &mut impl BufRead) -> Exit {
    match client.connect() {
        Ok(notices) => notices.texts.iter().for_each(warn),
        Err(error) => {
            warn(error);
            return Exit::Unusable;
        }
    }
    let mut exit = Exit::Answered;
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        match input.read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                warn(format_args!("line {number}: could not read it: {error}"));
                return Exit::Unusable;
            }
        }
        let words = match split(&line) {
            Ok(words) => words,
            Err(error) => {
                warn(format_args!("line {number}: {error}"));
                exit = Exit::Failed;
                continue;
            }
        };
        let Some(first) = words.first() else { continue };
        if first.eq_ignore_ascii_case(b"quit") || first.eq_ignore_ascii_case(b"exit") {
            break;
        }
        let reply = match client.run(&words, &mut |_| ()) {
            Ok(reply) => reply,
            Err(error @ ClientError::Streaming(_)) => {
                warn(format_args!("line {number}: {error}"));
                exit = Exit::Failed;
                continue;
            }
            Err(error) => {
                warn(format_args!("line {number}: {error}; later lines were not sent"));
                return Exit::Unusable;
            }
        };
        if reply.is_error() {
            exit = Exit::Failed;
        }
        if let Err(error) = output.reply(&reply, &words, &format_args!("line {number}: ")) {
            return output_ended(&error);
        }
    }
    exit
}
