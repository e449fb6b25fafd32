//! Reading the configuration again while the server runs, and with it what it names, such as certificates.
//!
//! All or nothing: everything is read and checked first, and one thing that is wrong leaves all as it was. What can change while
//! a server runs changes by the way that CONFIG SET takes; what cannot is named.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::adjusting::Adjuster;
use super::config::Reread;
use super::manager;
use super::serve::ServeError;
use super::status::Status;
use super::{Arguments, Configuration, LoadedConfiguration};

/// What is read again together with the configuration: files that it names.
///
/// Whoever has such files makes a value of this and adds it to the list in `serve.rs`.
pub(super) trait Reloadable: Send + Sync {
    /// What it is, for messages, as "the certificates of the mesh".
    fn what(&self) -> &'static str;

    /// Settings, as `section.key`, that take effect by this and need no restart. None unless said otherwise.
    fn settings(&self) -> &'static [&'static str] {
        &[]
    }

    /// Reads and checks everything anew, by the configuration that is to be in effect, and changes nothing yet. May wait for a disk.
    ///
    /// # Errors
    /// What is wrong and in which file, in a line for an operator.
    fn prepare(&self, configuration: &Configuration) -> Result<Prepared, String>;
}

/// Puts in effect what was found good. Cannot fail. Answers what is new in a line for the log; none where all is as it was.
pub(super) type Prepared = Box<dyn FnOnce() -> Option<String> + Send>;

/// Reads all of it again.
pub(super) struct Reloading {
    arguments: Arguments,
    /// What was read at the start, before ports that the system chose were filled in.
    started: Configuration,
    adjuster: Arc<Adjuster>,
    also: Vec<Box<dyn Reloadable>>,
    one_at_a_time: Mutex<()>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Reloaded {
    /// Settings in effect.
    changed: Vec<String>,
    /// Settings that CONFIG SET has changed, and that stay so.
    kept: Vec<String>,
    /// Settings that wait for a restart.
    later: Vec<String>,
    /// What the others say.
    words: Vec<String>,
}

impl Reloading {
    pub(super) fn new(
        arguments: Arguments,
        started: Configuration,
        adjuster: Arc<Adjuster>,
        also: Vec<Box<dyn Reloadable>>,
    ) -> Self {
        Self { arguments, started, adjuster, also, one_at_a_time: Mutex::new(()) }
    }

    /// Reads everything again. Waits for the disk.
    ///
    /// # Errors
    /// Everything that is wrong, in lines for an operator. Nothing was changed then.
    pub(super) fn reload(&self) -> Result<Reloaded, String> {
        let _one_at_a_time = self.one_at_a_time.lock();
        let fresh =
            LoadedConfiguration::load(&self.arguments, std::env::vars_os()).map_err(|error| error.to_string())?;
        let (mut prepared, mut problems) = (Vec::new(), Vec::new());
        for other in &self.also {
            match other.prepare(&fresh.configuration) {
                Ok(put_in_effect) => prepared.push(put_in_effect),
                Err(problem) => problems.push(format!("{}: {problem}", other.what())),
            }
        }
        if !problems.is_empty() {
            return Err(problems.join("\n"));
        }
        let live: Vec<&str> = self.also.iter().flat_map(|other| other.settings()).copied().collect();
        let Reread { changed, kept, later, .. } =
            self.adjuster.reread(&self.started, fresh, &live).map_err(|error| error.to_string())?;
        let words = prepared.into_iter().filter_map(|put_in_effect| put_in_effect()).collect();
        Ok(Reloaded { changed, kept, later, words })
    }

    /// Reads everything again whenever SIGHUP comes, for ever.
    pub(super) async fn follow(self: Arc<Self>, hang_ups: &mut HangUps, status: &Status) {
        while hang_ups.0.recv().await.is_some() {
            tracing::info!("SIGHUP received: reading the configuration again");
            manager::tell_reloading();
            let outcome = Arc::clone(&self).reload_aside().await;
            tell(&outcome);
            status.reloaded(outcome.err());
            manager::tell_reloaded(&status.line());
        }
    }

    /// On a thread of its own: a disk that does not answer keeps nobody from stopping the server.
    async fn reload_aside(self: Arc<Self>) -> Result<Reloaded, String> {
        let (answer, answered) = oneshot::channel();
        let reload = move || drop(answer.send(self.reload()));
        let spawned = std::thread::Builder::new().name("discnt-reload".to_owned()).spawn(reload);
        spawned.map_err(|error| format!("there is no thread for it: {error}"))?;
        answered.await.unwrap_or_else(|_| Err("reading it ended with a panic; see the log above".to_owned()))
    }
}

/// SIGHUPs. One that comes before it is waited for is not lost.
pub(super) struct HangUps(Signal);

impl HangUps {
    pub(super) fn catch() -> Result<Self, ServeError> {
        let caught = signal(SignalKind::hangup());
        caught.map(Self).map_err(|error| ServeError::System { what: "a signal handler", error })
    }
}

fn tell(outcome: &Result<Reloaded, String>) {
    let reloaded = match outcome {
        Ok(reloaded) => reloaded,
        Err(problems) => {
            tracing::error!(event = "reload_refused", "nothing was changed, the server goes on as it was: {problems}");
            return;
        }
    };
    let Reloaded { changed, kept, later, words } = reloaded;
    let changed = (!changed.is_empty()).then(|| format!("changed: {}", changed.join(", ")));
    let all: Vec<&str> = changed.iter().chain(words).map(String::as_str).collect();
    let line = if all.is_empty() { "no setting was changed".to_owned() } else { all.join("; ") };
    tracing::info!(event = "reloaded", "the configuration was read again; {line}");
    if !later.is_empty() {
        tracing::warn!(event = "reload_waits", "takes effect after a restart: {}", later.join(", "));
    }
    if !kept.is_empty() {
        tracing::warn!(
            event = "reload_kept",
            "stays as CONFIG SET has it, though the configuration says otherwise: {} (CONFIG REWRITE writes it into the file)",
            kept.join(", ")
        );
    }
}
