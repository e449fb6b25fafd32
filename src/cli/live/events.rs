//! What a picture waits for: messages, time, keys, and the user's wish to leave.

use std::future;
use std::io::{self, IsTerminal, Read};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::screen;
use super::survey::Report;
use crate::cli::exit::Exit;
use crate::cli::value::Value;

/// How many may wait. A server whose messages do not fit is read from later.
const WAITING: usize = 1024;
/// How long a signal may wait to be heeded. Whoever writes to what nobody reads never does.
const PATIENCE: Duration = Duration::from_secs(1);

/// Something that happened.
#[derive(Debug)]
pub(super) enum Event {
    /// There is a connection again.
    Connected,
    /// A message of the server.
    Message(Value),
    /// What was found out about the busiest counters.
    Found(Box<Report>),
    /// The server does not do what it was asked for, and says why.
    Refused(String),
    /// No more messages come, and why.
    Silence(String),
    /// The terminal has another size.
    Resized,
    /// The user wants to leave, or the system wants it.
    Leave,
    /// The time has come.
    Due,
}

/// Where events come together.
pub(super) struct Events {
    receiver: Receiver<Event>,
    sender: Sender,
    leaving: Arc<Leaving>,
}

/// The wish to leave of whoever sent a signal, which goes before all that waits.
#[derive(Default)]
struct Leaving {
    is_asked: AtomicBool,
    is_heeded: AtomicBool,
}

/// Where others put theirs.
#[derive(Clone)]
pub(super) struct Sender(SyncSender<Event>);

impl Sender {
    /// One more. Answers whether anybody wants it.
    pub(super) fn send(&self, event: Event) -> bool {
        self.0.send(event).is_ok()
    }
}

impl Events {
    /// Listens for Ctrl-C and for what ends a program, for changes of the terminal's size, and with a picture for the key q.
    pub(super) fn listen(has_picture: bool) -> Self {
        let (events, receiver) = sync_channel(WAITING);
        let sender = Sender(events);
        let (ready, is_ready) = sync_channel(1);
        let leaving = Arc::new(Leaving::default());
        let (signalled, asked) = (sender.clone(), Arc::clone(&leaving));
        // Without them, signals do what they do to any program.
        let _ = thread::Builder::new().name("signals".to_owned()).spawn(move || signals(&ready, &signalled, &asked));
        let _ = is_ready.recv();
        // Otherwise the terminal's keys are somebody else's: a program in the background that reads them is stopped.
        if has_picture && io::stdin().is_terminal() {
            let pressed = sender.clone();
            let _ = thread::Builder::new().name("keys".to_owned()).spawn(move || keys(&pressed));
        }
        Self { receiver, sender, leaving }
    }

    /// Where others put theirs.
    pub(super) fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// The next one, [`Event::Due`] at the latest then.
    pub(super) fn next(&self, due: Instant) -> Event {
        let event = match self.receiver.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => Event::Due,
            Err(RecvTimeoutError::Disconnected) => Event::Leave,
        };
        if self.leaving.is_asked.load(Ordering::SeqCst) {
            self.leaving.is_heeded.store(true, Ordering::SeqCst);
            return Event::Leave;
        }
        event
    }
}

fn signals(ready: &SyncSender<()>, sender: &Sender, leaving: &Leaving) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() else { return };
    runtime.block_on(async {
        let (Ok(mut ends), Ok(mut sizes)) = (Ends::listen(), signal(SignalKind::window_change())) else { return };
        let _ = ready.send(());
        loop {
            tokio::select! {
                () = ends.next() => break,
                // With many events waiting, the picture is drawn soon anyway.
                _ = sizes.recv() => drop(sender.0.try_send(Event::Resized)),
            }
        }
        leaving.is_asked.store(true, Ordering::SeqCst);
        // Where many events wait, one of them is as good for being looked at.
        let _ = sender.0.try_send(Event::Leave);
        tokio::select! {
            () = ends.next() => {}
            () = unheeded(leaving) => {}
        }
        screen::give_back();
        process::exit(Exit::Interrupted.status().into());
    });
}

/// Ends when a signal was not heeded in time, and never if it was.
async fn unheeded(leaving: &Leaving) {
    tokio::time::sleep(PATIENCE).await;
    if leaving.is_heeded.load(Ordering::SeqCst) {
        future::pending().await
    }
}

/// The signals that end a program. Once listened to, they no longer do that by themselves.
struct Ends {
    interrupts: Signal,
    quits: Signal,
    ends: Signal,
    hang_ups: Signal,
}

impl Ends {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupts: signal(SignalKind::interrupt())?,
            // The key Ctrl-\ would leave the terminal with our picture.
            quits: signal(SignalKind::quit())?,
            ends: signal(SignalKind::terminate())?,
            hang_ups: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupts.recv() => {}
            _ = self.quits.recv() => {}
            _ = self.ends.recv() => {}
            _ = self.hang_ups.recv() => {}
        }
    }
}

fn keys(sender: &Sender) {
    for key in io::stdin().lock().bytes().map_while(Result::ok) {
        if matches!(key, b'q' | b'Q') {
            sender.send(Event::Leave);
            return;
        }
    }
}
