//! A picture on the terminal that is drawn again and again in the same place.

use std::io::{self, IsTerminal, Stdout, Write};
use std::panic;
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::plot::cut;
use crate::cli::output::say;

/// Another page than the one with the shell's lines, without a cursor, and the way back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// What is to be put right while there is a picture.
static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);

/// How the terminal was.
struct Taken {
    /// The input's modes, if that is a terminal.
    modes: Option<Termios>,
}

impl Taken {
    /// Who is the first to ask is the one to put it right.
    fn get() -> Option<Self> {
        TAKEN.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put_modes_right(&self) {
        if let Some(modes) = &self.modes {
            // Where the terminal is gone, there is nothing to put right.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, modes);
        }
    }
}

/// Gives the terminal back at once, for a program that ends in the midst of something, without waiting for a terminal that
/// takes nothing.
pub(super) fn give_back() {
    let Some(taken) = Taken::get() else { return };
    taken.put_modes_right();
    // Whoever is in the midst of writing holds its lock.
    let out = io::stdout();
    let mut waited = [PollFd::new(&out, PollFlags::OUT)];
    let is_ready = poll(&mut waited, Some(&Timespec::default())).is_ok_and(|count| count > 0);
    if is_ready && waited[0].revents().contains(PollFlags::OUT) {
        let _ = rustix::io::write(&out, LEAVE.as_bytes());
    }
}

/// Where nothing can be found out.
const USUAL_SIZE: Size = Size { columns: 80, rows: 24 };

/// How much fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// How many characters side by side.
    pub(super) columns: usize,
    /// How many lines.
    pub(super) rows: usize,
}

/// One line of a picture, which is cut where it does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Text as it is.
    Plain(String),
    /// Names of columns, and what stands out.
    Heading(String),
    /// What is said beside.
    Note(String),
}

impl Line {
    /// What it says.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Heading(text) | Self::Note(text) => text,
        }
    }
}

/// The terminal while a picture is on it. It is as it was when this is dropped.
pub(super) struct Screen {
    out: Stdout,
    /// The picture that it shows.
    shown: Vec<String>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// That of the output.
    pub(super) fn open() -> io::Result<Self> {
        let input = io::stdin();
        let modes = input.is_terminal().then(|| tcgetattr(&input).ok()).flatten();
        let before = modes.clone();
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(Taken { modes: before });
        // Where a panic ends the program, nothing is dropped; and what it says would go with the picture.
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            tell(info);
        }));
        let mut screen = Self { out: io::stdout(), shown: Vec::new() };
        if let Some(mut modes) = modes {
            // Keys come at once and are not shown. Ctrl-C stays a signal; Ctrl-Z would leave the shell with our picture.
            modes.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
            modes.special_codes[SpecialCodeIndex::VMIN] = 1;
            modes.special_codes[SpecialCodeIndex::VTIME] = 0;
            modes.special_codes[SpecialCodeIndex::VSUSP] = 0;
            tcsetattr(&input, OptionalActions::Now, &modes)?;
        }
        screen.put(ENTER)?;
        Ok(screen)
    }

    /// How much fits now.
    pub(super) fn size(&self) -> Size {
        match tcgetwinsize(&self.out) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                Size { columns: size.ws_col.into(), rows: size.ws_row.into() }
            }
            _ => USUAL_SIZE,
        }
    }

    /// Draws the lines, as many as fit.
    ///
    /// # Errors
    /// That of the output.
    pub(super) fn draw(&mut self, lines: &[Line]) -> io::Result<()> {
        let size = self.size();
        self.put(&picture(lines, size))?;
        self.shown = lines.iter().take(size.rows).map(|line| cut(line.text(), size.columns)).collect();
        Ok(())
    }

    /// Gives the terminal back, with what was drawn last as lines like any other: the picture itself is gone.
    ///
    /// # Errors
    /// That of the output.
    pub(super) fn leave(mut self) -> io::Result<()> {
        let shown = std::mem::take(&mut self.shown);
        drop(self);
        shown.iter().try_for_each(|line| say(line.trim_end()))
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(taken) = Taken::get() {
            taken.put_modes_right();
            let _ = self.put(LEAVE);
        }
    }
}

/// What has a terminal of this size show the lines, whatever it showed before.
fn picture(lines: &[Line], size: Size) -> String {
    let mut picture = String::from("\x1b[H");
    for (index, line) in lines.iter().take(size.rows).enumerate() {
        if index > 0 {
            picture.push_str("\r\n");
        }
        let text = cut(line.text(), size.columns);
        match line {
            Line::Plain(_) => picture.push_str(&text),
            Line::Heading(_) => picture.push_str(&format!("\x1b[1m{text}\x1b[0m")),
            Line::Note(_) => picture.push_str(&format!("\x1b[2m{text}\x1b[0m")),
        }
        picture.push_str("\x1b[K");
    }
    picture + "\x1b[J"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_cut_to_the_terminal_and_wipes_what_was_there() {
        let lines =
            [Line::Heading("name   rate".into()), Line::Plain("visits 12".into()), Line::Note("q leaves".into())];
        assert_eq!(
            picture(&lines, Size { columns: 6, rows: 2 }),
            "\x1b[H\x1b[1mname  \x1b[0m\x1b[K\r\nvisits\x1b[K\x1b[J"
        );
        assert_eq!(picture(&[], USUAL_SIZE), "\x1b[H\x1b[J");
    }
}
