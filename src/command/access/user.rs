//! One user as a value: who it is, how it logs in, what it may do.

use super::password::PasswordHash;
use super::permissions::{Denied, Permissions};
use super::rule::RuleError;
use crate::command::specification::{ChannelUse, KeyAccess};
use crate::command::table::Found;
use crate::resp::Arguments;

/// The most passwords, and the most selectors, that one user may have.
const MAX_OF_ONE: usize = 1000;

/// One user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: String,
    pub(in crate::command) enabled: bool,
    /// Whether any password is right.
    pub(in crate::command) takes_any_password: bool,
    pub(in crate::command) passwords: Vec<PasswordHash>,
    pub(in crate::command) root: Permissions,
    /// More that is allowed: a request passes if one of them, or the root, allows all of it.
    pub(in crate::command) selectors: Vec<Permissions>,
}

/// A rule that was refused, as it may be shown: without passwords.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// One rule.
    #[error("Error in ACL SETUSER modifier '{rule}': {error}")]
    Rule {
        /// As it was given.
        rule: String,
        /// What is wrong with it.
        error: RuleError,
    },
    /// A selector does not end.
    #[error("Unmatched parenthesis in acl selector starting at '{0}'.")]
    Unmatched(String),
}

impl User {
    /// A new user, who may do nothing.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            enabled: false,
            takes_any_password: false,
            passwords: Vec::new(),
            root: Permissions::none(),
            selectors: Vec::new(),
        }
    }

    /// The user that everyone is who does not say otherwise. Without a password everyone is let in.
    pub fn default_user(password: Option<PasswordHash>) -> Self {
        Self {
            enabled: true,
            takes_any_password: password.is_none(),
            passwords: password.into_iter().collect(),
            root: Permissions::all(),
            ..Self::new(super::DEFAULT)
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it may do everything.
    pub(super) fn is_unrestricted(&self) -> bool {
        self.root.is_everything()
    }

    /// Whether it may read every counter, by every command that reads and is not for operators alone.
    pub(super) fn may_read_everything(&self) -> bool {
        self.parts().any(Permissions::may_read_everything)
    }

    /// Whether it is let in without a password.
    pub(super) fn lets_in(&self) -> bool {
        self.enabled && self.takes_any_password
    }

    /// Whether this password is one of its own. Takes as long for each number of passwords whatever they are.
    pub(super) fn has_password(&self, given: &PasswordHash) -> bool {
        self.passwords.iter().fold(false, |found, password| found | password.is_same(given))
    }

    /// Whether it may do this; where not, what is in the way of the selector that came closest.
    pub(in crate::command) fn check(&self, found: Found, arguments: Arguments<'_>) -> Result<(), Denied> {
        let denied = match self.root.check(found, arguments) {
            Ok(()) => return Ok(()),
            Err(denied) => denied,
        };
        self.selectors
            .iter()
            .try_fold(denied, |denied, selector| match selector.check(found, arguments) {
                Ok(()) => Err(()),
                Err(other) if matches!(denied, Denied::Command(_)) => Ok(other),
                Err(_) => Ok(denied),
            })
            .map_or(Ok(()), Err)
    }

    /// Whether it may do this with a counter, by whatever command.
    pub(in crate::command) fn may(&self, name: &[u8], access: KeyAccess) -> bool {
        self.parts().any(|part| part.may(name, access))
    }

    /// Whether it may be subscribed to this.
    pub(in crate::command) fn may_be_told(&self, channel_use: ChannelUse, channel: &[u8]) -> bool {
        self.parts().any(|part| part.check_channel(channel_use, channel).is_ok())
    }

    fn parts(&self) -> impl Iterator<Item = &Permissions> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    /// Changes this as the rules say, one after the other. Where one is refused, this is left half done: work on a copy.
    ///
    /// # Errors
    /// [`RulesError`] names the rule.
    pub fn apply_all<'a>(&mut self, rules: impl IntoIterator<Item = &'a [u8]>) -> Result<(), RulesError> {
        for rule in join_selectors(rules)? {
            self.apply(&rule).map_err(|error| RulesError::Rule { rule: shown_rule(&rule), error })?;
        }
        Ok(())
    }

    fn apply(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            _ if is("on") => self.enabled = true,
            _ if is("off") => self.enabled = false,
            _ if is("nopass") => (self.takes_any_password, self.passwords) = (true, Vec::new()),
            _ if is("resetpass") => (self.takes_any_password, self.passwords) = (false, Vec::new()),
            _ if is("reset") => *self = Self::new(&self.name),
            _ if is("clearselectors") => self.selectors.clear(),
            // There are no payloads here to be checked or not.
            _ if is("sanitize-payload") || is("skip-sanitize-payload") => {}
            [b'>', password @ ..] => self.add_password(PasswordHash::of(password))?,
            [b'#', hex @ ..] => self.add_password(PasswordHash::from_hex(hex).ok_or(RuleError::Hash)?)?,
            [b'<', password @ ..] => self.remove_password(&PasswordHash::of(password))?,
            [b'!', hex @ ..] => self.remove_password(&PasswordHash::from_hex(hex).ok_or(RuleError::Hash)?)?,
            [b'(', inner @ .., b')'] => {
                if self.selectors.len() >= MAX_OF_ONE {
                    return Err(RuleError::TooManyOfOne { most: MAX_OF_ONE });
                }
                let mut selector = Permissions::none();
                for rule in inner.split(|byte| byte.is_ascii_whitespace()).filter(|rule| !rule.is_empty()) {
                    selector.apply(rule)?;
                }
                self.selectors.push(selector);
            }
            _ => self.root.apply(rule)?,
        }
        Ok(())
    }

    fn add_password(&mut self, password: PasswordHash) -> Result<(), RuleError> {
        if self.passwords.len() >= MAX_OF_ONE {
            return Err(RuleError::TooManyOfOne { most: MAX_OF_ONE });
        }
        if !self.has_password(&password) {
            self.passwords.push(password);
        }
        self.takes_any_password = false;
        Ok(())
    }

    fn remove_password(&mut self, password: &PasswordHash) -> Result<(), RuleError> {
        let before = self.passwords.len();
        self.passwords.retain(|own| !own.is_same(password));
        if self.passwords.len() == before { Err(RuleError::NoSuchPassword) } else { Ok(()) }
    }

    /// The line that makes this user, as ACL LIST and files have it. Holds hashes.
    pub(in crate::command) fn line(&self) -> Vec<u8> {
        let mut line = format!("user {} {}", self.name, if self.enabled { "on" } else { "off" }).into_bytes();
        if self.takes_any_password {
            line.extend_from_slice(b" nopass");
        }
        for password in &self.passwords {
            line.extend_from_slice(format!(" #{}", password.to_hex()).as_bytes());
        }
        line.push(b' ');
        line.extend_from_slice(&self.root.text());
        for selector in &self.selectors {
            line.extend_from_slice(b" (");
            line.extend_from_slice(&selector.text());
            line.push(b')');
        }
        line
    }
}

/// The rules, with selectors that were given as several words put together again.
fn join_selectors<'a>(rules: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, RulesError> {
    let mut joined: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<Vec<u8>> = None;
    for rule in rules {
        match &mut open {
            Some(selector) => {
                selector.push(b' ');
                selector.extend_from_slice(rule);
            }
            None if rule.starts_with(b"(") => open = Some(rule.to_vec()),
            None => joined.push(rule.to_vec()),
        }
        if let Some(selector) = open.take_if(|selector| selector.ends_with(b")")) {
            joined.push(selector);
        }
    }
    match open {
        Some(selector) => {
            let first = selector.split(|byte| *byte == b' ').next().unwrap_or_default();
            Err(RulesError::Unmatched(shown_rule(first)))
        }
        None => Ok(joined),
    }
}

/// A rule as an error may show it.
fn shown_rule(rule: &[u8]) -> String {
    match rule {
        [sign @ (b'>' | b'<' | b'#' | b'!'), ..] => format!("{}(redacted)", char::from(*sign)),
        _ => crate::command::call::shown(rule),
    }
}
