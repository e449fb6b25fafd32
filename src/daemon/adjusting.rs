//! The configuration while the server runs: what CONFIG shows, changes and writes.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::LoadedConfiguration;
use super::config::{Configuration, ConfigurationError, Origin, Reread};
use super::door::{self, Door};
use super::logging::LevelSwitch;
use crate::command::{ChangeRefused, Configured, LiveNumber, Observation};
use crate::counter::Table;
use crate::driver::resident_bytes;
use crate::listener;

/// How often it is looked whether the process uses more memory than it may.
const MEMORY_INTERVAL: Duration = Duration::from_millis(100);

/// Whoever goes by settings that may change.
#[derive(Debug)]
pub(super) struct Adjusted {
    pub(super) listener: Arc<listener::Live>,
    pub(super) door: Arc<Door>,
    pub(super) max_clients: LiveNumber,
    pub(super) observation: Arc<Observation>,
    pub(super) level: LevelSwitch,
}

/// The configuration in effect, and all who have to hear of a change.
pub(super) struct Adjuster {
    loaded: Mutex<LoadedConfiguration>,
    adjusted: Adjusted,
    table: OnceLock<Arc<Table>>,
    /// One at a time writes the file: it has one name while it is not whole.
    rewriting: Mutex<()>,
    /// Settings that a variable or a flag gave at the start, which wins over the file.
    given_elsewhere: Vec<(String, String)>,
}

impl fmt::Debug for Adjuster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adjuster").field("adjusted", &self.adjusted).finish_non_exhaustive()
    }
}

impl Adjuster {
    /// Begins with `loaded`, in which ports that the system chose are filled in.
    pub(super) fn new(loaded: LoadedConfiguration, adjusted: Adjusted) -> Self {
        let given_elsewhere = loaded.given_elsewhere();
        let (loaded, rewriting) = (Mutex::new(loaded), Mutex::new(()));
        Self { loaded, adjusted, table: OnceLock::new(), rewriting, given_elsewhere }
    }

    /// The counters are there. What was changed before holds for them.
    pub(super) fn begin(&self, table: Arc<Table>) {
        let loaded = self.loaded.lock();
        adjust_table(&table, &loaded.configuration);
        // There is one table.
        let _ = self.table.set(table);
    }

    /// Refuses new counters while the process uses more memory than it may, for ever.
    pub(super) async fn watch_memory(&self) {
        let mut was_passed = false;
        loop {
            let most = self.loaded.lock().configuration.counters.max_memory;
            let passed = most > 0 && resident_bytes().is_some_and(|used| used > most);
            if let Some(table) = self.table.get() {
                table.set_out_of_memory(passed.then_some(most));
            }
            if passed != was_passed {
                if passed {
                    tracing::warn!("no new counters are made: more memory is used than max_memory = {most} bytes");
                } else {
                    tracing::info!("new counters are made again");
                }
            }
            was_passed = passed;
            tokio::time::sleep(MEMORY_INTERVAL).await;
        }
    }

    /// Goes by what was read anew from now on, as far as a server that runs can: see [`LoadedConfiguration::reread`].
    ///
    /// # Errors
    /// [`ConfigurationError`]; nothing was changed then.
    pub(super) fn reread(
        &self,
        started: &Configuration,
        fresh: LoadedConfiguration,
        live: &[&str],
    ) -> Result<Reread, ConfigurationError> {
        let mut loaded = self.loaded.lock();
        let reread = loaded.reread(started, fresh, live)?;
        self.apply(&reread.next.configuration);
        *loaded = reread.next.clone();
        Ok(reread)
    }

    fn apply(&self, configuration: &Configuration) {
        let Adjusted { listener, door: _, max_clients, observation, level } = &self.adjusted;
        let (resp, commands) = (&configuration.resp, &configuration.commands);
        listener.replace(resp);
        max_clients.replace(resp.max_clients.into());
        observation.slow_log.set_slower_than_micros(commands.slowlog_slower_than_micros);
        observation.slow_log.set_max_len(commands.slowlog_max_len);
        observation.latency.set_threshold_ms(commands.latency_threshold_ms);
        level.turn(&configuration.log);
        if let Some(table) = self.table.get() {
            adjust_table(table, configuration);
        }
    }
}

fn adjust_table(table: &Table, configuration: &Configuration) {
    table.set_max_counters(configuration.counters.max_counters);
    table.set_default_precision(configuration.counters.default_precision);
}

impl Configured for Adjuster {
    fn pairs(&self) -> Vec<(String, String)> {
        self.loaded.lock().configuration.pairs()
    }

    fn change(&self, changes: &[(String, String)]) -> Result<(), ChangeRefused> {
        // Held to the end, so that what is in effect is what is known as the configuration.
        let mut loaded = self.loaded.lock();
        let next = loaded.changed(changes)?;
        let door = &self.adjusted.door;
        // Read before anything is changed, also where a setting stays what it is: the file may be another. The files are small.
        let names_files = changes.iter().any(|(name, _)| door::IS_OF_FILES.contains(&name.as_str()));
        let prepared = names_files.then(|| door::prepare(&next.configuration, &door.credentials)).transpose();
        let prepared = prepared.and_then(|prepared| {
            prepared.as_ref().map_or(Ok(()), |prepared| door.refuse_expired(prepared)).map(|()| prepared)
        });
        let prepared = prepared.map_err(|reason| ChangeRefused { key: None, reason })?;
        self.apply(&next.configuration);
        if let Some(prepared) = prepared {
            let names: Vec<&str> = changes.iter().map(|(name, _)| name.as_str()).collect();
            door.change(prepared, &names, &next.configuration.resp);
        }
        *loaded = next;
        let names: Vec<&str> = changes.iter().map(|(name, _)| name.as_str()).collect();
        tracing::info!("settings were changed by a client: {}", names.join(", "));
        Ok(())
    }

    fn rewrite(&self) -> Result<(), String> {
        let _rewriting = self.rewriting.lock();
        // A copy: whoever asks for a setting must not wait for the disk.
        let loaded = self.loaded.lock().clone();
        loaded.rewrite().inspect_err(|error| tracing::warn!("the configuration was not rewritten: {error}"))?;
        for (section, key) in &self.given_elsewhere {
            if loaded.origin(section, key) == Origin::Command {
                tracing::warn!(
                    "{section}.{key} is in the configuration file now, and a variable or a flag that was given at the start \
                     wins over that at the next start"
                );
            }
        }
        Ok(())
    }
}
