//! `[users.NAME]` of the configuration: what a user may do, as rules that Redis has, sorted by what they are about.

use super::password::PasswordHash;
use super::user::{RulesError, User};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One user as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserConfig {
    /// Whether it may log in.
    pub enabled: bool,
    /// Whether it is let in with any password.
    pub any_password: bool,
    /// Hashes of its passwords: `#` and 64 hexadecimal digits of SHA-256.
    pub passwords: Vec<String>,
    /// Files, of each of which the first line is a password of its own.
    pub password_files: Vec<PathBuf>,
    /// `+get`, `-@admin`, `+client|id`, in this order.
    pub commands: Vec<String>,
    /// Patterns of names: `~ads:*` for reading and changing, `%R~ads:*`, `%W~ads:*`.
    pub counters: Vec<String>,
    /// Patterns of channels, `&ads:*`.
    pub channels: Vec<String>,
}

impl Default for UserConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            any_password: false,
            passwords: Vec::new(),
            password_files: Vec::new(),
            commands: Vec::new(),
            counters: Vec::new(),
            channels: Vec::new(),
        }
    }
}

/// What is wrong with a user of the configuration. Shows no password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserConfigError {
    /// Its name.
    #[error("users.{0}: a name must not be empty or have blanks or control characters")]
    Name(String),
    /// A password that is no hash.
    #[error(
        "users.{0}.passwords: allowed is '#' and the 64 hexadecimal digits of a password's SHA-256; a password itself belongs into a file, see password_files"
    )]
    Password(String),
    /// A rule that belongs elsewhere.
    #[error("users.{user}.{key}: {given} does not begin with {allowed}")]
    Kind {
        /// The user.
        user: String,
        /// The key.
        key: &'static str,
        /// The rule, as it may be shown.
        given: String,
        /// What it may begin with.
        allowed: &'static str,
    },
    /// A rule that does not exist.
    #[error("users.{user}: {error}")]
    Rule {
        /// The user.
        user: String,
        /// What is wrong.
        error: RulesError,
    },
}

/// A rule that begins as no rule does here, without a password that may be in it: that has a key of its own.
fn shown(rule: &str) -> String {
    let begins = rule.trim_start_matches(['(', ' ']);
    match begins.starts_with(['>', '<', '#', '!']) || rule.contains(char::is_whitespace) {
        true => "a rule with a blank or a password in it (not shown; see password_files)".to_owned(),
        false => format!("{:?}", crate::command::call::shown(rule.as_bytes())),
    }
}

/// Whether a user may have this name.
pub(in crate::command) fn is_user_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|letter| letter.is_whitespace() || letter.is_control())
}

impl UserConfig {
    /// The user, with the passwords of its files beside those that are here.
    ///
    /// # Errors
    /// [`UserConfigError`], the first that is found.
    pub fn user(&self, name: &str, of_files: &[PasswordHash]) -> Result<User, UserConfigError> {
        let mut user = User::new(name);
        if !is_user_name(name) {
            return Err(UserConfigError::Name(crate::command::call::shown(name.as_bytes())));
        }
        user.enabled = self.enabled;
        let apply = |user: &mut User, rule: &str| {
            let named = |error| UserConfigError::Rule { user: name.to_owned(), error };
            user.apply_all([rule.as_bytes()]).map_err(named)
        };
        for password in &self.passwords {
            let hash = password.strip_prefix('#').and_then(|hex| PasswordHash::from_hex(hex.as_bytes()));
            let hash = hash.ok_or_else(|| UserConfigError::Password(name.to_owned()))?;
            apply(&mut user, &format!("#{}", hash.to_hex()))?;
        }
        for hash in of_files {
            apply(&mut user, &format!("#{}", hash.to_hex()))?;
        }
        user.takes_any_password = self.any_password;
        for (key, rules, begins, allowed) in [
            ("commands", &self.commands, &['+', '-'][..], "'+' or '-'"),
            ("counters", &self.counters, &['~', '%'], "'~', '%R~', '%W~' or '%RW~'"),
            ("channels", &self.channels, &['&'], "'&'"),
        ] {
            for rule in rules {
                // One rule a text: what stands behind a blank may be a password, and no rule has one.
                if !rule.starts_with(begins) || rule.contains(char::is_whitespace) {
                    let (user, given) = (name.to_owned(), shown(rule));
                    return Err(UserConfigError::Kind { user, key, given, allowed });
                }
                apply(&mut user, rule)?;
            }
        }
        Ok(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_among_rules_that_it_is_none_of_is_not_shown() {
        for rule in [">secret", "<secret", "!secret", "#secret", "(>secret)", "on >secret", "+@all >secret"] {
            let config = UserConfig { commands: vec![rule.to_owned()], ..UserConfig::default() };
            let error = config.user("bob", &[]).expect_err("it is no rule for commands").to_string();
            assert!(error.contains("users.bob.commands") && error.contains("password_files"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let config = UserConfig { commands: vec!["get".to_owned()], ..UserConfig::default() };
        let error = config.user("bob", &[]).expect_err("it is no rule").to_string();
        assert_eq!(error, "users.bob.commands: \"get\" does not begin with '+' or '-'");
    }
}
