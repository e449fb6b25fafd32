//! The `[node]` section: what an operator says of the node.

use super::StartError;
use crate::base::Labels;

/// The settings of `[node]`.
pub type Config = Labels;

/// Whether the labels are such.
///
/// # Errors
/// [`StartError::Label`] for the first that is not.
pub fn check_labels(labels: &Labels) -> Result<(), StartError> {
    match labels.mistake() {
        None => Ok(()),
        Some((key, given)) => Err(StartError::Label { key, given: given.to_owned() }),
    }
}
