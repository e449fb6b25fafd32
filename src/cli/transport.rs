//! The bytes to and from a server: over TCP, with TLS on it, or through a unix socket.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use super::connection::ConnectError;
use super::reason::plain_reason;
use super::settings::Settings;
use super::tls::{TlsStream, encrypt};

const KEEPALIVE: Duration = Duration::from_secs(15);

/// An open connection.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
    Unix(UnixStream),
}

impl Stream {
    /// Connects, and encrypts if that was asked for. Reads give up after the time that connecting may take.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub(super) fn open(settings: &Settings) -> Result<Self, ConnectError> {
        let silent =
            |reason: io::Error| ConnectError::Silent { address: settings.address(), reason: plain_reason(&reason) };
        let limit = Some(settings.connect_timeout).filter(|limit| !limit.is_zero());
        if let Some(path) = &settings.socket {
            let stream = connect_unix(settings, path)?;
            stream.set_read_timeout(limit).map_err(silent)?;
            return Ok(Self::Unix(stream));
        }
        let tcp = connect_tcp(settings)?;
        tcp.set_nodelay(true).map_err(silent)?;
        tcp.set_read_timeout(limit).map_err(silent)?;
        // A server that went away without a word is noticed, however long a command may take.
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
        SockRef::from(&tcp).set_tcp_keepalive(&keepalive).map_err(silent)?;
        match &settings.tls {
            None => Ok(Self::Plain(tcp)),
            Some(tls) => encrypt(tcp, &settings.host, tls)
                .map(|stream| Self::Tls(Box::new(stream)))
                .map_err(|source| ConnectError::Tls { address: settings.address(), source }),
        }
    }

    /// What the system knows it by, whatever is on it.
    pub(super) fn socket(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(tcp) => tcp.as_fd(),
            Self::Tls(tls) => tls.sock.as_fd(),
            Self::Unix(unix) => unix.as_fd(),
        }
    }
}

fn connect_unix(settings: &Settings, path: &Path) -> Result<UnixStream, ConnectError> {
    let refused = |error| ConnectError::Refused { address: settings.address(), reason: plain_reason(&error) };
    UnixStream::connect(path).map_err(refused)
}

fn connect_tcp(settings: &Settings) -> Result<TcpStream, ConnectError> {
    let unresolved = |reason: String| ConnectError::Resolve { host: settings.host.clone(), reason };
    let addresses: Vec<SocketAddr> = (settings.host.as_str(), settings.port)
        .to_socket_addrs()
        .map_err(|error| unresolved(plain_reason(&error)))?
        .collect();
    let mut failures = Vec::new();
    for address in &addresses {
        let attempt = if settings.connect_timeout.is_zero() {
            TcpStream::connect(address)
        } else {
            TcpStream::connect_timeout(address, settings.connect_timeout)
        };
        match attempt {
            Ok(tcp) => return Ok(tcp),
            Err(error) => failures.push((address, plain_reason(&error))),
        }
    }
    let reason = match failures.as_slice() {
        [] => return Err(unresolved("it has none".into())),
        [(_, reason)] => reason.clone(),
        several => {
            several.iter().map(|(address, reason)| format!("{reason} ({address})")).collect::<Vec<_>>().join(", ")
        }
    };
    Err(ConnectError::Refused { address: settings.address(), reason })
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
            Self::Unix(unix) => unix.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(buffer),
            Self::Tls(tls) => tls.write(buffer),
            Self::Unix(unix) => unix.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(tls) => tls.flush(),
            Self::Unix(unix) => unix.flush(),
        }
    }
}
