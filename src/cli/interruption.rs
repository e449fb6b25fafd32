//! Ctrl-C while messages are read: it ends that, and not the program.

use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::{process, thread};

use socket2::Socket;
use tokio::signal::unix::{SignalKind, signal};

use super::exit::Exit;

/// The one listener of this process: what is once taken from the system's hands cannot be given back.
static LISTENER: OnceLock<Listener> = OnceLock::new();

struct Listener {
    /// What Ctrl-C is to end. Where there is nothing, it ends the program, as without a listener.
    target: Mutex<Option<Socket>>,
    is_asked: AtomicBool,
}

impl Listener {
    fn target(&self) -> MutexGuard<'_, Option<Socket>> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get() -> &'static Self {
        LISTENER.get_or_init(|| {
            let (ready, is_ready) = mpsc::channel();
            // Without a listener Ctrl-C ends the program, which is no reason not to show messages.
            let _ = thread::Builder::new().name("signals".to_owned()).spawn(move || listen(&ready));
            let _ = is_ready.recv();
            Self { target: Mutex::new(None), is_asked: AtomicBool::new(false) }
        })
    }

    fn interrupt(&self) {
        match &*self.target() {
            Some(socket) => {
                self.is_asked.store(true, Ordering::SeqCst);
                // Whoever reads finds the end. A socket that is closed already ends it as well.
                let _ = socket.shutdown(Shutdown::Both);
            }
            None => process::exit(i32::from(Exit::Interrupted.status())),
        }
    }
}

fn listen(ready: &mpsc::Sender<()>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
    runtime.block_on(async {
        let Ok(mut interrupts) = signal(SignalKind::interrupt()) else { return };
        let _ = ready.send(());
        while interrupts.recv().await.is_some() {
            Listener::get().interrupt();
        }
    });
}

/// While it lives, Ctrl-C closes a connection.
pub(super) struct Interruptible(&'static Listener);

impl Interruptible {
    /// Has Ctrl-C close this connection from now on.
    pub(super) fn arm(socket: Socket) -> Self {
        let listener = Listener::get();
        listener.is_asked.store(false, Ordering::SeqCst);
        *listener.target() = Some(socket);
        Self(listener)
    }

    /// Whether it was Ctrl-C that closed it.
    pub(super) fn is_asked(&self) -> bool {
        self.0.is_asked.load(Ordering::SeqCst)
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        *self.0.target() = None;
    }
}
