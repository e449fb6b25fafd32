//! From `[resp] bind` and `port` to listening sockets.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use super::tls::{PreparedTls, Tls};
use super::unix::UnixSocket;
use super::{Config, ListenerError, Live};

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 1024;

/// Sockets that listen, with nobody serving them yet: clients can connect and wait.
#[derive(Debug)]
pub struct Listener {
    pub(super) sockets: Vec<TcpListener>,
    pub(super) config: Config,
    pub(super) unix: Option<UnixSocket>,
    pub(super) live: Arc<Live>,
    addresses: Vec<SocketAddr>,
    pub(super) tls: Option<TlsSockets>,
}

/// Where clients connect that speak TLS.
#[derive(Debug)]
pub(super) struct TlsSockets {
    pub(super) sockets: Vec<TcpListener>,
    pub(super) tls: Arc<Tls>,
    addresses: Vec<SocketAddr>,
}

/// Sockets that somebody else has opened for this server and keeps open beyond its end.
#[derive(Debug, Default)]
pub struct Inherited {
    /// In place of those of `bind` and `port`, or of `tls_port` where they have that port.
    pub tcp: Vec<TcpListener>,
    /// In place of those of `bind` and `tls_port`, whatever their port.
    pub tls: Vec<TcpListener>,
    /// In place of the one at `unix_socket`; of several the first.
    pub unix: Vec<UnixListener>,
}

impl Inherited {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.tls.is_empty() && self.unix.is_empty()
    }
}

impl Listener {
    /// Listens on the sockets that were inherited, and for the kind of which there is none as [`Listener::bind`] does.
    ///
    /// # Errors
    /// [`ListenerError`]; then nothing listens but what was inherited.
    pub fn bind_with(config: &Config, inherited: Inherited) -> Result<Self, ListenerError> {
        let Inherited { tcp, tls, unix } = inherited;
        let unix = match unix.into_iter().next() {
            Some(socket) => Some(UnixSocket::inherit(socket)?),
            None => None,
        };
        let without_unix =
            Config { unix_socket: config.unix_socket.clone().filter(|_| unix.is_none()), ..config.clone() };
        if tcp.is_empty() && tls.is_empty() {
            let bound = Self::bind(&without_unix)?;
            return Ok(Self { unix: unix.or(bound.unix), ..bound });
        }
        config.check()?;
        let (plain, encrypted) = sort_inherited(config, tcp, tls)?;
        if let Some((_, address)) = plain.first().filter(|_| !config.plaintext) {
            let allowed =
                format!("true, as the service manager passed on a socket at {address}, which is not tls_port");
            return Err(ListenerError::Setting { key: "plaintext", given: "false".to_owned(), allowed });
        }
        let (sockets, addresses) = match plain.is_empty() && config.plaintext {
            true => listen_on(&parse_addresses(&config.bind)?, config.port)?,
            false => plain.into_iter().unzip(),
        };
        let tls = Self::bind_tls(config, encrypted)?;
        let unix = match unix {
            Some(unix) => Some(unix),
            None => Self::bind_unix(&without_unix)?,
        };
        Ok(Self { sockets, config: config.clone(), unix, live: Arc::new(Live::new(config)), addresses, tls })
    }

    /// Listens for TLS, if that is wanted, on these sockets or else on those of the configuration.
    fn bind_tls(
        config: &Config,
        inherited: Vec<(TcpListener, SocketAddr)>,
    ) -> Result<Option<TlsSockets>, ListenerError> {
        let (Some(prepared), Some(port)) = (PreparedTls::read(config)?, config.tls_port) else { return Ok(None) };
        let (sockets, addresses) = match inherited.is_empty() {
            true => listen_on(&parse_addresses(&config.bind)?, port)?,
            false => inherited.into_iter().unzip(),
        };
        let tls = Arc::new(Tls::new(prepared, config.tls_max_handshakes));
        Ok(Some(TlsSockets { sockets, tls, addresses }))
    }

    fn bind_unix(config: &Config) -> Result<Option<UnixSocket>, ListenerError> {
        let bind = |path| UnixSocket::bind(path, config.unix_socket_mode);
        config.unix_socket.as_deref().map(bind).transpose()
    }

    /// Listens on every address of the configuration. With port 0 the system chooses one port for all of them.
    ///
    /// # Errors
    /// [`ListenerError`]; then nothing listens.
    pub fn bind(config: &Config) -> Result<Self, ListenerError> {
        config.check()?;
        let hosts = parse_addresses(&config.bind)?;
        let (sockets, addresses) =
            if config.plaintext { listen_on(&hosts, config.port)? } else { (Vec::new(), Vec::new()) };
        let (tls, live) = (Self::bind_tls(config, Vec::new())?, Arc::new(Live::new(config)));
        Ok(Self { sockets, config: config.clone(), unix: Self::bind_unix(config)?, live, addresses, tls })
    }

    /// What may be changed while this serves.
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live)
    }

    /// The path of the socket that this listens on as well.
    pub fn unix_path(&self) -> Option<&Path> {
        self.unix.as_ref().map(|socket| &*socket.path)
    }

    /// Where this listens for TLS, with the ports that the system chose; nowhere without `tls_port`.
    pub fn tls_addresses(&self) -> &[SocketAddr] {
        self.tls.as_ref().map_or(&[], |tls| &tls.addresses)
    }

    /// How those are answered who speak TLS, for new certificates.
    pub fn tls(&self) -> Option<Arc<Tls>> {
        self.tls.as_ref().map(|tls| Arc::clone(&tls.tls))
    }

    /// Where this listens without TLS, with the ports that the system chose.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

/// A socket with its address.
type Bound = (TcpListener, SocketAddr);

/// Which of the sockets that were inherited are for clients without TLS, and which for those with it.
fn sort_inherited(
    config: &Config,
    tcp: Vec<TcpListener>,
    tls: Vec<TcpListener>,
) -> Result<(Vec<Bound>, Vec<Bound>), ListenerError> {
    if config.tls_port.is_none() && !tls.is_empty() {
        let allowed = "a port, with tls_cert and tls_key, as the service manager passed on a socket for TLS".to_owned();
        return Err(ListenerError::Setting { key: "tls_port", given: "not set".to_owned(), allowed });
    }
    let (mut plain, mut encrypted) = (Vec::new(), Vec::new());
    for (socket, is_named) in
        tcp.into_iter().map(|socket| (socket, false)).chain(tls.into_iter().map(|socket| (socket, true)))
    {
        socket.set_nonblocking(true).map_err(ListenerError::Inherited)?;
        let address = socket.local_addr().map_err(ListenerError::Inherited)?;
        // One without a name tells by its port what it is for.
        let is_for_tls = is_named || config.tls_port.is_some_and(|port| port == address.port());
        if is_for_tls { encrypted.push((socket, address)) } else { plain.push((socket, address)) }
    }
    Ok((plain, encrypted))
}

/// Listens on all hosts, at one port that the system chooses if it is 0.
fn listen_on(hosts: &[IpAddr], mut port: u16) -> Result<(Vec<TcpListener>, Vec<SocketAddr>), ListenerError> {
    // A socket for :: takes IPv4 as well unless it is told not to, and would then collide with one for 0.0.0.0.
    let only_v6 = hosts.iter().any(IpAddr::is_ipv4);
    let mut sockets = Vec::with_capacity(hosts.len());
    let mut addresses = Vec::with_capacity(hosts.len());
    for host in hosts {
        let wanted = SocketAddr::new(*host, port);
        let failed = |source| ListenerError::Bind { address: wanted, source };
        let socket = listen(wanted, only_v6).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        port = address.port();
        sockets.push(socket);
        addresses.push(address);
    }
    Ok((sockets, addresses))
}

fn listen(address: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    // Else a restart would have to wait for the connections of the last run to time out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The addresses of a list, each once.
fn parse_addresses(list: &str) -> Result<Vec<IpAddr>, ListenerError> {
    let mut addresses = Vec::new();
    for given in list.split([',', ' ', '\t']).filter(|given| !given.is_empty()) {
        for address in parse_host(given)? {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    if addresses.is_empty() {
        return Err(ListenerError::BadAddress { given: list.to_owned(), reason: "it is empty".to_owned() });
    }
    Ok(addresses)
}

/// An IP address, in brackets or not, or the addresses of a host name.
fn parse_host(given: &str) -> Result<Vec<IpAddr>, ListenerError> {
    let bare = given.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(given);
    if let Ok(address) = bare.parse() {
        return Ok(vec![address]);
    }
    match (given, 0).to_socket_addrs() {
        Ok(found) => Ok(found.map(|address| address.ip()).collect()),
        Err(error) => Err(ListenerError::BadAddress { given: given.to_owned(), reason: error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(list: &str) -> Vec<String> {
        parse_addresses(list).expect("addresses").iter().map(IpAddr::to_string).collect()
    }

    #[test]
    fn addresses_are_separated_by_commas_or_blanks() {
        assert_eq!(parse("127.0.0.1"), ["127.0.0.1"]);
        assert_eq!(parse("127.0.0.1, ::1 0.0.0.0,127.0.0.1"), ["127.0.0.1", "::1", "0.0.0.0"]);
        assert_eq!(parse("[::1]"), ["::1"]);
    }

    #[test]
    fn what_is_no_address_is_named() {
        for list in ["", " , ", "127.0.0.1,127.0.0.1:80", "300.1.1.1", "::g"] {
            let error = parse_addresses(list).expect_err(list);
            assert!(matches!(error, ListenerError::BadAddress { .. }), "{list}: {error}");
        }
    }

    #[test]
    fn an_address_in_use_is_named_with_what_to_do() {
        let config = Config { port: 0, ..Config::default() };
        let first = Listener::bind(&config).expect("a port that the system chose");
        let port = first.local_addresses()[0].port();
        let error = Listener::bind(&Config { port, ..config }).expect_err("in use");
        let text = error.to_string();
        assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
        assert!(text.contains(&format!("is another server on port {port}?")), "{text}");
    }

    #[test]
    fn several_addresses_share_the_port_that_the_system_chose() {
        let config = Config { bind: "127.0.0.1,127.0.0.2".to_owned(), port: 0, ..Config::default() };
        let listener = Listener::bind(&config).expect("loopback addresses");
        let ports: Vec<u16> = listener.local_addresses().iter().map(|a| a.port()).collect();
        assert_eq!(ports.len(), 2);
        assert!(ports[0] != 0 && ports[0] == ports[1]);
    }

    #[test]
    fn a_socket_without_tls_that_was_passed_on_is_refused_where_none_may_be() {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port that the system chose");
        let address = socket.local_addr().expect("bound");
        let tls_port = Some(if address.port() == 5263 { 5264 } else { 5263 });
        let (tls_cert, tls_key) = (Some("cert".into()), Some("key".into()));
        let config = Config { plaintext: false, tls_port, tls_cert, tls_key, ..Config::default() };
        let inherited = Inherited { tcp: vec![socket], ..Inherited::default() };
        let error = Listener::bind_with(&config, inherited).expect_err("it would serve plain text").to_string();
        assert!(error.contains("plaintext = false") && error.contains(&address.to_string()), "{error}");
    }
}
