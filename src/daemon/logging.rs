//! The log: what is logged, and in which form it leaves.
//!
//! In a terminal it is text for people; under systemd it goes to the journal with its fields. Nothing here decides
//! what is worth logging, and the log never goes to standard output.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, reload};

/// What libraries say of their ordinary work is no news of this program: they are heard from warnings on, unless they
/// are named, or the level is another than usual.
const QUIET_LIBRARIES: [&str; 2] = ["fjall", "lsm_tree"];
/// These warn of whatever a stranger sends, so that anybody could fill a disk with their lines. What is to be known of strangers
/// this program says itself, and not too often.
const TALKATIVE_LIBRARIES: [&str; 2] = ["rustls", "quinn_proto"];
/// What fields in the journal begin with, and what its lines are known by.
const FIELD_PREFIX: &str = "DISCNT";
const IDENTIFIER: &str = "discnt-server";
/// The target of what an auditor wants to know.
const AUDIT: &str = "audit";
const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

/// The `[log]` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A level, or levels by module: `info,discnt::mesh=debug`.
    pub level: String,
    /// Where the log goes, and how it looks.
    pub format: Format,
}

impl Default for Config {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: Format::Auto }
    }
}

/// Where the log goes, and how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The journal if standard error is connected to it, otherwise text.
    Auto,
    /// Text on standard error, in colours if that is a terminal.
    Terminal,
    /// The journal, with fields.
    Journald,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is not one.
    #[error("log.level = {given:?}: {reason}; allowed is a level ({}), or levels by module as in \"info,discnt::mesh=debug\"", LEVELS.join(", "))]
    Filter {
        /// What was given.
        given: String,
        /// Which part is wrong.
        reason: String,
    },
    /// The journal was asked for and is not there.
    #[error(
        "log.format = \"journald\", but this system's journal cannot be reached: {0}; set it to \"auto\" or \"terminal\""
    )]
    Journal(#[source] io::Error),
    /// Somebody else has set up a log in this process.
    #[error("the log is already set up")]
    AlreadyStarted,
}

impl Config {
    /// Whether the filter can be understood.
    ///
    /// # Errors
    /// [`LoggingError::Filter`].
    pub fn check(&self) -> Result<(), LoggingError> {
        self.filter().map(drop)
    }

    fn filter(&self) -> Result<EnvFilter, LoggingError> {
        let refuse = |reason: String| LoggingError::Filter { given: self.level.clone(), reason };
        if self.level.trim().is_empty() {
            return Err(refuse("it is empty".to_owned()));
        }
        let directives: Vec<&str> = self.level.split(',').map(str::trim).collect();
        for directive in &directives {
            // The filter's own parser takes a misspelt level for a module and logs all of that.
            let bare = !directive.contains(['=', '[']);
            if bare && !LEVELS.iter().any(|level| level.eq_ignore_ascii_case(directive)) {
                return Err(refuse(format!("{directive:?} is not a level")));
            }
        }
        let mut all = directives.join(",");
        let is_level = |level: &str| directives.iter().any(|directive| directive.eq_ignore_ascii_case(level));
        let is_named = |name: &str| directives.iter().any(|given| given.starts_with(name));
        if is_level("info") {
            let quiet = QUIET_LIBRARIES.iter().filter(|name| !is_named(name));
            all.extend(quiet.map(|name| format!(",{name}=warn")));
        }
        if is_level("info") || is_level("warn") {
            let quiet = TALKATIVE_LIBRARIES.iter().filter(|name| !is_named(name));
            all.extend(quiet.map(|name| format!(",{name}=error")));
        }
        // Who logs warnings alone still has to be able to say who was let in and who changed what.
        let is_off = directives.iter().all(|directive| directive.eq_ignore_ascii_case("off"));
        if !is_off && !directives.iter().any(|given| given.starts_with(AUDIT)) {
            all.push_str(&format!(",{AUDIT}=info"));
        }
        EnvFilter::builder().parse(all).map_err(|error| refuse(error.to_string()))
    }
}

/// Sends what this process logs from now on to where the settings say.
///
/// # Errors
/// [`LoggingError`]; nothing was set up then.
pub fn start(config: &Config) -> Result<LevelSwitch, LoggingError> {
    let (filter, handle) = reload::Layer::new(config.filter()?);
    let to_journal = match config.format {
        Format::Terminal => false,
        Format::Journald => true,
        Format::Auto => stderr_is_the_journal(),
    };
    let registry = tracing_subscriber::registry().with(filter);
    let started = if to_journal {
        let journal = tracing_journald::layer().map_err(LoggingError::Journal)?;
        let journal = journal.with_field_prefix(Some(FIELD_PREFIX.to_owned()));
        registry.with(journal.with_syslog_identifier(IDENTIFIER.to_owned())).try_init()
    } else {
        let text = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
        registry.with(text).try_init()
    };
    started.map_err(|_| LoggingError::AlreadyStarted)?;
    Ok(LevelSwitch(handle))
}

/// Changes what is logged while the process runs.
#[derive(Clone, Debug)]
pub struct LevelSwitch(reload::Handle<EnvFilter, Registry>);

impl LevelSwitch {
    /// Logs by this level from now on; one that is not valid changes nothing.
    pub(super) fn turn(&self, config: &Config) {
        if let Ok(filter) = config.filter() {
            // Fails only when there is no log any more.
            let _ = self.0.reload(filter);
        }
    }
}

/// Whether systemd has connected standard error to the journal: `JOURNAL_STREAM` then holds the device and inode of it.
/// The variable alone proves nothing, since a shell below a service inherits it with another standard error.
pub(super) fn stderr_is_the_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let metadata = io::stderr().as_fd().try_clone_to_owned().and_then(|descriptor| File::from(descriptor).metadata());
    metadata.is_ok_and(|metadata| names(&stream, metadata.dev(), metadata.ino()))
}

/// Whether a `JOURNAL_STREAM` ("device:inode", decimal) names this file.
fn names(stream: &str, device: u64, inode: u64) -> bool {
    stream.split_once(':').is_some_and(|(d, i)| d.parse() == Ok(device) && i.parse() == Ok(inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(text: &str) -> Result<(), String> {
        Config { level: text.to_owned(), ..Config::default() }.check().map_err(|error| error.to_string())
    }

    #[test]
    fn levels_and_levels_by_module_are_understood() {
        for good in [
            "info",
            "OFF",
            "info,discnt::mesh=debug",
            "warn, discnt::driver=trace",
            "discnt=debug",
            "info,[session{id=1}]=debug",
        ] {
            assert_eq!(level(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn libraries_are_quiet_at_the_usual_level_unless_they_are_named() {
        let filter = |text: &str| {
            let config = Config { level: text.to_owned(), ..Config::default() };
            config.filter().expect("a filter").to_string()
        };
        assert!(filter("info").contains("fjall=warn") && filter("info").contains("lsm_tree=warn"));
        assert!(!filter("info,fjall=debug").contains("fjall=warn"));
        assert!(filter("info,fjall=debug").contains("lsm_tree=warn"));
        assert!(!filter("off").contains("warn") && !filter("debug").contains("warn"));
        for level in ["info", "warn", "warn,discnt::mesh=debug"] {
            assert!(filter(level).contains("rustls=error") && filter(level).contains("quinn_proto=error"), "{level}");
        }
        assert!(!filter("warn,rustls=debug").contains("rustls=error") && !filter("debug").contains("rustls"));
    }

    #[test]
    fn what_is_audited_is_logged_at_every_level_but_off() {
        let filter = |text: &str| {
            let config = Config { level: text.to_owned(), ..Config::default() };
            config.filter().expect("a filter").to_string()
        };
        for level in ["error", "warn,discnt::mesh=debug", "info"] {
            assert!(filter(level).contains("audit=info"), "{level}");
        }
        assert!(!filter("off").contains("audit"));
        assert!(!filter("info,audit=off").contains("audit=info"));
    }

    #[test]
    fn a_misspelt_level_is_refused_and_not_taken_for_a_module() {
        for bad in ["inof", "", "  ", "info,debg", "discnt::mesh=debg", "info,,debug"] {
            let text = level(bad).expect_err(bad);
            assert!(text.starts_with(&format!("log.level = {bad:?}: ")), "{text}");
            assert!(text.contains("off, error, warn, info, debug, trace"), "{text}");
        }
    }

    #[test]
    fn the_journal_is_recognised_by_device_and_inode() {
        assert!(names("9:4711", 9, 4711));
        for other in ["9:4712", "8:4711", "4711", "", "9:", "a:b", "9:4711:1"] {
            assert!(!names(other, 9, 4711), "{other}");
        }
    }

    #[test]
    fn formats_are_written_in_lower_case() {
        let config: Config = toml::from_str("format = \"journald\"").expect("a format");
        assert_eq!(config.format, Format::Journald);
        assert!(toml::from_str::<Config>("format = \"xml\"").is_err());
    }
}
