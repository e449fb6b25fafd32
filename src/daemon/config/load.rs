//! From the sources to one configuration that is wholly valid, or to everything that is wrong with it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use figment::error::Kind;
use figment::providers::Serialized;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::error::{ConfigurationError, Problem};
use super::layers::{Layers, Origin, Setting, variable_of};
use super::sections::USERS;
use super::sections::{Configuration, SECTIONS, Section};
use super::{is_secret, suggest};
use crate::command::UserConfig;
use crate::daemon::Arguments;
use crate::daemon::secrets::Credentials;

/// A valid configuration, with where its values came from.
#[derive(Clone, Debug)]
pub struct LoadedConfiguration {
    /// What is in effect.
    pub configuration: Configuration,
    /// The file that was read, if one was.
    pub file: Option<PathBuf>,
    pub(super) origins: BTreeMap<(String, String), Origin>,
    /// Where the service manager has put secrets.
    pub(in crate::daemon) credentials: Credentials,
}

impl LoadedConfiguration {
    /// Reads all sources: defaults, the file of `--config`, the environment given, the flags.
    ///
    /// # Errors
    /// [`ConfigurationError`] with every problem found. Nothing but the file was touched, and that only read.
    pub fn load(
        arguments: &Arguments,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigurationError> {
        let mut layers = Layers::default();
        if let Some(path) = &arguments.config {
            let text = std::fs::read_to_string(path).map_err(|error| {
                let origin = format!("--config {}", path.display());
                ConfigurationError::one(origin, format!("the file cannot be read: {error}"))
            })?;
            layers.add_file(path, &text);
        }
        let environment: Vec<(OsString, OsString)> = environment.into_iter().collect();
        let credentials = environment.iter().find(|(name, _)| name == CREDENTIALS_DIRECTORY);
        let credentials = Credentials(credentials.map(|(_, path)| PathBuf::from(path)));
        layers.add_environment(environment);
        layers.add_flags(arguments);
        let (configuration, file) = (Configuration::default(), arguments.config.clone());
        Self::combine(Self { configuration, file, origins: BTreeMap::new(), credentials }, layers)
    }

    /// Where the value of a key came from.
    pub fn origin(&self, section: &str, key: &str) -> Origin {
        self.origins.get(&(section.to_owned(), key.to_owned())).cloned().unwrap_or(Origin::Default)
    }

    /// The settings that come from a variable or a flag, each with its section.
    pub(in crate::daemon) fn given_elsewhere(&self) -> Vec<(String, String)> {
        let is_elsewhere = |origin: &Origin| matches!(origin, Origin::Environment(_) | Origin::Flag(_));
        self.origins.iter().filter(|(_, origin)| is_elsewhere(origin)).map(|(key, _)| key.clone()).collect()
    }

    /// The same with what the layers set on top.
    pub(super) fn combine(base: Self, layers: Layers) -> Result<Self, ConfigurationError> {
        let Layers { settings, mut problems } = layers;
        let Self { configuration, file, mut origins, credentials } = base;
        let mut figment = Figment::from(Serialized::defaults(configuration));
        let mut doubtful = Vec::new();
        for setting in settings {
            match read(&setting) {
                Ok(value) => {
                    figment = figment.merge(Layer { setting: &setting, value });
                    origins.insert((setting.section, setting.key), setting.origin);
                }
                Err(message) => {
                    problems.push(Problem { origin: setting.origin.to_string(), message });
                    doubtful.push(setting.section);
                }
            }
        }
        let configuration: Configuration =
            figment.extract().map_err(|error| ConfigurationError::one("all sources together", error.to_string()))?;
        check_users(&configuration, &origins, &mut problems);
        for section in &SECTIONS {
            // Where a value was refused already, what is left of its section says nothing.
            if doubtful.iter().any(|name| name == section.name) {
                continue;
            }
            if let Err(message) = (section.check)(&configuration) {
                problems.push(Problem { origin: origins_named_in(&message, section, &origins), message });
            }
        }
        if problems.is_empty() {
            Ok(Self { configuration, file, origins, credentials })
        } else {
            Err(ConfigurationError { problems })
        }
    }
}

/// Where the service manager says that secrets are.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Users that cannot be, or that contradict the rest.
fn check_users(
    configuration: &Configuration,
    origins: &BTreeMap<(String, String), Origin>,
    problems: &mut Vec<Problem>,
) {
    for (name, user) in &configuration.users {
        let origin = origins.get(&(USERS.to_owned(), name.clone())).unwrap_or(&Origin::Default).to_string();
        if let Err(error) = user.user(name, &[]) {
            problems.push(Problem { origin: origin.clone(), message: error.to_string() });
        }
        let resp = &configuration.resp;
        if resp.acl_file.is_some() {
            let message = format!("users.{name}: allowed are users here or resp.acl_file, not both");
            problems.push(Problem { origin, message });
        } else if name == "default" && (resp.password.is_some() || resp.password_file.is_some()) {
            let message = "users.default: allowed is this user or the password in [resp], not both".to_owned();
            problems.push(Problem { origin, message });
        }
    }
}

/// One setting as a source of figment's.
struct Layer<'a> {
    setting: &'a Setting,
    value: Value,
}

impl Provider for Layer<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.setting.origin.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let section = Dict::from([(self.setting.key.clone(), self.value.clone())]);
        Ok(Profile::Default.collect(Dict::from([(self.setting.section.clone(), Value::from(section))])))
    }
}

/// The value of a setting, if its key is known and takes it.
fn read(setting: &Setting) -> Result<Value, String> {
    if setting.section == USERS {
        return read_user(setting);
    }
    let Some(section) = Section::named(&setting.section) else {
        return Err(unknown(setting));
    };
    if !section.has(&setting.key) {
        return Err(unknown(setting));
    }
    let mut refusal = None;
    for value in &setting.readings {
        let alone = Figment::from(Serialized::defaults(Configuration::default()));
        match alone.merge(Layer { setting, value: value.clone() }).extract::<Configuration>() {
            Ok(_) => return Ok(value.clone()),
            // The last reading is the most specific one, so its refusal says most.
            Err(error) => refusal = Some(error),
        }
    }
    let Setting { section, key, given, .. } = setting;
    let allowed = refusal.map_or_else(String::new, |error| allowed(error.kind));
    let given = if is_secret(section, key) { "(a value that is not shown)" } else { given.as_str() };
    Err(format!("{section}.{key} = {given}: allowed is {allowed}"))
}

/// A user, which only a file can have: on a command line or in a variable its rules would be no lists.
fn read_user(setting: &Setting) -> Result<Value, String> {
    let name = &setting.key;
    let Some(value) = setting.readings.first().filter(|_| matches!(setting.origin, Origin::File { .. })) else {
        return Err(format!("users.{name}: users are set in the configuration file, or with ACL SETUSER"));
    };
    match value.deserialize::<UserConfig>() {
        Ok(_) => Ok(value.clone()),
        Err(error) => Err(match error.kind {
            Kind::UnknownField(key, keys) => format!("unknown key users.{name}.{key}; a user has {}", keys.join(", ")),
            kind => format!("users.{name}: {}: allowed is {}", error.path.join("."), allowed(kind)),
        }),
    }
}

/// What a refused value should have been, in a user's words.
fn allowed(kind: Kind) -> String {
    match kind {
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => match expected.as_str() {
            "u8" => whole_number(u8::MAX),
            "u16" => whole_number(u16::MAX),
            "u32" => whole_number(u32::MAX),
            "u64" | "usize" => "a whole number that is not negative".to_owned(),
            "bool" | "a boolean" => "true or false".to_owned(),
            "a string" => "a text in quotes".to_owned(),
            "path string" => "a path in quotes".to_owned(),
            other => other.to_owned(),
        },
        Kind::UnknownVariant(_, variants) => {
            let quoted: Vec<String> = variants.iter().map(|variant| format!("{variant:?}")).collect();
            quoted.join(" or ")
        }
        other => {
            let text = other.to_string();
            text.strip_prefix("expected ").map_or(text.clone(), str::to_owned)
        }
    }
}

fn whole_number(most: impl Into<u64>) -> String {
    format!("a whole number from 0 to {}", most.into())
}

fn unknown(setting: &Setting) -> String {
    let Setting { section, key, origin, .. } = setting;
    let known: Vec<(&str, &str)> =
        SECTIONS.iter().flat_map(|section| section.keys().iter().map(|key| (section.name, *key))).collect();
    let dotted: Vec<String> = known.iter().map(|(section, key)| format!("{section}.{key}")).collect();
    let near = suggest::closest(&format!("{section}.{key}"), dotted.iter().map(String::as_str))
        .and_then(|near| near.split_once('.'))
        // A key below the wrong section is as likely as one that is misspelt.
        .or_else(|| known.iter().find(|(_, other)| other == key).copied());
    if let Some((section, key)) = near {
        let meant = match origin {
            Origin::Environment(_) => variable_of(section, key),
            _ => format!("{section}.{key}"),
        };
        return format!("unknown key {}.{}; did you mean {meant}?", setting.section, setting.key);
    }
    match Section::named(section) {
        Some(known) => format!("unknown key {section}.{key}; [{section}] has {}", known.keys().join(", ")),
        None => unknown_section(section),
    }
}

pub(super) fn unknown_section(section: &str) -> String {
    let names: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
    match suggest::closest(section, names.iter().copied()) {
        Some(near) => format!("unknown section [{section}]; did you mean [{near}]?"),
        None => format!("unknown section [{section}]; the sections are {}", names.join(", ")),
    }
}

/// The origins of the settings that a message of a section speaks of.
fn origins_named_in(message: &str, section: &Section, origins: &BTreeMap<(String, String), Origin>) -> String {
    let words: Vec<&str> = message.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    let mut named: Vec<String> = origins
        .iter()
        .filter(|((owner, key), _)| {
            let dotted = message.contains(&format!("{owner}.{key}"));
            dotted || (owner == section.name && words.contains(&key.as_str()))
        })
        .map(|(_, origin)| origin.to_string())
        .collect();
    named.dedup();
    if named.is_empty() {
        return format!("[{}]", section.name);
    }
    named.join(" and ")
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
