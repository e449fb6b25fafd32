//! The UDP socket of the mesh.

use super::config::Config;
use super::error::MeshError;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, UdpSocket};

/// What is asked of the system for bursts; it may give less.
const SOCKET_BUFFER_BYTES: usize = 2 << 20;

/// Binds the socket that `[mesh] bind` and `port` ask for. `::` takes IPv4 as well.
///
/// # Errors
/// [`MeshError::Socket`] when the system refuses, [`MeshError::Config`] when `bind` is no address.
pub fn bind_socket(config: &Config) -> Result<UdpSocket, MeshError> {
    let address = config.bind_address().map_err(MeshError::Config)?;
    open(address).map_err(|error| MeshError::Socket { address: address.to_string(), error })
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // Small buffers lose datagrams in bursts, which is no reason not to start.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
    socket.bind(&address.into())?;
    Ok(socket.into())
}
