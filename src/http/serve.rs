//! The thread that answers, from starting to stopping it.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::connections::{Connections, Place};
use super::guard::Peer;
use super::routes::router;
use super::shown::Shown;
use super::watched::Watched;
use super::{Bound, Gate, HttpError, Source};

/// How long a client may take for TLS, and for the head of a request, be it the next on its connection.
const TLS_MAY_TAKE: Duration = Duration::from_secs(10);
const HEAD_MAY_TAKE: Duration = Duration::from_secs(10);
/// More than the headers of any browser.
const MAX_HEAD_BYTES: usize = 32 << 10;
/// What the system keeps for a client that does not read, so that it is soon found out.
const UNREAD_BYTES: usize = 64 << 10;
/// What is answered at the end is done sooner; nothing waits for it.
const END_MAY_TAKE: Duration = Duration::from_secs(1);
/// After the system has refused a connection, as when there are no more files.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(100);

/// HTTP being answered. Dropping this ends it.
#[derive(Debug)]
pub struct Running {
    stop: Option<oneshot::Sender<Infallible>>,
    /// Closed by the thread's end.
    ended: mpsc::Receiver<Infallible>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        // Whoever counts is not held up by whoever looks, at the end of the process neither.
        if self.ended.recv_timeout(END_MAY_TAKE) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!("the thread for HTTP is still busy, and is left alone");
        } else if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread for HTTP ended with a panic");
        }
    }
}

impl Bound {
    /// Answers whoever connects, on a thread of its own.
    ///
    /// # Errors
    /// [`HttpError::System`] when there is no thread for it.
    pub fn serve(self, source: Arc<Source>, gate: Arc<Gate>) -> Result<Running, HttpError> {
        let system = |what| move |source| HttpError::System { what, source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(system("an event loop"))?;
        let (stop, stopped) = oneshot::channel();
        let (lives, ended) = mpsc::channel();
        let run = move || {
            runtime.block_on(async move {
                tokio::select! {
                    _ = stopped => {}
                    result = answer_all(self, source, gate) => {
                        if let Err(error) = result {
                            tracing::error!("there is no HTTP any more: {error}");
                        }
                    }
                }
            });
            // Whatever is still being answered ends here.
            drop((runtime, lives));
        };
        let thread = thread::Builder::new().name("discnt-http".to_owned()).spawn(run).map_err(system("a thread"))?;
        Ok(Running { stop: Some(stop), ended, thread: Some(thread) })
    }
}

async fn answer_all(bound: Bound, source: Arc<Source>, gate: Arc<Gate>) -> io::Result<()> {
    let listener = TcpListener::from_std(bound.listener)?;
    let connections = Connections::new(bound.max_connections);
    let shown = Shown::new(source, bound.max_streams);
    tokio::spawn(Arc::clone(&shown).keep_looking());
    let router = router(shown, Arc::clone(&gate));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!("no connection for HTTP: {error}");
                tokio::time::sleep(PAUSE_AFTER_REFUSAL).await;
                continue;
            }
        };
        let place = connections.enter(peer.ip(), Instant::now());
        tokio::spawn(answer(stream, Peer(peer), router.clone(), Arc::clone(&gate), place));
    }
}

/// Answers one client, until its place is needed. What goes wrong on its connection is its own affair.
async fn answer(stream: TcpStream, peer: Peer, router: axum::Router, gate: Arc<Gate>, mut place: Place) {
    // Events are small, and wanted at once.
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(&stream).set_send_buffer_size(UNREAD_BYTES);
    let stream = Watched::new(stream, place.activity());
    let access = gate.current();
    let talk = async {
        match access.tls() {
            None => converse(stream, router, peer).await,
            Some(config) => {
                let shaken = tokio::time::timeout(TLS_MAY_TAKE, TlsAcceptor::from(config).accept(stream)).await;
                match shaken {
                    Ok(Ok(stream)) => converse(stream, router, peer).await,
                    Ok(Err(error)) => tracing::debug!("no TLS with a client of HTTP: {error}"),
                    Err(_) => tracing::debug!("a client of HTTP took too long for TLS"),
                }
            }
        }
    };
    tokio::select! {
        () = talk => {}
        () = gate.until_other_authorities(&access) => tracing::debug!("a connection for HTTP ended with what vouched for it"),
        () = place.until_needed() => tracing::debug!("a connection for HTTP made room for another"),
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin + 'static>(stream: S, router: axum::Router, peer: Peer) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_MAY_TAKE).max_buf_size(MAX_HEAD_BYTES);
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let served = server.serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!("a connection for HTTP ended: {error}");
    }
}
