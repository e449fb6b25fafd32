//! Ctrl-C: the first one asks for an orderly end, the second one ends at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{process, thread};

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::exit::Exit;
use crate::cli::output::warn;

/// Whether the user wants it to end.
#[derive(Clone, Default)]
pub(in crate::cli) struct Interrupt {
    asked: Arc<AtomicBool>,
    last_words: Arc<Mutex<String>>,
}

impl Interrupt {
    /// Listens for Ctrl-C, and for what ends a service, from now on. Where that cannot be, they end the program as ever.
    pub(in crate::cli) fn listen() -> Self {
        let interrupt = Self::default();
        let listener = interrupt.clone();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = thread::Builder::new().name("signals".to_owned());
        let _ = thread.spawn(move || listener.wait(&ready));
        let _ = is_ready.recv();
        interrupt
    }

    fn wait(&self, ready: &std::sync::mpsc::Sender<()>) {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        runtime.block_on(async {
            let (Ok(mut first), Ok(mut second)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            let _ = ready.send(());
            loop {
                tokio::select! { _ = first.recv() => {}, _ = second.recv() => {} }
                if self.asked.swap(true, Ordering::SeqCst) {
                    let words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
                    warn(format_args!("stopped at once; {words}"));
                    process::exit(i32::from(Exit::Interrupted.status()));
                }
            }
        });
    }

    /// Whether it was asked for.
    pub(in crate::cli) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// What to say when it must end at once.
    pub(in crate::cli) fn set_last_words(&self, words: String) {
        *self.last_words.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }
}
