//! `packaging/discnt.toml` shows every setting with its true default and its true bounds, and nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

use discnt::daemon::{Arguments, LoadedConfiguration};

/// One setting as the file shows it.
#[derive(Debug, Default)]
struct Shown {
    line: String,
    comment: String,
}

impl Shown {
    fn is_example(&self) -> bool {
        self.comment.contains("Not set by default")
    }

    /// The bounds of "Allowed: A to B.", if both are whole numbers.
    fn bounds(&self) -> Option<(u64, u64)> {
        let allowed = self.comment.split("Allowed: ").nth(1)?;
        let (least, rest) = allowed.split_once(" to ")?;
        let most = rest.split('.').next()?;
        Some((least.parse().ok()?, most.parse().ok()?))
    }
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("packaging/discnt.toml")
}

fn key_of(line: &str) -> Option<&str> {
    let (key, _) = line.strip_prefix("# ")?.split_once(" = ")?;
    key.chars().all(|c| c.is_ascii_lowercase() || c == '_').then_some(key)
}

/// Section and key to what the file shows of it.
fn shown() -> BTreeMap<(String, String), Shown> {
    let text = std::fs::read_to_string(path()).expect("packaging/discnt.toml can be read");
    let mut section = String::new();
    let mut comment = String::new();
    let mut settings = BTreeMap::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some(key) = key_of(line).filter(|_| !section.is_empty()) {
            let line = line.trim_start_matches("# ").to_owned();
            let value = Shown { line, comment: std::mem::take(&mut comment) };
            let earlier = settings.insert((section.clone(), key.to_owned()), value);
            assert!(earlier.is_none(), "{section}.{key} is shown twice");
        } else if line.is_empty() {
            comment.clear();
        } else {
            assert!(line.starts_with('#'), "a line that is not a comment sets something: {line}");
            comment.push_str(line.trim_start_matches(['#', ' ']));
            comment.push(' ');
        }
    }
    settings
}

fn server(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_discnt-server"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DISCNT_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).output().expect("the server's program can be started")
}

fn load(file: Option<PathBuf>, settings: Vec<String>) -> Result<LoadedConfiguration, String> {
    let arguments = Arguments { config: file, settings, ..Arguments::default() };
    LoadedConfiguration::load(&arguments, []).map_err(|error| error.to_string())
}

/// What `--print-config` says of the defaults: section and key, and whether it is set.
fn known() -> BTreeMap<(String, String), bool> {
    let output = server(&["--print-config"]);
    assert!(output.status.success(), "{output:?}");
    let mut section = String::new();
    let mut known = BTreeMap::new();
    for line in String::from_utf8(output.stdout).expect("UTF-8").lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some(key) = line.strip_prefix("# ").and_then(|rest| rest.split_once(" is not set")) {
            known.insert((section.clone(), key.0.to_owned()), false);
        } else if let Some((key, _)) = line.split_once(" = ") {
            known.insert((section.clone(), key.to_owned()), true);
        }
    }
    assert!(known.len() > 30, "too few keys to be all of them: {known:?}");
    known
}

#[test]
fn the_file_shows_every_key_and_no_other() {
    let shown: BTreeMap<_, _> = shown().into_iter().map(|(name, shown)| (name, !shown.is_example())).collect();
    let known = known();
    let missing: Vec<_> = known.keys().filter(|name| !shown.contains_key(*name)).collect();
    let unknown: Vec<_> = shown.keys().filter(|name| !known.contains_key(*name)).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "missing: {missing:?}; not a key: {unknown:?}");
    assert_eq!(shown, known, "left: whether the file shows a default; right: whether there is one");
}

#[test]
fn what_the_file_shows_as_defaults_are_the_defaults() {
    let mut text = String::new();
    let mut last = String::new();
    for ((section, _), setting) in shown() {
        if section != last {
            text.push_str(&format!("[{section}]\n"));
            last = section;
        }
        if !setting.is_example() {
            text.push_str(&format!("{}\n", setting.line));
        }
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("all.toml");
    std::fs::write(&file, text).expect("a temporary file");
    let mut defaults = load(None, vec![]).expect("the defaults are valid").configuration;
    defaults.storage.data_dir = Some(defaults.data_directory());
    let written = load(Some(file), vec![]).expect("what the file shows is valid").configuration;
    assert_eq!(written, defaults);
}

#[test]
fn the_examples_are_valid() {
    let examples: Vec<String> = shown()
        .into_iter()
        .filter(|(_, setting)| setting.is_example())
        // Two ways to give the same.
        .filter(|(_, setting)| !setting.comment.contains("instead of password"))
        .map(|((section, _), setting)| format!("{section}.{}", setting.line.replacen(" = ", "=", 1)))
        .collect();
    assert!(examples.len() >= 4, "{examples:?}");
    load(None, examples).expect("all examples together are valid");
}

#[test]
fn the_bounds_are_the_true_ones() {
    let mut checked = 0;
    for ((section, key), setting) in shown() {
        assert!(setting.comment.contains("Allowed: "), "{section}.{key} does not say what is allowed");
        let Some((least, most)) = setting.bounds() else { continue };
        let set = |value: u64| {
            let mut settings = vec![format!("{section}.{key}={value}")];
            if key == "port" {
                settings.push("storage.data_dir=anywhere".to_owned());
            }
            load(None, settings)
        };
        if let Some(below) = least.checked_sub(1) {
            assert!(set(below).is_err(), "{section}.{key} = {below} is taken");
        }
        assert!(set(most + 1).is_err(), "{section}.{key} = {} is taken", most + 1);
        for end in [least, most] {
            // At its end a setting may contradict the default of another, but it is not out of bounds.
            let refusal = set(end).err().unwrap_or_default();
            let other = shown().into_keys().any(|(_, other)| other != key && refusal.contains(&other));
            assert!(refusal.is_empty() || other, "{refusal}");
        }
        checked += 1;
    }
    assert!(checked > 20, "only {checked} settings have bounds");
}

#[test]
fn the_file_as_it_is_changes_nothing() {
    let output = server(&["--config", path().to_str().expect("UTF-8"), "--check-config"]);
    assert!(output.status.success(), "{output:?}");
    let loaded = load(Some(path()), vec![]).expect("valid");
    assert_eq!(loaded.configuration, load(None, vec![]).expect("valid").configuration);
}
