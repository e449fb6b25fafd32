//! The sources of settings, read into one list: the file, the environment, the flags.
//!
//! Nothing here knows which keys exist. What wins is decided by the order of the list: later over earlier.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::value::Value;

use super::error::Problem;
use super::sections::{Section, USERS};
use crate::daemon::Arguments;

/// The prefix of the environment variables that are settings.
const PREFIX: &str = "DISCNT_";
/// What stands between section and key in a variable's name; keys have single underscores of their own.
const SEPARATOR: &str = "__";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// A configuration file, and the line if it is known.
    File {
        /// The file as it was named with `--config`.
        path: PathBuf,
        /// Counted from 1.
        line: Option<usize>,
    },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
    /// A client, while the node runs.
    Command,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            // A line break in a name must not end the comment that the name is printed in.
            Self::File { path, line: None } => write!(f, "{}", path.to_string_lossy().replace(char::is_control, "?")),
            Self::File { path, line: Some(line) } => {
                write!(f, "{}, line {line}", path.to_string_lossy().replace(char::is_control, "?"))
            }
            Self::Environment(variable) => f.write_str(variable),
            Self::Flag(flag) => f.write_str(flag),
            Self::Command => f.write_str("CONFIG SET"),
        }
    }
}

/// One value for one key.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) section: String,
    pub(super) key: String,
    pub(super) origin: Origin,
    /// As it was written, for messages.
    pub(super) given: String,
    /// What it may mean, the likeliest first; never empty.
    pub(super) readings: Vec<Value>,
}

/// Everything that was set, and what could not be read at all.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) settings: Vec<Setting>,
    pub(super) problems: Vec<Problem>,
}

impl Layers {
    /// Adds what a TOML file sets.
    pub(super) fn add_file(&mut self, path: &Path, text: &str) {
        let origin = |line| Origin::File { path: path.to_owned(), line };
        let document: toml::Table = match text.parse() {
            Ok(document) => document,
            Err(error) => {
                let line = error.span().map(|span| line_of(text, span.start));
                self.refuse(origin(line), format!("this is not TOML: {}", error.message().trim_end()));
                return;
            }
        };
        let lines = KeyLines::of(text);
        for (section, content) in document {
            let toml::Value::Table(keys) = content else {
                self.refuse(origin(None), outside(&section));
                continue;
            };
            if keys.is_empty() && Section::named(&section).is_none() && section != USERS {
                self.refuse(origin(None), super::load::unknown_section(&section));
            }
            for (key, value) in keys {
                let line = lines.get(&section, &key);
                match Value::serialize(&value) {
                    Ok(reading) => self.settings.push(Setting {
                        section: section.clone(),
                        key,
                        origin: origin(line),
                        given: shown(&value),
                        readings: vec![reading],
                    }),
                    Err(error) => self.refuse(origin(line), format!("{section}.{key}: {error}")),
                }
            }
        }
    }

    /// Adds the variables `DISCNT_SECTION__KEY`.
    ///
    /// Other variables that begin alike are not ours (an orchestrator may set `DISCNT_PORT` for a service of that
    /// name), but for those that are a setting with one underscore too few.
    pub(super) fn add_environment(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        for (variable, value) in variables {
            let Some(variable) = variable.to_str() else { continue };
            let Some(name) = variable.strip_prefix(PREFIX) else { continue };
            let name = name.to_lowercase();
            let Some((section, key)) = name.split_once(SEPARATOR) else {
                if let Some((section, key)) = with_one_underscore(&name) {
                    let meant = variable_of(section, key);
                    let message = format!("this is no setting; did you mean {meant}, with two underscores?");
                    self.refuse(Origin::Environment(variable.to_owned()), message);
                }
                continue;
            };
            let origin = Origin::Environment(variable.to_owned());
            match value.to_str() {
                Some(text) => self.add_text(section, key, origin, text),
                None => self.refuse(origin, "the value is not UTF-8".to_owned()),
            }
        }
    }

    /// Adds the flags; `--set` last, so that it wins over the flags that set two keys at once.
    pub(super) fn add_flags(&mut self, arguments: &Arguments) {
        if let Some(port) = arguments.port {
            self.add_text("resp", "port", Origin::Flag("--port"), &port.to_string());
            self.add_text("mesh", "port", Origin::Flag("--port"), &port.to_string());
        }
        if let Some(address) = &arguments.bind {
            self.add_text("resp", "bind", Origin::Flag("--bind"), address);
            self.add_text("mesh", "bind", Origin::Flag("--bind"), address);
        }
        self.add_path("storage", "data_dir", "--data-dir", arguments.data_dir.as_deref());
        self.add_path("mesh", "certs_dir", "--certs-dir", arguments.certs_dir.as_deref());
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for text in &arguments.settings {
            let origin = Origin::Flag("--set");
            let parsed = text.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
            let Some((name, value)) = parsed else {
                // Whatever follows may be a secret.
                let name = text.split(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).next();
                let name = name.unwrap_or_default();
                self.refuse(origin, format!("{name:?} has no value; allowed is section.key=value"));
                continue;
            };
            let Some((section, key)) = name.split_once('.') else {
                self.refuse(origin, format!("{name:?} has no section; allowed is section.key=value"));
                continue;
            };
            match seen.insert(name, value) {
                Some(earlier) if earlier != value => {
                    let is_known = Section::named(section).is_some_and(|known| known.has(key));
                    // One that is misspelt may be a secret.
                    let message = if is_known && !super::is_secret(section, key) {
                        format!("{name} is set twice, to {earlier} and to {value}; which one is meant?")
                    } else {
                        format!("{name} is set twice, to two values; which one is meant?")
                    };
                    self.refuse(origin, message);
                }
                _ => self.add_text(section, key, origin, value),
            }
        }
    }

    fn add_path(&mut self, section: &str, key: &str, flag: &'static str, path: Option<&Path>) {
        let Some(path) = path else { return };
        match path.to_str() {
            Some(text) => {
                let readings = vec![Value::from(text)];
                let (section, key) = (section.to_owned(), key.to_owned());
                let setting = Setting { section, key, origin: Origin::Flag(flag), given: text.to_owned(), readings };
                self.settings.push(setting);
            }
            None => self.refuse(Origin::Flag(flag), format!("{path:?} is not UTF-8; allowed is a path that is")),
        }
    }

    /// Adds a value that has no type yet: text where a setting takes text, otherwise what it is in TOML.
    pub(super) fn add_text(&mut self, section: &str, key: &str, origin: Origin, text: &str) {
        let plain = Value::from(text);
        let readings = match as_toml(text) {
            Some(toml::Value::String(quoted)) => vec![Value::from(quoted)],
            Some(value) => std::iter::once(plain).chain(Value::serialize(&value).ok()).collect(),
            None => vec![plain],
        };
        let (section, key) = (section.to_owned(), key.to_owned());
        self.settings.push(Setting { section, key, origin, given: text.to_owned(), readings });
    }

    fn refuse(&mut self, origin: Origin, message: String) {
        self.problems.push(Problem { origin: origin.to_string(), message });
    }
}

/// What stands where a section should. Its value is not shown, as it may be a password whose section was forgotten.
fn outside(key: &str) -> String {
    if key == USERS || Section::named(key).is_some() {
        return format!("{key} is a section, not a value or a list: write [{key}], and its keys below that");
    }
    format!("{key} stands outside of any section; put it below a [section]")
}

/// A value for messages. A table has keys of its own, which may be secrets that got below the wrong name.
fn shown(value: &toml::Value) -> String {
    match value {
        toml::Value::Table(_) => "(a table)".to_owned(),
        toml::Value::Array(values) if values.iter().any(|one| one.is_table() || one.is_array()) => {
            "(a list of tables or lists)".to_owned()
        }
        other => other.to_string(),
    }
}

/// The environment variable that sets a key.
pub(super) fn variable_of(section: &str, key: &str) -> String {
    format!("{PREFIX}{}{SEPARATOR}{}", section.to_uppercase(), key.to_uppercase())
}

fn with_one_underscore(name: &str) -> Option<(&str, &str)> {
    name.split_once('_').filter(|(section, key)| Section::named(section).is_some_and(|known| known.has(key)))
}

/// The TOML value that a text is, if it is exactly one.
fn as_toml(text: &str) -> Option<toml::Value> {
    let mut document: toml::Table = format!("value = {text}").parse().ok()?;
    let value = document.remove("value")?;
    document.is_empty().then_some(value)
}

fn line_of(text: &str, offset: usize) -> usize {
    let end = offset.min(text.len());
    text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// On which line of a file each key stands.
struct KeyLines(BTreeMap<String, BTreeMap<String, usize>>);

impl KeyLines {
    fn of(text: &str) -> Self {
        type Document = BTreeMap<String, BTreeMap<String, toml::Spanned<toml::Value>>>;
        // A key outside of any section has no place in this shape; messages then go without lines.
        let document: Document = toml::from_str(text).unwrap_or_default();
        let lines = |keys: BTreeMap<String, toml::Spanned<toml::Value>>| {
            keys.into_iter().map(|(key, value)| (key, line_of(text, value.span().start))).collect()
        };
        Self(document.into_iter().map(|(section, keys)| (section, lines(keys))).collect())
    }

    fn get(&self, section: &str, key: &str) -> Option<usize> {
        self.0.get(section)?.get(key).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Layers {
        let mut layers = Layers::default();
        layers.add_environment(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        layers
    }

    #[test]
    fn a_file_gives_each_key_with_its_line() {
        let mut layers = Layers::default();
        layers.add_file(Path::new("a.toml"), "# a comment\n[resp]\nport = 1\n\nbind = \"::1\"\n");
        let seen: Vec<_> = layers.settings.iter().map(|s| (s.key.as_str(), s.origin.to_string())).collect();
        assert_eq!(seen, [("bind", "a.toml, line 5".to_owned()), ("port", "a.toml, line 3".to_owned())]);
        assert!(layers.problems.is_empty());
    }

    #[test]
    fn a_file_that_is_not_toml_is_refused_with_its_line() {
        let mut layers = Layers::default();
        layers.add_file(Path::new("a.toml"), "[resp]\nport = = 1\n");
        assert_eq!(layers.problems.len(), 1);
        assert_eq!(layers.problems[0].origin, "a.toml, line 2");
    }

    #[test]
    fn variables_of_others_are_left_alone_and_near_misses_are_refused() {
        let layers = environment(&[
            ("DISCNT_PORT", "tcp://10.0.0.1:5262"),
            ("DISCNT_SERVICE_HOST", "10.0.0.1"),
            ("PATH", "/bin"),
            ("DISCNT_RESP__PORT", "7711"),
        ]);
        assert!(layers.problems.is_empty(), "{:?}", layers.problems);
        assert_eq!(layers.settings.len(), 1);
        let refused = environment(&[("DISCNT_RESP_PORT", "7711")]);
        assert!(refused.settings.is_empty());
        assert!(refused.problems[0].message.contains("DISCNT_RESP__PORT"), "{:?}", refused.problems);
    }

    #[test]
    fn a_text_is_one_toml_value_or_a_text() {
        assert_eq!(as_toml("7711"), Some(toml::Value::Integer(7711)));
        assert_eq!(as_toml("\"7711\""), Some(toml::Value::String("7711".into())));
        assert_eq!(as_toml("info,discnt::mesh=debug"), None);
        assert_eq!(as_toml("1\nother = 2"), None);
        assert_eq!(as_toml(""), None);
    }
}
