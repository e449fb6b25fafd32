//! The configuration in effect as TOML that can be fed back, each value with where it came from.

use std::fmt;

use figment::value::Value;

use super::is_secret;
use super::layers::Origin;
use super::load::LoadedConfiguration;
use super::sections::{SECTIONS, USERS};

impl fmt::Display for LoadedConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is printed is what is in effect, so the derived directory is, too.
        let mut shown = self.configuration.clone();
        shown.storage.data_dir = Some(shown.data_directory());
        let all = Value::serialize(&shown).map_err(|_| fmt::Error)?;
        for (index, section) in SECTIONS.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            writeln!(f, "[{}]", section.name)?;
            for key in section.keys() {
                let origin = self.origin(section.name, key);
                let origin = match &origin {
                    Origin::File { path, .. } => Origin::File { path: path.clone(), line: None },
                    other => other.clone(),
                };
                let value = all.find_ref(&format!("{}.{key}", section.name)).filter(|value| !is_unset(value));
                match value {
                    Some(_) if is_secret(section.name, key) => writeln!(f, "# {key} is set (from {origin})")?,
                    Some(value) => {
                        let value = toml::Value::try_from(value).map_err(|_| fmt::Error)?;
                        writeln!(f, "{key} = {value}  # {origin}")?;
                    }
                    None => writeln!(f, "# {key} is not set  # {origin}")?,
                }
            }
        }
        for (name, user) in &self.configuration.users {
            writeln!(f, "\n[{USERS}.{}]  # {}", quoted(name), self.origin(USERS, name))?;
            let fields = toml::Table::try_from(user).map_err(|_| fmt::Error)?;
            for (key, value) in fields {
                match key.as_str() {
                    "passwords" => writeln!(f, "# passwords: {}", value.as_array().map_or(0, Vec::len))?,
                    _ => writeln!(f, "{key} = {value}")?,
                }
            }
        }
        Ok(())
    }
}

/// A name as it stands between the dots of a table's name.
fn quoted(name: &str) -> String {
    let is_bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if is_bare { name.to_owned() } else { toml::Value::from(name).to_string() }
}

fn is_unset(value: &Value) -> bool {
    matches!(value, Value::Empty(..))
}
