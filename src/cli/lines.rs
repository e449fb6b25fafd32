//! Commands from the input, one a line, when nobody is at a terminal.

use std::io::BufRead;

use super::client::{Client, ClientError};
use super::exit::Exit;
use super::output::{Output, output_ended, warn};
use super::quote::split;
use super::stream::{self, Replies};

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
        if Replies::to(&words) == Replies::Endless {
            // The server takes no other command from here on, nor is there anything left to read them for.
            match stream::print(&mut client, output, &words, &format!("line {number}: ")) {
                Exit::Failed if client.is_connected() => exit = Exit::Failed,
                Exit::Answered if client.is_connected() => {}
                ended => return ended,
            }
            continue;
        }
        let mut printed = Ok(());
        let reply = client.run(&words, &mut |push| {
            let result = output.reply(&push, &words, &"");
            if printed.is_ok() {
                printed = result;
            }
        });
        let reply = match reply {
            Ok(reply) => reply,
            Err(error @ ClientError::Foreign(_)) => {
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
        let printed = printed.and_then(|()| output.reply(&reply, &words, &format_args!("line {number}: ")));
        if let Err(error) = printed {
            return output_ended(&error);
        }
    }
    exit
}
