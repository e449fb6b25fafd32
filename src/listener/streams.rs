//! TCP and unix sockets as one: what accepts, and what was accepted.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::service::Endpoint;
use super::tls::{HandshakePermit, Tls};

/// A socket that is accepted from.
#[derive(Debug)]
pub(super) enum Accepting {
    Tcp(TcpListener),
    Tls(TcpListener, Arc<Tls>),
    Unix(UnixListener, Arc<Path>),
}

/// A connection that was accepted, in the accepting thread's event queue.
#[derive(Debug)]
pub(super) enum Arrival {
    Tcp(TcpStream),
    Tls(TcpStream, Arc<Tls>),
    Unix(UnixStream),
}

/// A connection that belongs to no event queue while it moves from one to another.
#[derive(Debug)]
pub(super) enum Detached {
    Tcp(std::net::TcpStream),
    /// Before the handshake, which the thread that serves it makes.
    Tls(std::net::TcpStream, Arc<Tls>, HandshakePermit),
    Unix(std::os::unix::net::UnixStream),
}

impl Accepting {
    /// The next connection, with the client's end.
    pub(super) async fn accept(&self) -> io::Result<(Arrival, Endpoint)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Arrival::Tcp(stream), Endpoint::Tcp(peer)))
            }
            Self::Tls(listener, tls) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Arrival::Tls(stream, Arc::clone(tls)), Endpoint::Tcp(peer)))
            }
            Self::Unix(listener, path) => {
                let (stream, _) = listener.accept().await?;
                Ok((Arrival::Unix(stream), Endpoint::Unix(Arc::clone(path))))
            }
        }
    }
}

impl Arrival {
    /// Sets what connections over a network have.
    pub(super) fn prepare(&self, keepalive: Option<Duration>) -> io::Result<()> {
        let (Self::Tcp(stream) | Self::Tls(stream, _)) = self else { return Ok(()) };
        stream.set_nodelay(true)?;
        match keepalive {
            Some(silence) => SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(silence)),
            None => Ok(()),
        }
    }

    /// This server's end, given the client's.
    pub(super) fn local(&self, peer: &Endpoint) -> io::Result<Endpoint> {
        match self {
            Self::Tcp(stream) | Self::Tls(stream, _) => stream.local_addr().map(Endpoint::Tcp),
            Self::Unix(_) => Ok(peer.clone()),
        }
    }

    pub(super) fn detach(self) -> io::Result<Detached> {
        Ok(match self {
            Self::Tcp(stream) => Detached::Tcp(stream.into_std()?),
            Self::Tls(stream, tls) => {
                let permit = tls.permit(stream.peer_addr()?.ip()).ok_or(io::ErrorKind::ResourceBusy)?;
                Detached::Tls(stream.into_std()?, tls, permit)
            }
            Self::Unix(stream) => Detached::Unix(stream.into_std()?),
        })
    }
}

impl Detached {
    pub(super) fn descriptor(&self) -> RawFd {
        match self {
            Self::Tcp(stream) | Self::Tls(stream, _, _) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

impl Endpoint {
    /// Whether whoever is there is on this machine, as far as the address tells.
    pub(super) fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp(address) => match address.ip() {
                IpAddr::V4(ip) => ip.is_loopback(),
                // A socket for :: sees clients of IPv4 as such addresses.
                IpAddr::V6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_told_from_others() {
        let tcp = |text: &str| Endpoint::Tcp(text.parse().expect("an address"));
        for local in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(tcp(local).is_local(), "{local}");
        }
        for other in ["10.0.0.1:1", "[fe80::1]:1", "[::ffff:10.0.0.1]:1", "0.0.0.0:1"] {
            assert!(!tcp(other).is_local(), "{other}");
        }
        let unix = Endpoint::Unix(Path::new("/run/a b.sock").into());
        assert!(unix.is_local());
        assert_eq!(unix.to_string(), "/run/a?b.sock:0");
    }
}
