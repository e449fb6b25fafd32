//! One command from the command line.

use std::io::{self, Read};
use std::thread;

use super::client::{Client, ClientError};
use super::exit::Exit;
use super::options::Request;
use super::output::{Output, output_ended, warn};
use super::stream::{self, Replies};

/// Runs the command as many times as asked for.
pub(super) fn run(mut client: Client, output: Output, mut request: Request) -> Exit {
    if request.last_from_input {
        let mut last = Vec::new();
        if let Err(error) = io::stdin().lock().read_to_end(&mut last) {
            warn(format_args!("could not read the last argument: {error}; nothing was sent"));
            return Exit::Unusable;
        }
        request.command.push(last);
    }
    match client.connect() {
        Ok(notices) => notices.texts.iter().for_each(warn),
        Err(error) => {
            warn(error);
            return Exit::Unusable;
        }
    }
    if Replies::to(&request.command) == Replies::Endless {
        return stream::print(&mut client, output, &request.command, "");
    }
    let mut exit = Exit::Answered;
    for run in 0..request.repeat.unwrap_or(1) {
        if run > 0 {
            thread::sleep(request.interval);
        }
        let mut printed = Ok(());
        let mut on_push = |push| {
            let result = output.reply(&push, &request.command, &"");
            if printed.is_ok() {
                printed = result;
            }
        };
        let reply = match client.run(&request.command, &mut on_push) {
            Ok(reply) => reply,
            // A server that shuts down has no other answer.
            Err(ClientError::Lost { .. }) if is_shutdown(&request.command) => return exit,
            Err(error) => {
                warn(&error);
                return match error {
                    ClientError::Foreign(_) => Exit::Failed,
                    _ => Exit::Unusable,
                };
            }
        };
        if reply.is_error() {
            exit = Exit::Failed;
        }
        let printed = printed.and_then(|()| output.reply(&reply, &request.command, &""));
        if let Err(error) = printed {
            return output_ended(&error);
        }
    }
    exit
}

fn is_shutdown(command: &[Vec<u8>]) -> bool {
    command.first().is_some_and(|name| name.eq_ignore_ascii_case(b"SHUTDOWN"))
}
