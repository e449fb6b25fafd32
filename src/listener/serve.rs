//! The threads that serve clients, from starting to stopping them.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::accept::{Accepted, Acceptor};
use super::bind::TlsSockets;
use super::buffers::BufferPool;
use super::coalescing::{Activity, coalesce};
use super::holds::Holds;
use super::service::{Connection, Service};
use super::session::{Session, SessionSettings, Shared};
use super::streams::{Accepting, Detached};
use super::tls::{HandshakePermit, Tls, refused_certificate};
use super::unix::{SocketFile, UnixSocket};
use super::{Listener, ListenerError};

/// New clients that wait for one thread to take them in.
const NEW_CLIENTS_PER_THREAD: usize = 128;
/// How often sessions are looked after.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Says when to stop, and until when stopping may take.
#[derive(Clone, Debug)]
pub(super) struct StopSignal(watch::Receiver<Option<Instant>>);

impl StopSignal {
    pub(super) fn new(receiver: watch::Receiver<Option<Instant>>) -> Self {
        Self(receiver)
    }

    /// Whether the server is stopping. Two atomic loads.
    pub(super) fn is_stopping(&self) -> bool {
        // The only change there is, and it is never marked as seen. An error means that the sender is gone.
        self.0.has_changed().unwrap_or(true)
    }

    /// Completes when the server stops.
    pub(super) async fn stopped(mut self) {
        // An error means that the sender is gone: nobody wants this to run any more.
        let _ = self.0.changed().await;
    }

    fn deadline(&self) -> Option<Instant> {
        *self.0.borrow()
    }
}

/// Clients being served. Dropping this stops serving without waiting for anything.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<Option<Instant>>,
    clients: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<usize>>,
    /// Taken away with this.
    _unix: Option<SocketFile>,
}

/// How stopping went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Clients that had replies outstanding at the deadline and were cut off.
    pub clients_cut_off: usize,
}

impl Listener {
    /// Begins to serve: one thread accepts, the others run the sessions, each on an event loop of its own.
    ///
    /// # Errors
    /// [`ListenerError::Thread`]; then nothing is served and the sockets are closed.
    pub fn serve<S: Service>(self, service: Arc<S>) -> Result<Running, ListenerError> {
        let config = &self.config;
        let (stop, signal) = watch::channel(None);
        let signal = StopSignal::new(signal);
        let settings = SessionSettings {
            limits: config.limits(),
            output_buffer_bytes: config.output_buffer_bytes as usize,
            requests_per_turn: config.requests_per_turn,
        };
        let clients = Arc::new(AtomicUsize::new(0));
        let mut threads = Vec::new();
        let mut senders = Vec::new();
        let pause = Duration::from_micros(config.coalesce_usec.into());
        for index in 0..config.thread_count() {
            let (sender, new_clients) = mpsc::channel(NEW_CLIENTS_PER_THREAD);
            let (service, signal) = (Arc::clone(&service), signal.clone());
            threads.push(spawn(format!("discnt-client-{index}"), pause, move |runtime, activity| {
                runtime.block_on(serve_clients(service, settings, activity, new_clients, signal))
            })?);
            senders.push(sender);
        }
        let (publishing, publishing_signal) = (Arc::clone(&service), signal.clone());
        threads.push(spawn("discnt-publish".to_owned(), Duration::ZERO, move |runtime, _| {
            runtime.block_on(async {
                tokio::select! {
                    () = publishing.publish() => {}
                    () = publishing_signal.stopped() => {}
                }
            });
            0
        })?);
        let acceptor = Arc::new(Acceptor {
            service,
            threads: senders,
            next_thread: AtomicUsize::new(0),
            clients: Arc::clone(&clients),
            live: self.live,
            refusals: Acceptor::<S>::refusals(),
        });
        let (unix, unix_file) = self.unix.map(|UnixSocket { listener, path, file }| ((listener, path), file)).unzip();
        let (sockets, tls) = (self.sockets, self.tls);
        threads.push(spawn("discnt-accept".to_owned(), Duration::ZERO, move |runtime, _| {
            runtime.block_on(accept_all(acceptor, sockets, tls, unix, signal));
            0
        })?);
        Ok(Running { stop, clients, threads, _unix: unix_file.flatten() })
    }
}

impl Running {
    /// How many clients are connected.
    pub fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }

    /// Stops: accepts nobody any more, finishes the requests that have arrived, writes their replies and closes the connections;
    /// who has not read them `within` this time is cut off. Blocks until all threads have ended.
    pub fn stop(mut self, within: Duration) -> Stopped {
        self.stop.send_replace(Some(Instant::now() + within));
        let mut clients_cut_off = 0;
        for thread in self.threads.drain(..) {
            match thread.join() {
                Ok(cut_off) => clients_cut_off += cut_off,
                Err(_) => tracing::error!("a thread that served clients has panicked"),
            }
        }
        Stopped { clients_cut_off }
    }
}

/// Starts a thread with an event loop of its own, which pauses for so long between busy spells; it returns how many clients it
/// cut off.
fn spawn(
    name: String,
    pause: Duration,
    run: impl FnOnce(&Runtime, Arc<Activity>) -> usize + Send + 'static,
) -> Result<JoinHandle<usize>, ListenerError> {
    let failed = |source: io::Error| ListenerError::Thread { name: name.clone(), source };
    let mut builder = Builder::new_current_thread();
    let activity = Arc::new(Activity::default());
    coalesce(builder.enable_all(), Arc::clone(&activity), pause);
    let runtime = builder.build().map_err(failed)?;
    thread::Builder::new().name(name.clone()).spawn(move || run(&runtime, activity)).map_err(failed)
}

/// Accepts on all sockets until the server stops, and looks after who was accepted.
async fn accept_all<S: Service>(
    acceptor: Arc<Acceptor<S>>,
    sockets: Vec<std::net::TcpListener>,
    tls: Option<TlsSockets>,
    unix: Option<(std::os::unix::net::UnixListener, Arc<Path>)>,
    stop: StopSignal,
) {
    let tcp = |socket| tokio::net::TcpListener::from_std(socket).map(Accepting::Tcp);
    let unix = unix.map(|(socket, path)| {
        tokio::net::UnixListener::from_std(socket).map(|listener| Accepting::Unix(listener, path))
    });
    let tls = tls.into_iter().flat_map(|TlsSockets { sockets, tls, .. }| {
        let encrypted =
            move |socket| tokio::net::TcpListener::from_std(socket).map(|it| Accepting::Tls(it, Arc::clone(&tls)));
        sockets.into_iter().map(encrypted)
    });
    let mut tasks = JoinSet::new();
    for listener in sockets.into_iter().map(tcp).chain(tls).chain(unix) {
        let (acceptor, stop) = (Arc::clone(&acceptor), stop.clone());
        match listener {
            Ok(listener) => {
                tasks.spawn(async move { acceptor.run(listener, stop).await });
            }
            Err(error) => tracing::error!(%error, "cannot accept clients on one of the addresses"),
        }
    }
    let accepted = async { while tasks.join_next().await.is_some() {} };
    let looked_after = async {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            acceptor.service.look_after();
        }
    };
    tokio::select! {
        () = accepted => {}
        () = looked_after => {}
    }
}

/// Runs the sessions that one thread is dealt, until the server stops; how many were cut off then.
async fn serve_clients<S: Service>(
    service: Arc<S>,
    settings: SessionSettings,
    activity: Arc<Activity>,
    mut new_clients: mpsc::Receiver<Accepted>,
    stop: StopSignal,
) -> usize {
    let pool = Arc::new(BufferPool::default());
    let holds = Arc::new(Holds::default());
    let mut sessions = JoinSet::new();
    // Goes on while sessions finish; ends with the thread's event loop.
    tokio::spawn({
        let (service, holds) = (Arc::clone(&service), Arc::clone(&holds));
        async move { holds.release_all(&*service).await }
    });
    // Ends when the accepting thread does, so nobody who was accepted is forgotten.
    loop {
        tokio::select! {
            accepted = new_clients.recv() => match accepted {
                Some(accepted) => {
                    let (service, stop) = (Arc::clone(&service), stop.clone());
                    let shared = (Arc::clone(&pool), Arc::clone(&holds), Arc::clone(&activity));
                    sessions.spawn(serve_client(service, settings, shared, accepted, stop));
                }
                None => break,
            },
            Some(_) = sessions.join_next(), if !sessions.is_empty() => {}
        }
    }
    if let Some(deadline) = stop.deadline() {
        let finished = async { while sessions.join_next().await.is_some() {} };
        // Past the deadline, whoever is left is cut off as the set is dropped.
        let _ = tokio::time::timeout_at(deadline.into(), finished).await;
    }
    sessions.len()
}

async fn serve_client<S: Service>(
    service: Arc<S>,
    settings: SessionSettings,
    shared: Shared<S>,
    accepted: Accepted,
    stop: StopSignal,
) {
    let Accepted { stream, connection, slot } = accepted;
    let peer = connection.peer.clone();
    let served = match stream {
        Detached::Tcp(stream) => match tokio::net::TcpStream::from_std(stream) {
            Ok(stream) => serve_stream(&*service, settings, shared, (stream, connection), stop).await,
            Err(error) => Err(error),
        },
        Detached::Tls(stream, tls, permit) => {
            serve_encrypted(&*service, settings, shared, (stream, tls, permit, connection), stop).await
        }
        Detached::Unix(stream) => match tokio::net::UnixStream::from_std(stream) {
            Ok(stream) => serve_stream(&*service, settings, shared, (stream, connection), stop).await,
            Err(error) => Err(error),
        },
    };
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "a client's connection broke");
    }
    drop(slot);
}

/// Makes the handshake, and serves.
async fn serve_encrypted<S: Service>(
    service: &S,
    settings: SessionSettings,
    shared: Shared<S>,
    (stream, tls, permit, connection): (std::net::TcpStream, Arc<Tls>, HandshakePermit, Connection),
    stop: StopSignal,
) -> io::Result<()> {
    let stream = tokio::net::TcpStream::from_std(stream)?;
    let (stream, certificate_user) = tokio::select! {
        biased;
        accepted = tls.accept(stream, permit) => accepted.inspect_err(|error| {
            if let Some(reason) = refused_certificate(error) {
                service.certificate_refused(&connection.peer, &reason);
            }
        })?,
        () = stop.clone().stopped() => return Ok(()),
    };
    // On the heap: what a connection without TLS takes must not grow by it.
    let connection = Connection { certificate_user, ..connection };
    Box::pin(serve_stream(service, settings, shared, (stream, connection), stop)).await
}

/// Serves until the session ends by itself or is ended; then the connection is closed whatever it is in.
async fn serve_stream<S: Service, T: AsyncRead + AsyncWrite + Unpin>(
    service: &S,
    settings: SessionSettings,
    shared: Shared<S>,
    (stream, connection): (T, Connection),
    stop: StopSignal,
) -> io::Result<()> {
    let state = service.open(connection);
    let ended = service.ended(&state);
    tokio::select! {
        biased;
        () = ended => Ok(()),
        served = Session::new(service, state, stream, shared, settings).run(stop) => served,
    }
}
