//! The socket of a simulated host as the mesh's transport takes it, with what turmoil's network does not do: losing
//! single datagrams, and doubling them.

use crate::random::Random;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;
use turmoil::net::UdpSocket;

/// Datagrams that were taken off the network and not yet by the transport.
const QUEUE: usize = 1024;
/// More than any datagram of the mesh.
const DATAGRAM_BYTES: usize = 2048;

/// What becomes of datagrams, and what became of them.
pub(crate) struct Weather {
    random: Random,
    /// This part of the datagrams is lost.
    pub(crate) loss: f64,
    /// This part of the others arrives twice.
    pub(crate) doubling: f64,
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    /// Of the time, place, length and fate of every datagram, in order.
    trace: DefaultHasher,
}

impl Weather {
    pub(crate) fn new(seed: u64) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            random: Random::new(seed ^ 0x7765_6174_6865_7200),
            loss: 0.0,
            doubling: 0.0,
            sent: 0,
            lost: 0,
            doubled: 0,
            trace: DefaultHasher::new(),
        }))
    }

    /// How often the datagram goes out.
    fn copies(&mut self, from: SocketAddr, to: SocketAddr, bytes: usize) -> u64 {
        let (draw, second_draw) = (self.random.unit(), self.random.unit());
        let copies = match (draw < self.loss, second_draw < self.doubling) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => 2,
        };
        self.sent += 1;
        self.lost += u64::from(copies == 0);
        self.doubled += u64::from(copies == 2);
        (turmoil::sim_elapsed(), from, to, bytes, copies).hash(&mut self.trace);
        copies
    }

    pub(crate) fn note(&mut self, what: impl Hash) {
        what.hash(&mut self.trace);
    }

    pub(crate) fn trace(&self) -> u64 {
        self.trace.finish()
    }
}

pub(crate) fn lock(weather: &Mutex<Weather>) -> std::sync::MutexGuard<'_, Weather> {
    // A panic elsewhere is reported where it happened.
    weather.lock().unwrap_or_else(PoisonError::into_inner)
}

type Received = (Vec<u8>, SocketAddr);

/// A bound socket of the host that runs now.
pub(crate) struct SimulatedSocket {
    socket: Arc<UdpSocket>,
    local: SocketAddr,
    received: Mutex<mpsc::Receiver<Received>>,
    weather: Arc<Mutex<Weather>>,
}

impl SimulatedSocket {
    pub(crate) async fn bind(local: SocketAddr, weather: Arc<Mutex<Weather>>) -> io::Result<Arc<Self>> {
        let socket = Arc::new(UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, local.port())).await?);
        let (sender, received) = mpsc::channel(QUEUE);
        let pumped = Arc::clone(&socket);
        tokio::spawn(async move {
            let mut buffer = vec![0; DATAGRAM_BYTES];
            while let Ok((length, from)) = pumped.recv_from(&mut buffer).await {
                // As a full buffer of a system does it.
                let _ = sender.try_send((buffer[..length].to_vec(), from));
            }
        });
        Ok(Arc::new(Self { socket, local, received: Mutex::new(received), weather }))
    }
}

impl std::fmt::Debug for SimulatedSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedSocket").field("local", &self.local).finish_non_exhaustive()
    }
}

impl AsyncUdpSocket for SimulatedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let to = transmit.destination;
        for _ in 0..lock(&self.weather).copies(self.local, to, transmit.contents.len()) {
            // Nobody is told where nobody is.
            let _ = self.socket.try_send_to(transmit.contents, to);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((bytes, addr)) = ready!(received.poll_recv(context)) else {
            return Poll::Pending;
        };
        buffers[0][..bytes.len()].copy_from_slice(&bytes);
        metas[0] = RecvMeta { addr, len: bytes.len(), stride: bytes.len(), ecn: None, dst_ip: None };
        Poll::Ready(Ok(1))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
