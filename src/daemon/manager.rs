//! What the service manager is told of the server, where one asked for it by `NOTIFY_SOCKET`.
//!
//! A thread of its own tells it, one word after another: a service manager that does not listen holds up nobody else.

use std::collections::VecDeque;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use sd_notify::NotifyState;

use crate::driver::Pulse;

/// The variable with the socket of a service manager that wants to be told.
const SOCKET: &str = "NOTIFY_SOCKET";
/// Lines that wait to be told. Of more, the oldest are left out.
const MAX_WAITING_LINES: usize = 16;
/// So often the manager is told that the server is alive within the time after which it takes it for stuck.
const BEATS_IN_TIME: u32 = 3;
/// How long the server's end waits for the last words to be told.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Tells whoever asked; none where nobody did.
static MANAGER: LazyLock<Option<Manager>> = LazyLock::new(|| {
    std::env::var_os(SOCKET)?;
    let spawned = std::thread::Builder::new().name("discnt-notify".to_owned()).spawn(|| {
        if let Some(manager) = &*MANAGER {
            manager.tell_all(tell);
        }
    });
    match spawned {
        Ok(_) => Some(Manager::default()),
        Err(error) => {
            tracing::warn!("the service manager will not be told anything: {error}");
            None
        }
    }
});

/// What the server is doing, in a line for people.
pub(super) fn tell_status(text: &str) {
    say(Word::Status(text.to_owned()));
}

/// Clients are served from now on.
pub(super) fn tell_ready(counters: u64) {
    say(Word::Ready(format!("serving; {counters} counters were loaded")));
}

/// For the node's loop, which thereby says that it is alive as often as the manager wants to hear of it; none where it does not.
pub(super) fn pulse() -> Option<Pulse> {
    MANAGER.as_ref()?;
    let silence = sd_notify::watchdog_enabled()?;
    Some(Pulse::new(silence / BEATS_IN_TIME, || say(Word::Alive)))
}

/// The configuration is being read again.
pub(super) fn tell_reloading() {
    say(Word::Reloading);
}

/// It was read or refused, and the server serves as the line says.
pub(super) fn tell_reloaded(text: &str) {
    say(Word::Ready(text.to_owned()));
}

/// The server is about to end.
pub(super) fn tell_stopping() {
    say(Word::Stopping);
}

/// Waits a moment until the last words are told.
pub(super) fn finish() {
    if let Some(manager) = &*MANAGER {
        manager.wait_until_told(LAST_WORDS);
    }
}

fn say(word: Word) {
    if let Some(manager) = &*MANAGER {
        manager.say(word);
    }
}

fn tell(word: &Word) {
    let told = match word {
        Word::Status(text) => sd_notify::notify(&[NotifyState::Status(text)]),
        Word::Ready(text) => sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(text)]),
        Word::Reloading => NotifyState::monotonic_usec_now().and_then(|now| {
            sd_notify::notify(&[NotifyState::Reloading, now, NotifyState::Status("reading the configuration again")])
        }),
        Word::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
        Word::Stopping => sd_notify::notify(&[NotifyState::Stopping, NotifyState::Status("stopping")]),
    };
    // Nobody's counts depend on it.
    if let Err(error) = told {
        tracing::debug!("the service manager could not be told: {error}");
    }
}

#[derive(Debug, PartialEq)]
enum Word {
    Status(String),
    Ready(String),
    Reloading,
    Alive,
    Stopping,
}

/// What is to be told, in order.
#[derive(Default)]
struct Manager {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    words: VecDeque<Word>,
    is_telling: bool,
}

impl Manager {
    fn say(&self, word: Word) {
        let mut waiting = self.waiting.lock();
        // Once is enough.
        if word == Word::Alive && waiting.words.contains(&Word::Alive) {
            return;
        }
        let is_line = |word: &Word| matches!(word, Word::Status(_));
        if is_line(&word) && waiting.words.iter().filter(|word| is_line(word)).count() >= MAX_WAITING_LINES {
            let oldest = waiting.words.iter().position(is_line);
            oldest.and_then(|oldest| waiting.words.remove(oldest));
        }
        waiting.words.push_back(word);
        self.changed.notify_all();
    }

    /// For ever.
    fn tell_all(&self, tell: impl Fn(&Word)) -> ! {
        let mut waiting = self.waiting.lock();
        loop {
            waiting.is_telling = false;
            let Some(word) = waiting.words.pop_front() else {
                self.changed.notify_all();
                self.changed.wait(&mut waiting);
                continue;
            };
            waiting.is_telling = true;
            parking_lot::MutexGuard::unlocked(&mut waiting, || tell(&word));
        }
    }

    fn wait_until_told(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let mut waiting = self.waiting.lock();
        while waiting.is_telling || !waiting.words.is_empty() {
            if self.changed.wait_until(&mut waiting, until).timed_out() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc;

    #[test]
    fn one_that_does_not_listen_holds_up_nobody_and_misses_old_lines_alone() {
        let manager = Arc::new(Manager::default());
        let (told, heard) = mpsc::sync_channel(0);
        let teller = Arc::clone(&manager);
        std::thread::spawn(move || teller.tell_all(|word| told.send(format!("{word:?}")).expect("a listener")));
        manager.say(Word::Ready("0".to_owned()));
        for line in 0..1000 {
            manager.say(Word::Status(line.to_string()));
        }
        manager.say(Word::Stopping);
        manager.wait_until_told(Duration::from_millis(1));
        let (mut words, deadline) = (Vec::new(), Duration::from_secs(30));
        while words.last().is_none_or(|word| word != "Stopping") {
            words.push(heard.recv_timeout(deadline).expect("another word"));
        }
        assert_eq!(words[0], "Ready(\"0\")");
        assert_eq!(words[words.len() - 2..], ["Status(\"999\")", "Stopping"]);
        assert!(words.len() <= MAX_WAITING_LINES + 3, "{words:?}");
        manager.wait_until_told(Duration::from_secs(30));
        assert!(manager.waiting.lock().words.is_empty());
    }
}
