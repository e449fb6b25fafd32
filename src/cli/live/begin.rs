//! The first connection. A mode that cannot have it does not begin; what is wrong is told as it is.

use crate::cli::client::Client;
use crate::cli::connection::Connection;
use crate::cli::output::warn;
use crate::cli::settings::Settings;

/// Opens a connection; none if that cannot be, and the user was told why.
pub(super) fn open(settings: &Settings) -> Option<Connection> {
    let (connection, notices) = Connection::open(settings).inspect_err(|error| warn(error)).ok()?;
    notices.iter().for_each(warn);
    Some(connection)
}

/// Has the client connect. Answers whether it has; if not, the user was told why.
pub(super) fn connect(client: &mut Client) -> bool {
    let connected = client.connect().inspect_err(|error| warn(error));
    connected.is_ok_and(|notices| {
        notices.texts.iter().for_each(warn);
        true
    })
}
