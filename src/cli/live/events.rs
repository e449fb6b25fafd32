//! What a picture waits for: messages, time, keys, and the user's wish to leave.

use std::io::{self, IsTerminal, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use tokio::signal::unix::{SignalKind, signal};

use super::survey::Report;
use crate::cli::value::Value;

/// How many may wait. A server whose messages do not fit is read from later.
const WAITING: usize = 1024;

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
        let signalled = sender.clone();
        // Without them, signals do what they do to any program.
        let _ = thread::Builder::new().name("signals".to_owned()).spawn(move || signals(&ready, &signalled));
        let _ = is_ready.recv();
        // Otherwise the terminal's keys are somebody else's: a program in the background that reads them is stopped.
        if has_picture && io::stdin().is_terminal() {
            let pressed = sender.clone();
            let _ = thread::Builder::new().name("keys".to_owned()).spawn(move || keys(&pressed));
        }
        Self { receiver, sender }
    }

    /// Where others put theirs.
    pub(super) fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// The next one, [`Event::Due`] at the latest then.
    pub(super) fn next(&self, due: Instant) -> Event {
        match self.receiver.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => Event::Due,
            Err(RecvTimeoutError::Disconnected) => Event::Leave,
        }
    }
}

fn signals(ready: &SyncSender<()>, sender: &Sender) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
    runtime.block_on(async {
        let (Ok(mut interrupts), Ok(mut ends), Ok(mut hang_ups), Ok(mut sizes)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
            signal(SignalKind::hangup()),
            signal(SignalKind::window_change()),
        ) else {
            return;
        };
        let _ = ready.send(());
        loop {
            tokio::select! {
                _ = interrupts.recv() => break,
                _ = ends.recv() => break,
                _ = hang_ups.recv() => break,
                // With many events waiting, the picture is drawn soon anyway.
                _ = sizes.recv() => drop(sender.0.try_send(Event::Resized)),
            }
        }
        sender.send(Event::Leave);
    });
}

fn keys(sender: &Sender) {
    for key in io::stdin().lock().bytes().map_while(Result::ok) {
        if matches!(key, b'q' | b'Q') {
            sender.send(Event::Leave);
            return;
        }
    }
}
