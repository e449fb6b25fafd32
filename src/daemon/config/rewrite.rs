//! CONFIG REWRITE: changed settings into the text of the configuration file, with everything else in it as it was.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use figment::value::Value;
use toml_edit::{DocumentMut, Item, Table};

use super::layers::Origin;
use super::load::LoadedConfiguration;

/// So many names are tried for a new file.
const MAX_ATTEMPTS: u32 = 1000;

/// One setting as it is to stand in the file; without a value it is to go.
#[derive(Clone, Debug)]
struct Wanted {
    section: String,
    key: String,
    value: Option<toml::Value>,
}

impl LoadedConfiguration {
    /// Writes the settings that were changed since the start into the file that was read.
    ///
    /// # Errors
    /// A line for an operator. The file is as it was.
    pub(in crate::daemon) fn rewrite(&self) -> Result<(), String> {
        let path = self.file.as_ref().ok_or("The server is running without a config file")?;
        // The place of a link's target is where the new file goes.
        let path = fs::canonicalize(path).map_err(|error| format!("{} cannot be found: {error}", path.display()))?;
        let told = |what: &str, error: io::Error| format!("{} cannot be {what}: {error}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| told("read", error))?;
        let rewritten = rewrite_text(&text, &self.wanted()?).map_err(|why| format!("{}: {why}", path.display()))?;
        if rewritten == text {
            return Ok(());
        }
        replace_file(&path, rewritten.as_bytes()).map_err(|error| told("written", error))
    }

    fn wanted(&self) -> Result<Vec<Wanted>, String> {
        let all = Value::serialize(&self.configuration).map_err(|error| error.to_string())?;
        let changed = self.origins.iter().filter(|(_, origin)| **origin == Origin::Command);
        let wanted = changed.map(|((section, key), _)| {
            let value = all.find_ref(&format!("{section}.{key}")).filter(|value| !matches!(value, Value::Empty(..)));
            let value = value.map(toml::Value::try_from).transpose().map_err(|error| error.to_string())?;
            Ok(Wanted { section: section.clone(), key: key.clone(), value })
        });
        wanted.collect()
    }
}

/// The text with the wanted settings, and comments, order and everything else as they were.
fn rewrite_text(text: &str, wanted: &[Wanted]) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|error| format!("this is not TOML: {error}"))?;
    let mut missing = Vec::new();
    for setting in wanted {
        let section = document.get_mut(&setting.section).and_then(Item::as_table_like_mut);
        match (section.and_then(|section| section.get_mut(&setting.key)), &setting.value) {
            (Some(place), Some(value)) => replace_value(place, edited(value)?),
            (Some(_), None) => {
                if let Some(section) = document.get_mut(&setting.section).and_then(Item::as_table_like_mut) {
                    section.remove(&setting.key);
                }
            }
            (None, Some(value)) => missing.push((setting, value)),
            (None, None) => {}
        }
    }
    let mut text = document.to_string();
    for (setting, value) in missing {
        text = add(&text, setting, value)?;
    }
    let result: toml::Table = text.parse().map_err(|error| format!("the result would not be TOML: {error}"))?;
    let is_there = |setting: &Wanted| {
        let found = result.get(&setting.section).and_then(|section| section.get(&setting.key));
        found == setting.value.as_ref()
    };
    match wanted.iter().find(|setting| !is_there(setting)) {
        Some(Wanted { section, key, .. }) => Err(format!("no place was found for {section}.{key}")),
        None => Ok(text),
    }
}

fn edited(value: &toml::Value) -> Result<toml_edit::Value, String> {
    value.to_string().parse().map_err(|error| format!("{value} cannot be written: {error}"))
}

/// Puts a value in another's place, with the blanks and the comment around it.
fn replace_value(place: &mut Item, mut value: toml_edit::Value) {
    if let Some(old) = place.as_value() {
        *value.decor_mut() = old.decor().clone();
    }
    *place = Item::Value(value);
}

/// Adds a setting behind the line that shows its default, or else at the end of its section.
fn add(text: &str, setting: &Wanted, value: &toml::Value) -> Result<String, String> {
    let Wanted { section, key, .. } = setting;
    let before: toml::Table = text.parse().map_err(|error| format!("this is not TOML: {error}"))?;
    let mut lines: Vec<&str> = text.lines().collect();
    let line = format!("{key} = {value}");
    if let Some(at) = shown_default(&lines, section, key) {
        lines.insert(at + 1, &line);
        let mut added = lines.join("\n");
        added.push('\n');
        // Lines within a text of several lines can look like anything.
        if is_only_addition(&before, &added, setting) {
            return Ok(added);
        }
    }
    let mut document: DocumentMut = text.parse().map_err(|error| format!("this is not TOML: {error}"))?;
    let value = Item::Value(edited(value)?);
    let place = document.entry(section).or_insert(Item::Table(Table::new()));
    place.as_table_like_mut().ok_or_else(|| format!("{section} is no section"))?.insert(key, value);
    Ok(document.to_string())
}

/// The line of a section that shows the default of a key as a comment.
fn shown_default(lines: &[&str], section: &str, key: &str) -> Option<usize> {
    let header = format!("[{section}]");
    let begin =
        lines.iter().position(|line| line.trim_end().split('#').next().is_some_and(|bare| bare.trim() == header))?;
    let length = lines[begin + 1..].iter().position(|line| line.starts_with('['));
    let end = length.map_or(lines.len(), |length| begin + 1 + length);
    let shows = |line: &&str| {
        let comment = line.strip_prefix('#').map(str::trim_start);
        comment.and_then(|comment| comment.strip_prefix(key)).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    lines[begin..end].iter().position(shows).map(|at| begin + at)
}

/// Whether the text says what was said before, and the setting.
fn is_only_addition(before: &toml::Table, added: &str, setting: &Wanted) -> bool {
    let mut expected = before.clone();
    let section = expected.entry(setting.section.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    let (Some(section), Some(value)) = (section.as_table_mut(), &setting.value) else { return false };
    section.insert(setting.key.clone(), value.clone());
    added.parse::<toml::Table>().is_ok_and(|table| table == expected)
}

/// Puts a file in another's place, whole or not at all, with its owner and its mode.
pub(in crate::daemon) fn replace_file(path: &Path, text: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let metadata = fs::metadata(path)?;
    let (mut file, beside) = new_file_beside(directory, path)?;
    let written = (|| {
        // Secrets may be in it: never more open than the one it replaces.
        file.set_permissions(Permissions::from_mode(metadata.mode() & 0o7777 & !0o077 | 0o600))?;
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (metadata.uid(), metadata.gid()) {
            chown(&beside, Some(metadata.uid()), Some(metadata.gid()))?;
        }
        file.set_permissions(Permissions::from_mode(metadata.mode() & 0o7777))?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        // What is left of it is in nobody's way.
        let _ = fs::remove_file(&beside);
        return written;
    }
    File::open(directory)?.sync_all()
}

/// An empty file of a name that no other has, also if another is written in the same place now or was left by a crash.
fn new_file_beside(directory: &Path, path: &Path) -> io::Result<(File, PathBuf)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut refused = io::Error::from(io::ErrorKind::AlreadyExists);
    for number in 0..MAX_ATTEMPTS {
        let beside = directory.join(format!(".{name}.{}.{number}", std::process::id()));
        match File::options().write(true).create_new(true).mode(0o600).open(&beside) {
            Ok(file) => return Ok((file, beside)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => refused = error,
            Err(error) => return Err(error),
        }
    }
    Err(refused)
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;
