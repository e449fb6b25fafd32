//! Who the node is when a server starts, also where one ended while it took a new identity and left two keys.

use super::serve::ServeError;
use crate::mesh::{Config, Identity, OpenedIdentity};
use crate::storage::{DataDirectory, Store};

/// Of two keys, that one is the node's whose id the counters on disk have: they are written under a new id before its key
/// takes the place of the old.
pub(super) fn settle_identity(directory: &DataDirectory) -> Result<(), ServeError> {
    let path = directory.path();
    let Some(next) = Identity::next_id(path)? else { return Ok(()) };
    Store::end_replacement(path)?;
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

/// Opens the identity of the node that a data directory is of.
pub(super) fn open_identity(config: &Config, directory: &DataDirectory) -> Result<OpenedIdentity, ServeError> {
    settle_identity(directory)?;
    // A node that is alone loses nobody.
    if !directory.load_members()?.is_empty() {
        Identity::refuse_lost_authorities(config, directory.path())?;
    }
    Ok(Identity::open(config, directory.path())?)
}
