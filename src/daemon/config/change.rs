//! CONFIG SET: from the configuration in effect to the next one, wholly valid or refused.

use std::collections::BTreeSet;

use figment::value::{Empty, Value};

use super::error::Problem;
use super::layers::{Layers, Origin};
use super::load::LoadedConfiguration;
use super::sections::SECTIONS;
use crate::command::ChangeRefused;

/// What may change while the node runs: whoever uses these looks at them anew.
pub(in crate::daemon) const CHANGEABLE: &[&str] = &[
    "commands.latency_threshold_ms",
    "commands.slowlog_max_len",
    "commands.slowlog_slower_than_micros",
    "counters.default_precision",
    "counters.max_counters",
    "counters.max_memory",
    "log.level",
    "resp.max_clients",
    "resp.normal_output_hard_bytes",
    "resp.normal_output_soft_bytes",
    "resp.normal_output_soft_seconds",
    "resp.password",
    "resp.password_file",
    "resp.protected_mode",
    "resp.pubsub_output_hard_bytes",
    "resp.pubsub_output_soft_bytes",
    "resp.pubsub_output_soft_seconds",
    "resp.tcp_keepalive_secs",
    "resp.timeout_seconds",
    "resp.tls_ca_cert",
    "resp.tls_cert",
    "resp.tls_certificate_user",
    "resp.tls_client_certificates",
    "resp.tls_handshake_seconds",
    "resp.tls_key",
];

impl LoadedConfiguration {
    /// The same with these settings, named as `section.key`.
    ///
    /// # Errors
    /// [`ChangeRefused`] names a setting that is unknown, has no such value, or cannot change while the node runs.
    pub(in crate::daemon) fn changed(&self, changes: &[(String, String)]) -> Result<Self, ChangeRefused> {
        let mut layers = Layers::default();
        for (name, value) in changes {
            let Some((section, key)) = name.split_once('.') else {
                let reason = format!("{name} has no section; allowed is section.key");
                return Err(ChangeRefused { key: Some(name.clone()), reason });
            };
            layers.add_change(section, key, value);
        }
        let mut next = Self::combine(self.clone(), layers).map_err(|error| refusal(&error.problems, changes))?;
        let changed = self.differences(&next);
        if let Some(key) = changed.iter().find(|key| !CHANGEABLE.contains(&key.as_str())) {
            let reason = format!(
                "{key} cannot be changed while the node runs; set it in the configuration file and start the node again"
            );
            return Err(ChangeRefused { key: Some(key.clone()), reason });
        }
        // What was set to what it was before is still where it came from.
        let is_changed = |key: &(String, String)| changed.contains(&format!("{}.{}", key.0, key.1));
        for (key, origin) in &mut next.origins {
            if *origin == Origin::Command && !is_changed(key) {
                *origin = self.origin(&key.0, &key.1);
            }
        }
        Ok(next)
    }

    /// The names of the settings that have another value in the other.
    fn differences(&self, other: &Self) -> BTreeSet<String> {
        let [before, after] = [self, other].map(|loaded| Value::serialize(&loaded.configuration).ok());
        let mut different = BTreeSet::new();
        for section in &SECTIONS {
            for key in section.keys() {
                let name = format!("{}.{key}", section.name);
                let value = |all: &Option<Value>| all.as_ref().and_then(|all| all.find_ref(&name).cloned());
                if value(&before) != value(&after) {
                    different.insert(name);
                }
            }
        }
        different
    }
}

impl Layers {
    /// Adds a value that a client has set. An empty text takes a setting back that need not be set.
    fn add_change(&mut self, section: &str, key: &str, value: &str) {
        self.add_text(section, key, Origin::Command, value);
        if let Some(setting) = self.settings.last_mut().filter(|_| value.is_empty()) {
            setting.readings.insert(0, Value::from(Empty::None));
        }
    }
}

fn refusal(problems: &[Problem], changes: &[(String, String)]) -> ChangeRefused {
    let reasons: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    let reason = reasons.join("; ");
    let named = |(name, _): &&(String, String)| {
        let key = name.rsplit('.').next().unwrap_or_default();
        reason.contains(key)
    };
    ChangeRefused { key: changes.iter().find(named).map(|(name, _)| name.clone()), reason }
}

#[cfg(test)]
mod tests {
    use super::super::Configuration;
    use super::*;
    use crate::daemon::Arguments;

    fn loaded(settings: &[&str]) -> LoadedConfiguration {
        let settings = settings.iter().map(|text| (*text).to_owned()).collect();
        let arguments = Arguments { settings, ..Arguments::default() };
        LoadedConfiguration::load(&arguments, []).expect("valid")
    }

    fn change(loaded: &LoadedConfiguration, pairs: &[(&str, &str)]) -> Result<LoadedConfiguration, ChangeRefused> {
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        loaded.changed(&pairs)
    }

    #[test]
    fn every_setting_that_may_change_is_one() {
        let known = Configuration::default();
        let known = Value::serialize(&known).expect("plain values");
        for name in CHANGEABLE {
            assert!(known.find_ref(name).is_some(), "{name}");
        }
    }

    #[test]
    fn settings_change_and_are_known_as_changed() {
        let before = loaded(&["resp.timeout_seconds=5", "resp.max_clients=9"]);
        let after = change(
            &before,
            &[
                ("resp.max_clients", "9"),
                ("resp.timeout_seconds", "7"),
                ("counters.max_memory", "64mb"),
                ("resp.password", "p"),
            ],
        );
        let after = after.expect("valid");
        assert_eq!((after.configuration.resp.timeout_seconds, after.configuration.counters.max_memory), (7, 64 << 20));
        assert_eq!(after.origin("resp", "timeout_seconds"), Origin::Command);
        assert_eq!(after.origin("resp", "max_clients"), Origin::Flag("--set"), "it is what it was");
        assert!(after.configuration.resp.password.is_some());
        let open = change(&after, &[("resp.password", "")]).expect("valid");
        assert_eq!(open.configuration.resp.password, None);
    }

    #[test]
    fn what_is_refused_is_named() {
        let before = loaded(&[]);
        for (pairs, key, words) in [
            (
                &[("resp.max_clients", "5"), ("resp.port", "1")][..],
                "resp.port",
                "cannot be changed while the node runs",
            ),
            (&[("resp.max_clients", "0")], "resp.max_clients", "allowed is 1 to 4294967295"),
            (&[("resp.max_clients", "many")], "resp.max_clients", "allowed is a whole number"),
            (&[("resp.max_client", "1")], "resp.max_client", "did you mean resp.max_clients?"),
            (&[("log.level", "loud")], "log.level", "\"loud\" is not a level"),
            (&[("log.level", "")], "log.level", "it is empty"),
            (&[("counters.settle_ms", "500")], "counters.settle_ms", "cannot be changed"),
            (
                &[("resp.timeout_seconds", "1"), ("resp.pubsub_output_soft_bytes", "99999999")],
                "resp.pubsub_output_soft_bytes",
                "at most pubsub_output_hard_bytes, which is 33554432",
            ),
        ] {
            let refused = change(&before, pairs).expect_err(words);
            assert!(refused.reason.contains(words), "{}", refused.reason);
            assert_eq!(refused.key.as_deref(), Some(key), "{}", refused.reason);
        }
        // The same value is no change.
        assert!(change(&before, &[("resp.port", "5262")]).is_ok());
    }
}
