//! Colours, where a person looks at a terminal that can show them.

use std::env;
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU8, Ordering};

use clap::ValueEnum;

/// What `--color` was set to, for the whole program: what is printed comes from many places.
static CHOICE: AtomicU8 = AtomicU8::new(ColourChoice::Auto as u8);

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[repr(u8)]
pub(super) enum ColourChoice {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto = 0,
    /// Into pipes and files, too
    Always = 1,
    /// Nowhere
    Never = 2,
}

/// How text is made to stand out, if at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// Nothing is added.
    Plain,
    /// The usual escape sequences.
    Ansi,
}

/// Holds from now on.
pub(super) fn choose(choice: ColourChoice) {
    CHOICE.store(choice as u8, Ordering::Relaxed);
}

impl Paint {
    /// For the output.
    pub(super) fn of_output() -> Self {
        Self::decide(io::stdout().is_terminal())
    }

    /// For the error output.
    pub(super) fn of_errors() -> Self {
        Self::decide(io::stderr().is_terminal())
    }

    fn decide(on_terminal: bool) -> Self {
        let choice = match CHOICE.load(Ordering::Relaxed) {
            1 => ColourChoice::Always,
            2 => ColourChoice::Never,
            _ => ColourChoice::Auto,
        };
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self::of(choice, on_terminal && !dumb, refused)
    }

    fn of(choice: ColourChoice, on_terminal: bool, refused: bool) -> Self {
        match choice {
            ColourChoice::Always => Self::Ansi,
            ColourChoice::Auto if on_terminal && !refused => Self::Ansi,
            ColourChoice::Auto | ColourChoice::Never => Self::Plain,
        }
    }

    /// What is wrong.
    pub(super) fn bad(self, text: &str) -> String {
        self.wrapped("31", text)
    }

    /// What wants attention.
    pub(super) fn notable(self, text: &str) -> String {
        self.wrapped("33", text)
    }

    /// What is as it should be.
    pub(super) fn good(self, text: &str) -> String {
        self.wrapped("32", text)
    }

    /// A heading.
    pub(super) fn heading(self, text: &str) -> String {
        self.wrapped("1", text)
    }

    /// What matters least.
    pub(super) fn faint(self, text: &str) -> String {
        self.wrapped("90", text)
    }

    /// Line by line, so that a pager or a cut leaves no colour on.
    fn wrapped(self, code: &str, text: &str) -> String {
        if self == Self::Plain {
            return text.to_owned();
        }
        let lines = text.split('\n').map(|line| match line {
            "" => String::new(),
            line => format!("\x1b[{code}m{line}\x1b[0m"),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_get_colours_unless_told_otherwise() {
        for (choice, on_terminal, refused, expected) in [
            (ColourChoice::Auto, true, false, Paint::Ansi),
            (ColourChoice::Auto, true, true, Paint::Plain),
            (ColourChoice::Auto, false, false, Paint::Plain),
            (ColourChoice::Always, false, true, Paint::Ansi),
            (ColourChoice::Never, true, false, Paint::Plain),
        ] {
            assert_eq!(Paint::of(choice, on_terminal, refused), expected, "{choice:?} {on_terminal} {refused}");
        }
    }

    #[test]
    fn every_line_is_coloured_by_itself() {
        assert_eq!(Paint::Ansi.bad("a\n\nb\n"), "\x1b[31ma\x1b[0m\n\n\x1b[31mb\x1b[0m\n");
        assert_eq!(Paint::Plain.bad("a\n"), "a\n");
    }
}
