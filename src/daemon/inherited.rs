//! Sockets that a service manager opened for this server and passed on, which outlive it: between two runs clients wait in them
//! instead of being refused.

use listenfd::ListenFd;

use super::serve::ServeError;
use crate::listener::Inherited;

/// How the service manager says which name each socket has, with colons in between.
const NAMES: &str = "LISTEN_FDNAMES";
/// The name of one for clients that speak TLS (FileDescriptorName= of its unit).
const TLS: &str = "tls";

/// Takes over all sockets that were passed on; none where nobody passed any.
///
/// # Errors
/// [`ServeError::Inherited`] for what is no listening TCP or unix socket.
pub(super) fn inherited_sockets() -> Result<Inherited, ServeError> {
    let names = std::env::var(NAMES).unwrap_or_default();
    let names: Vec<&str> = names.split(':').collect();
    let mut passed = ListenFd::from_env();
    let mut inherited = Inherited::default();
    for at in 0..passed.len() {
        if let Ok(Some(socket)) = passed.take_tcp_listener(at) {
            let is_for_tls = names.get(at).is_some_and(|name| *name == TLS);
            if is_for_tls {
                inherited.tls.push(socket)
            } else {
                inherited.tcp.push(socket)
            }
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
