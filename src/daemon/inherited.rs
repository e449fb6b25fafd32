//! Sockets that a service manager opened for this server and passed on, which outlive it: between two runs clients wait in them
//! instead of being refused.

use listenfd::ListenFd;

use super::serve::ServeError;
use crate::listener::Inherited;

/// Takes over all sockets that were passed on; none where nobody passed any.
///
/// # Errors
/// [`ServeError::Inherited`] for what is no listening TCP or unix socket.
pub(super) fn inherited_sockets() -> Result<Inherited, ServeError> {
    let mut passed = ListenFd::from_env();
    let mut inherited = Inherited::default();
    for at in 0..passed.len() {
        if let Ok(Some(socket)) = passed.take_tcp_listener(at) {
            inherited.tcp.push(socket);
            continue;
        }
        match passed.take_unix_listener(at) {
            Ok(Some(socket)) => inherited.unix.push(socket),
            Ok(None) => {}
            Err(error) => return Err(ServeError::Inherited(error)),
        }
    }
    Ok(inherited)
}
