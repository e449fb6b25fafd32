//! The configuration of the node, as far as commands see and change it.

use std::fmt;

/// Whoever has the configuration.
pub trait Configured: fmt::Debug + Send + Sync {
    /// Every setting as `section.key`, and its value in words; what is not set is left out. Secrets are not hidden.
    fn pairs(&self) -> Vec<(String, String)>;

    /// Gives settings, named as `section.key`, new values: all of them, or none.
    ///
    /// # Errors
    /// [`ChangeRefused`]; nothing was changed.
    fn change(&self, changes: &[(String, String)]) -> Result<(), ChangeRefused>;

    /// Writes what was changed into the configuration file. May wait for a disk, so no command calls it.
    ///
    /// # Errors
    /// A line for an operator; the file is as it was.
    fn rewrite(&self) -> Result<(), String>;
}

/// Why settings were not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ChangeRefused {
    /// The setting that is in the way, as `section.key`, if it is one alone.
    pub key: Option<String>,
    /// What is in the way.
    pub reason: String,
}

/// Settings that never change.
#[derive(Clone, Debug, Default)]
pub struct Fixed(pub Vec<(String, String)>);

impl Configured for Fixed {
    fn pairs(&self) -> Vec<(String, String)> {
        self.0.clone()
    }

    fn change(&self, changes: &[(String, String)]) -> Result<(), ChangeRefused> {
        let key = changes.first().map(|(key, _)| key.clone());
        Err(ChangeRefused { key, reason: "the settings of this node are fixed".to_owned() })
    }

    fn rewrite(&self) -> Result<(), String> {
        Err("The server is running without a config file".to_owned())
    }
}
