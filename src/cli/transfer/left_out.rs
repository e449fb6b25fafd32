//! What another server has and a counter cannot be: counted by kinds, and listed on request.

use std::collections::BTreeMap;

use super::progress::{Progress, grouped};
use super::record::shown;
use crate::base::{AmountError, Name};
use crate::cli::output::warn;

/// What was left out.
pub(super) struct LeftOut {
    is_verbose: bool,
    kinds: BTreeMap<String, u64>,
    /// How many numbers were among them, which one would expect to be imported.
    numbers: u64,
}

impl LeftOut {
    /// Nothing yet.
    pub(super) fn new(is_verbose: bool) -> Self {
        Self { is_verbose, kinds: BTreeMap::new(), numbers: 0 }
    }

    /// Leaves out what is of this kind.
    pub(super) fn add(&mut self, progress: &mut Progress, name: &[u8], kind: &str) {
        *self.kinds.entry(kind.to_owned()).or_default() += 1;
        if self.is_verbose {
            progress.clear();
            warn(format_args!("left out {}: {kind}", shown(name)));
        }
    }

    /// Leaves out a number that no counter can hold, or whose name no counter can have.
    pub(super) fn add_number(&mut self, progress: &mut Progress, name: &[u8], value: &[u8], kind: &str) {
        self.numbers += 1;
        *self.kinds.entry(kind.to_owned()).or_default() += 1;
        if self.is_verbose {
            progress.clear();
            warn(format_args!("left out {} = {}: {kind}", shown(name), shown(value)));
        }
    }

    /// How many numbers were left out.
    pub(super) fn numbers(&self) -> u64 {
        self.numbers
    }

    /// A line for the user, if anything was left out.
    pub(super) fn summary(&self) -> Option<String> {
        let kinds: Vec<String> =
            self.kinds.iter().map(|(kind, count)| format!("{kind}: {}", grouped(*count))).collect();
        (!kinds.is_empty()).then(|| format!("left out: {}", kinds.join(", ")))
    }
}

/// Why a name cannot be a counter's.
pub(super) fn unusable_name(name: &[u8]) -> Option<&'static str> {
    Name::new(name).is_err().then_some("name that is empty or longer than 512 bytes")
}

/// Why a number cannot be a counter's value; nothing for what is no number.
pub(super) fn unusable_number(error: AmountError) -> Option<&'static str> {
    match error {
        AmountError::OutOfRange => Some("beyond 1e20"),
        AmountError::Inexact => Some("more than 17 digits after the point"),
        AmountError::Invalid => None,
    }
}
