//! The socket for HTTP.

use std::net::{SocketAddr, TcpListener};

use super::config::Listen;
use super::{Config, HttpError};

/// A socket that listens; who connects waits until it is served.
#[derive(Debug)]
pub struct Bound {
    pub(super) listener: TcpListener,
    pub(super) address: SocketAddr,
    pub(super) max_connections: usize,
    pub(super) max_streams: usize,
}

impl Bound {
    /// Listens where the configuration says; none where it says nowhere.
    ///
    /// # Errors
    /// [`HttpError::Bind`]. Not where nobody has asked for the address: then it is said in the log, and there is no HTTP.
    pub fn bind(config: &Config, client_port: u16) -> Result<Option<Self>, HttpError> {
        let (address, is_asked_for) = match config.listens(client_port)? {
            Listen::Off => return Ok(None),
            Listen::ByDefault(address) => (address, false),
            Listen::At(address) => (address, true),
        };
        let bound = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        });
        match bound {
            Ok((address, listener)) => {
                let (max_connections, max_streams) = (config.max_connections as usize, config.max_streams as usize);
                Ok(Some(Self { listener, address, max_connections, max_streams }))
            }
            Err(source) if is_asked_for => Err(HttpError::Bind { address, source }),
            Err(error) => {
                tracing::warn!(
                    "no HTTP, as its default address {address} cannot be listened on: {error}; set http.listen to another, or to \
                     \"\" for none"
                );
                Ok(None)
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
