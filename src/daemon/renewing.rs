//! What a server finds that ended while it took a new identity: two keys.

use super::serve::ServeError;
use crate::mesh::Identity;
use crate::storage::{DataDirectory, Store};

/// Of two keys, that one is the node's whose id the counters on disk have: they are written under a new id before its key
/// takes the place of the old.
pub(super) fn settle_identity(directory: &DataDirectory) -> Result<(), ServeError> {
    let path = directory.path();
    let Some(next) = Identity::next_id(path)? else { return Ok(()) };
    if Store::owner(path)? == Some(next) {
        Identity::take_next(path)?;
        tracing::warn!("the last run ended just after it had become node {next}: it goes on as that");
    } else {
        Identity::drop_next(path)?;
        tracing::warn!(
            "the last run ended before it had become node {next}, as CLUSTER RESET HARD had asked: it stays as it was"
        );
    }
    Ok(())
}
