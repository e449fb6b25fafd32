//! Taking new connections and dealing them out to the threads that serve them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};

use super::serve::StopSignal;
use super::service::{Connection, Endpoint, Service};
use super::session;
use super::streams::{Accepting, Arrival, Detached};
use super::tls::ClientCertificates;
use super::{Config, Live};

/// How long to wait when the system is out of something that accepting takes, such as file descriptors.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);
/// The least time between two warnings of the same kind.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);
/// Clients that are being told at once that there are too many; beyond that they are just closed.
const REFUSALS_AT_ONCE: usize = 64;

const TOO_MANY: &str = "ERR max number of clients reached";
/// The first words are what clients know this by.
const DENIED: &str = "DENIED Discnt is running in protected mode: no password is set, so only clients on this machine (127.0.0.1, ::1, the unix socket) are served, and anyone else could count. To serve others, do one of these: set [resp] password, or CONFIG SET requirepass from a client on this machine; or, where nobody but friends can reach this port, set [resp] protected_mode = false, or CONFIG SET protected-mode no.";

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
    pub(super) stream: Detached,
    pub(super) connection: Connection,
    pub(super) slot: ClientSlot,
}

/// What all accepting tasks share.
pub(super) struct Acceptor<S> {
    pub(super) service: Arc<S>,
    pub(super) threads: Vec<mpsc::Sender<Accepted>>,
    pub(super) next_thread: AtomicUsize,
    pub(super) clients: Arc<AtomicUsize>,
    pub(super) live: Arc<Live>,
    pub(super) refusals: Arc<Semaphore>,
}

impl<S: Service> Acceptor<S> {
    pub(super) fn refusals() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(REFUSALS_AT_ONCE))
    }

    /// Accepts from one socket until the server stops.
    pub(super) async fn run(&self, listener: Accepting, stop: StopSignal) {
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
                    // Who is accepted is served if there is room, though it all ends: nobody else would.
                    tokio::select! {
                        biased;
                        handed = self.hand_over(stream, peer) => if let Err(error) = handed {
                            tracing::debug!(%error, "a client left while it was being accepted");
                        },
                        () = &mut stopping => return,
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

    async fn hand_over(&self, stream: Arrival, peer: Endpoint) -> io::Result<()> {
        let config = self.live.current();
        if self.denies(&config, &stream, &peer) {
            self.refuse(stream, DENIED);
            return Ok(());
        }
        let Some(slot) = ClientSlot::take(&self.clients, config.max_clients as usize) else {
            self.refuse(stream, TOO_MANY);
            return Ok(());
        };
        let keepalive = u64::from(config.tcp_keepalive_secs);
        stream.prepare((keepalive > 0).then(|| Duration::from_secs(keepalive)))?;
        let local = stream.local(&peer)?;
        let thread = self.next_thread.fetch_add(1, Ordering::Relaxed) % self.threads.len();
        let stream = match stream.detach() {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                self.service.refused();
                return Err(error);
            }
            detached => detached?,
        };
        let connection = Connection { peer, local, descriptor: stream.descriptor(), thread, certificate_user: None };
        // Fails only when the thread is gone, and then the server is stopping.
        let _ = self.threads[thread].send(Accepted { stream, connection, slot }).await;
        Ok(())
    }

    fn refuse(&self, stream: Arrival, reason: &'static str) {
        self.service.refused();
        if let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() {
            tokio::spawn(async move {
                // A client that is already gone needs no telling.
                let _ = match stream {
                    Arrival::Tcp(stream) => session::refuse(stream, reason).await,
                    Arrival::Tls(stream, tls) => match stream.peer_addr().ok().and_then(|peer| tls.permit(peer.ip())) {
                        Some(handshake) => match tls.accept(stream, handshake).await {
                            Ok((stream, _)) => session::refuse(stream, reason).await,
                            Err(error) => Err(error),
                        },
                        None => Ok(()),
                    },
                    Arrival::Unix(stream) => session::refuse(stream, reason).await,
                };
                drop(permit);
            });
        }
    }

    /// Whether the client is refused as nobody has said whom to let in. An authority of certificates says that, too.
    fn denies(&self, config: &Config, stream: &Arrival, peer: &Endpoint) -> bool {
        let is_vouched_for =
            matches!(stream, Arrival::Tls(..)) && config.tls_client_certificates == ClientCertificates::Required;
        config.protected_mode && !peer.is_local() && !is_vouched_for && self.service.lets_everyone_in()
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
