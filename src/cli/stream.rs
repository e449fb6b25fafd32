//! Commands whose answer is not one reply: those that have messages sent from then on, and those that end that.

use std::io;
use std::ops::ControlFlow;

use super::client::{Client, ClientError};
use super::exit::Exit;
use super::interruption::Interruptible;
use super::output::{Output, output_ended, warn};
use super::reason::describe;
use super::value::Value;

/// What a command is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replies {
    /// One reply, as with almost all.
    One,
    /// So many, each of which begins with the name of the command; an error is the only one.
    Several(usize),
    /// Messages for as long as the connection lasts.
    Endless,
    /// A stream that is not made of messages.
    Foreign(&'static str),
}

impl Replies {
    /// What this command is answered with.
    pub(super) fn to<A: AsRef<[u8]>>(command: &[A]) -> Self {
        const ENDLESS: [&str; 5] = ["SUBSCRIBE", "PSUBSCRIBE", "ISUBSCRIBE", "SSUBSCRIBE", "MONITOR"];
        const ENDING: [&str; 3] = ["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"];
        const FOREIGN: [&str; 2] = ["SYNC", "PSYNC"];
        let Some((name, arguments)) = command.split_first() else { return Self::One };
        let is = |known: &&str| name.as_ref().eq_ignore_ascii_case(known.as_bytes());
        if ENDLESS.iter().any(is) {
            Self::Endless
        } else if ENDING.iter().any(is) {
            // Without a name there is nothing to tell one by one, and still one reply.
            Self::Several(arguments.len().max(1))
        } else {
            FOREIGN.into_iter().find(is).map_or(Self::One, Self::Foreign)
        }
    }
}

/// How a stream of messages ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The server has something else to say to the command, such as an error. The connection is as it was.
    Refused(Value),
    /// The user wants no more.
    Interrupted,
    /// Whoever was given the messages cannot take more.
    Unwritten(io::Error),
}

impl Client {
    /// Sends a command that is answered with messages and hands each over as it comes, confirmations included, until
    /// Ctrl-C. The connection is given up then, and with it what was subscribed.
    ///
    /// # Errors
    /// [`ClientError`]; the connection is lost.
    pub(super) fn stream<A: AsRef<[u8]>>(
        &mut self,
        command: &[A],
        on_message: &mut dyn FnMut(&Value) -> io::Result<()>,
    ) -> Result<Ended, ClientError> {
        let Some(mut connection) = self.take_connection() else {
            return Err(self.lost("there is no connection".into()));
        };
        let interruption = connection.clone_socket().map(Interruptible::arm);
        let interruption = interruption.map_err(|error| self.lost(describe(&error.into())))?;
        let mut has_begun = false;
        let result = connection.converse(command, &mut |value| {
            if !has_begun && !is_beginning(&value) {
                return ControlFlow::Break(Ended::Refused(value));
            }
            has_begun = true;
            match on_message(&value) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(Ended::Unwritten(error)),
            }
        });
        match result {
            Ok(ended @ Ended::Refused(_)) => {
                self.put_back(connection);
                Ok(ended)
            }
            Ok(ended) => Ok(ended),
            Err(_) if interruption.is_asked() => Ok(Ended::Interrupted),
            Err(error) if has_begun => Err(self.silenced(describe(&error))),
            Err(error) => Err(self.lost(describe(&error))),
        }
    }
}

fn is_beginning(value: &Value) -> bool {
    match value {
        Value::Push(_) | Value::Array(_) => true,
        Value::Status(text) => text == b"OK",
        _ => false,
    }
}

/// Prints the messages that a command has sent, where there is no prompt to come back to. Errors are told after `place`.
pub(super) fn print(client: &mut Client, output: Output, command: &[Vec<u8>], place: &str) -> Exit {
    let mut exit = Exit::Answered;
    let ended = client.stream(command, &mut |message| {
        if message.is_error() {
            exit = Exit::Failed;
        }
        output.reply(message, command, &place)
    });
    match ended {
        Ok(Ended::Refused(reply)) => match output.reply(&reply, command, &place) {
            Ok(()) if reply.is_error() => Exit::Failed,
            Ok(()) => exit,
            Err(error) => output_ended(&error),
        },
        Ok(Ended::Interrupted) => Exit::Interrupted,
        Ok(Ended::Unwritten(error)) => output_ended(&error),
        Err(error) => {
            warn(format_args!("{place}{error}"));
            Exit::Unusable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_many_replies_there_are_is_known_from_the_command() {
        let of = |line: &str| Replies::to(&line.split(' ').collect::<Vec<_>>());
        for line in ["subscribe a", "PSUBSCRIBE a* b*", "isubscribe 1 a", "Monitor"] {
            assert_eq!(of(line), Replies::Endless, "{line}");
        }
        assert_eq!(of("unsubscribe"), Replies::Several(1));
        assert_eq!(of("PUNSUBSCRIBE a b"), Replies::Several(2));
        assert_eq!(of("psync ? -1"), Replies::Foreign("PSYNC"));
        assert_eq!(of("get monitor"), Replies::One);
        assert_eq!(Replies::to::<&str>(&[]), Replies::One);
    }
}
