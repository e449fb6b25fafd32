//! Where replies and messages go when there is no prompt: replies to the output, everything else to the error output.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use super::colour::Paint;
use super::display::Format;
use super::exit::Exit;
use super::quote::printable;
use super::report;
use super::value::Value;

/// How and where replies are printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    format: Format,
}

impl Output {
    /// Output in this format.
    pub(super) fn new(format: Format) -> Self {
        Self { format }
    }

    /// Prints the reply to a command, at once. Errors go to the error output, after `place`, so that no script takes
    /// one for a value; in JSON they are marked well enough.
    ///
    /// # Errors
    /// That of the output, such as a pipe that nobody reads any more.
    pub(super) fn reply<A: AsRef<[u8]>>(self, reply: &Value, command: &[A], place: &dyn Display) -> io::Result<()> {
        if reply.is_error() && self.format != Format::Json {
            let mut text = self.format.render(reply, command);
            if io::stderr().is_terminal() {
                // The output may be a file and want the bytes that came: here somebody looks.
                text = printable(&text).into_bytes();
            }
            let text = [place.to_string().as_bytes(), &painted(text, Paint::of_errors())].concat();
            return io::stderr().lock().write_all(&text);
        }
        self.show(reply, command)
    }

    /// Prints to the output, errors as well: what the prompt does.
    ///
    /// # Errors
    /// That of the output.
    pub(super) fn show<A: AsRef<[u8]>>(self, reply: &Value, command: &[A]) -> io::Result<()> {
        let paint = Paint::of_output();
        // Only types are for people. What other formats are for wants the bytes that came.
        let for_people = self.format == Format::Typed;
        if let Some(text) = for_people.then(|| report::render(command, reply, paint)).flatten() {
            return write(text.as_bytes());
        }
        let text = self.format.render(reply, command);
        write(&if for_people && reply.is_error() { painted(text, paint) } else { text })
    }

    /// Prints values one below the other, all at once.
    ///
    /// # Errors
    /// That of the output.
    pub(super) fn list(self, values: &[Value]) -> io::Result<()> {
        let lines: Vec<Vec<u8>> = values.iter().map(|value| self.format.render::<&[u8]>(value, &[])).collect();
        write(&lines.concat())
    }
}

/// Prints text to the output, with a line end.
///
/// # Errors
/// That of the output.
pub(super) fn say(text: impl Display) -> io::Result<()> {
    write(format!("{text}\n").as_bytes())
}

/// Prints a message for the user to the error output.
pub(super) fn warn(text: impl Display) {
    // Where there is no error output either, nobody is left to tell.
    let name = Paint::of_errors().notable("discnt-cli:");
    let _ = writeln!(io::stderr().lock(), "{name} {text}");
}

/// How to end when the output takes nothing more. That a reader had enough, as `head` does, is no failure.
pub(super) fn output_ended(error: &io::Error) -> Exit {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Exit::Answered;
    }
    warn(format_args!("could not write the reply: {error}"));
    Exit::Unusable
}

/// An error as it stands out; bytes that are no text stay as they are.
fn painted(text: Vec<u8>, paint: Paint) -> Vec<u8> {
    match String::from_utf8(text) {
        Ok(text) => paint.bad(&text).into_bytes(),
        Err(error) => error.into_bytes(),
    }
}

/// Prints bytes to the output.
///
/// # Errors
/// That of the output.
pub(super) fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
