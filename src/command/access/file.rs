//! The file of users: a line each, as Redis has it. All of it is taken, or nothing.

use super::config::is_user_name;
use super::user::{RulesError, User};
use std::collections::BTreeSet;

/// What rules begin with that may be shown in a log.
const SIGNS: [char; 10] = ['+', '-', '~', '%', '&', '(', '>', '<', '#', '!'];
const NOT_SHOWN: &str = "a word is no rule (it is not shown here, as it may be a password without its '>')";
const SELECTOR_NOT_SHOWN: &str = "a selector is wrong (it is not shown here, as a password may be in it)";
const UNMATCHED: &str = "Unmatched parenthesis in a selector (it is not shown here, as a password may be in it)";
/// The most lines that are named as wrong.
const MAX_NAMED: usize = 10;

/// A line that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LineError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a file was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError(pub Vec<LineError>);

impl std::error::Error for FileError {}

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named: Vec<String> = self.0.iter().take(MAX_NAMED).map(LineError::to_string).collect();
        f.write_str(&named.join("; "))?;
        match self.0.len().saturating_sub(MAX_NAMED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// Reads the users of a file.
///
/// # Errors
/// [`FileError`] with every line that is wrong.
pub fn parse_users(text: &[u8]) -> Result<Vec<User>, FileError> {
    let (mut users, mut seen, mut errors) = (Vec::new(), BTreeSet::new(), Vec::new());
    for (line, text) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let text = text.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        match parse_line(text) {
            Ok(user) if !seen.insert(user.name().to_owned()) => {
                errors.push(LineError { line, reason: format!("user '{}' is there twice", user.name()) });
            }
            Ok(user) => users.push(user),
            Err(reason) => errors.push(LineError { line, reason }),
        }
    }
    if errors.is_empty() { Ok(users) } else { Err(FileError(errors)) }
}

fn parse_line(text: &[u8]) -> Result<User, String> {
    let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    if words.next() != Some(b"user") {
        return Err("it does not begin with 'user'".to_owned());
    }
    let name = words.next().and_then(|name| std::str::from_utf8(name).ok()).filter(|name| is_user_name(name));
    let mut user = User::new(name.ok_or("there is no name that a user could have")?);
    user.apply_all(words).map_err(|error| match &error {
        RulesError::Rule { rule, .. } if !rule.starts_with(SIGNS) => NOT_SHOWN.to_owned(),
        RulesError::Rule { rule, error } if rule.starts_with('(') => format!("{SELECTOR_NOT_SHOWN}: {error}"),
        RulesError::Unmatched(_) => UNMATCHED.to_owned(),
        other => other.to_string(),
    })?;
    Ok(user)
}
