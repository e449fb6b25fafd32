//! What CONFIG GET shows: our own settings as `section.key`, and the names that Redis has for some of them.

use super::environment::{Environment, figure};
use crate::base::{Durability, Glob};
use std::collections::BTreeMap;

/// What a secret is shown as.
const HIDDEN: &str = "********";

/// Where the value of a parameter of Redis comes from.
#[derive(Clone, Copy)]
enum Source {
    /// The setting of ours that means the same.
    Setting(&'static str),
    /// What holds for every node, as the node does not have what the parameter turns on.
    Always(&'static str),
    /// The port that clients connect to.
    Port,
    /// How many clients there may be.
    MaxClients,
    /// Whether there is a password.
    Password,
    /// How often what is counted is made safe.
    Durability,
    /// Whether what is counted is written without being asked for.
    WritesByItself,
}

const REDIS_PARAMETERS: &[(&str, Source)] = &[
    ("appendfsync", Source::Durability),
    ("appendonly", Source::WritesByItself),
    ("bind", Source::Setting("resp.bind")),
    ("cluster-enabled", Source::Always("no")),
    ("cluster-node-timeout", Source::Setting("cluster.node_timeout_ms")),
    ("databases", Source::Always("1")),
    ("default-precision", Source::Setting("counters.default_precision")),
    ("dir", Source::Setting("storage.data_dir")),
    ("loglevel", Source::Setting("log.level")),
    ("maxclients", Source::MaxClients),
    ("maxmemory", Source::Always("0")),
    ("maxmemory-policy", Source::Always("noeviction")),
    ("port", Source::Port),
    ("requirepass", Source::Password),
    ("save", Source::Always("")),
    ("tcp-keepalive", Source::Setting("resp.tcp_keepalive_secs")),
    ("timeout", Source::Always("0")),
];

/// The settings whose names match one of the patterns (lower case), by name.
pub(super) fn matching(environment: &Environment, patterns: &[Vec<u8>]) -> BTreeMap<String, String> {
    let wanted = |name: &str| {
        let matches = |pattern: &Vec<u8>| Glob::new(pattern).matches(name.as_bytes());
        patterns.iter().any(matches)
    };
    let own = environment.settings.config.iter();
    let own = own.map(|(name, value)| (name.clone(), shown_value(name, value)));
    let of_redis = REDIS_PARAMETERS.iter().filter_map(|(name, source)| {
        let value = value_of(environment, *source)?;
        Some(((*name).to_owned(), value))
    });
    own.chain(of_redis).filter(|(name, _)| wanted(&name.to_ascii_lowercase())).collect()
}

fn value_of(environment: &Environment, source: Source) -> Option<String> {
    let settings = &environment.settings;
    Some(match source {
        Source::Setting(key) => {
            let same = |(name, _): &&(String, String)| name == key;
            settings.config.iter().find(same)?.1.clone()
        }
        Source::Always(value) => value.to_owned(),
        Source::Port => figure(&environment.process.tcp_port).to_string(),
        Source::MaxClients => settings.max_clients.to_string(),
        Source::Password => hidden(settings.required_password().unwrap_or_default()),
        Source::Durability => match environment.persistence.durability() {
            Durability::Always => "always".to_owned(),
            Durability::EverySecond => "everysec".to_owned(),
            Durability::Memory => "no".to_owned(),
        },
        Source::WritesByItself => {
            let writes = environment.persistence.durability() != Durability::Memory;
            (if writes { "yes" } else { "no" }).to_owned()
        }
    })
}

/// The value, unless its name says that it is a secret.
fn shown_value(name: &str, value: &str) -> String {
    let secret = ["password", "secret", "token"];
    if secret.iter().any(|word| name.contains(word)) { hidden(value) } else { value.to_owned() }
}

fn hidden(secret: &str) -> String {
    let shown = if secret.is_empty() { "" } else { HIDDEN };
    shown.to_owned()
}
