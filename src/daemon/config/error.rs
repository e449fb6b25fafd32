//! How a configuration is refused: every problem at once, each with where it is.

use std::fmt;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it came from, as the file and line, the environment variable, or the flag.
    pub origin: String,
    /// The key, what was given, and what is allowed.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

/// A configuration that was refused. Nothing was started and nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.lines())]
pub struct ConfigurationError {
    /// Everything that was found, in the order of the sources; never empty.
    pub problems: Vec<Problem>,
}

impl ConfigurationError {
    pub(super) fn one(origin: impl Into<String>, message: impl Into<String>) -> Self {
        Self { problems: vec![Problem { origin: origin.into(), message: message.into() }] }
    }

    fn lines(&self) -> String {
        let mut text = match self.problems.len() {
            1 => "the configuration is not valid:".to_owned(),
            count => format!("the configuration is not valid, {count} problems:"),
        };
        for problem in &self.problems {
            text.push_str(&format!("\n  {problem}"));
        }
        text
    }
}
