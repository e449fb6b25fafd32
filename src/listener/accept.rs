//! Taking new connections and dealing them out to the threads that serve them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use super::serve::StopSignal;
use super::service::{Connection, Service};
use super::session;

/// How long to wait when the system is out of something that accepting takes, such as file descriptors.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);
/// The least time between two warnings of the same kind.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);
/// Clients that are being told at once that there are too many; beyond that they are just closed.
const REFUSALS_AT_ONCE: usize = 64;

/// A place among the `max_clients`, given back when dropped.
#[derive(Debug)]
pub(super) struct ClientSlot(Arc<AtomicUsize>);

impl ClientSlot {
    fn take(clients: &Arc<AtomicUsize>, max_clients: usize) -> Option<Self> {
        clients
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < max_clients).then_some(count + 1))
            .ok()
            .map(|_| Self(Arc::clone(clients)))
    }
}

impl Drop for ClientSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A new client on its way to the thread that will serve it.
#[derive(Debug)]
pub(super) struct Accepted {
    /// Belongs to no runtime's event queue while it moves from one to another.
    pub(super) stream: std::net::TcpStream,
    pub(super) connection: Connection,
    pub(super) slot: ClientSlot,
}

/// What all accepting tasks share.
pub(super) struct Acceptor<S> {
    pub(super) service: Arc<S>,
    pub(super) threads: Vec<mpsc::Sender<Accepted>>,
    pub(super) next_thread: AtomicUsize,
    pub(super) clients: Arc<AtomicUsize>,
    pub(super) max_clients: usize,
    pub(super) keepalive: Option<TcpKeepalive>,
    pub(super) refusals: Arc<Semaphore>,
}

impl<S: Service> Acceptor<S> {
    pub(super) fn refusals() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(REFUSALS_AT_ONCE))
    }

    /// Accepts from one socket until the server stops.
    pub(super) async fn run(&self, listener: TcpListener, stop: StopSignal) {
        let mut last_warning: Option<Instant> = None;
        let mut stopping = std::pin::pin!(stop.stopped());
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stopping => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    tokio::select! {
                        biased;
                        () = &mut stopping => return,
                        handed = self.hand_over(stream, peer) => if let Err(error) = handed {
                            tracing::debug!(%peer, %error, "a client left while it was being accepted");
                        },
                    }
                }
                Err(error) if concerns_one_client(&error) => {}
                Err(error) => {
                    if last_warning.is_none_or(|at| at.elapsed() >= WARNING_INTERVAL) {
                        last_warning = Some(Instant::now());
                        tracing::warn!(
                            %error,
                            clients = self.clients.load(Ordering::Relaxed),
                            "cannot accept clients now, will keep trying; if files are the limit, raise it (ulimit -n, LimitNOFILE=)"
                        );
                    }
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
            }
        }
    }

    async fn hand_over(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        let Some(slot) = ClientSlot::take(&self.clients, self.max_clients) else {
            self.refuse(stream);
            return Ok(());
        };
        stream.set_nodelay(true)?;
        if let Some(keepalive) = &self.keepalive {
            SockRef::from(&stream).set_tcp_keepalive(keepalive)?;
        }
        let local = stream.local_addr()?;
        let thread = self.next_thread.fetch_add(1, Ordering::Relaxed) % self.threads.len();
        let accepted = Accepted { stream: stream.into_std()?, connection: Connection { peer, local, thread }, slot };
        // Fails only when the thread is gone, and then the server is stopping.
        let _ = self.threads[thread].send(accepted).await;
        Ok(())
    }

    fn refuse(&self, stream: TcpStream) {
        self.service.refused();
        if let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() {
            tokio::spawn(async move {
                // A client that is already gone needs no telling.
                let _ = session::refuse(stream, "ERR max number of clients reached").await;
                drop(permit);
            });
        }
    }
}

/// Whether an error of accept is about the connection that it would have returned, and not about this process.
fn concerns_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::TimedOut
    )
}
