//! The sections and what can be asked of each of them.

use figment::error::Kind;
use figment::value::{Dict, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::daemon::logging;
use crate::{command, counter, http, listener, membership, mesh, node, replication, storage, telemetry};

/// Every setting of a node.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Configuration {
    /// `[node]`: what the operator says of the node.
    pub node: node::Config,
    /// `[counters]`: how counters are announced and read.
    pub counters: counter::Config,
    /// `[resp]`: how clients are served.
    pub resp: listener::Config,
    /// `[http]`: where it is told how the node does.
    pub http: http::Config,
    /// `[mesh]`: how nodes reach each other.
    pub mesh: mesh::Config,
    /// `[cluster]`: when a node counts as gone.
    pub cluster: membership::Config,
    /// `[replication]`: how a node keeps up with the others.
    pub replication: replication::Config,
    /// `[storage]`: where the node keeps its data, and when.
    pub storage: storage::Config,
    /// `[log]`: what is logged, and where to.
    pub log: logging::Config,
    /// `[telemetry]`: where traces are sent.
    pub telemetry: telemetry::Config,
    /// `[commands]`: which commands are answered, and what is noted of them.
    pub commands: command::CommandsConfig,
    /// `[debug]`: what is for those who look for a fault.
    pub debug: command::Config,
    /// `[users.NAME]`: who may do what. No section of settings: its keys are names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, command::UserConfig>,
}

/// What stands before the names of users.
pub(super) const USERS: &str = "users";

impl Configuration {
    /// Every setting as `section.key` and its value in words; what is not set is left out.
    pub fn pairs(&self) -> Vec<(String, String)> {
        // Every section is a struct of plain values, which TOML can hold.
        let Ok(toml::Value::Table(mut sections)) = toml::Value::try_from(self) else { return Vec::new() };
        // They are shown by ACL, to those who may see hashes of passwords.
        sections.remove(USERS);
        let pairs = sections.into_iter().flat_map(|(section, keys)| {
            let keys = keys.as_table().cloned().unwrap_or_default();
            keys.into_iter().map(move |(key, value)| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                (format!("{section}.{key}"), text)
            })
        });
        pairs.collect()
    }

    /// The data directory: the one that was set, or `./discnt-data/PORT` of the port for clients.
    pub fn data_directory(&self) -> PathBuf {
        self.storage.directory(self.resp.port)
    }
}

/// One section, without its type.
pub(super) struct Section {
    pub(super) name: &'static str,
    read: fn(&Value) -> Result<(), Kind>,
    /// Whether the section's values are within their bounds and fit together.
    pub(super) check: fn(&Configuration) -> Result<(), String>,
}

pub(super) static SECTIONS: [Section; 12] = [
    Section {
        name: "node",
        read: read::<node::Config>,
        check: |all| node::check_labels(&all.node).map_err(|error| error.to_string()),
    },
    Section {
        name: "counters",
        read: read::<counter::Config>,
        check: |all| all.counters.validate().map_err(|error| format!("counters.{error}")),
    },
    Section {
        name: "resp",
        read: read::<listener::Config>,
        check: |all| all.resp.check().map_err(|error| error.to_string()),
    },
    Section {
        name: "http",
        read: read::<http::Config>,
        check: |all| all.http.check().map_err(|error| error.to_string()),
    },
    Section {
        name: "mesh",
        read: read::<mesh::Config>,
        check: |all| all.mesh.check().map_err(|error| error.to_string()),
    },
    Section {
        name: "cluster",
        read: read::<membership::Config>,
        check: |all| all.cluster.check().map_err(|error| error.to_string()),
    },
    Section {
        name: "replication",
        read: read::<replication::Config>,
        check: |all| all.replication.check().map_err(|error| format!("replication.{error}")),
    },
    Section {
        name: "storage",
        read: read::<storage::Config>,
        check: |all| {
            all.storage.check().map_err(|error| format!("storage.{error}"))?;
            data_directory_has_a_name(all)
        },
    },
    Section {
        name: "log",
        read: read::<logging::Config>,
        check: |all| all.log.check().map_err(|error| error.to_string()),
    },
    Section {
        name: "telemetry",
        read: read::<telemetry::Config>,
        check: |all| all.telemetry.check().map_err(|error| error.to_string()),
    },
    Section {
        name: "commands",
        read: read::<command::CommandsConfig>,
        check: |all| all.commands.check().map_err(|error| format!("commands.{error}")),
    },
    Section { name: "debug", read: read::<command::Config>, check: |_| Ok(()) },
];

fn read<T: DeserializeOwned>(value: &Value) -> Result<(), Kind> {
    value.deserialize::<T>().map(drop).map_err(|error| error.kind)
}

fn data_directory_has_a_name(all: &Configuration) -> Result<(), String> {
    if all.resp.port == 0 && all.storage.data_dir.is_none() {
        return Err("resp.port = 0 lets the system choose the port, so storage.data_dir cannot be named after it: \
                    set storage.data_dir (--data-dir) too"
            .to_owned());
    }
    Ok(())
}

impl Section {
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        SECTIONS.iter().find(|section| section.name == name)
    }

    /// The keys of the section, in the order in which its owner declares them.
    pub(super) fn keys(&self) -> &'static [&'static str] {
        // A section that is offered a key it cannot have says which ones it has.
        let impossible = Value::from(Dict::from([(String::new(), Value::from(0))]));
        match (self.read)(&impossible) {
            Err(Kind::UnknownField(_, keys)) => keys,
            other => unreachable!("section [{}] refuses unknown keys, but said {other:?}", self.name),
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.keys().contains(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_of_the_configuration_is_in_the_table() {
        let refused = toml::from_str::<Configuration>("[nothing]").expect_err("no such section").to_string();
        let names = SECTIONS.iter().map(|section| section.name).chain([USERS]);
        let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        assert!(refused.contains(&format!("expected one of {}", names.join(", "))), "{refused}");
    }

    #[test]
    fn every_section_tells_its_keys() {
        for section in &SECTIONS {
            assert!(!section.keys().is_empty(), "{}", section.name);
        }
        assert!(Section::named("resp").is_some_and(|section| section.has("port")));
        assert!(Section::named("mesh").is_some_and(|section| section.has("advertise") && !section.has("password")));
    }

    #[test]
    fn the_defaults_are_valid() {
        for section in &SECTIONS {
            assert_eq!((section.check)(&Configuration::default()), Ok(()), "{}", section.name);
        }
    }
}
