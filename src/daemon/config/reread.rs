//! Reading the configuration again: what of it takes effect at once, and what waits for the next start.

use figment::value::Value;

use super::change::CHANGEABLE;
use super::error::ConfigurationError;
use super::layers::{Layers, Origin, Setting};
use super::load::LoadedConfiguration;
use super::sections::{Configuration, SECTIONS};

/// What comes of a configuration that was read again. Settings are named as `section.key`.
#[derive(Debug)]
pub(in crate::daemon) struct Reread {
    /// What is to be in effect.
    pub(in crate::daemon) next: LoadedConfiguration,
    /// What takes effect now.
    pub(in crate::daemon) changed: Vec<String>,
    /// What a client has changed, and the file says otherwise. It stays: a password that was set must not go because of a new
    /// certificate.
    pub(in crate::daemon) kept: Vec<String>,
    /// What takes effect after a restart.
    pub(in crate::daemon) later: Vec<String>,
}

impl LoadedConfiguration {
    /// What `fresh` makes of this, which is in effect, in a server that has read `started` when it began. Beside what CONFIG SET
    /// can change, the settings in `live` take effect at once.
    ///
    /// # Errors
    /// [`ConfigurationError`] when `fresh` does not go with what stays.
    pub(in crate::daemon) fn reread(
        &self,
        started: &Configuration,
        fresh: Self,
        live: &[&str],
    ) -> Result<Reread, ConfigurationError> {
        let [running, read, first] = [&self.configuration, &fresh.configuration, started].map(Value::serialize);
        // Every section is a struct of plain values.
        let plain = |error: figment::Error| ConfigurationError::one("all sources together", error.to_string());
        let (running, read, first) = (running.map_err(plain)?, read.map_err(plain)?, first.map_err(plain)?);
        let (mut layers, mut changed, mut kept, mut later) = (Layers::default(), Vec::new(), Vec::new(), Vec::new());
        for section in &SECTIONS {
            for key in section.keys() {
                let name = format!("{}.{key}", section.name);
                let (is, is_read) = (running.find_ref(&name), read.find_ref(&name));
                let origin = self.origin(section.name, key);
                let stays = if origin == Origin::Command {
                    kept.extend((is != is_read).then(|| name.clone()));
                    is != is_read
                } else if CHANGEABLE.contains(&name.as_str()) || live.contains(&name.as_str()) {
                    changed.extend((is != is_read).then(|| name.clone()));
                    false
                } else {
                    // What runs may differ from both, as a port that the system chose does.
                    later.extend((first.find_ref(&name) != is_read).then(|| name.clone()));
                    true
                };
                if let Some(value) = is.filter(|_| stays) {
                    let (section, key, readings) = (section.name.to_owned(), (*key).to_owned(), vec![value.clone()]);
                    layers.settings.push(Setting { section, key, origin, given: String::new(), readings });
                }
            }
        }
        let next = Self::combine(fresh, layers)?;
        Ok(Reread { next, changed, kept, later })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::Arguments;

    fn loaded(settings: &[&str]) -> LoadedConfiguration {
        let settings = settings.iter().map(|text| (*text).to_owned()).collect();
        let arguments = Arguments { settings, ..Arguments::default() };
        LoadedConfiguration::load(&arguments, []).expect("valid")
    }

    fn set(before: &LoadedConfiguration, name: &str, value: &str) -> LoadedConfiguration {
        before.changed(&[(name.to_owned(), value.to_owned())]).expect("can be changed")
    }

    #[test]
    fn what_can_change_does_and_what_cannot_is_named() {
        let before = loaded(&["resp.max_clients=5", "resp.port=0", "storage.data_dir=d", "resp.password=p"]);
        let started = before.configuration.clone();
        let mut running = before.clone();
        running.configuration.resp.port = 4711;
        let fresh = loaded(&["log.level=debug", "resp.port=0", "storage.data_dir=d", "counters.settle_ms=500"]);
        let reread = running.reread(&started, fresh, &[]).expect("valid");
        assert_eq!(reread.changed, ["resp.password", "resp.max_clients", "log.level"].map(str::to_owned));
        assert_eq!(reread.later, ["counters.settle_ms"]);
        assert_eq!(reread.kept, [""; 0]);
        let next = reread.next;
        assert_eq!((next.configuration.resp.port, next.configuration.resp.max_clients), (4711, 10_000));
        assert_eq!(next.configuration.resp.password, None);
        assert_eq!(next.configuration.counters.settle_ms, started.counters.settle_ms, "not before a restart");
        assert_eq!(next.origin("log", "level"), Origin::Flag("--set"));
        // Read once more it is no news, but for what still waits.
        let fresh = loaded(&["log.level=debug", "resp.port=0", "storage.data_dir=d", "counters.settle_ms=500"]);
        let again = next.reread(&started, fresh, &[]).expect("valid");
        assert_eq!((again.changed.len(), again.later), (0, vec!["counters.settle_ms".to_owned()]));
    }

    #[test]
    fn what_a_client_has_set_stays_until_the_file_says_the_same() {
        let before = loaded(&["resp.max_clients=5"]);
        let started = before.configuration.clone();
        let running = set(&before, "resp.password", "secret");
        let reread = running.reread(&started, loaded(&["resp.max_clients=6"]), &[]).expect("valid");
        assert_eq!(
            (reread.changed, reread.kept),
            (vec!["resp.max_clients".to_owned()], vec!["resp.password".to_owned()])
        );
        assert!(reread.next.configuration.resp.password.is_some());
        assert_eq!(reread.next.origin("resp", "password"), Origin::Command);
        let agreed = reread.next.reread(&started, loaded(&["resp.password=secret"]), &[]).expect("valid");
        assert_eq!((agreed.kept.len(), agreed.next.origin("resp", "password")), (0, Origin::Flag("--set")));
    }

    #[test]
    fn settings_that_somebody_takes_live_are_no_news_for_later() {
        let before = loaded(&[]);
        let fresh = loaded(&["mesh.cert=/c", "mesh.key=/k", "mesh.ca_cert=/a"]);
        let live = ["mesh.cert", "mesh.key", "mesh.ca_cert"];
        let reread = before.reread(&before.configuration, fresh, &live).expect("valid");
        assert_eq!((reread.changed.len(), reread.later.len()), (3, 0));
        assert!(reread.next.configuration.mesh.cert.is_some());
    }

    #[test]
    fn a_file_that_does_not_go_with_what_a_client_has_set_is_refused() {
        let before = loaded(&[]);
        let running = set(&before, "resp.normal_output_soft_bytes", "3000000");
        let fresh = loaded(&["resp.normal_output_hard_bytes=2000000"]);
        let refused =
            running.reread(&before.configuration, fresh, &[]).expect_err("the soft limit is above the hard one");
        assert!(refused.to_string().contains("at most normal_output_hard_bytes"), "{refused}");
        assert!(refused.to_string().contains("CONFIG SET"), "{refused}");
    }
}
